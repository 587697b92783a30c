"""
How handlers are called: in whose context, for how long, in which turn, and what ends them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextvars import ContextVar
from threading import Event as ThreadEvent
from typing import Any

import anyio
import pytest
from anyio import to_thread

from wechat_kf import AsyncKfClient, Text
from wechat_kf.bot import AnswerTooLong, Failure
from wechat_kf.text import pack
from wechat_kf.webhook import Event, Push, TextMessage, TransferReply

from .stage import ALICE, BOB, Stage, echo, slow

REQUEST: ContextVar[int] = ContextVar("REQUEST", default=0)


async def test_context_of_its_own_request() -> None:
    """
    Each handler runs in the context variables of its own push's request, though it waits behind others.
    """
    stage = Stage()
    seen: list[tuple[str, int]] = []

    @stage.bot.on(TextMessage)
    async def handle(push: TextMessage) -> None:
        seen.append((push.content, REQUEST.get()))
        await stage.clock.sleep(1)

    async def request(number: int) -> None:
        REQUEST.set(number)
        await stage.says(str(number))

    async with stage.bot, anyio.create_task_group() as tasks:
        for number in (1, 2, 3):
            tasks.start_soon(request, number)
            await anyio.wait_all_tasks_blocked()
        for _ in range(3):
            await stage.advance(1)

    assert seen == [("1", 1), ("2", 2), ("3", 3)]


@pytest.mark.parametrize("streams", [False, True])
async def test_handler_has_a_limit(streams: bool) -> None:
    """
    A handler that takes too long is cancelled and counts as failed; the customer's next push is handled.
    """
    stage = Stage(handler_timeout=30)
    ended: list[str] = []

    async def think(push: TextMessage) -> str:
        try:
            await stage.clock.sleep(3600)
        finally:
            ended.append(push.content)
        return "too late"

    async def stream(push: TextMessage) -> AsyncGenerator[str]:
        yield "one"
        yield await think(push)

    stage.bot.on(TextMessage, lambda push: push.content == "hard")(stream if streams else think)
    stage.bot.on(TextMessage)(slow(stage, 5))
    async with stage.bot, anyio.create_task_group() as tasks:
        for text in ("hard", "easy"):
            tasks.start_soon(stage.says, text)
            await anyio.wait_all_tasks_blocked()
        for seconds in (29.9, 0.1, 5):
            await stage.advance(seconds)

    assert ended == ["hard"]
    assert stage.sent == [*(["one"] if streams else []), "easy"]
    assert [(type(error), str(error)) for _, error in stage.failures] == [
        (TimeoutError, "the handler took longer than handler_timeout, 30 s")
    ]


async def test_limit_is_each_handlers_own() -> None:
    """
    The limit counts from when a handler begins, and ends nobody else's.
    """
    stage = Stage(handler_timeout=30)
    stage.bot.on(TextMessage)(slow(stage, 20))
    async with stage.bot, anyio.create_task_group() as tasks:
        for text, openid in (("1", ALICE), ("2", ALICE), ("3", BOB)):
            tasks.start_soon(stage.says, text, openid)
            await anyio.wait_all_tasks_blocked()
        for _ in range(4):
            await stage.advance(10)

    assert sorted(stage.sent) == ["1", "2", "3"]
    assert stage.failures == []


async def test_limit_that_is_over_while_sending() -> None:
    """
    A message that is on its way when the time is over is sent; the handler is not asked for more.
    """

    class Client(AsyncKfClient):
        async def send_custom_message(self, *args: Any, **options: Any) -> Any:
            await stage.clock.sleep(40)
            return await super().send_custom_message(*args, **options)

    stage = Stage(Client, handler_timeout=30)

    @stage.bot.on(TextMessage)
    async def stream(push: TextMessage) -> AsyncGenerator[str]:
        yield "one"
        yield "two"

    async with stage.bot:
        await stage.says("你好")
        for seconds in (30, 10, 10):
            await stage.advance(seconds)

    assert stage.sent == ["one"]
    assert [type(error) for _, error in stage.failures] == [TimeoutError]


async def test_thread_that_goes_on() -> None:
    """
    A handler whose thread may be abandoned is ended though the thread goes on, and the customer's next push is handled.
    """
    stage = Stage(handler_timeout=10)
    going_on = ThreadEvent()

    async def wait(push: TextMessage) -> None:
        await to_thread.run_sync(going_on.wait, abandon_on_cancel=True)

    stage.bot.on(TextMessage, lambda push: push.content == "wait")(wait)
    stage.bot.on(TextMessage)(echo)
    answers: list[Any] = []
    try:
        async with stage.bot:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(stage.says, "wait")
                await stage.advance(10)
            answers.append(await stage.says("你好"))
    finally:
        going_on.set()

    assert [answer["Content"] for answer in answers] == ["你好"]
    assert [type(error) for _, error in stage.failures] == [TimeoutError]


@pytest.mark.parametrize(("options", "seconds"), [({}, 10), ({"handler_timeout": 8}, 8)], ids=["ten", "handler's"])
@pytest.mark.parametrize("hook", ["on_error", "on_lost"])
async def test_hooks_have_a_limit(
    hook: str, options: dict[str, Any], seconds: int, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A hook that never returns is ended after ten seconds, or after what a handler may take if that is less.
    """

    async def never(*args: Any) -> None:
        await anyio.sleep_forever()

    hooks: dict[str, Any] = {hook: never}
    stage = Stage(drain=0, **options, **hooks)

    @stage.bot.on(TextMessage, lambda push: push.content == "1")
    async def fail(push: TextMessage) -> None:
        if hook == "on_error":
            raise LookupError
        await stage.clock.sleep(60)

    stage.bot.on(TextMessage)(echo)
    async with anyio.create_task_group() as tasks, stage.bot:
        tasks.start_soon(stage.says, "1")
        await stage.advance(4.5)
        if hook == "on_error":
            await stage.advance(seconds - 4.5)
            said = await stage.says("2")
            assert isinstance(said, dict)
        else:
            tasks.start_soon(_advance_later, stage, seconds)

    assert f"{hook} failed for the push {ALICE}:1." in caplog.text
    assert f"{hook} took longer than {seconds} s" in caplog.text


async def _advance_later(stage: Stage, seconds: float) -> None:
    await stage.advance(seconds)


async def test_failing_on_lost(caplog: pytest.LogCaptureFixture) -> None:
    """
    An `on_lost` that fails is logged.
    """

    def fail(push: Push, sent: int, uncertain: bool) -> None:
        raise LookupError

    stage = Stage(drain=0, on_lost=fail)
    stage.bot.on(TextMessage)(slow(stage, 60))
    async with anyio.create_task_group() as tasks, stage.bot:
        tasks.start_soon(stage.says, "1")
        await stage.advance(4.5)

    assert f"on_lost failed for the push {ALICE}:1." in caplog.text


async def test_predicate_that_raises() -> None:
    """
    A predicate that raises is a failed handler: the push is told to `on_error`, no other is tried, the next is handled.
    """
    stage = Stage()
    stage.bot.on(TextMessage, lambda push: bool({"2": True}[push.content]))(echo)
    stage.bot.on(TextMessage)(echo)
    async with stage.bot:
        answers = [await stage.says(text) for text in ("1", "2")]

    assert answers[0] == "success"
    assert isinstance(answers[1], dict)
    assert [type(error) for _, error in stage.failures] == [KeyError]


async def test_predicate_is_asked_at_arrival() -> None:
    """
    A predicate is asked once, when its push arrives, in the context of its request, though an earlier push is handled.
    """
    stage = Stage()
    asked: list[tuple[str, int]] = []

    def predicate(push: TextMessage) -> bool:
        asked.append((push.content, REQUEST.get()))
        return True

    async def request(number: int) -> None:
        REQUEST.set(number)
        await stage.says(str(number))

    stage.bot.on(TextMessage, predicate)(slow(stage, 1))
    at_arrival: list[tuple[str, int]] = []
    async with stage.bot, anyio.create_task_group() as tasks:
        for number in (1, 2):
            tasks.start_soon(request, number)
            await anyio.wait_all_tasks_blocked()
        at_arrival += asked
        for _ in range(2):
            await stage.advance(1)

    assert at_arrival == asked == [("1", 1), ("2", 2)]


@pytest.mark.parametrize("streams", [False, True])
async def test_at_once_and_interrupt(streams: bool) -> None:
    """
    What is for now passes the customer's queue, and ends what is under way there; what was sent of it stands.
    """
    stage = Stage()
    ended: list[str] = []

    async def think(push: TextMessage) -> str:
        try:
            await stage.clock.sleep(60)
        finally:
            ended.append(push.content)
        return "answer"

    async def stream(push: TextMessage) -> AsyncGenerator[str]:
        yield "one"
        yield await think(push)

    @stage.bot.on(TextMessage, lambda push: push.content == "人工", at_once=True, interrupt=True)
    async def hand_over(push: TextMessage) -> TransferReply:
        return TransferReply()

    stage.bot.on(TextMessage)(stream if streams else think)
    answers: list[Any] = []
    async with stage.bot:
        async with anyio.create_task_group() as tasks:
            for text, openid in (("question", ALICE), ("another", ALICE), ("other", BOB)):
                tasks.start_soon(stage.says, text, openid)
                await anyio.wait_all_tasks_blocked()
            answers.append(await stage.says("人工"))
            await stage.advance(4.5)
        under_way = stage.bot.status().under_way
        await stage.advance(55.5)

    assert [answer["MsgType"] for answer in answers] == ["transfer_customer_service"]
    assert ended == ["question", "other"]
    assert under_way == 1
    assert stage.sent == (["one", "one", "answer"] if streams else ["answer"])
    assert stage.failures == []


async def test_at_once_alone() -> None:
    """
    Without `interrupt` what is under way goes on.
    """
    stage = Stage()
    stage.bot.on(TextMessage, lambda push: push.content == "now", at_once=True)(echo)
    stage.bot.on(TextMessage)(slow(stage, 60))
    answers: list[Any] = []
    async with stage.bot, anyio.create_task_group() as tasks:
        tasks.start_soon(stage.says, "question")
        await anyio.wait_all_tasks_blocked()
        answers.append(await stage.says("now"))
        await stage.advance(60)

    assert [answer["Content"] for answer in answers] == ["now"]
    assert stage.sent == ["question"]


async def test_typing_after_a_repetition() -> None:
    """
    Typing is shown once the last request was answered, not the one that a repetition took over.
    """
    stage = Stage(typing=True)
    stage.bot.on(TextMessage)(slow(stage, 10))
    body = stage.text("你好")
    shown: list[bool] = []
    async with stage.bot, anyio.create_task_group() as tasks:
        tasks.start_soon(stage.push, body)
        await stage.advance(3)
        tasks.start_soon(stage.push, body)
        await stage.advance(3)
        shown.append(stage.fake.is_typing_shown(ALICE))
        await stage.advance(1.5)
        shown.append(stage.fake.is_typing_shown(ALICE))
        await stage.advance(2.5)

    assert shown == [False, True]


async def test_failure_of_a_handler_that_has_not_answered() -> None:
    """
    A failure tells what the handler gave and what was sent; before it gave anything, nothing.
    """
    failures: list[Failure] = []
    stage = Stage(on_error=failures.append)

    @stage.bot.on(TextMessage)
    async def fail(push: TextMessage) -> str:
        raise LookupError

    async with stage.bot:
        await stage.says("你好")

    assert [(each.push.openid, type(each.error), each.answer, each.sent, each.unsent) for each in failures] == [
        (ALICE, LookupError, None, (), ())
    ]


@pytest.mark.parametrize(
    "options",
    [{"handler_timeout": 0}, {"resend": -1}, {"stale": 0}, {"drain": -1}, {"patience": -1}, {"concurrency": 0}],
)
def test_numbers_out_of_range(options: dict[str, Any]) -> None:
    """
    An option out of its range is refused at once, by its name.
    """
    with pytest.raises(ValueError, match=next(iter(options))):
        Stage(**options)


@pytest.mark.parametrize("is_coroutine", [False, True])
@pytest.mark.parametrize(("kind", "most"), [("text", 5), ("event", 3)])
async def test_packed_stream(kind: str, most: int, is_coroutine: bool) -> None:
    """
    A model's stream leaves in as many messages as may answer the push; what does not fit is told, all of it.
    """
    failures: list[Failure] = []
    stage = Stage(on_error=failures.append)
    text = "第一段。\n\n" + "很长的回答。\n" * 1000

    async def think() -> AsyncGenerator[str]:
        for at in range(0, len(text), 5):
            yield text[at : at + 5]

    def answer(push: Push) -> AsyncIterator[str]:
        return pack(think())

    async def answer_later(push: Push) -> AsyncIterator[str]:
        await stage.clock.sleep(5)
        return pack(think())

    stage.bot.on((TextMessage, Event))(answer_later if is_coroutine else answer)
    body = stage.text("你好") if kind == "text" else stage.body(MsgType="event", Event="SCAN", EventKey="K")
    answers: list[Any] = []

    async def push() -> None:
        answers.append((await stage.push(body)).text)

    async with stage.bot, anyio.create_task_group() as tasks:
        tasks.start_soon(push)
        await stage.advance(4.5)
        await stage.advance(0.5)

    assert answers == ["success"]
    assert (len(stage.sent), stage.sent[0], stage.sent[-1][-1]) == (most, "第一段。", "…")
    assert [type(failure.error) for failure in failures] == [AnswerTooLong]
    left = [message.content for message in failures[0].unsent if isinstance(message, Text)]
    assert "".join("".join([*stage.sent, *left]).replace("…", "").split()) == "".join(text.split())


@pytest.mark.parametrize("how", ["interrupt", "timeout", "refused", "leaving"])
async def test_stream_of_a_model_is_closed(how: str) -> None:
    """
    Whatever ends an answer closes the model's stream.
    """
    stage = Stage(handler_timeout=10, drain=0)
    ended: list[bool] = []

    async def think() -> AsyncGenerator[str]:
        try:
            yield "one\n\n"
            await stage.clock.sleep(60)
        finally:
            ended.append(True)

    @stage.bot.on(TextMessage, lambda push: push.content == "stop", at_once=True, interrupt=True)
    async def stop(push: TextMessage) -> None: ...

    @stage.bot.on(TextMessage)
    def answer(push: TextMessage) -> AsyncIterator[str]:
        return pack(think())

    if how == "refused":
        stage.fake.mutes(ALICE)
    async with stage.bot:
        await stage.says("你好")
        await anyio.wait_all_tasks_blocked()
        if how == "interrupt":
            await stage.says("stop")
        elif how == "timeout":
            await stage.advance(10)
        closed = [*ended]

    assert ended == [True]
    assert closed == ([] if how == "leaving" else [True])
    assert stage.sent == ([] if how == "refused" else ["one"])
