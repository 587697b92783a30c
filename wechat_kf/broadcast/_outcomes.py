"""
Send many messages at once and tell of each as it settles.

Strategy. The sends run in a task of their own, since the caller may leave its loop over the outcomes by `break`, by an
exception, or never come back. A pair is taken only when a slot is free, and its slot comes free when its outcome is
taken, so that a slow caller slows the sending and memory stays flat. Whoever leaves early stops what has not begun;
what is on its way is let settle, since a send that is cut off may or may not have arrived. Whoever is cancelled while
waiting cancels it all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Self

import anyio
import attrs
from anyio.abc import TaskGroup

from .._concurrency import FreeTask
from .._errors import KfError
from ..api.message_kinds import Message

__all__ = ["Outcome", "Outcomes", "Pair"]

Pair = tuple[str, Message]


@attrs.frozen
class Outcome:
    """
    How one message fared.

    Attributes:
        index: Its place among the pairs, from 0.

        touser: The customer.

        error: None if WeChat took it; else why not, and by `KfError.effect` whether it may have arrived all the same.
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
        send: Callable[[str, Message], Awaitable[object]],
        concurrency: int,
    ) -> None:
        if concurrency < 1:
            raise ValueError("concurrency must be at least 1")
        self._sending = _Sending(pairs, send, concurrency)

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
        send: Callable[[str, Message], Awaitable[object]],
        concurrency: int,
    ) -> None:
        self._pairs = pairs
        self._send = send
        self._slots = anyio.Semaphore(concurrency)
        # What each customer is still to get, in order.
        self._queues: dict[str, deque[tuple[int, Message]]] = {}
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
        async for touser, message in source:
            if touser in self._queues:
                self._queues[touser].append((index, message))
            else:
                queue = self._queues[touser] = deque([(index, message)])
                tasks.start_soon(self._serve, touser, queue)
            index += 1
            await self._slots.acquire()

    async def _serve(self, touser: str, queue: deque[tuple[int, Message]]) -> None:
        """
        Send one customer's messages, one after the other.
        """
        while queue and not self._left:
            index, message = queue[0]
            try:
                await self._send(touser, message)
            except KfError as error:
                self._settle(Outcome(index, touser, error))
            except Exception as error:  # noqa: BLE001 - not a delivery: the pair is wrong, and the caller gets it
                # What was taken already is sent all the same.
                self._failure = self._failure or error
                self._stop_taking()
            else:
                self._settle(Outcome(index, touser, None))
            queue.popleft()
        del self._queues[touser]

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
