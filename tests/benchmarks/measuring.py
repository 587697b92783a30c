"""
What one measurement is: a command in, figures out; and how time is taken.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

__all__ = ["Command", "Figures", "cpu_of", "longest_gap"]

Command: TypeAlias = dict[str, Any]
Figures: TypeAlias = dict[str, float]


def cpu_of(step: Callable[[], object], times: int) -> float:
    """
    Return the processor's seconds of one step of several; the first, which fills caches, is not counted.
    """
    step()
    gc.collect()
    start = time.process_time()
    for _ in range(times):
        step()
    return (time.process_time() - start) / times


async def longest_gap(work: Callable[[], Awaitable[object]]) -> float:
    """
    Return the longest time for which the event loop did not turn while something was done.
    """
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            asleep = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - asleep - 0.001)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0)
    await work()
    ticking.cancel()
    return longest
