"""
What one worker knows by itself of an account's pushes: all it goes by while Redis cannot be reached.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final, Literal

import anyio
import attrs

from ..._clock import Clock
from ...bot import Arrival, Arrived, Interrupt, News, Place, Turn

__all__ = ["REPLY_SECONDS", "Knowledge", "Record"]

REPLY_SECONDS: Final = 20.0

# How many pushes are remembered after they are done; the oldest go first.
_MAX_DONE: Final = 10_000


@attrs.define(eq=False)
class Record:
    """
    A push that this worker holds.

    Attributes:
        since: When it arrived, by the worker's clock.

        request: The number of its last delivery.

        has_turn: Whether it may be handled.

        messages: How many messages it was marked for.

        is_repeated: Whether a repetition was given the bytes of its reply.
    """

    place: Place
    payload: bytes = attrs.field(repr=False)
    since: float
    at_once: bool
    request: int = 1
    has_turn: bool = False
    state: Literal["handling", "replying", "sending"] = "handling"
    messages: int = 0
    reply: bytes | None = attrs.field(default=None, repr=False)
    is_repeated: bool = False


@attrs.define(eq=False)
class _Done:
    """
    A push that was done here.

    Attributes:
        until: When it is forgotten.

        reply_until: When its reply is.

        is_told: Whether Redis knows.
    """

    place: Place
    until: float
    request: int
    reply: bytes | None
    reply_until: float
    is_told: bool = False


class Knowledge:
    """
    The pushes of one account that this worker holds, or has done.

    Args:
        notify: Takes news.

        keep: Seconds that a push is remembered after it is done.

        clock: The clock.
    """

    def __init__(self, notify: Callable[[News], None], keep: float, clock: Clock) -> None:
        self.held: dict[str, Record] = {}
        self._notify = notify
        self._keep = keep
        self._clock = clock
        self._arriving: Counter[str] = Counter()
        # One at a time, by the heart.
        self._taking: str | None = None
        self._is_busy = anyio.Event()
        # By customer, in the order of arrival.
        self._queues: dict[str, dict[str, Record]] = {}
        # All are kept equally long, so that the first is always the next to go.
        self._done: dict[str, _Done] = {}

    @contextmanager
    def arriving(self, key: str) -> Generator[None]:
        """
        Know of a push while its arrival is being told to Redis.
        """
        self._arriving[key] += 1
        try:
            yield
        finally:
            self._arriving[key] -= 1
            if not self._arriving[key]:
                del self._arriving[key]

    @contextmanager
    def taking(self, key: str) -> Generator[None]:
        """
        Know of a push while it is taken over: a repetition that comes meanwhile is not given to be handled.
        """
        self._taking = key
        try:
            yield
        finally:
            self._taking = None

    def holds(self, key: str) -> bool:
        """
        Tell whether a push is held, or being taken over.
        """
        return key in self.held or key == self._taking

    def has(self, key: str) -> bool:
        """
        Tell whether a push is held, or about to be.
        """
        return key in self.held or key in self._arriving

    def done(self, key: str) -> Place | None:
        """
        Find a push that was done here.
        """
        return self._done[key].place if key in self._done else None

    async def wait(self) -> None:
        """
        Wait until something is held.
        """
        if not self.held:
            self._is_busy = anyio.Event()
            await self._is_busy.wait()

    def hold(self, record: Record) -> None:
        """
        Hold a push from now on, at the end of its customer's queue.
        """
        self.held[record.place.key] = record
        self._done.pop(record.place.key, None)
        self._is_busy.set()
        if not record.at_once:
            self._queues.setdefault(record.place.openid, {})[record.place.key] = record

    def drop(self, record: Record) -> None:
        """
        Hold a push no longer, if it still is.
        """
        place = record.place
        if self.held.get(place.key) is not record:
            return
        del self.held[place.key]
        queue = self._queues.get(place.openid, {})
        queue.pop(place.key, None)
        if not queue:
            self._queues.pop(place.openid, None)

    def find(self, place: Place) -> Record | None:
        """
        Find a push that is held.
        """
        record = self.held.get(place.key)
        return record if record is not None and record.place == place else None

    def settle(self, record: Record) -> None:
        """
        Remember a push as done.
        """
        self.drop(record)
        now = self._clock.monotonic()
        reply = record.reply if record.state == "replying" else None
        self._done[record.place.key] = _Done(record.place, now + self._keep, record.request, reply, now + REPLY_SECONDS)
        while True:
            first = next(iter(self._done))
            if self._done[first].until > now and len(self._done) <= _MAX_DONE:
                break
            del self._done[first]

    def tell(self, place: Place) -> None:
        """
        Note that Redis knows that a push is done.
        """
        if place.key in self._done:
            self._done[place.key].is_told = True

    def untold(self) -> list[Place]:
        """
        List what was done and Redis does not know of, oldest first.
        """
        return [done.place for done in self._done.values() if not done.is_told]

    def waiting(self) -> list[str]:
        """
        List the customers of whom a push waits for its turn.
        """
        return [
            openid for openid, queue in self._queues.items() if any(not record.has_turn for record in queue.values())
        ]

    def turn(self, key: str) -> None:
        """
        Tell that a push's turn has come, if it is held and was not told before.
        """
        record = self.held.get(key)
        if record is not None and not record.has_turn:
            record.has_turn = True
            self._notify(Turn(record.place))

    def interrupt(self, key: str) -> None:
        """
        Tell that a push is to be ended, if it is held.
        """
        record = self.held.get(key)
        if record is not None:
            self._notify(Interrupt(record.place))

    def pass_turns(self) -> None:
        """
        Give a turn to the first of each customer, as if there were no other worker.
        """
        for openid in list(self._queues):
            self.pass_turn(openid)

    def pass_turn(self, openid: str) -> None:
        """
        Give a turn to a customer's first push here.
        """
        if queue := self._queues.get(openid):
            self.turn(next(iter(queue)))

    def known(self, key: str) -> Arrived | None:
        """
        Answer a repetition of what was done here.
        """
        done = self._done.get(key)
        now = self._clock.monotonic()
        if done is None or done.until <= now:
            return None
        done.request += 1
        return Arrived(done.request, reply=done.reply if done.reply_until > now else None)

    def arrive(self, arrival: Arrival) -> Arrived:
        """
        Note a delivery, as if there were no other worker.
        """
        record = self.held.get(arrival.key)
        if record is not None:
            record.request += 1
            record.is_repeated = record.reply is not None
            return Arrived(record.request, reply=record.reply)
        queue = self._queues.get(arrival.openid, {})
        if arrival.interrupt:
            for key in list(queue):
                self.interrupt(key)
        has_turn = arrival.at_once or not queue
        place = Place(arrival.account, arrival.openid, arrival.key)
        now = self._clock.monotonic()
        self.hold(Record(place, arrival.payload, now, arrival.at_once, has_turn=has_turn))
        return Arrived(1, place, has_turn)
