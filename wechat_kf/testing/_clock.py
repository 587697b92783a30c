"""
A clock moved by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final

import anyio
import anyio.lowlevel
import attrs

from .._clock import Clock

__all__ = ["ManualClock", "SteppedClock"]

# Deadlines are sums of floats, so that a step may miss one by a rounding error.
_ROUNDING: Final = 1e-6


@attrs.define(eq=False)
class _Sleeper:
    deadline: float
    turn: int
    awake: anyio.Event = attrs.field(factory=anyio.Event)


class ManualClock:
    """
    A clock that stands still until `advance` moves it.

    Args:
        start: The first `now`, aware.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start.astimezone(UTC)
        self._elapsed = 0.0
        self._sleepers: list[_Sleeper] = []
        self._somebody_lies_down = anyio.Event()
        self._turns: Iterator[int] = count()

    def now(self) -> datetime:
        """
        Return the present time, aware, in UTC.
        """
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """
        Return the seconds moved since the start.
        """
        return self._elapsed

    @property
    def sleepers(self) -> tuple[float, ...]:
        """
        The seconds each sleeping task has yet to wait, the first to wake first.
        """
        return tuple(each.deadline - self._elapsed for each in self._sleepers if not self._is_over(each))

    async def until_asleep(self, tasks: int = 1) -> tuple[float, ...]:
        """
        Wait, in real time, until so many tasks sleep. Returns `sleepers`.
        """
        while len(self.sleepers) < tasks:
            if self._somebody_lies_down.is_set():
                self._somebody_lies_down = anyio.Event()
            await self._somebody_lies_down.wait()
        return self.sleepers

    async def sleep(self, seconds: float) -> None:
        """
        Wait until the clock has been moved by this many seconds.
        """
        if seconds <= 0:
            await anyio.lowlevel.checkpoint()
            return
        sleeper = _Sleeper(self._elapsed + seconds, next(self._turns))
        self._sleepers.append(sleeper)
        self._sleepers.sort(key=lambda each: (each.deadline, each.turn))
        self._somebody_lies_down.set()
        try:
            await sleeper.awake.wait()
        finally:
            self._sleepers.remove(sleeper)
            # Each wakes the next: trio runs tasks that were woken together in no particular order.
            self._wake_first()

    def advance(self, seconds: float) -> None:
        """
        Move the time; the tasks whose sleep is over wake one after the other, in the order of their deadlines.

        Args:
            seconds: Not negative.
        """
        if seconds < 0:
            raise ValueError("time does not run backwards")
        _check_date(self.now(), seconds)
        self._elapsed += seconds
        self._wake_first()

    def _wake_first(self) -> None:
        if self._sleepers and self._is_over(self._sleepers[0]):
            self._sleepers[0].awake.set()

    def _is_over(self, sleeper: _Sleeper) -> bool:
        return sleeper.deadline <= self._elapsed + _ROUNDING


class SteppedClock:
    """
    Another clock, which can be moved ahead; sleeps are the other clock's.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = 0.0

    def now(self) -> datetime:
        """
        Return the present time, aware, in UTC.
        """
        return self._clock.now() + timedelta(seconds=self._ahead)

    def monotonic(self) -> float:
        """
        Return seconds that never run backwards.
        """
        return self._clock.monotonic() + self._ahead

    async def sleep(self, seconds: float) -> None:
        """
        Wait this many seconds of the other clock.
        """
        await self._clock.sleep(seconds)

    @property
    def ahead(self) -> float:
        """
        How many seconds it was moved ahead of the other clock.
        """
        return self._ahead

    def advance(self, seconds: float) -> None:
        """
        Move the time ahead.

        Args:
            seconds: Not negative.
        """
        if seconds < 0:
            raise ValueError("time does not run backwards")
        _check_date(self.now(), seconds)
        self._ahead += seconds


def _check_date(now: datetime, seconds: float) -> None:
    """
    Refuse a step to where there is no date, before the clock stands there and can say no time any more.
    """
    try:
        _ = now + timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError("so far ahead there is no date") from None
