"""
Send many messages at once and tell of each as it settles.

Strategy. The sends run in a task of their own, since the caller may leave its loop over the outcomes by `break`, by an
exception, or never come back. A pair is taken only when a slot is free, and its slot comes free when its outcome is
taken, so that a slow caller slows the sending and memory stays flat. Whoever leaves early stops what has not begun;
what is on its way is let settle, since a send that is cut off may or may not have arrived. Whoever is cancelled while
waiting cancels it all. When WeChat says that there are too many calls, all sends wait; when the day's are used up, the
rest is told as not sent.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Final, Self

import anyio
import attrs
from anyio.abc import TaskGroup

from .._clock import Clock
from .._concurrency import FreeTask
from .._errors import ApiError, KfError, RateLimited
from ..api.message_kinds import Message

__all__ = ["Outcome", "Outcomes", "Pair"]

Pair = tuple[str, Message | str]

# The errcode for an allowance of the day that is used up.
_USED_UP: Final = 45009

# How often one message is refused for there being too many at once, before that is its outcome.
_MAX_REFUSALS: Final = 10


@attrs.frozen
class Outcome:
    """
    How one message fared.

    Attributes:
        index: Its place among the pairs, from 0.

        touser: The customer.

        error: None if WeChat took it; else why not, and by `KfError.effect` whether it may have arrived all the same.
            For a pair that is wrong, ``__cause__`` is the `ValueError` or `TypeError` that says how.
    """

    index: int
    touser: str
    error: KfError | None


class Outcomes:
    """
    An async iterator over what became of each message, in the order in which that is known.

    When the pairs themselves fail, those without an outcome were not sent.
    """

    # Not an async generator, which must not be left in the middle on trio.

    _task: FreeTask | None = None

    def __init__(
        self,
        pairs: Iterable[Pair] | AsyncIterable[Pair],
        send: Callable[[str, Message | str], Awaitable[object]],
        concurrency: int,
        clock: Clock,
    ) -> None:
        if concurrency < 1:
            raise ValueError("concurrency must be at least 1")
        self._sending = _Sending(pairs, send, concurrency, clock)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        if self._task is None:
            self._task = FreeTask(self._sending.run)
        try:
            return await self._sending.outcome()
        except anyio.get_cancelled_exc_class():
            self._task.cancel()
            with anyio.CancelScope(shield=True):
                await self._task.wait()
            raise

    async def aclose(self) -> None:
        """
        Begin nothing more, and wait until what is on its way has settled; its outcomes can still be taken.

        If this is cancelled, what is on its way is cancelled too.
        """
        self._sending.leave()
        if self._task is None:
            return
        try:
            await self._task.wait()
        finally:
            self._task.cancel()
            with anyio.CancelScope(shield=True):
                await self._task.wait()

    def __del__(self) -> None:
        if self._task is not None and not self._task.has_ended:
            # This may be another thread's garbage collection.
            self._task.call_soon(self._sending.leave)


async def _one_by_one(pairs: Iterable[Pair]) -> AsyncGenerator[Pair]:
    for pair in pairs:
        yield pair


class _Sending:
    """
    The sends under way, and the outcomes not yet taken.
    """

    def __init__(
        self,
        pairs: Iterable[Pair] | AsyncIterable[Pair],
        send: Callable[[str, Message | str], Awaitable[object]],
        concurrency: int,
        clock: Clock,
    ) -> None:
        self._pairs = pairs
        self._send = send
        self._clock = clock
        # WeChat has had enough: for a while, or for today.
        self._paused_until = -math.inf
        self._used_up: KfError | None = None
        self._slots = anyio.Semaphore(concurrency)
        # What each customer is still to get, in order.
        self._queues: dict[str, deque[tuple[int, Message | str]]] = {}
        self._settled: deque[Outcome] = deque()
        self._news = anyio.Event()
        self._taking: anyio.CancelScope | None = None
        self._taken = False
        self._left = False
        self._failure: Exception | None = None
        self._end: Exception | None = None

    async def outcome(self) -> Outcome:
        """
        Wait for the next outcome.

        Raises:
            StopAsyncIteration: There are no more.

            Exception: Something other than a delivery failed: the pairs, or what was in one of them.
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
        self._left = True
        self._stop_taking()

    async def run(self) -> None:
        """
        Send it all.
        """
        try:
            async with anyio.create_task_group() as tasks:
                await self._take_each(tasks)
        finally:
            whole = self._left or (self._taken and not self._queues)
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
        await self._slots.acquire()
        async for pair in source:
            try:
                touser, message = pair
                queue = self._queues.get(touser)
            except (TypeError, ValueError) as error:
                self._settle(Outcome(index, "", _wrong(error)))
            else:
                if queue is not None:
                    queue.append((index, message))
                else:
                    queue = self._queues[touser] = deque([(index, message)])
                    tasks.start_soon(self._serve, touser, queue)
            index += 1
            await self._slots.acquire()

    async def _serve(self, touser: str, queue: deque[tuple[int, Message | str]]) -> None:
        """
        Send one customer's messages, one after the other.
        """
        while queue and not self._left:
            index, message = queue[0]
            try:
                error = await self._deliver(touser, message)
            except Exception as failure:  # noqa: BLE001 - not a delivery, and the caller gets it
                # What was taken already is sent all the same.
                self._failure = self._failure or failure
                self._stop_taking()
            else:
                self._settle(Outcome(index, touser, error))
            queue.popleft()
        del self._queues[touser]

    async def _deliver(self, touser: str, message: Message | str) -> KfError | None:
        """
        Send one message, as soon as WeChat takes any; return why it was not sent.
        """
        refusals = 0
        while True:
            while (left := self._paused_until - self._clock.monotonic()) > 0:
                await self._clock.sleep(left)
            if self._used_up is not None:
                return self._used_up
            try:
                await self._send(touser, message)
            except RateLimited as error:
                refusals += 1
                self._paused_until = self._clock.monotonic() + error.retry_after
                if refusals == _MAX_REFUSALS:
                    return error
            except KfError as error:
                if isinstance(error, ApiError) and error.errcode == _USED_UP:
                    self._used_up = error
                return error
            except (TypeError, ValueError) as error:
                return _wrong(error)
            else:
                return None

    def _stop_taking(self) -> None:
        self._pairs = ()
        if self._taking is not None:
            self._taking.cancel()

    def _settle(self, outcome: Outcome) -> None:
        self._settled.append(outcome)
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = anyio.Event()


def _wrong(error: Exception) -> KfError:
    failure = KfError(f"The pair is wrong, so nothing was sent for it: {error}", effect="none")
    failure.__cause__ = error
    return failure
