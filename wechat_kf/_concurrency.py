"""
What concurrent code here shares: state of each event loop, the first of several waits, tasks beside a body.

On asyncio and trio alike. `FreeTask` is for work beside a block that may be left at any time and in any order, while a
task group must be left in the task, and in the order, in which it was entered.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from contextvars import copy_context
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast
from weakref import WeakKeyDictionary

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import current_token
from sniffio import current_async_library

if TYPE_CHECKING:
    import asyncio

__all__ = ["FreeTask", "PerLoop", "background_tasks", "first_of", "shielded"]

T = TypeVar("T")

# asyncio itself holds its tasks only weakly.
_running: Final[set[asyncio.Task[None]]] = set()


class FreeTask:
    """
    Runs a coroutine function in a task of its own, in the context of who started it.

    Args:
        run: What to run; it must not raise.
    """

    def __init__(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._run = run
        self._scope = anyio.CancelScope()
        self._ended = anyio.Event()
        if current_async_library() == "asyncio":
            loop = cast("asyncio.AbstractEventLoop", current_token().native_token)
            self._call_soon: Callable[[Callable[[], object]], object] = loop.call_soon_threadsafe
            task = loop.create_task(self._main())
            _running.add(task)
            task.add_done_callback(self._forget)
        else:
            import trio  # noqa: PLC0415  # only where it is running already

            self._call_soon = trio.lowlevel.current_trio_token().run_sync_soon
            trio.lowlevel.spawn_system_task(self._main, context=copy_context())

    @property
    def has_ended(self) -> bool:
        """
        Whether it has ended, in whatever way.
        """
        return self._ended.is_set()

    def cancel(self) -> None:
        """
        Cancel it; it ends some time later.
        """
        self._scope.cancel()

    async def wait(self) -> None:
        """
        Wait until it has ended.
        """
        await self._ended.wait()

    def call_soon(self, function: Callable[[], object]) -> None:
        """
        Call a function in its event loop, if that still runs; from any thread, also from a finalizer.
        """
        # With the loop the task has ended too.
        with suppress(RuntimeError):
            self._call_soon(function)

    async def _main(self) -> None:
        try:
            with self._scope:
                await self._run()
        finally:
            self._ended.set()

    def _forget(self, task: asyncio.Task[None]) -> None:
        _running.discard(task)
        # A task that is cancelled before its first step does not reach its own end.
        self._ended.set()


class PerLoop(Generic[T]):
    """
    A value for each event loop, made when it is first asked for.

    Args:
        make: Makes a value; it is called in the event loop.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: WeakKeyDictionary[object, T] = WeakKeyDictionary()
        self._arrival = Lock()

    def get(self) -> T:
        """
        Return the running event loop's value.
        """
        loop = current_token().native_token
        value = self._values.get(loop)
        if value is None:
            with self._arrival:
                self._forget_closed()
                value = self._values[loop] = self._make()
        return value

    def all(self) -> list[T]:
        """
        List the values of all event loops; from any thread.
        """
        with self._arrival:
            return list(self._values.values())

    def _forget_closed(self) -> None:
        # A value may refer to its loop (asyncio's connections do): the dictionary alone would keep both for ever.
        for loop in list(self._values):
            # Trio's token refers to nothing, and cannot be asked.
            is_closed: Callable[[], bool] | None = getattr(loop, "is_closed", None)
            if is_closed is not None and is_closed():
                del self._values[loop]


async def shielded(call: Callable[[], Awaitable[T]]) -> T:
    """
    Make a call that ends in its own time, though the caller is cancelled; the caller notices afterwards.
    """
    results: list[T] = []
    with anyio.CancelScope(shield=True):
        results.append(await call())
    return results[0]


async def first_of(wait: Callable[[], Awaitable[object]], *others: Callable[[], Awaitable[object]]) -> None:
    """
    Wait until one of several waits is over, and cancel the others.
    """
    async with anyio.create_task_group() as tasks:

        async def end_after(wait: Callable[[], Awaitable[object]]) -> None:
            await wait()
            tasks.cancel_scope.cancel()

        for other in others:
            tasks.start_soon(end_after, other)
        await end_after(wait)


@asynccontextmanager
async def background_tasks() -> AsyncGenerator[TaskGroup]:
    """
    Open a task group whose tasks are cancelled at the end of the body, and which does not wrap what the body raises.
    """
    failure: BaseException | None = None
    async with anyio.create_task_group() as tasks:
        try:
            yield tasks
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:  # noqa: BLE001 - raised below: it must not come out in a group
            failure = error
        finally:
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
