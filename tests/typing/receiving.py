"""
The webhook and the bot.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import datetime
from typing import Any, Literal, assert_type

from wechat_kf import Article, AsyncKfClient, SystemClock, Text
from wechat_kf.bot import Allowance, Answer, Bot, BotStatus, Failure, Inbox, MemoryInbox
from wechat_kf.webhook import (
    ClickEvent,
    ComponentVerifyTicketPush,
    Event,
    FileMessage,
    ImageReply,
    KfSwitchSessionEvent,
    LocationMessage,
    MusicReply,
    NewsReply,
    PicEvent,
    PlatformPush,
    Push,
    Reply,
    SubscribeEvent,
    TextMessage,
    TextReply,
    TransferReply,
    UnknownMessage,
    UnknownPush,
    UserDataEvent,
    UserMessage,
    VideoReply,
    VoiceMessage,
    VoiceReply,
    Webhook,
)


def messages(push: Push) -> None:
    match push:
        case TextMessage():
            assert_type(push.content, str)
            assert_type(push.msg_type, Literal["text"])
            assert_type(push.bizmsgmenuid, str | None)
            assert_type(push.is_unsupported, bool)
        case FileMessage():
            assert_type((push.title, push.file_total_len), tuple[str, int | None])
        case VoiceMessage():
            assert_type(push.media_id_16k, str | None)
        case LocationMessage():
            assert_type((push.location_x, push.scale), tuple[float, int | None])
        case UnknownMessage():
            assert_type((push.msg_id, push.event), tuple[int, str | None])
        case UserMessage():
            assert_type(push.msg_id, int)
        case _:
            pass


def events(push: Push) -> None:
    match push:
        case SubscribeEvent():
            assert_type(push.event_key, str | None)
        case KfSwitchSessionEvent():
            assert_type((push.from_kf_account, push.to_kf_account), tuple[str, str])
        case PicEvent():
            assert_type(push.pic_md5_sums, tuple[str, ...])
        case UserDataEvent():
            assert_type((push.openid, push.revoke_info), tuple[str, str | None])
        case Event():
            assert_type(push.event, str)
        case ComponentVerifyTicketPush():
            assert_type(push.component_verify_ticket, str)
        case PlatformPush():
            assert_type(push.info_type, str)
        case UnknownPush():
            assert_type(push.event, str | None)
        case _:
            pass


def receiving(query: Mapping[str, str], body: bytes) -> None:
    hook = Webhook("token")
    Webhook("token", "key", "appid", max_age=None, clock=SystemClock())
    assert_type(Webhook(["new", "old"], ("new", "old"), "appid"), Webhook)
    assert_type(Webhook.from_env(mode="plain", max_age=600), Webhook)
    hook.verify_query(query)
    assert_type(hook.verify_url(query), str)

    push = hook.unwrap(query, body)
    assert_type(push, Push)
    assert_type((push.to_user_name, push.from_user_name, push.openid), tuple[str, str, str])
    assert_type(push.create_time, datetime)
    assert_type(push.dedupe_key, str)
    assert_type(push.raw, Mapping[str, Any])
    messages(push)
    events(push)

    replies: list[Reply | None] = [
        TextReply("你好"),
        ImageReply("media_id"),
        VoiceReply("media_id"),
        VideoReply("media_id", title="title"),
        MusicReply("title", "description", "https://example.com/a.mp3", None, "thumb_media_id"),
        NewsReply(Article("title", "description", "https://example.com", "https://example.com/a.jpg")),
        TransferReply(),
        TransferReply("lin@shop"),
        None,
    ]
    for reply in replies:
        assert_type(hook.wrap(reply, push, query), bytes)

    hook.wrap("你好", push, query)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    TextReply()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


inbox: Inbox = MemoryInbox()


def note(failure: Failure) -> str:
    return f"{failure.push.openid}: {failure.error}"


async def note_lost(push: Push, sent: int, uncertain: bool) -> None: ...


async def answering(kf: AsyncKfClient, said: TextMessage) -> None:
    bot = Bot(Webhook("token"), kf)
    Bot(Webhook("token"), kf, inbox=inbox, patience=4, typing=True, on_error=lambda push, error: None)
    Bot(Webhook("token"), kf, is_ai_msg=True, kf_account="kf@test", on_error=note, on_lost=note_lost)
    Bot(Webhook("token"), kf, on_error=note_lost)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(bot.status(), BotStatus)
    assert_type(await bot.allowance("openid"), Allowance | None)

    @bot.on(TextMessage)
    async def answer(push: TextMessage) -> Text:
        return Text(push.content)

    @bot.on(TextMessage, lambda push: push.content == "hi")
    async def with_a_predicate(push: TextMessage) -> Reply | str | None:
        return push.content

    @bot.on(TextMessage, lambda push: push.content == "人工", at_once=True, interrupt=True)
    async def with_options(push: TextMessage) -> Answer | TransferReply:
        return Answer(push.content, is_ai_msg=True) if push.attempt == 1 else TransferReply()

    @bot.on(UserMessage)
    async def several(push: UserMessage) -> AsyncGenerator[Text | str]:
        yield Text("one")
        yield "two"

    @bot.on(TextMessage)
    async def annotated_as_an_iterator(push: TextMessage) -> AsyncIterator[str]:
        yield "one"

    @bot.on((TextMessage, VoiceMessage), lambda push: push.msg_id > 0)
    async def of_two(push: TextMessage | VoiceMessage) -> None: ...

    @bot.on((TextMessage, VoiceMessage, SubscribeEvent), lambda push: push.openid != "")
    async def of_three(push: TextMessage | VoiceMessage | SubscribeEvent) -> None: ...

    @bot.on((TextMessage, VoiceMessage, SubscribeEvent, ClickEvent))
    async def of_more(push: Push) -> None: ...

    @bot.on((TextMessage, VoiceMessage))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async def of_one_of_two(push: VoiceMessage) -> None: ...

    @bot.on(Push)
    async def nothing(push: Push) -> None: ...

    # A handler stays what it was, so that a test can call it.
    assert_type(await answer(said), Text)

    @bot.on(TextMessage)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async def of_another_push(push: VoiceMessage) -> None: ...

    @bot.on(TextMessage)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    async def of_a_wrong_answer(push: TextMessage) -> int:
        return 1

    async with bot as entered:
        assert_type(entered, Bot)
