"""
The webhook as a whole: what is believed, what is refused, and how it is answered.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from wechat_kf._errors import DecryptError, ParseError, SignatureError, WebhookError
from wechat_kf.webhook import (
    MAX_PUSH,
    Push,
    TextMessage,
    UnknownPush,
    Webhook,
)
from wechat_kf.webhook.crypto import Cryptor, signature
from wechat_kf.webhook.xml import read_xml, render_xml

from . import fuzz
from .sending import APPID, CLOCK, KEY, NOW, TEXT, TOKEN, clock_at, sealed, signed
from .test_crypto import SAMPLE

PLAIN = Webhook(TOKEN, clock=CLOCK)
SAFE = Webhook(TOKEN, KEY, APPID, clock=CLOCK)
XML = render_xml(TEXT)
JSON = json.dumps(TEXT, ensure_ascii=False).encode()


def test_vendors_url_verification() -> None:
    """
    The vendor's verification request is answered with its echostr.
    """
    sample = SAMPLE["url_verification"]
    hook = Webhook(sample["token"], clock=clock_at(sample["timestamp"]))
    query = {name: sample[name] for name in ("signature", "timestamp", "nonce", "echostr")}

    assert hook.verify_url(query) == "4375120948345356249"


def test_vendors_plain_push() -> None:
    """
    The vendor's plain push is read.
    """
    sample = SAMPLE["plain_push"]
    hook = Webhook(sample["token"], clock=clock_at(sample["timestamp"]))
    query = {name: sample[name] for name in ("signature", "timestamp", "nonce")}
    push = hook.unwrap(query, json.dumps(sample["body"]).encode())

    assert isinstance(push, UnknownPush)
    assert (push.event, push.raw) == ("debug_demo", sample["body"])


def test_vendors_safe_push() -> None:
    """
    The vendor's encrypted push is read.
    """
    sample = SAMPLE["safe_push"]
    hook = Webhook(
        sample["token"],
        sample["encoding_aes_key"],
        sample["appid"],
        clock=clock_at(sample["query"]["timestamp"]),
    )
    push = hook.unwrap(sample["query"], json.dumps(sample["body"]).encode())

    assert push.openid == "o9AgO5Kd5ggOC-bXrbNODIiE3bGY"
    assert push.raw == json.loads(sample["plaintext"])


@pytest.mark.parametrize("body", [XML, JSON, b"\xef\xbb\xbf\r\n " + XML, b"\xef\xbb\xbf\n" + JSON])
def test_reads_plain_pushes(body: bytes) -> None:
    """
    XML and JSON are told apart by what they are, also after a byte order mark and blanks.
    """
    push = PLAIN.unwrap(signed(), body)

    assert isinstance(push, TextMessage)
    assert (push.content, push.msg_id) == ("你好", 23456789012345678)


@pytest.mark.parametrize("outer_json", [False, True])
@pytest.mark.parametrize("message", [XML, JSON])
def test_reads_encrypted_pushes(message: bytes, outer_json: bool) -> None:
    """
    Encrypted XML and JSON are read, in whichever of them they stand.
    """
    push = SAFE.unwrap(*sealed(message, as_json=outer_json))

    assert isinstance(push, TextMessage)
    assert push.content == "你好"


def test_compatible_mode_reads_what_is_encrypted() -> None:
    """
    Of a push that carries both forms only the encrypted one is believed.
    """
    query, body = sealed(XML)
    both = render_xml(TEXT | {"Content": "forged"} | read_xml(body))
    push = SAFE.unwrap(query, both)

    assert push.raw["Content"] == "你好"


def test_compatible_mode_without_a_key() -> None:
    """
    Of a push that carries both forms a webhook without a key reads the plain one.
    """
    query, body = sealed(XML)

    assert PLAIN.unwrap(query, render_xml(TEXT | read_xml(body))).raw["Content"] == "你好"


def test_encrypted_push_without_a_key() -> None:
    """
    An encrypted push is no push of an unknown kind: that the key is missing is said.
    """
    with pytest.raises(DecryptError, match="no encoding_aes_key"):
        PLAIN.unwrap(*sealed(XML))


@pytest.mark.parametrize("body", [XML, JSON, render_xml(TEXT | {"Encrypt": {"x": "1"}})])
def test_no_downgrade(body: bytes) -> None:
    """
    With a key, plaintext is refused, however well its query is signed.
    """
    with pytest.raises(SignatureError, match="not encrypted"):
        SAFE.unwrap(signed(msg_signature=signed()["signature"]), body)


def test_plain_signature_does_not_do_for_ciphertext() -> None:
    """
    With a key, the signature that does not cover the body is not enough.
    """
    query, body = sealed(XML)
    del query["msg_signature"]

    with pytest.raises(SignatureError, match="msg_signature"):
        SAFE.unwrap(query, body)


def test_other_appid_is_refused() -> None:
    """
    A push that was encrypted with this key for another appid is not ours.
    """
    with pytest.raises(DecryptError):
        SAFE.unwrap(*sealed(XML, cryptor=Cryptor(KEY, "wx0000000000000000")))


TAMPERED = {
    "signature": "0" * 40,
    "signature, not ASCII": "é" * 40,
    "signature, half an emoji": "\ud83d",
    "signature, empty": "",
    "signature, upper case": signed()["signature"].upper(),
    "nonce": "415670742",
    "nonce, half an emoji": "\ud83d",
    "timestamp": str(NOW + 1),
    "timestamp, empty": "",
}


@pytest.mark.parametrize(("name", "value"), TAMPERED.items())
def test_tampered_query(name: str, value: str) -> None:
    """
    Any change of what is signed, or of the signature, is refused.
    """
    with pytest.raises(SignatureError, match="missing or wrong"):
        PLAIN.unwrap(signed() | {name.partition(",")[0]: value}, XML)


@pytest.mark.parametrize("name", ["signature", "timestamp", "nonce"])
def test_missing_parameter(name: str) -> None:
    """
    A query without one of its parameters is refused.
    """
    query = signed()
    del query[name]

    with pytest.raises(SignatureError):
        PLAIN.unwrap(query, XML)


@pytest.mark.parametrize("timestamp", ["", "now", "1714112445.0", "-1", " 1714112445", "١٧١٤", "9" * 5000, "1_0"])
def test_timestamp_that_is_no_number(timestamp: str) -> None:
    """
    A timestamp that is not Unix seconds is refused, even if it is well signed.
    """
    query = {"timestamp": timestamp, "nonce": "1", "signature": signature(TOKEN, timestamp, "1")}

    with pytest.raises(SignatureError, match="not a number"):
        PLAIN.unwrap(query, XML)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_within_the_window(seconds: int) -> None:
    """
    A push as old as allowed, or as far ahead, is read.
    """
    push = Webhook(TOKEN, clock=clock_at(NOW + seconds)).unwrap(signed(), XML)

    assert push.openid == TEXT["FromUserName"]


@pytest.mark.parametrize("seconds", [-301, 301])
def test_outside_the_window(seconds: int) -> None:
    """
    An older push, or one further ahead, is refused: it may be a recording.
    """
    hook = Webhook(TOKEN, clock=clock_at(NOW + seconds))

    with pytest.raises(SignatureError, match="too old"):
        hook.unwrap(signed(), XML)
    with pytest.raises(SignatureError, match="too old"):
        hook.verify_url(signed(echostr="1"))
    assert Webhook(TOKEN, max_age=None, clock=clock_at(NOW + seconds)).unwrap(signed(), XML).raw


def test_window_that_is_no_number_lets_nothing_through() -> None:
    """
    A window of NaN does not switch the check off.
    """
    with pytest.raises(SignatureError):
        Webhook(TOKEN, max_age=float("nan"), clock=CLOCK).unwrap(signed(), XML)


def deep(levels: int) -> bytes:
    """
    Return a push in JSON that is nested this deeply.
    """
    return json.dumps(TEXT)[:-1].encode() + b',"x":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


UNREADABLE = {
    "nothing": b"",
    "a form": b"a=1&b=2",
    "a list": b"[]",
    "an empty object": b"{}",
    "an empty element": b"<xml/>",
    "JSON cut off": JSON[:-1],
    "JSON twice": JSON + JSON,
    "JSON with NaN": b'{"CreateTime":NaN}',
    "JSON with a number without end": b'{"CreateTime":' + b"9" * 10_000 + b"}",
    "JSON nested too deeply": deep(17),
    "JSON nested much too deeply": b'{"a":' * 40_000,
    "HTML": b"<!DOCTYPE html><html></html>",
    "too large": b" " * MAX_PUSH + XML,
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable_pushes(body: bytes) -> None:
    """
    What is no push is refused, in plaintext and encrypted.
    """
    with pytest.raises(ParseError):
        PLAIN.unwrap(signed(), body)
    with pytest.raises(ParseError):
        SAFE.unwrap(*sealed(body))


def test_nested_json_is_read() -> None:
    """
    JSON as deep as allowed is read.
    """
    assert PLAIN.unwrap(signed(), deep(16)).raw["x"]


SPACED = """<xml>
  <ToUserName>
    <![CDATA[gh_1]]>
  </ToUserName>
  <FromUserName> <![CDATA[oA]]> </FromUserName>
  <CreateTime> 1714112445 </CreateTime>
  <MsgType>
    <![CDATA[text]]>
  </MsgType>
  <Content>
    <![CDATA[ 你好
 ]]>
  </Content>
  <MsgId>1</MsgId>
</xml>""".encode()


def test_blanks_around_sections() -> None:
    """
    Blanks around CDATA sections do not count, in the push and in what it is sealed in; those inside do.
    """
    query, body = sealed(SPACED)
    body = body.replace(b"<![CDATA[", b"\n  <![CDATA[").replace(b"]]>", b"]]>\n")

    for push in (PLAIN.unwrap(signed(), SPACED), SAFE.unwrap(query, body)):
        assert isinstance(push, TextMessage)
        assert (push.openid, push.to_user_name, push.content) == ("oA", "gh_1", " 你好\n ")
        assert push.create_time.timestamp() == NOW


@pytest.mark.parametrize(
    "body", [b'{"action":"CheckContainerPath"}', b"<xml><action>CheckContainerPath</action></xml>"]
)
def test_well_formed_is_a_push(body: bytes) -> None:
    """
    What is verified and well-formed is a push whatever it says; it was made when it was sent, if it does not say.
    """
    for push in (PLAIN.unwrap(signed(), body), SAFE.unwrap(*sealed(body))):
        assert type(push) is UnknownPush
        assert push.raw == {"action": "CheckContainerPath"}
        assert push.create_time.timestamp() == NOW


def test_parsers_error_is_not_kept() -> None:
    """
    The error of a push that is no JSON has no trace of what a customer wrote.
    """
    with pytest.raises(ParseError) as caught:
        PLAIN.unwrap(signed(), JSON[:-1])

    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_control_characters_survive() -> None:
    """
    A customer's odd characters cost none of their message but those characters.
    """
    xml = XML.replace("你好".encode(), b"a\x1db\xff")
    raw_json = JSON.replace("你好".encode(), b"a\x1db\xff")

    assert PLAIN.unwrap(signed(), xml).raw["Content"] == "ab\ufffd"
    assert PLAIN.unwrap(signed(), raw_json).raw["Content"] == "a\x1db\ufffd"


def test_half_an_emoji_is_replaced() -> None:
    """
    Half an emoji in JSON, which could not be written again, becomes U+FFFD; a whole one stays.
    """
    body = JSON.replace("你好".encode(), rb"\ud83d\ude00 \uD83D \\ud83d")
    push = PLAIN.unwrap(signed(), body)
    halves = PLAIN.unwrap(signed(), JSON.replace("你好".encode(), b"\xed\xa0\xbd\xed\xb8\x80"))

    assert halves.raw["Content"] == "😀"
    assert push.raw["Content"] == "😀 \ufffd \\ud83d"
    assert isinstance(push.raw["MsgId"], int)


@pytest.mark.parametrize("hook", [PLAIN, SAFE])
def test_verifies_the_url(hook: Webhook) -> None:
    """
    With and without a key, the echostr comes back as it is.
    """
    assert hook.verify_url(signed(echostr=" 4375120948345356249é")) == " 4375120948345356249é"
    with pytest.raises(SignatureError):
        hook.verify_url(signed(echostr="1", signature="0" * 40))
    with pytest.raises(ParseError, match="echostr"):
        hook.verify_url(signed())


def test_secrets_stay_inside() -> None:
    """
    The repr shows neither the token nor the key.
    """
    hook = Webhook("tokentokentoken", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", APPID)

    assert repr(hook) == "<Webhook encrypted>"
    assert repr(PLAIN) == "<Webhook plain>"


@settings(max_examples=300, deadline=None)
@given(fuzz.queries(), fuzz.bodies())
def test_anything_is_a_push_or_a_webhook_error(query: dict[str, str], body: bytes) -> None:
    """
    Any query and any bytes give a push or a `WebhookError`, and a push can be answered.
    """
    for outcome in fuzz.outcomes(query, body):
        assert isinstance(outcome, (Push, WebhookError))


@settings(max_examples=200, deadline=None)
@given(fuzz.well_formed())
def test_any_fields_are_a_push(fields: dict[str, Any]) -> None:
    """
    Whatever the fields, a verified push is read, has one key for all repetitions, and can be answered.
    """
    assert isinstance(fuzz.check_well_formed(fields), Push)
