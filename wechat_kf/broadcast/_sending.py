"""
Send many messages at once and tell of each as it settles.

Strategy. The sends run in a task of their own, since the caller may leave its loop over the outcomes by `break`, by an
exception, or never come back. A message holds a slot from when it is sent until its outcome is taken, so that a slow
caller slows the sending. A pair is taken only when a slot is free, but a message that waits for another of its customer
holds none, and the others go past it; of these a bounded number is kept, so that memory stays flat. Whoever leaves
early stops what has not begun; what is on its way is let settle, since a send that is cut off may or may not have
arrived.
Whoever is cancelled while waiting cancels it all. When WeChat says that there are too many calls, all sends wait; when
the day's are used up, the rest is told as not sent.

With a journal each message is noted there before it leaves, and what became of it after. If that fails, nothing more is
sent.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import Final

import anyio
from anyio.abc import TaskGroup

from .._clock import Clock
from .._concurrency import first_of
from .._errors import ApiError, KfError, NotSent, RateLimited
from ..api.message_kinds import Message
from ._counts import Counts
from ._journal import Entry, Journal, State
from ._rows import Earlier, Outcome, Pair, Row, row_of, wrong

__all__ = ["Sending"]

# The errcode for an allowance of the day that is used up.
_USED_UP: Final = 45009

# How often one message is refused for there being too many at once, before that is its outcome.
_MAX_REFUSALS: Final = 10

# How many messages are kept that wait for another of their customer.
_MAX_WAITING: Final = 1000

# How much of an error a journal keeps.
_LONGEST_ERROR: Final = 200


class Sending:
    """
    The sends under way, and the outcomes not yet taken.

    Args:
        pairs: What to send.

        send: Sends one message.

        concurrency: How many slots there are.

        clock: The clock.

        journal: Where it is noted.

        account: The account's appid.

        with_digest: Whether the journal needs a digest of each row.
    """

    def __init__(
        self,
        pairs: Iterable[Pair] | AsyncIterable[Pair],
        send: Callable[[str, Message | str], Awaitable[object]],
        concurrency: int,
        clock: Clock,
        *,
        journal: Journal,
        account: str,
        with_digest: bool,
    ) -> None:
        self.counts = Counts()
        self._pairs = pairs
        self._send = send
        self._clock = clock
        self._closed_journal = journal
        self._account = account
        self._with_digest = with_digest
        # WeChat has had enough: for a while, or for today.
        self._paused_until: float = -math.inf
        self._used_up: KfError | None = None
        self._slots = anyio.Semaphore(concurrency)
        self._room = anyio.Semaphore(_MAX_WAITING)
        # What each customer is still to get, in order; the first is on its way.
        self._queues: dict[str, deque[Row]] = {}
        self._settled: deque[Outcome] = deque()
        self._news = anyio.Event()
        self._taking: anyio.CancelScope | None = None
        self._taken = False
        self._is_leaving = False
        # Nobody needs to wait for WeChat any more.
        self._over = anyio.Event()
        self._failure: Exception | None = None
        self._end: Exception | None = None

    async def outcome(self) -> Outcome:
        """
        Wait for the next outcome.

        Raises:
            StopAsyncIteration: There are no more.

            Exception: Something other than a delivery failed: the pairs, or what was in one of them, or the journal.
        """
        while not self._settled:
            if self._end is not None:
                end, self._end = self._end, StopAsyncIteration()
                raise end
            await self._news.wait()
        self._slots.release()
        return self._settled.popleft()

    def leave(self) -> None:
        """
        Begin nothing more.
        """
        self._is_leaving = True
        self._over.set()
        self._stop_taking()
        # For those that wait for a slot.
        for _ in self._queues:
            self._slots.release()

    async def run(self) -> None:
        """
        Send it all.
        """
        try:
            async with self._closed_journal.open(self._account) as self._journal, anyio.create_task_group() as tasks:
                await self._take_each(tasks)
        except Exception as error:  # noqa: BLE001 - the journal's, and the caller gets it
            self._failure = self._failure or error
        finally:
            whole = self._is_leaving or (self._taken and not self._queues)
            cut_off = RuntimeError("the sending was cancelled before its end")
            self._end = self._failure or (StopAsyncIteration() if whole else cut_off)
            self._wake()

    async def _take_each(self, tasks: TaskGroup) -> None:
        try:
            pairs = self._pairs if isinstance(self._pairs, AsyncIterable) else _one_by_one(self._pairs)
            source = aiter(pairs)
            try:
                with anyio.CancelScope() as self._taking:
                    await self._take_from(source, tasks)
            finally:
                # Nobody else can close a generator that was made in the call. Its own clean-up may take its time.
                if isinstance(source, AsyncGenerator):
                    await source.aclose()
            self._taken = True
        except Exception as error:  # noqa: BLE001 - the pairs are the caller's, and the caller gets it
            self._failure = self._failure or error

    async def _take_from(self, source: AsyncIterator[Pair], tasks: TaskGroup) -> None:
        index = 0
        earlier = Earlier(self._journal.entries)
        await self._slots.acquire()
        async for pair in source:
            for row in earlier.compare(row_of(index, pair, with_digest=self._with_digest)):
                await self._place(row, tasks)
            index += 1
        self._slots.release()
        earlier.end()

    async def _place(self, row: Row | Outcome, tasks: TaskGroup) -> None:
        """
        Give a row the slot in hand, or a place in its customer's queue; return with a slot in hand.
        """
        if isinstance(row, Row) and (queue := self._queues.get(row.touser)) is not None:
            queue.append(row)
            await self._room.acquire()
            return
        if isinstance(row, Outcome):
            self._settle(row)
        else:
            queue = self._queues[row.touser] = deque([row])
            tasks.start_soon(self._serve, row.touser, queue)
        await self._slots.acquire()

    async def _serve(self, touser: str, queue: deque[Row]) -> None:
        """
        Send one customer's messages, one after the other; the first has a slot.
        """
        while not self._is_leaving:
            outcome: Outcome | None = None
            try:
                outcome = await self._deliver(queue[0])
            except Exception as failure:  # noqa: BLE001 - not a delivery, and the caller gets it
                # What was taken already is sent all the same.
                self._failure = self._failure or failure
                self._stop_taking()
            if outcome is None:
                self._slots.release()
            else:
                self._settle(outcome)
            queue.popleft()
            if not queue:
                break
            self._room.release()
            await self._slots.acquire()
        del self._queues[touser]

    async def _deliver(self, row: Row) -> Outcome | None:
        """
        Send one message, as soon as WeChat takes any; return None if it was not sent since it is to stop.
        """
        refusals = 0
        while True:
            await self._pause()
            if self._is_leaving:
                return None
            if self._used_up is not None:
                return Outcome(row.index, row.touser, _left_out(self._used_up))
            paused_until = self._paused_until
            if not await self._note(row, "sending"):
                return None
            error = await self._attempt(row)
            if isinstance(error, RateLimited):
                refusals += 1
                # Others that were under way at that time say the same later, and do not make it longer.
                if self._paused_until == paused_until:
                    self._paused_until = self._clock.monotonic() + error.retry_after
                if refusals < _MAX_REFUSALS:
                    continue
            if isinstance(error, ApiError) and error.errcode == _USED_UP:
                self._used_up = error
                self._over.set()
            return Outcome(row.index, row.touser, error)

    async def _attempt(self, row: Row) -> KfError | None:
        """
        Send one message once, and note what became of it.
        """
        failure: KfError | None = None
        try:
            await self._send(row.touser, row.message)
        except KfError as error:
            failure = error
        except (TypeError, ValueError) as error:
            failure = wrong(error)
        with anyio.CancelScope(shield=True):
            await self._note(row, _state(failure), failure)
        return failure

    async def _note(self, row: Row, state: State, error: KfError | None = None) -> bool:
        """
        Write into the journal; return whether that is done. If it fails, nothing more is sent.
        """
        try:
            await self._journal.write(Entry(row.index, row.touser, row.digest, state, _words(error)))
        except anyio.get_cancelled_exc_class():
            # It may be written or not, but the message was not sent.
            with anyio.CancelScope(shield=True):
                await self._note(row, "failed")
            raise
        except Exception as failure:  # noqa: BLE001 - of whatever kind, and the caller gets it
            self._failure = self._failure or failure
            self.leave()
            return False
        return True

    async def _pause(self) -> None:
        """
        Wait until WeChat takes calls again, or nothing more is to be sent.
        """
        while not self._over.is_set() and (left := self._paused_until - self._clock.monotonic()) > 0:
            await first_of(partial(self._clock.sleep, left), self._over.wait)

    def _stop_taking(self) -> None:
        self._pairs = ()
        if self._taking is not None:
            self._taking.cancel()

    def _settle(self, outcome: Outcome) -> None:
        self.counts.add(outcome.error)
        self._settled.append(outcome)
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = anyio.Event()


async def _one_by_one(pairs: Iterable[Pair]) -> AsyncGenerator[Pair]:
    for pair in pairs:
        yield pair


def _left_out(used_up: KfError) -> NotSent:
    failure = NotSent("Nothing more is sent: an earlier message of this run has met the day's quota (45009)")
    failure.is_lasting = True
    failure.__cause__ = used_up
    return failure


def _state(failure: KfError | None) -> State:
    if failure is None:
        return "delivered"
    return "failed" if failure.effect == "none" else "uncertain"


def _words(error: KfError | None) -> str:
    if error is None:
        return ""
    # The rest is advice.
    return (str(error.args[0]) if isinstance(error, ApiError) else f"{type(error).__name__}: {error}")[:_LONGEST_ERROR]
