"""
Every kind of push: its fields, its types, and what makes two the same.
"""

from __future__ import annotations

import pickle
import re
from datetime import UTC
from typing import Any

import attrs
import pytest

from wechat_kf import webhook
from wechat_kf.webhook import Push, TextMessage, UnknownMessage, UnknownPush, read_push
from wechat_kf.webhook.xml import read_xml, render_xml

from .kinds import BASE, CASES, EVENT, MSG, OTHERS, WHEN


@pytest.mark.parametrize("form", ["JSON", "XML"])
@pytest.mark.parametrize(("kind", "wire", "expected", "key"), CASES.values(), ids=CASES)
def test_reads(kind: type[Push], wire: dict[str, Any], expected: dict[str, Any], key: str, form: str) -> None:
    """
    Native values of JSON and strings of XML give the same typed fields; `raw` keeps what came.
    """
    fields = BASE | wire if form == "JSON" else read_xml(render_xml(BASE | wire))
    push = read_push(fields, is_json=form == "JSON")

    assert type(push) is kind
    assert (push.to_user_name, push.from_user_name, push.openid) == ("gh_1", "o1", "o1")
    assert (push.create_time, push.msg_type) == (WHEN, wire["MsgType"])
    assert push.create_time.tzinfo is UTC
    for name, value in expected.items():
        assert (name, getattr(push, name)) == (name, value)
        assert type(getattr(push, name)) is type(value)
    assert re.sub(r":[0-9a-f]{32}$", ":…", push.dedupe_key) == "o1" + key
    assert push.raw == fields


@pytest.mark.parametrize("form", ["JSON", "XML"])
@pytest.mark.parametrize(("kind", "fields", "expected", "key"), OTHERS.values(), ids=OTHERS)
def test_reads_what_no_customer_sent(
    kind: type[Push], fields: dict[str, Any], expected: dict[str, Any], key: str, form: str
) -> None:
    """
    Pushes about user data and about a platform have their fields, and the right openid or none.
    """
    push = read_push(fields if form == "JSON" else read_xml(render_xml(fields)), is_json=form == "JSON")

    assert type(push) is kind
    for name, value in expected.items():
        assert (name, getattr(push, name)) == (name, value)
        assert type(getattr(push, name)) is type(value)
    assert re.sub(r":[0-9a-f]{32}$", ":…", push.dedupe_key) == key


@pytest.mark.parametrize("form", ["JSON", "XML"])
def test_unknown_events_of_one_second(form: str) -> None:
    """
    Two events that differ only in fields that nobody knows are two; the same fields in another order are one.
    """
    event = BASE | EVENT | {"Event": "TEMPLATESENDJOBFINISH", "Status": "success"}
    pushes = [event | {"MsgID": 1}, event | {"MsgID": 2}, {"MsgID": 1} | event]
    if form == "XML":
        pushes = [read_xml(render_xml(each)) for each in pushes]
    one, two, again = (read_push(each, is_json=form == "JSON").dedupe_key for each in pushes)

    assert one != two
    assert one == again


def test_every_kind_has_a_case() -> None:
    """
    No class of push is without a case above.
    """
    kinds = {value for value in vars(webhook).values() if isinstance(value, type) and issubclass(value, Push)}

    # The last is no push that is read, but what stands for cloud-run's check.
    families = {Push, webhook.UserMessage, webhook.Event, webhook.PlatformPush, webhook.CheckContainerPathPush}
    assert {kind for kind, *_ in (*CASES.values(), *OTHERS.values())} == kinds - families


WHOLE = {**BASE, "MsgType": "text", "Content": "1", **MSG}

LACKS: dict[str, tuple[dict[str, Any], type[Push]]] = {
    "no content": ({"Content": None}, UnknownMessage),
    "content as a list": ({"Content": ["1", "2"]}, UnknownMessage),
    "content as an object": ({"Content": {"x": "1"}}, UnknownMessage),
    "content as a truth": ({"Content": True}, UnknownMessage),
    "no id": ({"MsgId": None}, UnknownPush),
    "id as a word": ({"MsgId": "one"}, UnknownPush),
    "id as nothing": ({"MsgId": ""}, UnknownPush),
    "id as a fraction": ({"MsgId": 1.5}, UnknownPush),
    "id as a truth": ({"MsgId": True}, UnknownPush),
    "id in other digits": ({"MsgId": "١٢٣"}, UnknownPush),
    "id with underscores": ({"MsgId": "1_0"}, UnknownPush),
    "id without end": ({"MsgId": "9" * 10_000}, UnknownPush),
    "id beyond all numbers": ({"MsgId": 1e300}, UnknownPush),
    "no sender": ({"FromUserName": None}, UnknownPush),
    "sender as nothing": ({"FromUserName": " "}, UnknownPush),
    "sender as a list": ({"FromUserName": ["o1", "o2"]}, UnknownPush),
    "no kind": ({"MsgType": None}, UnknownMessage),
    "kind as an object": ({"MsgType": {"text": "1"}}, UnknownMessage),
    "another kind": ({"MsgType": "hologram"}, UnknownMessage),
    "a kind named like an event": ({"MsgType": "CLICK"}, UnknownMessage),
    "latitude as a word": ({"MsgType": "location", "Location_X": "north", "Location_Y": "1"}, UnknownMessage),
    "latitude without end": ({"MsgType": "location", "Location_X": "1e999", "Location_Y": "1"}, UnknownMessage),
    "latitude of 400 digits": ({"MsgType": "location", "Location_X": 10**400, "Location_Y": "1"}, UnknownMessage),
    "latitude as a truth": ({"MsgType": "location", "Location_X": True, "Location_Y": "1"}, UnknownMessage),
    "event without a time": ({"MsgType": "event", "Event": "unsubscribe", "CreateTime": None}, UnknownPush),
    "event with a time as a word": ({"MsgType": "event", "Event": "unsubscribe", "CreateTime": "now"}, UnknownPush),
    "event with a time out of range": ({"MsgType": "event", "Event": "unsubscribe", "CreateTime": 10**17}, UnknownPush),
    "event with a time far out of range": (
        {"MsgType": "event", "Event": "unsubscribe", "CreateTime": 10**30},
        UnknownPush,
    ),
    "event with another kind": ({"MsgType": "event", "Event": ["CLICK"], "EventKey": "K"}, UnknownPush),
    "event of data without a customer": ({"MsgType": "event", "Event": "user_info_modified"}, UnknownPush),
    "scan without its result": (
        {"MsgType": "event", "Event": "scancode_push", "EventKey": "6", "ScanCodeInfo": {"ScanType": "qrcode"}},
        UnknownPush,
    ),
    "scan with its result in another place": (
        {"MsgType": "event", "Event": "scancode_push", "EventKey": "6", "ScanType": "qrcode", "ScanResult": "1"},
        UnknownPush,
    ),
    "ticket without a ticket": ({"MsgType": None, "InfoType": "component_verify_ticket", "AppId": "wx1"}, UnknownPush),
    "platform's push without a time": (
        {"MsgType": None, "InfoType": "unauthorized", "AppId": "1", "AuthorizerAppid": "2", "CreateTime": None},
        UnknownPush,
    ),
    "platform's push of another kind": ({"MsgType": None, "InfoType": ["x"], "AppId": "wx1"}, UnknownPush),
}


@pytest.mark.parametrize(("changes", "kind"), LACKS.values(), ids=LACKS)
def test_no_push_is_lost_for_a_field(changes: dict[str, Any], kind: type[Push]) -> None:
    """
    What lacks something that its kind must have is still a push, a message if it has sender and number; raw has all.
    """
    fields = {name: value for name, value in {**WHOLE, **changes}.items() if value is not None}
    push = read_push(fields, is_json=True)

    assert type(push) is kind
    assert push.raw == fields
    assert push.openid in ("o1", "")
    assert push.dedupe_key
    assert isinstance(push, UnknownPush)


def test_without_an_addressee() -> None:
    """
    A push without ToUserName is of its kind.
    """
    push = read_push({name: value for name, value in WHOLE.items() if name != "ToUserName"}, is_json=True)

    assert isinstance(push, TextMessage)
    assert (push.to_user_name, push.content) == ("", "1")


def test_message_without_a_time() -> None:
    """
    A message needs no time: it has a number.
    """
    push = read_push({name: value for name, value in WHOLE.items() if name != "CreateTime"}, is_json=True)

    assert isinstance(push, TextMessage)
    assert push.dedupe_key == "o1:9223372036854775807"


@pytest.mark.parametrize("number", [20, 20.0, "20", "20.0", " 20 ", "020", "20."], ids=repr)
def test_whole_numbers(number: Any) -> None:
    """
    A whole number is read as one however it is written.
    """
    place = {"MsgType": "location", "Location_X": "1", "Location_Y": 1, "Scale": number, "CreateTime": "1348831860.0"}
    push = read_push({**WHOLE, **place, "MsgId": number}, is_json=True)

    assert isinstance(push, webhook.LocationMessage)
    assert (push.scale, push.msg_id, push.create_time) == (20, 20, WHEN)
    assert type(push.scale) is type(push.msg_id) is int


@pytest.mark.parametrize("key", [6, "6"], ids=repr)
def test_texts_that_look_like_numbers(key: Any) -> None:
    """
    What JSON has as a number, though it is a text, is read as one.
    """
    push = read_push({**BASE, **EVENT, "Event": "CLICK", "EventKey": key}, is_json=True)

    assert isinstance(push, webhook.ClickEvent)
    assert push.event_key == "6"


def test_elements_that_occur_twice() -> None:
    """
    Of an element that occurs twice the last counts, as of JSON's keys.
    """
    body = render_xml(WHOLE).replace(b"</xml>", b"<MsgType>text</MsgType><Content>2</Content><Idx>1</Idx><Idx/></xml>")
    push = read_push(read_xml(body), is_json=False)

    assert isinstance(push, TextMessage)
    assert (push.content, push.idx) == ("2", None)
    assert push.raw["Content"] == ["1", "2"]


def test_no_field_overrides_anothers() -> None:
    """
    What stands in an object of one kind is that kind's field, and no other's.
    """
    inner = {"ScanType": "qrcode", "ScanResult": "1", "FromUserName": "oEVIL", "EventKey": "evil", "Content": "evil"}
    scan = read_push({**BASE, **EVENT, "Event": "scancode_push", "EventKey": "6", "ScanCodeInfo": inner}, is_json=True)
    text = read_push({**WHOLE, "ScanCodeInfo": inner}, is_json=True)

    assert isinstance(scan, webhook.ScanCodeEvent)
    assert (scan.openid, scan.event_key, scan.scan_result) == ("o1", "6", "1")
    assert isinstance(text, TextMessage)
    assert (text.openid, text.content) == ("o1", "1")


@pytest.mark.parametrize("form", ["JSON", "XML"])
def test_characters_that_nobody_sees(form: str) -> None:
    """
    Line ends and control characters read alike from JSON and XML; `raw` keeps what came.
    """
    content = "a\r\nb\rc\x07\x7fd 👩‍👧"
    fields = {**WHOLE, "Content": content, "FromUserName": " o1\n"}
    push = read_push(fields if form == "JSON" else read_xml(render_xml(fields)), is_json=form == "JSON")

    assert isinstance(push, TextMessage)
    assert push.content == "a\nb\ncd 👩‍👧"
    assert push.openid == "o1"
    assert form == "XML" or push.raw["Content"] == content


def test_keys_with_blanks() -> None:
    """
    The manual's sample of a user-data event has keys that begin with a blank.
    """
    fields = {**BASE, **EVENT, "Event": "user_authorization_revoke", " OpenID": "o2", " RevokeInfo": "301"}
    push = read_push(fields, is_json=True)

    assert isinstance(push, webhook.UserDataEvent)
    assert (push.openid, push.revoke_info) == ("o2", "301")


@pytest.mark.parametrize("content", ["【收到不支持的消息类型，暂无法显示】", "【收到不支持的消息类型，暂无法显示】\n"])
def test_what_wechat_cannot_show(content: str) -> None:
    """
    A sticker comes as a text of WeChat's own, and is told apart.
    """
    sticker = read_push({**WHOLE, "Content": content}, is_json=True)
    text = read_push(WHOLE, is_json=True)

    assert isinstance(sticker, TextMessage)
    assert sticker.is_unsupported
    assert isinstance(text, TextMessage)
    assert not text.is_unsupported


def test_what_is_strange_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """
    A field that cannot be read is logged by name the first time, without its value.
    """
    # No other test reads an unreadable ticket, since it is said once in a process.
    for _ in range(3):
        read_push({**BASE, **EVENT, "Event": "SCAN", "EventKey": "1", "Ticket": ["gQH47joAAA"]}, is_json=True)

    [record] = caplog.records
    assert record.name == "wechat_kf.webhook"
    assert "Ticket of a push (ScanEvent) is not a text." in record.getMessage()
    assert "gQH47joAAA" not in caplog.text


KEYS: dict[str, dict[str, Any]] = {
    "a long menu key": {**EVENT, "Event": "VIEW", "EventKey": "http://u/?" + "x" * 100_000},
    "a long openid": {"FromUserName": "o" * 100_000},
    "a line break in the openid": {"FromUserName": "o1\nCRITICAL root: forged"},
    "a terminal's command": {**EVENT, "Event": "CLICK", "EventKey": "\u2028\u202e"},
    "an unknown kind of any length": {"MsgType": "x" * 100_000},
}


@pytest.mark.parametrize("changes", KEYS.values(), ids=KEYS)
def test_keys_are_short_and_printable(changes: dict[str, Any]) -> None:
    """
    A key can stand in a log line and in a store, whatever the push holds, and is no other push's.
    """
    fields = {**WHOLE, **changes}
    key = read_push(fields, is_json=True).dedupe_key
    other = read_push({**fields, "MsgId": 1, "CreateTime": 1}, is_json=True).dedupe_key

    assert len(key) <= 200
    assert key.isprintable()
    assert key != other
    assert key == read_push(dict(reversed(fields.items())), is_json=True).dedupe_key


@pytest.mark.parametrize("changing", ["Encrypt", "Nonce", "TimeStamp", "MsgSignature"])
def test_key_without_what_changes(changing: str) -> None:
    """
    A repetition that was encrypted anew has the same key; an event with another field has not.
    """
    fields = {**BASE, **EVENT, "Event": "TEMPLATESENDJOBFINISH", "MsgID": 1, changing: "a"}
    key = read_push(fields, is_json=True).dedupe_key

    assert read_push({**fields, changing: "b"}, is_json=True).dedupe_key == key
    assert read_push({**fields, "MsgID": 2}, is_json=True).dedupe_key != key


def test_secrets_of_a_platform_are_not_shown() -> None:
    """
    Neither ticket nor code is in the repr of a push or in its key.
    """
    ticket = {"AppId": "wx1", "CreateTime": 1, "InfoType": "component_verify_ticket", "ComponentVerifyTicket": "SECRET"}
    code = {"AppId": "wx1", "CreateTime": 1, "InfoType": "authorized", "AuthorizerAppid": "wx2"}
    code |= {"AuthorizationCode": "SECRET", "PreAuthCode": "SECRET"}

    for fields in (ticket, code):
        push = read_push(fields, is_json=True)
        assert isinstance(push, webhook.PlatformPush)
        assert "SECRET" not in repr(push) + push.dedupe_key


def test_pushes_are_values() -> None:
    """
    Equal fields are an equal push; a push can be made by hand, hashed and pickled, but not changed.
    """
    push = read_push({**BASE, "MsgType": "text", "Content": "1", "MsgId": "5"}, is_json=False)
    same = read_push({**BASE, "MsgType": "text", "Content": "1", "MsgId": "5"}, is_json=True)
    anything: Any = push
    by_hand = TextMessage(to_user_name="gh_1", from_user_name="o1", create_time=WHEN, content="1", msg_id=5)

    assert push == same
    assert hash(push) == hash(same)
    assert attrs.evolve(push, raw={}) == by_hand
    assert by_hand.msg_type == "text"
    assert pickle.loads(pickle.dumps(push)) == push  # noqa: S301  # it is our own
    assert "raw" not in repr(push)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        anything.from_user_name = "o2"


@pytest.mark.parametrize(
    ("fields", "account"),
    [
        ({"AppId": "wxplatform", "InfoType": "of_tomorrow", "CreateTime": "1"}, "wxplatform"),
        ({"ToUserName": "gh_1", "AppId": "wx1", "MsgType": "of_tomorrow"}, "gh_1"),
        ({"InfoType": "of_tomorrow"}, ""),
    ],
)
def test_unknown_pushes_have_an_account(fields: dict[str, Any], account: str) -> None:
    """
    Of an unknown push, too, it is told whose it is: the account's, or a platform's.
    """
    assert read_push(fields, is_json=False).account == account
