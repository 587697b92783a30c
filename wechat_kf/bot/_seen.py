"""
The memory of pushes, by which repetitions are known: its protocol, and one in this process's memory.
"""

from __future__ import annotations

from typing import Protocol

from .._clock import Clock, SystemClock

__all__ = ["MemorySeen", "Seen"]


class Seen(Protocol):
    """
    The memory of pushes, by which repetitions are known; shared by all processes that serve one account.
    """

    async def claim(self, key: str) -> bool:
        """
        Take a push on; False if it was taken on before.
        """
        ...

    async def done(self, key: str) -> bool | None:
        """
        Remember that the push was handled, or that something is about to be sent for it.

        Returns:
            False if another process has taken it on meanwhile: then nothing is sent here.
        """
        ...

    async def release(self, key: str) -> None:
        """
        Forget the push: it was not handled, and nothing was sent.
        """
        ...


class MemorySeen:
    """
    The memory of one process.

    Args:
        max_size: How many pushes are remembered; the oldest go first.

        seconds: How long each is; WeChat repeats within a minute.

        clock: The clock.
    """

    def __init__(self, *, max_size: int = 100_000, seconds: float = 600.0, clock: Clock | None = None) -> None:
        if max_size < 1:
            raise ValueError("max_size must be at least 1")
        self._max_size = max_size
        self._seconds = seconds
        self._clock = SystemClock() if clock is None else clock
        # All are kept equally long, so that the first is always the next to go.
        self._until: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._until)

    async def claim(self, key: str) -> bool:
        """
        Take a push on; False if it was taken on before.
        """
        now = self._clock.monotonic()
        while self._until:
            oldest = next(iter(self._until))
            if self._until[oldest] > now:
                break
            del self._until[oldest]
        if key in self._until:
            return False
        if len(self._until) >= self._max_size:
            del self._until[next(iter(self._until))]
        self._until[key] = now + self._seconds
        return True

    async def done(self, key: str) -> None:
        """
        Remember the push from now on.
        """
        self._until.pop(key, None)
        self._until[key] = self._clock.monotonic() + self._seconds

    async def release(self, key: str) -> None:
        """
        Forget the push.
        """
        self._until.pop(key, None)
