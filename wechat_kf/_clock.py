"""
The clock: the only source of time in this library, so that tests can move it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

import anyio

__all__ = ["Clock", "SystemClock"]


@runtime_checkable
class Clock(Protocol):
    """
    What time it is, and how to wait.
    """

    def now(self) -> datetime:
        """
        Return the present time, aware, in UTC.
        """
        ...

    def monotonic(self) -> float:
        """
        Return seconds that never run backwards, from an arbitrary start.
        """
        ...

    async def sleep(self, seconds: float) -> None:
        """
        Wait this many seconds; a cancellation point even for 0.
        """
        ...


class SystemClock:
    """
    The machine's own clock, on asyncio or trio.
    """

    def now(self) -> datetime:
        """
        Return the present time, aware, in UTC.
        """
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """
        Return seconds that never run backwards, from an arbitrary start.
        """
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """
        Wait this many seconds; a cancellation point even for 0 or less.
        """
        await anyio.sleep(max(0.0, seconds))
