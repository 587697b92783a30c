"""
Send many messages at once and tell of each as it settles.

Strategy. The sends run in a task group of a task of their own, not of the caller's: a task group must be left in the
task, and in the order, in which it was entered, and the caller may leave its loop over the outcomes by `break`, by an
exception, or never come back. Whoever leaves early stops what has not begun; what is on its way is let settle, since a
send that is cut off may or may not have arrived. Whoever is cancelled cancels it all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any

import anyio
import attrs
import sniffio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectSendStream

from ._errors import KfError
from .messages import Message

__all__ = ["Outcome", "Pair", "fan_out"]

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


async def _numbered(pairs: Iterable[Pair] | AsyncIterable[Pair]) -> AsyncIterator[tuple[int, Pair]]:
    index = 0
    if isinstance(pairs, AsyncIterable):
        async for pair in pairs:
            yield index, pair
            index += 1
    else:
        for pair in pairs:
            yield index, pair
            index += 1


class _FanOut:
    """
    The sends under way.
    """

    def __init__(
        self,
        pairs: Iterable[Pair] | AsyncIterable[Pair],
        send: Callable[[str, Message], Awaitable[object]],
        concurrency: int,
        outcomes: MemoryObjectSendStream[Outcome],
    ) -> None:
        self._pairs = pairs
        self._send = send
        self._slots = anyio.Semaphore(concurrency)
        self._outcomes = outcomes
        # The last message of each customer: the next one waits for it, so that they arrive in order.
        self._last: dict[str, anyio.Event] = {}
        self.scope = anyio.CancelScope()
        self.stopping = False
        self.finished = anyio.Event()
        self.failure: Exception | None = None
        self.task: object = None

    async def run(self) -> None:
        try:
            with self.scope:
                async with anyio.create_task_group() as tasks:
                    await self._begin_each(tasks)
        finally:
            self._outcomes.close()
            self.finished.set()

    async def _begin_each(self, tasks: TaskGroup) -> None:
        try:
            async for index, (touser, message) in _numbered(self._pairs):
                await self._slots.acquire()
                if self.stopping:
                    return
                before, done = self._last.get(touser), anyio.Event()
                self._last[touser] = done
                tasks.start_soon(self._one, index, touser, message, before, done)
        except Exception as error:
            # The pairs themselves failed. What is under way settles, then the caller gets it.
            self.failure = error

    async def _one(
        self, index: int, touser: str, message: Message, before: anyio.Event | None, done: anyio.Event
    ) -> None:
        try:
            if before is not None:
                await before.wait()
            if self.stopping:
                return
            error: KfError | None = None
            try:
                await self._send(touser, message)
            except KfError as failure:
                error = failure
            finally:
                done.set()
                if self._last.get(touser) is done:
                    del self._last[touser]
            await self._outcomes.send(Outcome(index, touser, error))
        except anyio.BrokenResourceError:
            # Nobody listens any more.
            self.stopping = True
        except Exception as failure:
            # Not a delivery but a wrong pair.
            self.stopping = True
            self.failure = self.failure or failure
        finally:
            done.set()
            self._slots.release()


def _start(run: Callable[[], Coroutine[Any, Any, None]]) -> object:
    """
    Start a task that belongs to no task group, for which anyio has no call.

    Returns:
        The task, to be kept: asyncio holds its tasks weakly.
    """
    if sniffio.current_async_library() == "asyncio":
        return asyncio.get_running_loop().create_task(run())
    import trio  # noqa: PLC0415  # only where it is running already

    return trio.lowlevel.spawn_system_task(run)


async def fan_out(
    pairs: Iterable[Pair] | AsyncIterable[Pair],
    send: Callable[[str, Message], Awaitable[object]],
    concurrency: int,
) -> AsyncGenerator[Outcome]:
    """
    Send each pair, at most `concurrency` at a time, those of one customer in order.
    """
    if concurrency < 1:
        raise ValueError("concurrency must be at least 1")
    # Backpressure: who does not take outcomes stops the sending.
    sender, receiver = anyio.create_memory_object_stream[Outcome](concurrency)
    work = _FanOut(pairs, send, concurrency, sender)
    work.task = _start(work.run)
    try:
        async for outcome in receiver:
            yield outcome
    except GeneratorExit:
        work.stopping = True
        raise
    except BaseException:
        work.scope.cancel()
        raise
    finally:
        receiver.close()
        with anyio.CancelScope(shield=True):
            await work.finished.wait()
    if work.failure is not None:
        raise work.failure
