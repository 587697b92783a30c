"""
One call of a function for all who want its result at the same time.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from .._concurrency import FreeTask, PerLoop
from .._errors import KfError, NotSent

__all__ = ["SingleFlight"]

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """
    Calls a function in a task of its own, so that it goes on as long as one of those who wait for it does.

    Every event loop has a call of its own.

    Args:
        run: The function.
    """

    def __init__(self, run: Callable[[], Awaitable[T]]) -> None:
        self._run = run
        self._here: PerLoop[list[_Flight[T]]] = PerLoop(list)

    async def result(self) -> T:
        """
        Wait for the result of the call under way, or of a new one.

        Raises:
            Exception: What the function raised; a `KfError` is copied for each who waits.
        """
        here = self._here.get()
        if not here or here[0].is_over:
            here[:] = [_Flight(self._run)]
        return await here[0].wait()


class _Flight(Generic[T]):
    """
    One call, and how many wait for it.
    """

    def __init__(self, run: Callable[[], Awaitable[T]]) -> None:
        self._run = run
        self._results: list[T] = []
        self._error: Exception | None = None
        self._waiting = 0
        self._is_abandoned = False
        self._task = FreeTask(self._fly)

    @property
    def is_over(self) -> bool:
        """
        Whether it has ended, or nobody waited for it any more.
        """
        return self._is_abandoned or self._task.has_ended

    async def wait(self) -> T:
        """
        Wait for the result; the last who leaves early ends the call.
        """
        self._waiting += 1
        try:
            await self._task.wait()
        finally:
            self._waiting -= 1
            if not self._waiting and not self._task.has_ended:
                self._is_abandoned = True
                self._task.cancel()
        if self._error is not None:
            raise _again(self._error)
        if not self._results:
            # Somebody cancels all tasks there are.
            raise NotSent("It was cancelled.")
        return self._results[0]

    async def _fly(self) -> None:
        try:
            self._results.append(await self._run())
        except Exception as error:  # noqa: BLE001 - raised by each who waits
            self._error = error


def _again(error: Exception) -> Exception:
    """
    Make an error that can be raised by one more: an exception raised twice would gather both tracebacks.
    """
    if not isinstance(error, KfError):
        return error.with_traceback(None)
    twin = copy.copy(error)
    twin.__cause__ = error.__cause__
    return twin
