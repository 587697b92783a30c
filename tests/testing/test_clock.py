"""
Clocks for tests.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from math import inf, nan

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from wechat_kf import Clock, SystemClock
from wechat_kf.testing import FakeWeChat, ManualClock


def test_stands_still_until_moved() -> None:
    """
    Both readings start where they are told and move by what they are told.
    """
    clock = ManualClock(datetime(2026, 2, 3, 8, tzinfo=timezone(timedelta(hours=8))))
    before = clock.now(), clock.monotonic()
    clock.advance(1.5)

    assert isinstance(clock, Clock)
    assert before == (datetime(2026, 2, 3, tzinfo=UTC), 0.0)
    assert clock.now() == datetime(2026, 2, 3, 0, 0, 1, 500_000, tzinfo=UTC)
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() == 1.5


async def test_wakes_in_order() -> None:
    """
    Sleepers wake in the order of their deadlines, those of one deadline in the order they lay down.
    """
    clock = ManualClock()
    woken: list[str] = []

    async def nap(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    async with anyio.create_task_group() as tasks:
        for name, seconds in (("c", 3.0), ("a", 1.0), ("b", 2.0), ("d", 3.0), ("late", 4.0)):
            tasks.start_soon(nap, name, seconds)
            await wait_all_tasks_blocked()
        clock.advance(3.0)
        await wait_all_tasks_blocked()

        assert woken == ["a", "b", "c", "d"]
        assert clock.sleepers == (1.0,)

        clock.advance(1.0)

    assert woken[-1] == "late"
    assert clock.sleepers == ()


async def test_a_cancelled_sleeper_wakes_the_next() -> None:
    """
    A sleeper cancelled in the moment of waking does not hold up those behind it.
    """
    clock = ManualClock()
    woken: list[str] = []
    scope = anyio.CancelScope()

    async def first() -> None:
        with scope:
            await clock.sleep(1.0)

    async def second() -> None:
        await clock.sleep(2.0)
        woken.append("second")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first)
        tasks.start_soon(second)
        await wait_all_tasks_blocked()
        clock.advance(2.0)
        scope.cancel()

    assert woken == ["second"]


async def test_steps_that_do_not_add_up() -> None:
    """
    Ten steps of a tenth end a sleep of one second, whatever floats say.
    """
    clock = ManualClock()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.sleep, 1.0)
        await wait_all_tasks_blocked()
        for _ in range(10):
            clock.advance(0.1)
        await wait_all_tasks_blocked()

        assert clock.sleepers == ()
        assert clock.monotonic() < 1.0


async def test_waiting_for_others_to_sleep() -> None:
    """
    A test can wait until so many tasks sleep; one whose time is up does not count.
    """
    clock = ManualClock()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.sleep, 1.0)

        assert await clock.until_asleep() == (1.0,)

        clock.advance(1.0)

        assert clock.sleepers == ()

        tasks.start_soon(clock.sleep, 2.0)
        tasks.start_soon(clock.sleep, 3.0)

        assert await clock.until_asleep(2) == (2.0, 3.0)

        clock.advance(3.0)


async def test_sleeping_for_nothing_is_a_checkpoint() -> None:
    """
    A sleep of no time ends by itself, and can be cancelled.
    """
    clock = ManualClock()
    await clock.sleep(0)

    with anyio.CancelScope() as scope:
        scope.cancel()
        await clock.sleep(-1.0)

    assert scope.cancelled_caught


@pytest.mark.parametrize("clock", [ManualClock(), SystemClock()])
def test_time_does_not_run_backwards(clock: Clock) -> None:
    """
    Neither kind of clock takes a negative step.
    """
    with pytest.raises(ValueError, match="backwards"):
        FakeWeChat(clock=clock).advance(-1.0)


@pytest.mark.parametrize("clock", [ManualClock(), SystemClock()])
@pytest.mark.parametrize("seconds", [1e300, 1e12, nan, inf])
def test_a_step_to_no_date_is_refused(clock: Clock, seconds: float) -> None:
    """
    The clock still tells the time afterwards.
    """
    fake = FakeWeChat(clock=clock)

    with pytest.raises(ValueError, match=r"no date|NaN"):
        fake.advance(seconds)

    assert fake.clock.now().year < 3000


async def test_the_machines_clock_can_be_moved_ahead() -> None:
    """
    A stand-in on the machine's own clock gives it out with what it was moved by; sleeps stay the machine's.
    """
    fake = FakeWeChat()
    before = fake.clock.now(), fake.clock.monotonic()
    fake.advance(86400.0)
    with anyio.fail_after(60):
        await fake.clock.sleep(0.001)

    assert fake.clock.now() - before[0] >= timedelta(days=1)
    assert fake.clock.monotonic() - before[1] >= 86400.0
