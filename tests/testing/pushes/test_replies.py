"""
What the account's server replies, and what its customers see of it.
"""

from __future__ import annotations

from functools import partial
from typing import Any, get_args

import pytest

from wechat_kf import Article
from wechat_kf.testing import FakeWeChat, Format
from wechat_kf.testing.pushes.courier import OUT_OF_SERVICE
from wechat_kf.webhook import (
    ImageReply,
    MusicReply,
    NewsReply,
    Push,
    TextReply,
    VideoReply,
    VoiceReply,
    Webhook,
)
from wechat_kf.webhook import Reply as PassiveReply

from ..account_server import KEY, TOKEN, AccountServer
from ..bare_api import OPENID, Wire

ARTICLE = Article("t", "d", "u", "p")


@pytest.mark.parametrize("format_", get_args(Format))
@pytest.mark.parametrize(
    ("reply", "payload"),
    [
        (ImageReply("IMAGE"), {"media_id": "IMAGE"}),
        (VoiceReply("VOICE"), {"media_id": "VOICE"}),
        (VideoReply("VIDEO", "t", "d"), {"media_id": "VIDEO", "title": "t", "description": "d"}),
        (
            MusicReply("t", "d", "m", "h", "THUMB"),
            {"title": "t", "description": "d", "musicurl": "m", "hqmusicurl": "h", "thumb_media_id": "THUMB"},
        ),
        (NewsReply(ARTICLE), {"articles": [{"title": "t", "description": "d", "url": "u", "picurl": "p"}]}),
    ],
    ids=["image", "voice", "video", "music", "news"],
)
async def test_replies_are_shown(fake: FakeWeChat, format_: Format, reply: PassiveReply, payload: Any) -> None:
    """
    Each kind of reply is shown like a message sent with the API.
    """
    server = AccountServer(fake, format_=format_)
    server.answer = lambda _: reply
    for media in ("image", "voice", "video", "thumb"):
        fake.add_material(media, b"", media.upper())
    fake.user_says(OPENID, "hi")
    await fake.deliver()
    (shown,) = fake.shown_to(OPENID)

    assert shown.payload == {"msgtype": reply.msgtype, reply.msgtype: payload}


async def test_a_reply_ends_typing_and_allows_it_again(fake: FakeWeChat, server: AccountServer, wire: Wire) -> None:
    """
    A passive reply is a message like any other for the rules of typing.
    """
    body = {"touser": OPENID, "command": "Typing"}
    server.answer = lambda _: TextReply("hi")
    fake.user_says(OPENID, "hi")
    shown = await wire.code("/cgi-bin/message/custom/typing", **body)
    fake.advance(1)
    await fake.deliver()
    ended = fake.is_typing_shown(OPENID)
    fake.advance(30)

    assert (shown, ended) == (0, False)
    assert await wire.code("/cgi-bin/message/custom/typing", **body) == 0


async def test_several_articles_answer_an_event(fake: FakeWeChat, server: AccountServer) -> None:
    """
    Up to eight in answer to an event, one in answer to a message.
    """
    server.answer = lambda _: NewsReply([ARTICLE] * 8)
    fake.clicks(OPENID, "key")
    fake.user_says(OPENID, "hi")
    await fake.deliver()
    news, notice = fake.shown_to(OPENID)

    assert len(news.payload["news"]["articles"]) == 8
    assert (notice.text, notice.via) == (OUT_OF_SERVICE, "notice")


TRANSFER = "transfer_customer_service"
FIELDS = "<ToUserName>{0}</ToUserName><FromUserName>{1}</FromUserName>"


@pytest.mark.parametrize(
    "body",
    [
        b"<html><body>Internal Server Error",
        b'{"detail": "error"}',
        b"SUCCESS",
        "<xml><ToUserName>{0}</ToUserName><MsgType>text</MsgType><Content>hi</Content></xml>",
        "<xml><FromUserName>{1}</FromUserName><MsgType>text</MsgType><Content>hi</Content></xml>",
        f"<xml>{FIELDS}<MsgType>text</MsgType><Content></Content></xml>",
        f"<xml>{FIELDS}<MsgType>text</MsgType><Content>{'x' * 2049}</Content></xml>",
        f"<xml>{FIELDS}<MsgType>fax</MsgType></xml>",
        f"<xml>{FIELDS}</xml>",
        f"<xml>{FIELDS}<MsgType>image</MsgType><Image><MediaId>no</MediaId></Image></xml>",
        f"<xml>{FIELDS}<MsgType>image</MsgType></xml>",
        f"<xml>{FIELDS}<MsgType>news</MsgType><ArticleCount>1</ArticleCount></xml>",
        f"<xml>{FIELDS}<MsgType>news</MsgType><ArticleCount>2</ArticleCount><Articles><item/></Articles></xml>",
        f"<xml>{FIELDS}<MsgType>{TRANSFER}</MsgType><TransInfo><KfAccount>no@test</KfAccount></TransInfo></xml>",
    ],
    ids=[
        "html",
        "json",
        "shouted",
        "from nobody",
        "to nobody",
        "empty",
        "long",
        "kind",
        "no kind",
        "media",
        "no media",
        "no articles",
        "count",
        "agent",
    ],
)
async def test_wrong_answers(fake: FakeWeChat, server: AccountServer, body: str | bytes) -> None:
    """
    A body WeChat does not take tells the customer that the account is out of service, and is not asked for again.
    """
    text = body if isinstance(body, bytes) else body.format(OPENID, fake.original_id).encode()
    server.answer = lambda _: text
    fake.user_says(OPENID, "hi")
    await fake.deliver()

    assert [shown.text for shown in fake.shown_to(OPENID)] == [OUT_OF_SERVICE]
    assert len(server.heard) == 1


def wrap_greeting(hook: Webhook, server: AccountServer, push: Push) -> bytes:
    """
    Answer with another's secrets.
    """
    return hook.wrap(TextReply("hi"), push, server.queries[-1])


@pytest.mark.parametrize("format_", get_args(Format))
async def test_wrong_encrypted_answers(fake: FakeWeChat, format_: Format) -> None:
    """
    With a key, an answer must be encrypted, and signed with the nonce of the push.
    """
    server = AccountServer(fake, mode="safe", format_=format_)
    wrong = [
        Webhook(TOKEN, clock=server.hook._clock),
        Webhook(TOKEN, "B" * 43, fake.appid, clock=server.hook._clock),
        Webhook("BBBBB", KEY, fake.appid, clock=server.hook._clock),
    ]
    for hook in wrong:
        server.answer = partial(wrap_greeting, hook, server)
        fake.user_says(OPENID, "hi")
        await fake.deliver()
    server.answer = lambda push: server.hook.wrap(TextReply("hi"), push, {"nonce": "1"})
    fake.user_says(OPENID, "hi")
    await fake.deliver()
    server.answer = lambda _: b"[]"
    fake.user_says(OPENID, "hi")
    await fake.deliver()

    assert [shown.text for shown in fake.shown_to(OPENID)] == [OUT_OF_SERVICE] * 5
