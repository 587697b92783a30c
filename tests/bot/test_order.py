"""
Many pushes: repetitions, order, and how many at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest

from wechat_kf.bot import MemorySeen
from wechat_kf.bot import _work as work_module
from wechat_kf.testing import ManualClock
from wechat_kf.webhook import Push, TextMessage

from .stage import ALICE, BOB, Stage, echo, passive, slow


async def test_repetitions_are_handled_once() -> None:
    """
    A push that comes again, after the first was handled, is answered `success` and not handled.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(echo)
    body = stage.text("你好")
    async with stage.bot:
        answers = [passive(await stage.push(body)) for _ in range(4)]

    assert isinstance(answers[0], dict)
    assert answers[1:] == ["success"] * 3
    assert stage.sent == []


async def test_repetition_while_the_first_still_runs() -> None:
    """
    A push that comes again while the first is being handled is answered `success` at once.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(slow(stage, 20))
    body = stage.text("你好")
    async with stage.bot:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stage.push, body)
            await stage.advance(4.5)
        again = passive(await stage.push(body))
        await stage.advance(15.5)
        once_more = passive(await stage.push(body))

    assert [again, once_more] == ["success", "success"]
    assert stage.sent == ["你好"]


async def test_events_of_one_second_are_two() -> None:
    """
    Two events of one customer in one second are both handled, one of them repeated is not.
    """
    stage = Stage()
    handled: list[str] = []
    stage.bot.on(Push)(lambda push: handled.append(push.dedupe_key))
    async with stage.bot:
        for key in ("A", "B", "A"):
            await stage.push(stage.body(MsgType="event", Event="CLICK", EventKey=key))

    assert [key[-1] for key in handled] == ["A", "B"]


async def test_repetition_of_what_failed() -> None:
    """
    A push whose handler failed before anything was sent is handled anew when it comes again.
    """
    stage = Stage()
    attempts: list[str] = []

    @stage.bot.on(TextMessage)
    async def fail_once(push: TextMessage) -> str:
        attempts.append(push.content)
        if len(attempts) == 1:
            raise LookupError
        return "done"

    body = stage.text("你好")
    async with stage.bot:
        first = passive(await stage.push(body))
        second = passive(await stage.push(body))
        third = passive(await stage.push(body))

    assert (first, third) == ("success", "success")
    assert isinstance(second, dict)
    assert len(attempts) == 2


async def test_one_customer_in_order_others_meanwhile() -> None:
    """
    One customer's pushes are handled one after the other, in order; another customer's do not wait for them.
    """
    stage = Stage()
    events: list[str] = []

    @stage.bot.on(TextMessage)
    async def handle(push: TextMessage) -> None:
        events.append(f"{push.content} begins")
        await stage.clock.sleep(10)
        events.append(f"{push.content} ends")

    async with stage.bot:
        async with anyio.create_task_group() as tasks:
            for name, openid in (("a1", ALICE), ("a2", ALICE), ("b1", BOB), ("a3", ALICE)):
                tasks.start_soon(stage.says, name, openid)
                await anyio.wait_all_tasks_blocked()
            await stage.advance(4.5)
        for seconds in (5.5, 10, 10):
            await stage.advance(seconds)

    alice = [event for event in events if event.startswith("a")]
    assert alice == [f"a{number} {what}" for number in (1, 2, 3) for what in ("begins", "ends")]
    assert events.index("b1 begins") < events.index("a1 ends")


async def test_concurrency_has_a_bound() -> None:
    """
    No more handlers run at once than allowed, and all pushes are handled in the end.
    """
    stage = Stage(concurrency=3)
    running: list[str] = []
    most: list[int] = []
    handled: list[str] = []

    @stage.bot.on(TextMessage)
    async def handle(push: TextMessage) -> None:
        running.append(push.openid)
        most.append(len(running))
        await stage.clock.sleep(1)
        running.remove(push.openid)
        handled.append(push.openid)

    async with stage.bot, anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(stage.says, "你好", f"o{number}")
        for _ in range(4):
            await stage.advance(1)

    assert max(most) == 3
    assert sorted(handled) == [f"o{number}" for number in range(10)]
    with pytest.raises(ValueError, match="concurrency"):
        Stage(concurrency=0)


async def test_backlog_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    With too much under way, WeChat is told to come again.
    """
    monkeypatch.setattr(work_module, "_BACKLOG", 1)
    stage = Stage()
    stage.bot.on(TextMessage)(slow(stage, 1))
    statuses: list[int] = []
    async with stage.bot, anyio.create_task_group() as tasks:

        async def say(text: str) -> None:
            statuses.append((await stage.push(stage.text(text))).status_code)

        tasks.start_soon(say, "1")
        await anyio.wait_all_tasks_blocked()
        await say("2")
        await stage.advance(1)
        tasks.start_soon(say, "3")
        await stage.advance(1)

    assert statuses == [503, 200, 200]


# ---- the memory of pushes ----------------------------------------------------------------------------------------


class Recorder:
    """
    A seen-store that remembers what it was asked, and fails where it should.
    """

    def __init__(self, *failing: str, error: BaseException | None = None) -> None:
        self.asked: list[str] = []
        self._failing = failing
        self._error = ConnectionError("no store") if error is None else error

    async def claim(self, key: str) -> bool:
        await self._ask("claim")
        return True

    async def done(self, key: str) -> None:
        await self._ask("done")

    async def release(self, key: str) -> None:
        await self._ask("release")

    async def _ask(self, what: str) -> None:
        self.asked.append(what)
        if what in self._failing:
            raise self._error


@pytest.mark.parametrize("fails", [False, True])
async def test_asks_the_store(fails: bool) -> None:
    """
    A push is claimed before it is handled, and noted as done, or released if its handler failed.
    """
    seen = Recorder()
    stage = Stage(seen=seen)

    @stage.bot.on(TextMessage)
    async def handle(push: TextMessage) -> str:
        seen.asked.append("handle")
        if fails:
            raise LookupError
        return "done"

    async with stage.bot:
        await stage.says("你好")

    assert seen.asked == ["claim", "handle", "release" if fails else "done"]


@pytest.mark.parametrize("error", [ConnectionError(), asyncio.CancelledError()])
async def test_store_that_cannot_be_asked(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """
    If it is not known whether a push was handled, it is not, and WeChat is told to come again.
    """
    stage = Stage(seen=Recorder("claim", error=error))
    handled: list[Any] = []
    stage.bot.on(TextMessage)(handled.append)
    async with stage.bot:
        response = await stage.push(stage.text("你好"))

    assert response.status_code == 503
    assert handled == []
    assert type(error).__name__ in caplog.text


@pytest.mark.parametrize("error", [ConnectionError(), asyncio.CancelledError()])
async def test_store_that_cannot_be_told(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """
    If it cannot be noted that a push was handled, that is logged, and the answer stands.
    """
    stage = Stage(seen=Recorder("done", error=error))
    stage.bot.on(TextMessage)(echo)
    async with stage.bot:
        said = await stage.says("你好")

    assert isinstance(said, dict)
    assert f"{ALICE}:1 was done" in caplog.text


async def test_memory_forgets_after_a_while() -> None:
    """
    A key is remembered from when it was last noted, for the time given, and no longer.
    """
    clock = ManualClock()
    seen = MemorySeen(seconds=60, clock=clock)
    claims = [await seen.claim("a")]
    clock.advance(59)
    claims.append(await seen.claim("a"))
    await seen.done("a")
    clock.advance(59)
    claims.append(await seen.claim("a"))
    clock.advance(1)
    claims.append(await seen.claim("a"))

    assert claims == [True, False, False, True]


class LostSeen:
    """
    A memory by which every push was taken on by another process meanwhile.
    """

    async def claim(self, key: str) -> bool:
        return True

    async def done(self, key: str) -> bool:
        return False

    async def release(self, key: str) -> None:
        raise AssertionError


async def test_push_that_another_process_took_over(caplog: pytest.LogCaptureFixture) -> None:
    """
    What another process has taken on, because this one seemed to be dead, is not answered here too; it is no failure.
    """
    stage = Stage(seen=LostSeen())
    ended: list[bool] = []

    @stage.bot.on(TextMessage)
    async def answer(push: TextMessage) -> AsyncGenerator[str]:
        try:
            yield "1"
            yield "2"
        finally:
            ended.append(True)

    async with stage.bot:
        said = await stage.says("你好")

    assert said == "success"
    assert stage.sent == []
    assert ended == [True]
    assert stage.failures == []
    assert f"The push {ALICE}:1 was taken on by another process" in caplog.text


async def test_memory_is_bounded() -> None:
    """
    Beyond its size the memory forgets the oldest; what has expired makes room by itself.
    """
    clock = ManualClock()
    seen = MemorySeen(max_size=2, seconds=60, clock=clock)
    claims = [await seen.claim(key) for key in ("a", "b", "c", "b", "a")]
    size = len(seen)
    clock.advance(60)
    await seen.claim("d")

    assert claims == [True, True, True, False, True]
    assert size == 2
    assert len(seen) == 1


async def test_memory_releases() -> None:
    """
    A released key can be claimed again; releasing one that is not there is harmless.
    """
    seen = MemorySeen()
    claims = [await seen.claim("a"), await seen.claim("a")]
    await seen.release("a")
    await seen.release("a")
    claims.append(await seen.claim("a"))

    assert claims == [True, False, True]
    with pytest.raises(ValueError, match="max_size"):
        MemorySeen(max_size=0)
