"""
The limit of all handlers, kept by one task: they have the same time each, so that the first to begin is the next due.
"""

from __future__ import annotations

import anyio

from .._clock import Clock
from ._job import Job

__all__ = ["Deadlines"]


class Deadlines:
    """
    Ends handlers that take too long.

    Args:
        clock: The clock.

        seconds: What each may take.
    """

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._due: dict[Job, float] = {}
        self._begun = anyio.Event()

    def begin(self, job: Job) -> None:
        """
        Give a push's handler its time from now on.
        """
        self._due[job] = self._clock.monotonic() + self._seconds
        self._begun.set()

    def end(self, job: Job) -> None:
        """
        Forget a push's handler.
        """
        self._due.pop(job, None)

    async def run(self) -> None:
        """
        End handlers as they are due.
        """
        while True:
            job = next(iter(self._due), None)
            if job is None:
                self._begun = anyio.Event()
                await self._begun.wait()
                continue
            left = self._due[job] - self._clock.monotonic()
            if left > 0:
                await self._clock.sleep(left)
                continue
            del self._due[job]
            job.end(TimeoutError(f"the handler took longer than handler_timeout, {self._seconds:g} s"))
