"""
The rows of the READMEs' table of speeds, from the figures of a run.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import TypeAlias

__all__ = ["Rounds", "speed_rows"]

Rounds: TypeAlias = dict[str, list[float]]


def speed_rows(times: Mapping[str, Rounds], to: str) -> str:
    """
    Write one row for each client, the fastest first: its time at each number at a time, and what that is to another's.

    Args:
        times: By column, each client's figures of every round.

        to: The other client.
    """
    rows: list[str] = []
    for name in next(iter(times.values())):
        cells: list[str] = []
        for rounds in times.values():
            ratio = statistics.median(one / other for one, other in zip(rounds[name], rounds[to], strict=True))
            cells.append(f"{statistics.median(rounds[name]):,.0f} ({ratio:.2f})")
        rows.append(f"| {name} | {' | '.join(cells)} |\n")
    return "".join(rows)
