"""
Figures of several rounds, and the goals they are held against.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable

import attrs

from .table import Rounds

__all__ = ["Goal", "Spread", "ratio"]


@attrs.frozen
class Spread:
    """
    What several rounds gave.
    """

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, figures: Iterable[float]) -> Spread:
        """
        Take the median, the least and the most.
        """
        values = sorted(figures)
        return cls(statistics.median(values), values[0], values[-1])

    def __str__(self) -> str:
        digits = 0 if self.most >= 100 else 1 if self.most >= 20 else 2
        return f"{self.median:,.{digits}f} ({self.least:,.{digits}f} to {self.most:,.{digits}f})"


@attrs.frozen
class Goal:
    """
    A bound, and what was measured.
    """

    text: str
    measured: Spread
    bound: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """
        Whether the median is within the bound.
        """
        return self.measured.median >= self.bound if self.at_least else self.measured.median <= self.bound

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        return f"{'holds ' if self.holds else 'MISSED'}  {self.text}: {self.measured}, goal {sign} {self.bound:g}"


def ratio(figures: Rounds, name: str, to: str) -> Spread:
    """
    Divide one client's figure by another's in each round.
    """
    return Spread.of(one / other for one, other in zip(figures[name], figures[to], strict=True))
