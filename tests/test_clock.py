"""
The machine's own clock.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio

from wechat_kf import Clock, SystemClock


async def test_system_clock() -> None:
    """
    It tells the time in UTC, counts seconds that never run backwards, and waits, which can be cancelled.
    """
    clock = SystemClock()
    before, earlier = datetime.now(UTC), clock.monotonic()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await clock.sleep(0)
    await clock.sleep(0)

    assert isinstance(clock, Clock)
    assert scope.cancelled_caught
    assert before <= clock.now() <= datetime.now(UTC)
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.monotonic() >= earlier
