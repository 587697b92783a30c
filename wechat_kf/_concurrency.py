"""
A task that belongs to no task group.

For work beside a block that may be left at any time and in any order, while a task group must be left in the task, and
in the order, in which it was entered.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final, cast

import anyio
from anyio.lowlevel import current_token
from sniffio import current_async_library

if TYPE_CHECKING:
    import asyncio

__all__ = ["FreeTask"]

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
