"""
What the account's server replies, and what its customers see of it.
"""

from __future__ import annotations

from functools import partial
from typing import Any, get_args

import pytest

from wechat_kf import Article
from wechat_kf.testing import FakeWeChat, Format, Mode
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


TEXT = f"{FIELDS}<MsgType>text</MsgType><Content>hi</Content>"
ITEM = "<Articles><item><Title>t</Title></item></Articles>"
NEWS = f"{FIELDS}<MsgType>news</MsgType>"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html><body>Internal Server Error", "it is no XML that WeChat reads: not well-formed XML: no element"),
        (b'{"detail": "error"}', "it must be XML, as the pushes are."),
        (b"SUCCESS", "it is no XML that WeChat reads: "),
        (f"<xml>{TEXT.replace('{1}', 'o')}</xml>", "its FromUserName must be 'gh_"),
        (f"<xml>{TEXT.replace('{0}', 'o')}</xml>", f"its ToUserName must be '{OPENID}', not 'o'."),
        ("<xml><ToUserName>{0}</ToUserName><MsgType>text</MsgType></xml>", "its FromUserName must be"),
        (f"<xml>{TEXT.replace('hi', '')}</xml>", "its text is empty."),
        (f"<xml>{TEXT.replace('hi', 'x' * 2049)}</xml>", "its text has 2049 bytes; at most 2048 are shown."),
        (f"<xml>{FIELDS}<MsgType>fax</MsgType></xml>", "its MsgType 'fax' is none"),
        (f"<xml>{FIELDS}</xml>", "it has no MsgType."),
        (f"<xml>{FIELDS}<MsgType>image</MsgType><Image><MediaId>no</MediaId></Image></xml>", "its MediaId or"),
        (f"<xml>{FIELDS}<MsgType>image</MsgType></xml>", "its MediaId or"),
        (f"<xml>{FIELDS}<MsgType>music</MsgType><Music><ThumbMediaId/></Music></xml>", "its MediaId or ThumbMediaId"),
        (f"<xml>{NEWS}<ArticleCount>1</ArticleCount></xml>", "it has 0 articles, not 1."),
        (f"<xml>{NEWS}<ArticleCount>2</ArticleCount>{ITEM}</xml>", "its ArticleCount is '2', but it has 1 articles."),
        (
            f"<xml>{FIELDS}<MsgType>{TRANSFER}</MsgType><TransInfo><KfAccount>no@test</KfAccount></TransInfo></xml>",
            "its KfAccount does not exist (65401).",
        ),
        ("<xml><Encrypt>x</Encrypt></xml>", "it is encrypted, though pushes are plain."),
    ],
    ids=[
        "html",
        "json",
        "shouted",
        "from another",
        "to another",
        "from nobody",
        "empty",
        "long",
        "kind",
        "no kind",
        "media",
        "no media",
        "empty thumb",
        "no articles",
        "count",
        "agent",
        "encrypted",
    ],
)
async def test_wrong_replies(
    fake: FakeWeChat, server: AccountServer, body: str | bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A reply that WeChat does not take is "out of service" to the customer, is not asked for again, and the log says why.
    """
    text = body if isinstance(body, bytes) else body.format(OPENID, fake.original_id).encode()
    server.answer = lambda _: text
    fake.user_says(OPENID, "hi")
    await fake.deliver()
    [logged] = [record.getMessage() for record in caplog.records if record.name == "wechat_kf.testing"]

    assert [shown.text for shown in fake.shown_to(OPENID)] == [OUT_OF_SERVICE]
    assert len(server.heard) == 1
    assert logged.startswith(f"The reply to the push 'text' is refused: {reason}")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<xml></xml>", "it must be JSON, as the pushes are."),
        (b"{", "it is no JSON that WeChat reads: "),
        (b"[]", "it is not a JSON object."),
    ],
    ids=["xml", "broken", "list"],
)
async def test_wrong_replies_in_json(
    fake: FakeWeChat, body: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Where pushes come as JSON, the log says so of a reply that is something else.
    """
    server = AccountServer(fake, format_="json")
    server.answer = lambda _: body
    fake.user_says(OPENID, "hi")
    await fake.deliver()

    assert f"The reply to the push 'text' is refused: {reason}" in caplog.text


async def test_music_without_a_picture(fake: FakeWeChat, server: AccountServer) -> None:
    """
    Music needs no thumb; what is left out is not shown.
    """
    music = "<Music><Title>t</Title><MusicUrl>m</MusicUrl></Music>"
    body = f"<xml>{FIELDS}<MsgType>music</MsgType>{music}</xml>".format(OPENID, fake.original_id).encode()
    server.answer = lambda _: body
    fake.user_says(OPENID, "hi")
    await fake.deliver()
    [shown] = fake.shown_to(OPENID)

    assert shown.payload == {"msgtype": "music", "music": {"title": "t", "musicurl": "m"}}


def wrap_greeting(hook: Webhook, server: AccountServer, push: Push) -> bytes:
    """
    Answer with another's secrets.
    """
    return hook.wrap(TextReply("hi"), push, server.queries[-1])


@pytest.mark.parametrize("format_", get_args(Format))
async def test_wrong_encrypted_replies(fake: FakeWeChat, format_: Format, caplog: pytest.LogCaptureFixture) -> None:
    """
    In safe mode a reply must be encrypted with the callback's key, and signed with its token.
    """
    server = AccountServer(fake, mode="safe", format_=format_)
    wrong = {
        Webhook(TOKEN, clock=fake.clock): "in safe mode it must be encrypted.",
        Webhook(TOKEN, "B" * 43, fake.appid, clock=fake.clock): "it cannot be decrypted with",
        Webhook("BBBBB", KEY, fake.appid, clock=fake.clock): "its MsgSignature is not that of the token and",
    }
    for hook in wrong:
        server.answer = partial(wrap_greeting, hook, server)
        fake.user_says(OPENID, "hi")
        await fake.deliver()
    logged = [record.getMessage() for record in caplog.records if record.name == "wechat_kf.testing"]

    assert [shown.text for shown in fake.shown_to(OPENID)] == [OUT_OF_SERVICE] * 3
    for message, reason in zip(logged, wrong.values(), strict=True):
        assert message.startswith(f"The reply to the push 'text' is refused: {reason}")


@pytest.mark.parametrize("format_", get_args(Format))
@pytest.mark.parametrize("mode", ["compatible", "safe"])
async def test_a_nonce_of_its_own(fake: FakeWeChat, mode: Mode, format_: Format) -> None:
    """
    A reply may be encrypted with another nonce than the push's.
    """
    server = AccountServer(fake, mode=mode, format_=format_)
    server.answer = lambda push: server.hook.wrap(TextReply("hi"), push, {"nonce": "k3Xq9"})
    fake.user_says(OPENID, "hi")
    await fake.deliver()

    assert [shown.text for shown in fake.shown_to(OPENID)] == ["hi"]


@pytest.mark.parametrize("format_", get_args(Format))
async def test_a_plain_reply_in_compatible_mode(fake: FakeWeChat, format_: Format) -> None:
    """
    In compatible mode a reply need not be encrypted.
    """
    server = AccountServer(fake, mode="compatible", format_=format_)
    plain = Webhook(TOKEN, clock=fake.clock)
    server.answer = partial(wrap_greeting, plain, server)
    fake.user_says(OPENID, "hi")
    await fake.deliver()

    assert [shown.text for shown in fake.shown_to(OPENID)] == ["hi"]
