"""
Every kind of push: its fields, its types, and what makes two the same.
"""

from __future__ import annotations

import pickle
import re
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from wechat_kf import webhook
from wechat_kf._errors import ParseError
from wechat_kf.webhook import Push, TextMessage, UnknownPush
from wechat_kf.webhook._read import read_push
from wechat_kf.webhook.xml import read_xml, render_xml

BASE = {"ToUserName": "gh_1", "FromUserName": "o1", "CreateTime": 1348831860}
WHEN = datetime(2012, 9, 28, 11, 31, tzinfo=UTC)
MSG = {"MsgId": 9223372036854775807}
EVENT = {"MsgType": "event"}

# The class, what comes besides BASE, what is read besides BASE, and the end of the dedupe key.
CASES: dict[str, tuple[type[Push], dict[str, Any], dict[str, Any], str]] = {
    "text": (
        webhook.TextMessage,
        {"MsgType": "text", "Content": " 你好 \n", **MSG},
        {"content": " 你好 \n", "msg_id": 9223372036854775807, "bizmsgmenuid": None, "idx": None, "msg_data_id": None},
        ":9223372036854775807",
    ),
    "text of a menu and an article": (
        webhook.TextMessage,
        {
            "MsgType": "text",
            "Content": "",
            "bizmsgmenuid": "007",
            "MsgDataId": 2247483650,
            "Idx": 1,
            "BusinessId": 1,
            **MSG,
        },
        {"content": "", "bizmsgmenuid": "007", "msg_data_id": 2247483650, "idx": 1, "business_id": "1"},
        ":9223372036854775807",
    ),
    "unreadable ornaments": (
        webhook.TextMessage,
        {"MsgType": "text", "Content": "1", "MsgDataId": "xxxx", "Idx": "xxxx", **MSG},
        {"content": "1", "msg_data_id": None, "idx": None},
        ":9223372036854775807",
    ),
    "image": (
        webhook.ImageMessage,
        {"MsgType": "image", "PicUrl": "http://p", "MediaId": "m", **MSG},
        {"pic_url": "http://p", "media_id": "m"},
        ":9223372036854775807",
    ),
    "voice": (
        webhook.VoiceMessage,
        {"MsgType": "voice", "MediaId": "m", "Format": "amr", "MediaId16K": "m16", "Recognition": "你好", **MSG},
        {"media_id": "m", "format": "amr", "media_id_16k": "m16", "recognition": "你好"},
        ":9223372036854775807",
    ),
    "voice, not recognised": (
        webhook.VoiceMessage,
        {"MsgType": "voice", "MediaId": "m", "Format": "amr", "Recognition": "", **MSG},
        {"media_id_16k": None, "recognition": None},
        ":9223372036854775807",
    ),
    "video": (
        webhook.VideoMessage,
        {"MsgType": "video", "MediaId": "m", "ThumbMediaId": "t", **MSG},
        {"media_id": "m", "thumb_media_id": "t"},
        ":9223372036854775807",
    ),
    "shortvideo": (
        webhook.ShortVideoMessage,
        {"MsgType": "shortvideo", "MediaId": "m", "ThumbMediaId": "t", **MSG},
        {"media_id": "m", "thumb_media_id": "t"},
        ":9223372036854775807",
    ),
    "location": (
        webhook.LocationMessage,
        {"MsgType": "location", "Location_X": 23.134521, "Location_Y": 113, "Scale": 20, "Label": "广州", **MSG},
        {"location_x": 23.134521, "location_y": 113.0, "scale": 20, "label": "广州"},
        ":9223372036854775807",
    ),
    "link": (
        webhook.LinkMessage,
        {"MsgType": "link", "Title": "t", "Description": "", "Url": "http://u", **MSG},
        {"title": "t", "description": "", "url": "http://u"},
        ":9223372036854775807",
    ),
    "miniprogrampage": (
        webhook.MiniProgramPageMessage,
        {"MsgType": "miniprogrampage", "Title": "t", "AppId": "wx1", "PagePath": "p", "ThumbUrl": "u", **MSG},
        {"title": "t", "app_id": "wx1", "page_path": "p", "thumb_url": "u", "thumb_media_id": None},
        ":9223372036854775807",
    ),
    "subscribe": (
        webhook.SubscribeEvent,
        {**EVENT, "Event": "subscribe", "EventKey": ""},
        {"event_key": None, "ticket": None},
        ":1348831860:subscribe:",
    ),
    "subscribe by QR code": (
        webhook.SubscribeEvent,
        {**EVENT, "Event": "subscribe", "EventKey": "qrscene_1", "Ticket": "T"},
        {"event_key": "qrscene_1", "ticket": "T"},
        ":1348831860:subscribe:qrscene_1",
    ),
    "unsubscribe": (
        webhook.UnsubscribeEvent,
        {**EVENT, "Event": "unsubscribe"},
        {},
        ":1348831860:unsubscribe",
    ),
    "SCAN": (
        webhook.ScanEvent,
        {**EVENT, "Event": "SCAN", "EventKey": 123, "Ticket": "T"},
        {"event_key": "123", "ticket": "T"},
        ":1348831860:SCAN:123",
    ),
    "LOCATION": (
        webhook.LocationEvent,
        {**EVENT, "Event": "LOCATION", "Latitude": 23.137466, "Longitude": 113.352425, "Precision": 119.385040},
        {"latitude": 23.137466, "longitude": 113.352425, "precision": 119.385040},
        ":1348831860:LOCATION",
    ),
    "CLICK": (
        webhook.ClickEvent,
        {**EVENT, "Event": "CLICK", "EventKey": "K"},
        {"event_key": "K"},
        ":1348831860:CLICK:K",
    ),
    "VIEW": (
        webhook.ViewEvent,
        {**EVENT, "Event": "VIEW", "EventKey": "http://u", "MenuId": 433747234},
        {"event_key": "http://u", "menu_id": 433747234},
        ":1348831860:VIEW:http://u",
    ),
    "scancode_push": (
        webhook.ScanCodeEvent,
        {
            **EVENT,
            "Event": "scancode_push",
            "EventKey": "6",
            "ScanCodeInfo": {"ScanType": "qrcode", "ScanResult": "1"},
        },
        {"event_key": "6", "scan_type": "qrcode", "scan_result": "1", "event": "scancode_push"},
        ":1348831860:scancode_push:6",
    ),
    "scancode_waitmsg": (
        webhook.ScanCodeEvent,
        {**EVENT, "Event": "scancode_waitmsg", "EventKey": "6", "ScanCodeInfo": {"ScanType": "", "ScanResult": ""}},
        {"event_key": "6", "scan_type": "", "scan_result": "", "event": "scancode_waitmsg"},
        ":1348831860:scancode_waitmsg:6",
    ),
    "kf_create_session": (
        webhook.KfCreateSessionEvent,
        {**EVENT, "Event": "kf_create_session", "KfAccount": "test1@test"},
        {"kf_account": "test1@test"},
        ":1348831860:kf_create_session:test1@test",
    ),
    "kf_close_session": (
        webhook.KfCloseSessionEvent,
        {**EVENT, "Event": "kf_close_session", "KfAccount": "test1@test"},
        {"kf_account": "test1@test"},
        ":1348831860:kf_close_session:test1@test",
    ),
    "kf_switch_session": (
        webhook.KfSwitchSessionEvent,
        {**EVENT, "Event": "kf_switch_session", "FromKfAccount": "test1@test", "ToKfAccount": "test2@test"},
        {"from_kf_account": "test1@test", "to_kf_account": "test2@test"},
        ":1348831860:kf_switch_session:test1@test:test2@test",
    ),
    "user_enter_tempsession": (
        webhook.UserEnterTempsessionEvent,
        {**EVENT, "Event": "user_enter_tempsession", "SessionFrom": "page"},
        {"session_from": "page"},
        ":1348831860:user_enter_tempsession",
    ),
    "an unknown event": (
        UnknownPush,
        {**EVENT, "Event": "debug_demo", "debug_str": "hello world"},
        {"event": "debug_demo", "event_key": None, "msg_id": None},
        ":1348831860:debug_demo::…",
    ),
    "an event in another case": (
        UnknownPush,
        {**EVENT, "Event": "click", "EventKey": "K"},
        {"event": "click", "event_key": "K"},
        ":1348831860:click:K:…",
    ),
    "an event without a name": (UnknownPush, EVENT, {"event": None}, ":1348831860:::…"),
    "an unknown message": (
        UnknownPush,
        {"MsgType": "hologram", **MSG},
        {"msg_id": 9223372036854775807},
        ":9223372036854775807",
    ),
    "a message named like an event": (UnknownPush, {"MsgType": "CLICK"}, {"event": None}, ":1348831860:::…"),
}


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
    assert re.sub(r":[0-9a-f]{16}$", ":…", push.dedupe_key) == "o1" + key
    assert push.raw == fields


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
    kinds = {
        value
        for value in vars(webhook).values()
        if isinstance(value, type) and issubclass(value, Push) and not value.__subclasses__()
    }

    assert {kind for kind, *_ in CASES.values()} == kinds


@pytest.mark.parametrize("name", ["ToUserName", "FromUserName", "CreateTime", "MsgType", "Content", "MsgId"])
def test_missing_field_is_named(name: str) -> None:
    """
    A push without a field that its kind must have is refused, and the field named.
    """
    fields = {**BASE, "MsgType": "text", "Content": "1", **MSG}
    del fields[name]

    with pytest.raises(ParseError, match=name):
        read_push(fields, is_json=False)


WRONG: dict[str, tuple[str, Any]] = {
    "text as a list": ("Content", ["1", "2"]),
    "text as a mapping": ("Content", {"x": "1"}),
    "text as a truth": ("Content", True),
    "id as a word": ("MsgId", "one"),
    "id as nothing": ("MsgId", ""),
    "id as a fraction": ("MsgId", 1.5),
    "id as a truth": ("MsgId", True),
    "id in other digits": ("MsgId", "١٢٣"),
    "id with underscores": ("MsgId", "1_0"),
    "id without end": ("MsgId", "9" * 10_000),
    "time as a word": ("CreateTime", "now"),
    "time out of range": ("CreateTime", 10**17),
    "time far out of range": ("CreateTime", 10**30),
    "sender as a list": ("FromUserName", ["o1", "o2"]),
}


@pytest.mark.parametrize(("name", "value"), WRONG.values(), ids=WRONG)
def test_unreadable_field_is_named(name: str, value: Any) -> None:
    """
    A push with a required field of another type is refused; the field is named, its value not shown.
    """
    with pytest.raises(ParseError, match=name) as caught:
        read_push({**BASE, "MsgType": "text", "Content": "1", **MSG, name: value}, is_json=True)

    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("value", ["north", "", "nan", "inf", "1e999", 10**400, True, None, []])
def test_unreadable_number_is_named(value: Any) -> None:
    """
    A place whose latitude is no number is refused.
    """
    fields = {**BASE, "MsgType": "location", "Location_X": value, "Location_Y": "1", **MSG}

    with pytest.raises(ParseError, match="Location_X"):
        read_push(fields, is_json=True)


@pytest.mark.parametrize("value", [["text"], {"text": "1"}, 1])
def test_kind_of_another_type(value: Any) -> None:
    """
    A MsgType or an Event that is not a text is no known kind.
    """
    event = read_push({**BASE, **EVENT, "Event": value, **MSG}, is_json=True)

    assert type(event) is UnknownPush
    with pytest.raises(ParseError, match="MsgType"):
        read_push({**BASE, "MsgType": [value]}, is_json=True)


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
