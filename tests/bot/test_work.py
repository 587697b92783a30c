"""
Many pushes: repetitions, order, and how many at once.
"""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from wechat_kf.bot import _work as work_module
from wechat_kf.webhook import Push, TextMessage

from .stage import ALICE, BOB, Stage, echo, passive, slow


async def test_repetitions_are_handled_once() -> None:
    """
    A push that comes again after its passive reply is given the same bytes for 20 seconds, and is not handled again.
    """
    stage = Stage()
    handled: list[str] = []

    @stage.bot.on(TextMessage)
    async def answer(push: TextMessage) -> str:
        handled.append(push.content)
        return push.content

    body = stage.text("你好")
    async with stage.bot:
        answers = [await stage.push(body) for _ in range(3)]
        await stage.advance(20)
        answers.append(await stage.push(body))

    assert "你好" in answers[0].text
    assert [each.content == answers[0].content for each in answers] == [True, True, True, False]
    assert answers[3].text == "success"
    assert handled == ["你好"]
    assert stage.sent == []


async def test_repetition_takes_over_the_request() -> None:
    """
    A repetition proves that the first request was given up: it gets the passive reply, the first is void.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(slow(stage, 3))
    body = stage.text("你好")
    answers: dict[str, Any] = {}

    async def push(name: str) -> None:
        answers[name] = passive(await stage.push(body))

    async with stage.bot, anyio.create_task_group() as tasks:
        tasks.start_soon(push, "first")
        await stage.advance(1)
        tasks.start_soon(push, "second")
        await stage.advance(2)

    assert answers["first"] == "success"
    assert answers["second"]["Content"] == "你好"
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
    A push whose handler failed was told to `on_error`, and is not handled anew when it comes again.
    """
    stage = Stage()

    @stage.bot.on(TextMessage)
    async def fail(push: TextMessage) -> str:
        raise LookupError

    body = stage.text("你好")
    async with stage.bot:
        answers = [passive(await stage.push(body)) for _ in range(2)]

    assert answers == ["success", "success"]
    assert len(stage.failures) == 1


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


async def test_at_once_needs_no_slot() -> None:
    """
    Who asks for a person is heard though as many handlers run as may, and others wait.
    """
    stage = Stage(concurrency=1)
    stage.bot.on(TextMessage, lambda push: push.content == "人工", at_once=True)(echo)
    stage.bot.on(TextMessage)(slow(stage, 60))
    answers: list[Any] = []
    async with stage.bot, anyio.create_task_group() as tasks:
        for openid in (ALICE, BOB):
            tasks.start_soon(stage.says, "你好", openid)
            await anyio.wait_all_tasks_blocked()
        answers.append(await stage.says("人工", BOB))
        for _ in range(2):
            await stage.advance(60)

    assert [answer["Content"] for answer in answers] == ["人工"]
    assert stage.sent == ["你好", "你好"]


async def test_backlog_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    With too much under way, WeChat is told to come again.
    """
    monkeypatch.setattr(work_module, "MAX_PUSHES", 1)
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
