"""
What becomes of a handler's answer: the passive reply, messages, or nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from typing import Any

import anyio
import pytest

from wechat_kf import (
    Ack,
    Article,
    AsyncKfClient,
    Image,
    KfError,
    MenuItem,
    Message,
    MpNewsArticle,
    MsgMenu,
    Music,
    News,
    Text,
    Video,
    Voice,
)
from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.bot import Answerable
from wechat_kf.testing import DropAfter, Errcode
from wechat_kf.webhook import (
    ClickEvent,
    Event,
    ImageReply,
    MusicReply,
    NewsReply,
    Push,
    Reply,
    TextMessage,
    TextReply,
    UserMessage,
    VideoReply,
    VoiceReply,
)

from .stage import ALICE, BOB, Stage, echo, slow

ARTICLE = Article("t", "d", "http://u", "http://p")


async def test_ready_in_time_is_the_passive_reply() -> None:
    """
    What is answered at once is the answer to the push, and nothing is sent.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(echo)
    async with stage.bot:
        fields = await stage.says("你好")

    assert isinstance(fields, dict)
    assert (fields["ToUserName"], fields["FromUserName"]) == (ALICE, "gh_1")
    assert (fields["MsgType"], fields["Content"]) == ("text", "你好")
    assert stage.sent == []


@pytest.mark.parametrize(("seconds", "late"), [(4.4, False), (4.6, True), (60, True)])
async def test_patience(seconds: float, late: bool) -> None:
    """
    Within the patience the answer is the passive reply; beyond, `success` at once and the answer as a message.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(slow(stage, seconds))
    answers: list[Any] = []
    async with stage.bot:
        async with anyio.create_task_group() as tasks:

            async def say() -> None:
                answers.append(await stage.says("你好"))

            tasks.start_soon(say)
            await stage.advance(min(seconds, 4.5))
        await stage.advance(max(0, seconds - 4.5))

    assert (answers == ["success"]) is late
    assert stage.sent == (["你好"] if late else [])


async def test_patience_counts_from_arrival() -> None:
    """
    Time spent before the handler begins is taken off the patience: here behind an earlier message.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(slow(stage, 3))
    answers: list[Any] = []
    async with stage.bot, anyio.create_task_group() as tasks:

        async def say(text: str) -> None:
            answers.append(await stage.says(text))

        tasks.start_soon(say, "1")
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(say, "2")
        await stage.advance(3)
        await stage.advance(1.5)
        await stage.advance(1.5)

    assert [answer if isinstance(answer, str) else answer["Content"] for answer in answers] == ["1", "success"]
    assert stage.sent == ["2"]


# A message, its passive form; the late form of that, if it has one.
FORMS: dict[str, tuple[Message, Reply | None, Message | None]] = {
    "text": (Text("你好"), TextReply("你好"), Text("你好")),
    "image": (Image("m"), ImageReply("m"), Image("m")),
    "voice": (Voice("m"), VoiceReply("m"), Voice("m")),
    "video": (Video("m", "t", "title"), VideoReply("m", "title"), None),
    "music": (
        Music("t", "d", "http://m", None, "thumb"),
        MusicReply("t", "d", "http://m", None, "thumb"),
        Music("t", "d", "http://m", None, "thumb"),
    ),
    "news": (News(ARTICLE), NewsReply(ARTICLE), News(ARTICLE)),
    "msgmenu": (MsgMenu([MenuItem("1", "yes")]), None, None),
    "mpnewsarticle": (MpNewsArticle("a"), None, None),
}


@pytest.mark.parametrize(("message", "reply", "late"), FORMS.values(), ids=FORMS)
async def test_forms(message: Message, reply: Reply | None, late: Message | None) -> None:
    """
    A message leaves as the passive reply that corresponds; one without, as itself; a reply too late as a message.
    """
    answer: Answerable = message
    sent: list[tuple[str, Message]] = []

    class Outbox(AsyncKfClient):
        async def send_custom_message(self, touser: str, message: Message | str, **options: Any) -> Ack:
            assert isinstance(message, Message)
            sent.append((touser, message))
            return Ack(0)

    stage = Stage(Outbox)

    @stage.bot.on(TextMessage)
    async def answer_it(push: TextMessage) -> Answerable:
        if push.content == "late":
            await stage.clock.sleep(5)
        return answer

    async with stage.bot:
        first = await stage.says("now")
        answer = reply
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stage.says, "late")
            await stage.advance(4.5)
        await stage.advance(0.5)

    if reply is None:
        assert first == "success"
        assert sent == [(ALICE, message)]
    else:
        assert isinstance(first, dict)
        assert first["MsgType"] == reply.msgtype
        assert sent == ([] if late is None else [(ALICE, late)])


@pytest.mark.parametrize(
    "reply",
    [VideoReply("m"), MusicReply("t", "d", None, None, "thumb")],
    ids=lambda reply: reply.msgtype,
)
async def test_reply_that_is_too_late(reply: Reply, caplog: pytest.LogCaptureFixture) -> None:
    """
    A reply that has no form as a message and comes too late is reported.
    """
    stage = Stage()

    @stage.bot.on(TextMessage)
    async def answer(push: TextMessage) -> Reply:
        await stage.clock.sleep(5)
        return reply

    async with stage.bot:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stage.says, "你好")
            await stage.advance(4.5)
        await stage.advance(0.5)

    assert stage.fake.sent == []
    assert f"{ALICE}:1" in caplog.text
    assert "ValueError" in caplog.text


@pytest.mark.parametrize("answer", [None, "", " \n", TextReply("")])
async def test_nothing_to_say(answer: Answerable) -> None:
    """
    Nothing, and text with nothing in it, is answered with `success`.
    """
    stage = Stage()

    @stage.bot.on(TextMessage)
    async def say_nothing(push: TextMessage) -> Answerable:
        return answer

    async with stage.bot:
        said = await stage.says("你好")

    assert said == "success"
    assert stage.sent == []


async def test_long_text_is_cut() -> None:
    """
    A text too long for the passive reply is answered with `success`, and sent in parts, which joined are the text.
    """
    text = "你好，" * 300 + "\n" * 5000 + "再见"
    stage = Stage()

    @stage.bot.on(TextMessage)
    async def say_much(push: TextMessage) -> str:
        return text

    async with stage.bot:
        said = await stage.says("你好")

    assert said == "success"
    assert len(stage.sent) > 2
    assert all(len(part.encode()) <= 2048 for part in stage.sent)
    # What would be a message of nothing but line ends is left out.
    assert "".join(stage.sent).replace("\n", "") == text.replace("\n", "")


async def test_longest_passive_text() -> None:
    """
    2,047 bytes are a passive reply, one more is a message.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(lambda push: "x" * int(push.content))
    async with stage.bot:
        fits = await stage.says("2047")
        does_not = await stage.says("2048")

    assert isinstance(fits, dict)
    assert does_not == "success"
    assert stage.sent == ["x" * 2048]


async def test_generator_sends_each() -> None:
    """
    What a generator yields is sent as it comes, in order, while the push was answered at once; blanks are left out.
    """
    stage = Stage()
    seen: list[list[str]] = []

    @stage.bot.on(TextMessage)
    async def stream(push: TextMessage) -> AsyncGenerator[Answerable]:
        yield "one"
        seen.append(stage.sent)
        yield " \n"
        yield None
        await stage.clock.sleep(10)
        yield Text("two")
        yield TextReply("three")

    async with stage.bot:
        said = await stage.says("你好")
        await stage.advance(10)

    assert said == "success"
    assert seen == [["one"]]
    assert stage.sent == ["one", "two", "three"]


async def test_any_async_iterator() -> None:
    """
    A handler may return any async iterator, not only a generator.
    """
    stage = Stage()

    class Countdown:
        def __init__(self) -> None:
            self._left = 3

        def __aiter__(self) -> Countdown:
            return self

        async def __anext__(self) -> str:
            self._left -= 1
            if not self._left:
                raise StopAsyncIteration
            return str(self._left)

    @stage.bot.on(TextMessage)
    def count_down(push: TextMessage) -> AsyncIterator[str]:
        return Countdown()

    async with stage.bot:
        said = await stage.says("你好")
        await anyio.wait_all_tasks_blocked()

    assert said == "success"
    assert stage.sent == ["2", "1"]


async def test_first_handler_that_fits() -> None:
    """
    Handlers are tried in the order of registration, by class, subclass and predicate; without one it is `success`.
    """
    stage = Stage()

    @stage.bot.on(TextMessage, lambda push: push.content.startswith("/"))
    async def command(push: TextMessage) -> str:
        return "command"

    @stage.bot.on(UserMessage, predicate=lambda push: push.openid == ALICE)
    async def message(push: UserMessage) -> str:
        return "message"

    @stage.bot.on(ClickEvent)
    async def click(push: ClickEvent) -> str:
        return "click"

    @stage.bot.on(Event)
    async def event(push: Event) -> str:
        return "event"

    async with stage.bot:
        answers = [
            await stage.says("/help"),
            await stage.says("help"),
            await stage.says("help", "oCarol"),
        ]
        for name in ("CLICK", "VIEW"):
            response = await stage.push(stage.body(MsgType="event", Event=name, EventKey="K"))
            answers.append(response.text)

    assert [each["Content"] if isinstance(each, dict) else each for each in answers[:3]] == [
        "command",
        "message",
        "success",
    ]
    assert ["click" in answers[3], "event" in answers[4]] == [True, True]


async def test_several_classes() -> None:
    """
    A handler can be registered for several classes at once.
    """
    stage = Stage()

    @stage.bot.on((TextMessage, ClickEvent))
    async def answer(push: Push) -> str:
        return "answer"

    async with stage.bot:
        said = await stage.says("你好")
        clicked = await stage.push(stage.body(MsgType="event", Event="CLICK", EventKey="K"))
        scanned = await stage.push(stage.body(MsgType="event", Event="SCAN", EventKey="K"))

    assert isinstance(said, dict)
    assert scanned.text == "success"
    assert "answer" in clicked.text


@pytest.mark.parametrize("kind", [echo, (TextMessage, str), TextReply, "text", None])
def test_what_is_no_class_of_push(kind: Any) -> None:
    """
    What is no class of push is refused at once, as the function is where the brackets were forgotten.
    """
    with pytest.raises(TypeError, match="class of push"):
        Stage().bot.on(kind)


def test_functions_of_another_color() -> None:
    """
    A predicate that would have to be awaited, and so is always true, and a generator that is not async are refused.
    """

    async def predicate(push: TextMessage) -> bool:
        return False

    def generator(push: TextMessage) -> Generator[str]:
        yield "one"

    wrong_predicate: Any = predicate
    wrong_handler: Any = generator
    on = Stage().bot.on

    with pytest.raises(TypeError, match="a predicate is a plain function"):
        on(TextMessage, wrong_predicate)
    with pytest.raises(TypeError, match="write `async def`"):
        on(TextMessage)(wrong_handler)


@pytest.mark.parametrize("hook", ["none", "function", "coroutine function"])
async def test_failing_handler(caplog: pytest.LogCaptureFixture, hook: str) -> None:
    """
    A handler that fails is logged with the push's key and shown to the hook, if there is one; WeChat gets `success`.
    """
    failures: list[tuple[Push, Exception]] = []

    def note(push: Push, error: Exception) -> None:
        failures.append((push, error))

    async def note_later(push: Push, error: Exception) -> None:
        await anyio.lowlevel.checkpoint()
        failures.append((push, error))

    stage = Stage(on_error={"none": None, "function": note, "coroutine function": note_later}[hook])

    @stage.bot.on(TextMessage)
    async def fail(push: TextMessage) -> str:
        raise LookupError(push.content)

    async with stage.bot:
        said = await stage.says("1")
        again = await stage.says("2")

    assert [said, again] == ["success", "success"]
    assert [(push.openid, repr(error)) for push, error in failures] == (
        [] if hook == "none" else [(ALICE, "LookupError('1')"), (ALICE, "LookupError('2')")]
    )
    assert f"The push {ALICE}:1 was not answered." in caplog.text
    assert "LookupError: 1" in caplog.text


class Panic(BaseException):
    """
    What extensions written in Rust raise.
    """


@pytest.mark.parametrize("typing", [False, True])
@pytest.mark.parametrize("error", [asyncio.CancelledError, Panic])
@pytest.mark.parametrize("streams", [False, True])
async def test_handler_that_breaks_out(
    typing: bool, error: type[BaseException], streams: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """
    The cancellation of something that a handler waits for, or a panic, ends that handler, and nothing else.
    """
    stage = Stage(typing=typing)
    if streams:

        @stage.bot.on(TextMessage, lambda push: push.content == "1")
        async def stream(push: TextMessage) -> AsyncIterator[str]:
            yield "before"
            raise error

    else:

        @stage.bot.on(TextMessage, lambda push: push.content == "1")
        async def answer(push: TextMessage) -> str:
            raise error

    stage.bot.on(TextMessage)(echo)
    async with stage.bot:
        said = await stage.says("1")
        then = [await stage.says("2"), await stage.says("3", BOB)]

    assert said == "success"
    assert [isinstance(each, dict) for each in then] == [True, True]
    assert [(push.dedupe_key, type(failure.__cause__)) for push, failure in stage.failures] == [(f"{ALICE}:1", error)]
    assert f"The push {ALICE}:1 was not{' wholly' if streams else ''} answered." in caplog.text


@pytest.mark.parametrize("error", [KeyError, asyncio.CancelledError])
async def test_failing_hook(error: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    """
    A hook that fails is logged, too, and breaks nothing.
    """

    def fail_too(push: Push, failure: Exception) -> None:
        raise error

    stage = Stage(on_error=fail_too)

    @stage.bot.on(TextMessage, lambda push: push.content == "1")
    async def fail(push: TextMessage) -> None:
        raise LookupError

    stage.bot.on(TextMessage)(echo)
    async with stage.bot:
        said = await stage.says("1")
        then = await stage.says("2")

    assert said == "success"
    assert isinstance(then, dict)
    assert "on_error failed" in caplog.text


@pytest.mark.parametrize("answer", [1, {"msgtype": "text"}, b"text"])
async def test_answer_of_a_wrong_type(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    """
    An answer that is none of those allowed is a failure of the handler.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(lambda push: answer)
    async with stage.bot:
        said = await stage.says("你好")

    assert said == "success"
    assert "a handler answers with" in caplog.text


async def test_failing_send(caplog: pytest.LogCaptureFixture) -> None:
    """
    If WeChat refuses a part, the rest is not sent, the failure is reported, and the generator is closed.
    """
    stage = Stage()
    stage.fake.fault(SEND_CUSTOM_MESSAGE, Errcode(45015), after=1)
    closed: list[bool] = []

    @stage.bot.on(TextMessage)
    async def stream(push: TextMessage) -> AsyncGenerator[str]:
        try:
            for text in ("one", "two", "three"):
                yield text
        finally:
            closed.append(True)

    async with stage.bot:
        await stage.says("你好")
        await anyio.wait_all_tasks_blocked()

    assert stage.sent == ["one"]
    assert closed == [True]
    assert [type(error).__name__ for _, error in stage.failures] == ["DeliveryWindowClosed"]


async def test_uncertain_send_is_not_repeated() -> None:
    """
    A message that may have arrived is not sent again, neither by the bot nor for a repetition of the push.
    """
    stage = Stage()
    stage.fake.fault(SEND_CUSTOM_MESSAGE, DropAfter())
    stage.bot.on(TextMessage)(lambda push: Text("x" * 2048))
    body = stage.text("你好")
    async with stage.bot:
        await stage.push(body)
        await anyio.wait_all_tasks_blocked()
        await stage.push(body)
        await anyio.wait_all_tasks_blocked()

    assert [call.path for call in stage.fake.calls].count(SEND_CUSTOM_MESSAGE.path) == 1
    assert [error.effect for _, error in stage.failures if isinstance(error, KfError)] == ["unknown"]


async def test_typing_is_shown_while_a_handler_takes_longer() -> None:
    """
    Typing is shown once the patience is over, until the answer is sent.
    """
    stage = Stage(typing=True)
    stage.bot.on(TextMessage)(slow(stage, 6))
    shown: list[bool] = []
    async with stage.bot:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stage.says, "你好")
            await stage.advance(4)
            shown.append(stage.fake.is_typing_shown(ALICE))
            await stage.advance(0.5)
        await anyio.wait_all_tasks_blocked()
        shown.append(stage.fake.is_typing_shown(ALICE))
        await stage.advance(1.5)
        shown.append(stage.fake.is_typing_shown(ALICE))

    assert shown == [False, True, False]
    assert stage.sent == ["你好"]


async def test_typing_is_not_shown_for_the_quick() -> None:
    """
    An answer in time, passive or not, costs no call for typing.
    """
    stage = Stage(typing=True)
    stage.bot.on(TextMessage, lambda push: push.content == "long")(lambda push: "x" * 2048)
    stage.bot.on(TextMessage)(echo)
    async with stage.bot:
        await stage.says("short")
        await stage.says("long")
        await anyio.wait_all_tasks_blocked()

    assert stage.sent == ["x" * 2048]
    assert not [call for call in stage.fake.calls if call.path.endswith("typing")]


async def test_typing_does_not_change_failures(caplog: pytest.LogCaptureFixture) -> None:
    """
    With typing on, a handler's error is reported as it is.
    """
    stage = Stage(typing=True)

    @stage.bot.on(TextMessage)
    async def fail(push: TextMessage) -> None:
        raise LookupError

    async with stage.bot:
        said = await stage.says("你好")

    assert said == "success"
    assert [type(error) for _, error in stage.failures] == [LookupError]
    loud = [record for record in caplog.records if record.name == "wechat_kf.bot" and record.levelname != "DEBUG"]
    assert [record.levelno for record in loud] == [logging.ERROR]
