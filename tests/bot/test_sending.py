"""
How answers leave: in time or not, with options, sent again, as many as are allowed, or as a session with an agent.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest

from wechat_kf import AsyncKfClient, KfError, NotSent, RateLimited, SystemBusy, Text
from wechat_kf.api.accounts import GET_ONLINE_KF_LIST
from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.bot import Allowance, Answer, Answerable, AnswerTooLong, Failure, NoAgentOnline
from wechat_kf.testing import DropAfter, Errcode
from wechat_kf.webhook import Event, TextMessage, TextReply, TransferReply

from .stage import ALICE, Stage, slow
from .test_workers import Scripted


async def test_answer_that_is_ready_too_late_for_its_request() -> None:
    """
    A handler that holds the event loop for longer than WeChat waits is answered by a message, and by that alone.
    """
    inbox = Scripted()
    stage = Stage(inbox=inbox)

    @stage.bot.on(TextMessage)
    async def answer(push: TextMessage) -> str:
        stage.clock.advance(6)
        return push.content

    async with stage.bot:
        said = await stage.says("你好")

    assert said == "success"
    assert stage.sent == ["你好"]
    assert inbox.asked == ["arrive", "send", "done"]


async def test_request_that_ends_while_the_reply_is_marked() -> None:
    """
    A reply that was marked, but whose time was over then, is sent as a message.
    """
    inbox = Scripted()
    stage = Stage(inbox=inbox)
    inbox.on_reply = lambda: stage.clock.advance(5)
    stage.bot.on(TextMessage)(lambda push: push.content)
    async with stage.bot:
        said = await stage.says("你好")

    assert said == "success"
    assert stage.sent == ["你好"]


@pytest.mark.parametrize(
    ("options", "answer", "passive", "kf_account", "label"),
    [
        ({}, "你好", True, None, None),
        ({}, Answer("你好"), True, None, None),
        ({}, Answer("你好", passive=False), False, None, None),
        ({}, Answer(Text("你好"), kf_account="kf1@test"), False, "kf1@test", None),
        ({}, Answer(TextReply("你好"), is_ai_msg=True), False, None, 1),
        ({"is_ai_msg": True}, "你好", False, None, 1),
        ({"is_ai_msg": True}, Answer("你好", is_ai_msg=False), True, None, None),
        ({"kf_account": "kf1@test"}, "你好", False, "kf1@test", None),
        ({"kf_account": "kf1@test", "is_ai_msg": True}, Answer("你好", kf_account="kf2@test"), False, "kf2@test", 1),
    ],
)
async def test_options_of_an_answer(
    options: dict[str, Any], answer: Answerable, passive: bool, kf_account: str | None, label: int | None
) -> None:
    """
    The label and the agent's name go on each message, an answer's own before the bot's; a passive reply has neither.
    """
    stage = Stage(**options)
    for name in ("kf1@test", "kf2@test"):
        stage.fake.agent_online(name)
    stage.bot.on(TextMessage)(lambda push: answer)
    async with stage.bot:
        said = await stage.says("你好")
        await anyio.wait_all_tasks_blocked()

    assert isinstance(said, dict) is passive
    assert [shown.payload.get("aimsgcontext", {}).get("is_ai_msg") for shown in stage.fake.sent] == (
        [] if passive else [label]
    )
    assert [shown.payload.get("customservice", {}).get("kf_account") for shown in stage.fake.sent] == (
        [] if passive else [kf_account]
    )


async def test_blank_answer_with_options() -> None:
    """
    An `Answer` with nothing in it says nothing.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(lambda push: Answer(" "))
    async with stage.bot:
        said = await stage.says("你好")

    assert (said, stage.sent, stage.failures) == ("success", [], [])


@pytest.mark.parametrize("error", [NotSent("no connection"), RateLimited(45011), SystemBusy(-1, effect="none")])
async def test_sent_again_while_it_will_pass(error: KfError) -> None:
    """
    A message that failed without effect is sent again before the customer's next push is handled.
    """
    failing = [error] * 4

    class Client(AsyncKfClient):
        async def send_custom_message(self, *args: Any, **options: Any) -> Any:
            if failing:
                raise failing.pop()
            return await super().send_custom_message(*args, **options)

    stage = Stage(Client, is_ai_msg=True, resend=300)
    stage.bot.on(TextMessage)(lambda push: push.content)
    async with stage.bot, anyio.create_task_group() as tasks:
        for text in ("1", "2"):
            tasks.start_soon(stage.says, text)
            await anyio.wait_all_tasks_blocked()
        for _ in range(4):
            await stage.advance(60)

    assert stage.sent == ["1", "2"]
    assert stage.failures == []


async def test_pauses_before_it_is_sent_again() -> None:
    """
    The pauses double from half a second to eight.
    """
    sent_at: list[float] = []

    class Client(AsyncKfClient):
        async def send_custom_message(self, *args: Any, **options: Any) -> Any:
            sent_at.append(stage.clock.monotonic() - begin)
            raise NotSent("no connection")

    stage = Stage(Client, is_ai_msg=True, resend=40)
    stage.bot.on(TextMessage)(lambda push: push.content)
    begin = stage.clock.monotonic()
    async with stage.bot, anyio.create_task_group() as tasks:
        tasks.start_soon(stage.says, "1")
        for _ in range(90):
            await stage.advance(0.5)

    assert sent_at == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 23.5, 31.5, 39.5, 40]


async def test_not_sent_again_if_it_will_not_pass() -> None:
    """
    What no wait will mend, such as a proxy setting that cannot work, is told at once.
    """
    error = NotSent("no proxy")
    error.is_lasting = True

    class Client(AsyncKfClient):
        async def send_custom_message(self, *args: Any, **options: Any) -> Any:
            raise error

    stage = Stage(Client, is_ai_msg=True)
    stage.bot.on(TextMessage)(lambda push: push.content)
    async with stage.bot:
        await stage.says("你好")
        await anyio.wait_all_tasks_blocked()

    assert [failure for _, failure in stage.failures] == [error]


async def test_sent_again_for_a_limited_time() -> None:
    """
    What does not pass in time is told, with the answer and what was not sent of it.
    """
    failures: list[Failure] = []
    stage = Stage(on_error=failures.append, resend=60)
    stage.fake.fault(SEND_CUSTOM_MESSAGE, Errcode(45011), times=2)
    stage.bot.on(TextMessage)(lambda push: "x" * 2049)
    async with stage.bot:
        await stage.says("你好")
        await stage.advance(60)

    assert [(type(each.error).__name__, each.push.openid, each.sent) for each in failures] == [
        ("RateLimited", ALICE, ())
    ]
    assert failures[0].answer == "x" * 2049
    assert failures[0].unsent == (Text("x" * 2048), Text("x"))


async def test_not_sent_again_if_it_may_have_arrived() -> None:
    """
    A message that may have arrived is not sent again, and counts as one of those allowed.
    """
    failures: list[Failure] = []

    def note(failure: Failure) -> str:
        failures.append(failure)
        return "y" * 2048 * 5

    stage = Stage(on_error=note)
    stage.fake.fault(SEND_CUSTOM_MESSAGE, DropAfter())
    stage.bot.on(TextMessage)(lambda push: "x" * 2048)
    async with stage.bot:
        await stage.says("你好")
        await anyio.wait_all_tasks_blocked()

    assert [failure.unsent for failure in failures] == [(Text("x" * 2048),)]
    assert [text[0] for text in stage.sent][-4:] == ["y"] * 4
    assert len([text for text in stage.sent if text[0] == "y"]) == 4


async def test_message_that_cannot_be_written() -> None:
    """
    What is no failure of the sending is not sent again.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(lambda push: Answer("x" * 2048, kf_account=" "))
    async with stage.bot:
        await stage.says("你好")
        await anyio.wait_all_tasks_blocked()

    assert [type(error) for _, error in stage.failures] != []
    assert stage.sent == []


async def test_long_text_is_fitted() -> None:
    """
    Of a text that is longer than five messages the fifth ends with "…", and the rest is told.
    """
    failures: list[Failure] = []
    stage = Stage(on_error=failures.append)
    stage.bot.on(TextMessage)(lambda push: "一二三四。\n" * 900)
    async with stage.bot:
        await stage.says("你好")
        await anyio.wait_all_tasks_blocked()

    assert len(stage.sent) == 5
    assert [text[-1] for text in stage.sent] == ["\n"] * 4 + ["…"]
    assert all(len(text.encode()) <= 2048 for text in stage.sent)
    assert [type(failure.error) for failure in failures] == [AnswerTooLong]
    assert len(failures[0].sent) == 5
    left = [message.content for message in failures[0].unsent if isinstance(message, Text)]
    # The beginning of a line that was cut away is told, too.
    assert "".join("".join([*stage.sent, *left]).replace("…", "").split()) == "一二三四。" * 900


async def test_long_text_fits_if_it_can() -> None:
    """
    A text whose lines would make six messages is cut elsewhere, so that five carry it.
    """
    text = ("很" * 400 + "\n") * 7
    stage = Stage()
    stage.bot.on(TextMessage)(lambda push: text)
    async with stage.bot:
        await stage.says("你好")
        await anyio.wait_all_tasks_blocked()

    assert len(stage.sent) == 5
    assert "".join(stage.sent) == text
    assert stage.failures == []


async def test_halves_of_an_emoji() -> None:
    """
    What WeChat cannot be sent is left out of a message, as of a passive reply.
    """
    stage = Stage(is_ai_msg=True)
    stage.bot.on(TextMessage)(lambda push: "\ud83d\ude00 \ud83d你好")
    async with stage.bot:
        await stage.says("你好")
        await anyio.wait_all_tasks_blocked()

    assert (stage.sent, stage.failures) == (["😀 你好"], [])


@pytest.mark.parametrize("kind", ["text", "event"])
async def test_stream_is_limited(kind: str) -> None:
    """
    Of a stream five messages answer a message and three an event; the rest is told together, when the stream has ended.
    """
    failures: list[Failure] = []
    stage = Stage(on_error=failures.append)
    ended: list[int] = []

    @stage.bot.on((TextMessage, Event))
    async def stream(push: TextMessage | Event) -> AsyncGenerator[str]:
        for number in range(7):
            yield str(number)
        ended.append(1)

    async with stage.bot:
        await stage.push(
            stage.text("你好") if kind == "text" else stage.body(MsgType="event", Event="SCAN", EventKey="K")
        )
        await anyio.wait_all_tasks_blocked()

    most = 5 if kind == "text" else 3
    assert stage.sent == [str(number) for number in range(most)]
    assert [failure.unsent for failure in failures] == [tuple(Text(str(number)) for number in range(most, 7))]
    assert ended == [1]


async def test_answer_of_on_error() -> None:
    """
    What `on_error` returns is sent, as one more message of those allowed; what it cannot say is logged.
    """

    def name(push: TextMessage, error: Exception) -> str:
        return f"{push.content}: {type(error).__name__}"

    stage = Stage(on_error=name)

    @stage.bot.on(TextMessage)
    async def fail(push: TextMessage) -> AsyncGenerator[str]:
        for number in range(int(push.content)):
            yield str(number)
        raise LookupError

    async with stage.bot:
        await stage.says("1")
        await anyio.wait_all_tasks_blocked()
        stage.fake.user_says(ALICE, "again")
        await stage.says("5")
        await anyio.wait_all_tasks_blocked()

    assert stage.sent == ["0", "1: LookupError", "0", "1", "2", "3", "4"]


async def test_late_transfer() -> None:
    """
    A transfer that is too late for a passive reply becomes a session with the agent online who has the fewest.
    """
    stage = Stage()
    for number in (1, 2):
        stage.fake.agent_online(f"kf{number}@test")
    await stage.kf.create_kf_session("kf1@test", "oBob")

    @stage.bot.on(TextMessage)
    async def transfer(push: TextMessage) -> TransferReply:
        await stage.clock.sleep(5)
        return TransferReply()

    async with stage.bot, anyio.create_task_group() as tasks:
        tasks.start_soon(stage.says, "人工")
        await stage.advance(4.5)
        await stage.advance(0.5)
    session = await stage.kf.get_kf_session(ALICE)

    assert session.kf_account == "kf2@test"
    assert stage.failures == []


async def test_late_transfer_to_one_agent() -> None:
    """
    A transfer to an agent that is too late becomes a session with that agent.
    """
    stage = Stage()
    for number in (1, 2):
        stage.fake.agent_online(f"kf{number}@test")

    @stage.bot.on(TextMessage)
    async def transfer(push: TextMessage) -> AsyncGenerator[TransferReply]:
        yield TransferReply("kf2@test")

    async with stage.bot:
        await stage.says("人工")
        await anyio.wait_all_tasks_blocked()
    session = await stage.kf.get_kf_session(ALICE)

    assert session.kf_account == "kf2@test"
    assert GET_ONLINE_KF_LIST.path not in [call.path for call in stage.fake.calls]


async def test_late_transfer_to_nobody() -> None:
    """
    If no agent is online, that is an error which `on_error` can answer.
    """
    errors: list[Exception] = []

    def sorry(failure: Failure) -> str:
        errors.append(failure.error)
        return "现在没有客服在线"

    stage = Stage(on_error=sorry)

    @stage.bot.on(TextMessage)
    async def transfer(push: TextMessage) -> TransferReply:
        stage.clock.advance(5)
        return TransferReply()

    async with stage.bot:
        await stage.says("人工")
        await anyio.wait_all_tasks_blocked()

    assert [type(error) for error in errors] == [NoAgentOnline]
    assert stage.sent == ["现在没有客服在线"]


async def test_transfer_in_time_though_labelled() -> None:
    """
    A transfer says nothing that a label could be on, so that it is a passive reply all the same.
    """
    stage = Stage(is_ai_msg=True)
    stage.bot.on(TextMessage)(lambda push: TransferReply())
    async with stage.bot:
        said = await stage.says("人工")

    assert isinstance(said, dict)
    assert said["MsgType"] == "transfer_customer_service"


async def test_allowance() -> None:
    """
    The bot knows what may still be sent to a customer: five messages after theirs, less those that were sent.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(slow(stage, 5))
    seen: list[Allowance | None] = [await stage.bot.allowance(ALICE)]
    async with stage.bot:
        seen.append(await stage.bot.allowance(ALICE))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stage.says, "你好")
            await stage.advance(4.5)
        seen.append(await stage.bot.allowance(ALICE))
        await stage.advance(0.5)
        seen.append(await stage.bot.allowance(ALICE))
        await stage.push(stage.body("oCarol", MsgType="event", Event="subscribe", EventKey=""))
        await stage.push(stage.body("oDave", MsgType="event", Event="unsubscribe", EventKey=""))
        seen += [await stage.bot.allowance(openid) for openid in ("oCarol", "oDave")]

    hours = 48 * 3600.0
    assert seen == [
        None,
        None,
        Allowance(5, hours - 4.5),
        Allowance(4, hours - 5),
        Allowance(3, 60),
        None,
    ]


async def test_choice_from_a_menu_message() -> None:
    """
    A choice from a menu message allows three messages, as one from the account's menu does.
    """
    stage = Stage(is_ai_msg=True)
    stage.bot.on(TextMessage, lambda push: push.openid == ALICE)(lambda push: "x" * 2048 * 4)
    async with stage.bot:
        await stage.push(stage.body("oCarol", MsgType="text", Content="1", MsgId=1, bizmsgmenuid="1"))
        allowance = await stage.bot.allowance("oCarol")
        await stage.push(stage.body(ALICE, MsgType="text", Content="1", MsgId=2, bizmsgmenuid="1"))
        await anyio.wait_all_tasks_blocked()

    assert allowance == Allowance(3, 60)
    assert len(stage.sent) == 3
