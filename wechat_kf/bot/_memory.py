"""
The inbox in one process's memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Literal

import attrs

from .._clock import Clock, SystemClock
from ._inbox import Allowance, Arrival, Arrived, InboxWorker, Interrupt, Lost, News, Orphan, Place, Turn

__all__ = ["MemoryInbox"]

_REPLY_SECONDS: Final = 20.0
_MAX_ATTEMPTS: Final = 3


@attrs.define(eq=False)
class _Record:
    """
    A push.

    Attributes:
        holder: The worker that holds it; None once it is done.

        since: When it arrived.

        messages: How many messages it was marked for.

        is_repeated: Whether a repetition was given the bytes of its reply.
    """

    holder: _Worker | None
    place: Place
    payload: bytes
    since: float
    at_once: bool
    state: Literal["handling", "replying", "sending"] = "handling"
    requests: int = 1
    messages: int = 0
    reply: bytes | None = None
    is_repeated: bool = False


class MemoryInbox:
    """
    The inbox of one process: what is under way when the process dies is lost with it.

    Args:
        max_size: How many pushes are remembered after they are done, and how many customers' allowances; the oldest go
            first.

        seconds: How long a push is remembered; WeChat repeats within a minute.

        clock: The clock.
    """

    def __init__(self, *, max_size: int = 100_000, seconds: float = 600.0, clock: Clock | None = None) -> None:
        if max_size < 1:
            raise ValueError("max_size must be at least 1")
        self._max_size = max_size
        self._seconds = seconds
        self._clock = SystemClock() if clock is None else clock
        self._workers: list[_Worker] = []
        self._records: dict[tuple[str, str], _Record] = {}
        self._queues: dict[tuple[str, str], deque[_Record]] = {}
        # Until when each is kept. All are kept equally long, so that the first is always the next to go.
        self._done: dict[tuple[str, str], float] = {}
        self._replies: deque[tuple[float, _Record]] = deque()
        self._allowances: dict[tuple[str, str], tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._records)

    @asynccontextmanager
    async def join(
        self,
        notify: Callable[[News], None],
        *,
        stale: float,
        appid: str | None = None,  # noqa: ARG002 - here nothing is left from before
    ) -> AsyncGenerator[InboxWorker]:
        """
        Take part as a worker for as long as the block lasts.
        """
        worker = _Worker(self, notify, stale)
        self._workers.append(worker)
        try:
            yield worker
        finally:
            self._workers.remove(worker)
            for record in [record for record in self._records.values() if record.holder is worker]:
                self._take_from_dead(record)

    def arrive(self, worker: _Worker, arrival: Arrival) -> Arrived:
        """
        Note a delivery.
        """
        now = self._clock.monotonic()
        self._forget_old(now)
        key = (arrival.account, arrival.key)
        record = self._records.get(key)
        if record is not None:
            record.requests += 1
            if record.reply is not None:
                record.is_repeated = True
            return Arrived(record.requests, reply=record.reply)
        place = Place(arrival.account, arrival.openid, arrival.key)
        record = self._records[key] = _Record(worker, place, arrival.payload, now, arrival.at_once)
        customer = (arrival.account, arrival.openid)
        self._allow(customer, arrival.allowance, now)
        if arrival.interrupt:
            self._interrupt(record)
        if arrival.at_once:
            return Arrived(1, place, is_turn=True)
        queue = self._queues.setdefault(customer, deque())
        queue.append(record)
        return Arrived(1, place, is_turn=len(queue) == 1)

    def reply(self, worker: _Worker, place: Place, request: int, body: bytes) -> bool:
        """
        Mark a push as replied to.
        """
        record = self._held(worker, place)
        if record is None or record.requests != request:
            return False
        record.state, record.reply = "replying", body
        self._replies.append((self._clock.monotonic() + _REPLY_SECONDS, record))
        return True

    def send(self, worker: _Worker, place: Place, number: int) -> bool:
        """
        Mark a message as about to be sent.
        """
        record = self._held(worker, place)
        if record is None or record.is_repeated:
            return False
        record.state, record.messages, record.reply = "sending", number, None
        customer = (place.account, place.openid)
        if customer in self._allowances:
            left, until = self._allowances[customer]
            self._allowances[customer] = (max(0, left - 1), until)
        return True

    def done(self, worker: _Worker, place: Place) -> None:
        """
        Settle a push.
        """
        record = self._held(worker, place)
        if record is not None:
            self._settle(record)

    def hand_over(self, worker: _Worker, places: Sequence[Place]) -> bool:
        """
        Give pushes away.
        """
        others = [other for other in self._workers if other is not worker]
        for place in places:
            record = self._held(worker, place)
            if record is not None:
                self._pass_on(record, others)
        return bool(others)

    def allowance(self, account: str, openid: str) -> Allowance | None:
        """
        Return what may still be sent to a customer.
        """
        messages, until = self._allowances.get((account, openid), (0, 0.0))
        seconds = until - self._clock.monotonic()
        return Allowance(messages, seconds) if seconds > 0 else None

    def _held(self, worker: _Worker, place: Place) -> _Record | None:
        record = self._records.get((place.account, place.key))
        return record if record is not None and record.holder is worker and record.place == place else None

    def _allow(self, customer: tuple[str, str], allowance: Allowance | None, now: float) -> None:
        if allowance is None:
            return
        left, until = self._allowances.pop(customer, (0, 0.0))
        if until <= now:
            left = 0
        self._allowances[customer] = (max(left, allowance.messages), max(until, now + allowance.seconds))
        if len(self._allowances) > self._max_size:
            del self._allowances[next(iter(self._allowances))]

    def _interrupt(self, by: _Record) -> None:
        holders = [(record.holder, record.place) for record in self._queues.get(_customer(by), ()) if record.holder]
        for holder, place in holders:
            holder.notify(Interrupt(place))

    def _settle(self, record: _Record) -> None:
        record.holder, record.payload = None, b""
        self._done[record.place.account, record.place.key] = self._clock.monotonic() + self._seconds
        self._leave(record)

    def _leave(self, record: _Record) -> None:
        queue = self._queues.get(_customer(record))
        if record.at_once or queue is None:
            return
        was_first = queue[0] is record
        queue.remove(record)
        if not queue:
            del self._queues[_customer(record)]
        elif was_first and queue[0].holder is not None:
            queue[0].holder.notify(Turn(queue[0].place))

    def _take_from_dead(self, record: _Record) -> None:
        if record.state == "handling" and record.place.attempt < _MAX_ATTEMPTS:
            self._pass_on(record, self._workers)
            return
        self._tell_lost(record, self._workers)
        self._settle(record)

    def _pass_on(self, record: _Record, others: Sequence[_Worker]) -> None:
        """
        Give a push to another worker; without one, forget it.
        """
        if not others:
            record.holder = None
            del self._records[record.place.account, record.place.key]
            self._leave(record)
            return
        other = others[0]
        if self._clock.monotonic() - record.since >= other.stale:
            self._tell_lost(record, others)
            self._settle(record)
            return
        record.state, record.messages, record.reply = "handling", 0, None
        is_turn = record.at_once or self._queues[_customer(record)][0] is record
        record.holder = other
        if is_turn:
            record.place = attrs.evolve(record.place, attempt=record.place.attempt + 1)
        other.notify(Orphan(record.place, record.payload, is_turn))

    def _tell_lost(self, record: _Record, others: Sequence[_Worker]) -> None:
        if others and record.state != "replying":
            sent, uncertain = max(0, record.messages - 1), record.state == "sending"
            others[0].notify(Lost(record.place, record.payload, sent, uncertain))

    def _forget_old(self, now: float) -> None:
        while self._replies and self._replies[0][0] <= now:
            self._replies.popleft()[1].reply = None
        while self._done:
            key = next(iter(self._done))
            if self._done[key] > now and len(self._done) <= self._max_size:
                break
            del self._done[key]
            del self._records[key]


def _customer(record: _Record) -> tuple[str, str]:
    return record.place.account, record.place.openid


class _Worker:
    """
    One bot in this process.
    """

    def __init__(self, inbox: MemoryInbox, notify: Callable[[News], None], stale: float) -> None:
        self.works = True
        self._inbox = inbox
        self.notify = notify
        self.stale = stale

    async def arrive(self, arrival: Arrival) -> Arrived:
        return self._inbox.arrive(self, arrival)

    async def reply(self, place: Place, request: int, body: bytes) -> bool:
        return self._inbox.reply(self, place, request, body)

    async def send(self, place: Place, number: int) -> bool:
        return self._inbox.send(self, place, number)

    async def done(self, place: Place) -> None:
        self._inbox.done(self, place)

    async def hand_over(self, places: Sequence[Place]) -> bool:
        return self._inbox.hand_over(self, places)

    async def allowance(self, account: str, openid: str) -> Allowance | None:
        return self._inbox.allowance(account, openid)
