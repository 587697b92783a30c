"""
What concurrent code shares: state of each event loop, the first of several waits, tasks beside a body.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Awaitable, Callable

import anyio
import pytest

from wechat_kf._concurrency import PerLoop, background_tasks, first_of


class Value:
    """
    Something that keeps its event loop alive, as a connection does.
    """

    def __init__(self) -> None:
        self.loop: object = None


def test_each_event_loop_has_its_own() -> None:
    """
    The same loop gets the same value each time, another loop another.
    """
    values = PerLoop(Value)

    async def twice() -> tuple[Value, Value]:
        return values.get(), values.get()

    first, second = asyncio.run(twice()), asyncio.run(twice())

    assert first[0] is first[1]
    assert second[0] is second[1]
    assert first[0] is not second[0]


def test_closed_loops_are_forgotten() -> None:
    """
    A value that refers to its loop goes when another loop arrives after that one was closed.
    """
    values = PerLoop(Value)
    kept: list[weakref.ref[Value]] = []

    async def keep() -> None:
        value = values.get()
        value.loop = asyncio.get_running_loop()
        kept.append(weakref.ref(value))

    asyncio.run(keep())
    asyncio.run(keep())
    gc.collect()

    assert kept[0]() is None
    assert kept[1]() is not None


def test_loops_in_two_threads() -> None:
    """
    A loop that arrives in another thread takes nothing from one that still runs.
    """
    values = PerLoop(Value)
    found: list[Value] = []

    async def stay() -> None:
        before = values.get()
        await asyncio.to_thread(asyncio.run, look())
        assert values.get() is before

    async def look() -> None:
        found.append(values.get())

    thread = threading.Thread(target=asyncio.run, args=(stay(),))
    thread.start()
    thread.join(10)

    assert len(found) == 1


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_first_of(place: int) -> None:
    """
    Whichever wait ends first ends them all.
    """
    cancelled: list[int] = []

    def wait(number: int) -> Callable[[], Awaitable[object]]:
        async def run() -> None:
            try:
                await anyio.sleep(0 if number == place else 60)
            except anyio.get_cancelled_exc_class():
                cancelled.append(number)
                raise

        return run

    with anyio.fail_after(5):
        await first_of(wait(0), wait(1), wait(2))

    assert sorted(cancelled) == [number for number in range(3) if number != place]


async def test_background_tasks_end_with_the_body() -> None:
    """
    At the end of the body its tasks are cancelled, and waited for.
    """
    ended: list[str] = []

    async def run() -> None:
        try:
            await anyio.sleep(60)
        finally:
            ended.append("task")

    with anyio.fail_after(5):
        async with background_tasks() as tasks:
            tasks.start_soon(run)
            await anyio.wait_all_tasks_blocked()

    assert ended == ["task"]


@pytest.mark.parametrize("kind", [LookupError, SystemExit])
async def test_what_the_body_raises_is_not_wrapped(kind: type[BaseException]) -> None:
    """
    An exception of the body comes out as it was raised.
    """

    async def body() -> None:
        async with background_tasks() as tasks:
            tasks.start_soon(anyio.sleep, 60)
            raise kind("this")

    with pytest.raises(kind, match="this"):
        await body()


async def test_cancelling_the_body() -> None:
    """
    A cancellation ends the body and its tasks, and goes on to who asked for it.
    """
    with anyio.move_on_after(0.01) as scope:
        async with background_tasks() as tasks:
            tasks.start_soon(anyio.sleep, 60)
            await anyio.sleep(60)

    assert scope.cancelled_caught
