"""
What hooks are told of pushes and requests, and what the status counts.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio
import attrs
import pytest

from wechat_kf import AsyncKfClient, Text
from wechat_kf.bot import Answer, Bot, BotStatus, MemoryInbox
from wechat_kf.bot import _work as work_module
from wechat_kf.instrumentation import (
    CallEnd,
    HandlerEnd,
    HandlerStart,
    Hook,
    PushEnd,
    PushStart,
    RequestEnd,
    RequestStart,
)
from wechat_kf.webhook import TextMessage, TransferReply

from ..recorder import Recorder, recording
from .stage import ALICE, BOB, Stage, slow


def outcomes(hook: Recorder) -> list[str]:
    """
    List how the pushes ended, in order.
    """
    return [end.outcome for end in hook.of(PushEnd)]


@pytest.fixture
def hook() -> Recorder:
    """
    Make a hook that keeps what it is told.
    """
    return recording()


async def test_push_is_told_from_start_to_end(hook: Recorder) -> None:
    """
    A push is told within its request, and its handler within the push, with the times that each took.
    """
    stage = Stage(hooks=[hook])
    stage.bot.on(TextMessage)(slow(stage, 1))
    async with stage.bot, anyio.create_task_group() as tasks:
        tasks.start_soon(stage.says, "你好")
        await stage.advance(1)

    assert hook.told == [
        RequestStart(method="POST"),
        PushStart(kind="TextMessage", attempt=1, is_taken_over=False, carried={}),
        HandlerStart(kind="TextMessage", waited=0),
        RequestEnd(status=200, seconds=1),
        HandlerEnd(seconds=1, error=None),
        PushEnd(outcome="replied", error=None, messages=0, waited=0, handled=1),
    ]


async def stream(_: TextMessage) -> AsyncIterator[str]:
    """
    Answer with two messages.
    """
    yield "1"
    yield "2"


def handlers() -> dict[str, Any]:
    """
    Give a handler for each way to answer.
    """

    def reply(_: TextMessage) -> str:
        return "您好"

    def message(_: TextMessage) -> Answer:
        return Answer("您好", passive=False)

    def nothing(_: TextMessage) -> None:
        return None

    def failure(_: TextMessage) -> None:
        raise ZeroDivisionError

    return {each.__name__: each for each in (reply, message, stream, nothing, failure)}


@pytest.mark.parametrize(
    ("handler", "outcome", "messages"),
    [
        ("reply", "replied", 0),
        ("message", "sent", 1),
        ("stream", "sent", 2),
        ("nothing", "silent", 0),
        ("failure", "failed", 0),
    ],
)
async def test_way_of_the_answer_is_told(hook: Recorder, handler: str, outcome: str, messages: int) -> None:
    """
    How a push was answered is told, with the number of messages, and the class of what was raised.
    """
    stage = Stage(hooks=[hook])
    stage.bot.on(TextMessage)(handlers()[handler])
    async with stage.bot:
        await stage.says("你好")
        await anyio.wait_all_tasks_blocked()
        counts = stage.bot.status().counts

    [end] = hook.of(PushEnd)
    assert (end.outcome, end.messages) == (outcome, messages)
    assert end.error == ("ZeroDivisionError" if outcome == "failed" else None)
    assert counts == stage.bot.status().counts == {outcome: 1}


@pytest.mark.parametrize("answer", ["您好", TransferReply("kf1@test")], ids=["message", "transfer"])
async def test_late_answer_is_told(hook: Recorder, answer: Any) -> None:
    """
    What is answered after WeChat has stopped waiting is late, be it a message or a session with an agent.
    """
    stage = Stage(hooks=[hook])
    stage.fake.agent_online("kf1@test")

    @stage.bot.on(TextMessage)
    async def think(push: TextMessage) -> Any:
        await stage.clock.sleep(6)
        return answer

    async with stage.bot, anyio.create_task_group() as tasks:
        tasks.start_soon(stage.says, "你好")
        await stage.advance(5)
        await stage.advance(1)

    assert outcomes(hook) == ["late"]


async def test_waiting_is_told(hook: Recorder) -> None:
    """
    A customer's second push waits for the first; the status says how many wait.
    """
    stage = Stage(hooks=[hook])
    stage.bot.on(TextMessage)(slow(stage, 2))
    seen: list[BotStatus] = []
    async with stage.bot, anyio.create_task_group() as tasks:
        for text in ("1", "2"):
            tasks.start_soon(stage.says, text)
            await anyio.wait_all_tasks_blocked()
        seen.append(stage.bot.status())
        await stage.advance(2)
        await stage.advance(2)

    [status] = seen
    assert (status.under_way, status.handling, status.waiting) == (2, 1, 1)
    assert json.loads(json.dumps(attrs.asdict(status)))["state"] == "running"
    assert [(end.waited, end.handled) for end in hook.of(PushEnd)] == [(0, 2), (2, 2)]


async def test_repetitions_are_told(hook: Recorder) -> None:
    """
    A repetition of a push that is done, and one of a push under way, are told as pushes of their own.
    """
    stage = Stage(hooks=[hook])
    stage.bot.on(TextMessage)(slow(stage, 2))
    body = stage.text("1")
    async with stage.bot, anyio.create_task_group() as tasks:
        tasks.start_soon(stage.push, body)
        await stage.advance(1)
        tasks.start_soon(stage.push, body)
        await stage.advance(1)
        await stage.push(body)

    assert sorted(outcomes(hook)) == ["repeated", "repeated", "replied"]


async def test_interruption_is_told(hook: Recorder) -> None:
    """
    A push that another of its customer ended is told so.
    """
    stage = Stage(hooks=[hook])
    stage.bot.on(TextMessage, lambda push: push.content == "人工", at_once=True, interrupt=True)(lambda push: "1")
    stage.bot.on(TextMessage)(slow(stage, 60))
    async with stage.bot, anyio.create_task_group() as tasks:
        tasks.start_soon(stage.says, "你好")
        await anyio.wait_all_tasks_blocked()
        await stage.says("人工")

    assert sorted(outcomes(hook)) == ["interrupted", "replied"]


async def test_refusals_are_told(hook: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A push that is not taken on is told, and so is the status of each request.
    """
    stage = Stage(hooks=[hook])
    monkeypatch.setattr(work_module, "MAX_PUSHES", 0)
    async with stage.bot:
        await stage.push(stage.text("1"))
        await stage.request("POST", {"signature": "wrong", "timestamp": "1", "nonce": "1"})
        await stage.request("PUT", {})

    assert outcomes(hook) == ["refused"]
    assert [end.status for end in hook.of(RequestEnd)] == [503, 403, 405]


@pytest.mark.parametrize("again", [False, True], ids=["new", "repetition"])
async def test_failing_inbox_is_told(hook: Recorder, again: bool) -> None:
    """
    A push, or a repetition, that the inbox cannot note is refused.
    """

    class Failing(MemoryInbox):
        def arrive(self, *arguments: Any, **named: Any) -> Any:
            if not again or len(self):
                raise LookupError
            return super().arrive(*arguments, **named)

    stage = Stage(hooks=[hook], inbox=Failing())
    stage.bot.on(TextMessage)(slow(stage, 2))
    body = stage.text("1")
    async with stage.bot, anyio.create_task_group() as tasks:
        tasks.start_soon(stage.push, body)
        await anyio.wait_all_tasks_blocked()
        if again:
            tasks.start_soon(stage.push, body)
        await stage.advance(2)

    refused = [end for end in hook.of(PushEnd) if end.outcome == "refused"]
    assert [end.error for end in refused] == ["LookupError"]


class Carrying(Hook):
    """
    A hook with something that travels with each push.
    """

    def carry(self) -> Mapping[str, str]:
        return {"trace": "1"}


async def test_what_a_hook_carries_reaches_the_next_worker(hook: Recorder) -> None:
    """
    A push that another worker takes over brings along what the hooks of the first gave it.
    """
    inbox = MemoryInbox()
    one, two = Stage(inbox=inbox, drain=0, hooks=[Carrying(), hook]), Stage(inbox=inbox, hooks=[hook])
    for stage in (one, two):
        stage.bot.on(TextMessage)(slow(stage, 20))
    async with two.bot, anyio.create_task_group() as tasks:
        async with one.bot:
            tasks.start_soon(one.says, "1")
            await anyio.wait_all_tasks_blocked()
        await two.advance(20)

    assert hook.of(PushStart)[1] == PushStart(kind="TextMessage", attempt=2, is_taken_over=True, carried={"trace": "1"})
    assert outcomes(hook) == ["left", "late"]


async def test_lost_push_is_told(hook: Recorder) -> None:
    """
    A push that is cut off while it is answered is told as lost, with what it carried.
    """
    stage = Stage(hooks=[Carrying(), hook], drain=0)

    @stage.bot.on(TextMessage)
    async def answer(push: TextMessage) -> AsyncIterator[str]:
        yield "1"
        await anyio.sleep_forever()

    async with stage.bot:
        await stage.says("1")
        await anyio.wait_all_tasks_blocked()

    assert stage.lost == [(f"{ALICE}:1", 1, False)]
    assert [start.carried for start in hook.of(PushStart)] == [{}, {"trace": "1"}]
    assert outcomes(hook) == ["left", "lost"]
    assert stage.bot.status().counts == {"left": 1, "lost": 1}


async def test_taken_over_push_is_told(hook: Recorder) -> None:
    """
    A push that is another worker's by the time it is answered is told so.
    """

    class Taken(MemoryInbox):
        def send(self, *_: Any, **__: Any) -> bool:
            return False

    stage = Stage(hooks=[hook], inbox=Taken())
    stage.bot.on(TextMessage)(stream)
    async with stage.bot:
        await stage.says("1")

    assert outcomes(hook) == ["taken_over"]


async def test_bot_takes_the_hooks_of_its_client(hook: Recorder) -> None:
    """
    Unless it has hooks of its own, a bot tells those of its client, each once.
    """
    stage = Stage()
    fake = stage.fake
    kf = AsyncKfClient(fake.appid, fake.secret, http=fake.client(), hooks=[hook], clock=stage.clock)
    bot = Bot(stage.hook, kf, clock=stage.clock)
    bot.on(TextMessage)(lambda push: Answer(Text("您好"), passive=False))
    async with bot:
        await stage.request("POST", stage.signed(), stage.text("你好"), app=bot)

    assert [type(each).__name__ for each in hook.told if isinstance(each, (PushStart, PushEnd))] == [
        "PushStart",
        "PushEnd",
    ]
    assert len(hook.of(CallEnd)) == 2


async def test_hooks_that_raise_do_not_touch_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    """
    A hook whose every method raises changes no answer; it is said once.
    """

    def fail(*_: object) -> None:
        raise LookupError

    names = [name for name in vars(Hook) if not name.startswith("_")]
    broken: Hook = type("Broken", (Hook,), dict.fromkeys(names, fail))()
    stage = Stage(hooks=[broken])
    stage.bot.on(TextMessage)(stream)
    async with stage.bot:
        await stage.says("1")
        await stage.says("1", BOB)

    assert sorted(stage.sent) == ["1", "1", "2", "2"]
    assert [record.getMessage() for record in caplog.records if record.name == "wechat_kf.hooks"] == [
        "The hook Broken failed; this is said once."
    ]
