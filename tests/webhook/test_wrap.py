"""
Answers to pushes: as the push came.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from wechat_kf.api.message_kinds import Article
from wechat_kf.webhook import (
    NewsReply,
    Reply,
    TextReply,
    TransferReply,
    Webhook,
)
from wechat_kf.webhook.crypto import signature
from wechat_kf.webhook.xml import read_xml, render_xml

from .sending import APPID, CLOCK, CRYPTOR, KEY, NOW, TEXT, TOKEN, sealed, signed

PLAIN = Webhook(TOKEN, clock=CLOCK)
SAFE = Webhook(TOKEN, KEY, APPID, clock=CLOCK)
XML = render_xml(TEXT)
JSON = json.dumps(TEXT, ensure_ascii=False).encode()

REPLIES: list[Reply] = [
    TextReply("]]></Content><MsgType>image</MsgType>"),
    NewsReply(Article("t", "d", "http://u?a=1&b=<2>", "http://p")),
    TransferReply("test1@test"),
]


def opened(hook: Webhook, query: Mapping[str, str], answer: bytes) -> dict[str, Any]:
    """
    Read an answer as WeChat does.
    """
    read = json.loads if answer.startswith(b"{") else read_xml
    fields: dict[str, Any] = read(answer)
    if hook is PLAIN:
        return fields
    assert set(fields) == {"Encrypt", "MsgSignature", "TimeStamp", "Nonce"}
    assert fields["Nonce"] == query["nonce"]
    assert fields["MsgSignature"] == signature(TOKEN, str(fields["TimeStamp"]), fields["Nonce"], fields["Encrypt"])
    inner: dict[str, Any] = read(CRYPTOR.decrypt(fields["Encrypt"]))
    return inner


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply.msgtype)
@pytest.mark.parametrize("hook", [PLAIN, SAFE], ids=["plain", "safe"])
@pytest.mark.parametrize("message", [XML, JSON], ids=["XML", "JSON"])
def test_answers_as_the_push_came(message: bytes, hook: Webhook, reply: Reply) -> None:
    """
    The answer is XML or JSON, plain or encrypted, as the push was; sender and receiver change places.
    """
    query, body = (signed(), message) if hook is PLAIN else sealed(message)
    answer = hook.wrap(reply, hook.unwrap(query, body), query)
    fields = opened(hook, query, answer)
    expected = reply.fields() if message is JSON else read_xml(render_xml({**reply.fields(), "x": ""}))
    expected.pop("x", None)

    assert answer.startswith(b"{" if message is JSON else b"<xml>")
    assert fields.pop("ToUserName") == TEXT["FromUserName"]
    assert fields.pop("FromUserName") == TEXT["ToUserName"]
    assert int(fields.pop("CreateTime")) == NOW
    assert fields.pop("MsgType") == reply.msgtype
    assert fields == expected


def test_json_answer_has_literal_characters() -> None:
    """
    JSON is written without escapes, its TimeStamp a number.
    """
    plain = PLAIN.wrap(TextReply("你好"), PLAIN.unwrap(signed(), JSON), signed())
    query, body = sealed(JSON)
    safe = SAFE.wrap(TextReply("你好"), SAFE.unwrap(query, body), query)

    assert '"Content":"你好"'.encode() in plain
    assert json.loads(safe)["TimeStamp"] == NOW


@pytest.mark.parametrize("hook", [PLAIN, SAFE])
def test_no_answer_is_success(hook: Webhook) -> None:
    """
    Nothing to answer is `success`, never encrypted.
    """
    query, body = (signed(), XML) if hook is PLAIN else sealed(XML)

    assert hook.wrap(None, hook.unwrap(query, body), query) == b"success"


ODD = "a\r\nb\rc\x07\x1b[1m\x85 \ud83d\ude00\ud83d"
KEPT = "a\nb\nc[1m 😀"


@pytest.mark.parametrize("hook", [PLAIN, SAFE], ids=["plain", "safe"])
@pytest.mark.parametrize("message", [XML, JSON], ids=["XML", "JSON"])
def test_answers_what_can_be_sent(message: bytes, hook: Webhook) -> None:
    """
    Whatever a model or a terminal put into a text, it is sent without what WeChat refuses, at any depth.
    """
    query, body = (signed(), message) if hook is PLAIN else sealed(message)
    push = hook.unwrap(query, body)
    text = opened(hook, query, hook.wrap(TextReply(ODD), push, query))
    news = opened(hook, query, hook.wrap(NewsReply(Article(ODD, ODD, "http://u", "http://p")), push, query))

    assert text["Content"] == KEPT
    assert KEPT in str(news["Articles"]).replace("\\n", "\n")
    assert str(news["Articles"]).count("😀") == 2
