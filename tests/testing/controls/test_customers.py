"""
What customers do is pushed.
"""

from __future__ import annotations

from typing import get_args

import pytest

from wechat_kf.testing import Allowance, FakeWeChat, Format
from wechat_kf.webhook import (
    ClickEvent,
    ImageMessage,
    LocationMessage,
    ScanCodeEvent,
    ScanEvent,
    SubscribeEvent,
    TextMessage,
    UnsubscribeEvent,
    VideoMessage,
    VoiceMessage,
)

from ..account_server import AccountServer
from ..bare_api import AGENT, OPENID, Wire


@pytest.mark.parametrize("format_", get_args(Format))
async def test_everything_customers_do(fake: FakeWeChat, format_: Format) -> None:
    """
    Each control is heard as its own kind of push.
    """
    server = AccountServer(fake, format_=format_)
    fake.follows(OPENID)
    fake.unfollows(OPENID)
    fake.scans(OPENID, "7")
    fake.scans(OPENID, "8")
    fake.clicks(OPENID, "key")
    fake.clicks(OPENID, "key", scan_result="result")
    image = fake.user_sends_image(OPENID)
    voice = fake.user_sends_voice(OPENID)
    video = fake.user_sends_video(OPENID)
    fake.user_sends(OPENID, {"MsgType": "location", "Location_X": 23.1, "Location_Y": 113.3, "Scale": 15, "Label": ""})
    fake.user_says(OPENID, "hi")
    await fake.deliver()
    heard = server.heard

    assert [type(push) for push in heard] == [
        SubscribeEvent,
        UnsubscribeEvent,
        SubscribeEvent,
        ScanEvent,
        ClickEvent,
        ScanCodeEvent,
        ImageMessage,
        VoiceMessage,
        VideoMessage,
        LocationMessage,
        TextMessage,
    ]
    assert isinstance(heard[0], SubscribeEvent)
    assert heard[0].event_key is None
    assert isinstance(heard[2], SubscribeEvent)
    assert heard[2].event_key == "qrscene_7"
    assert isinstance(heard[3], ScanEvent)
    assert heard[3].event_key == "8"
    assert isinstance(heard[5], ScanCodeEvent)
    assert heard[5].scan_result == "result"
    assert [push.raw["MediaId"] for push in heard[6:9]] == [image, voice, video]
    assert len({push.dedupe_key for push in heard}) == len(heard)


async def test_a_menu_message_is_answered(fake: FakeWeChat, server: AccountServer, wire: Wire) -> None:
    """
    A tap on an entry is heard as its text with its id, and grants what a menu grants.
    """
    fake.user_says(OPENID, "hi")
    menu = {"head_content": "满意吗", "list": [{"id": "101", "content": "满意"}]}
    await wire.code("/cgi-bin/message/custom/send", touser=OPENID, msgtype="msgmenu", msgmenu=menu)
    fake.advance(48 * 3600 + 1)
    fake.picks(OPENID, "101")
    server.heard.clear()
    await fake.deliver()
    wire.token = ""
    codes = [await wire.say() for _ in range(4)]
    push = server.heard[-1]

    assert isinstance(push, TextMessage)
    assert (push.content, push.bizmsgmenuid) == ("满意", "101")
    assert codes == [0, 0, 0, 45047]
    with pytest.raises(ValueError, match="no menu"):
        fake.picks(OPENID, "102")


async def test_a_menu_message_in_a_session(fake: FakeWeChat, server: AccountServer, wire: Wire) -> None:
    """
    In a session the agent hears it, not the server.
    """
    fake.agent_online(AGENT, auto_accept=1)
    fake.user_says(OPENID, "hi")
    menu = {"list": [{"id": "101", "content": "满意"}]}
    await wire.code("/cgi-bin/message/custom/send", touser=OPENID, msgtype="msgmenu", msgmenu=menu)
    fake.user_waits(OPENID)
    fake.picks(OPENID, "101")
    await fake.deliver()

    assert not any(push.raw.get("bizmsgmenuid") for push in server.heard)


@pytest.mark.parametrize("format_", get_args(Format))
async def test_a_file(fake: FakeWeChat, format_: Format) -> None:
    """
    A file is a message of its own kind, of which the account's server learns the name, the length and the digest.
    """
    server = AccountServer(fake, format_=format_)
    key = fake.user_sends_file(OPENID, "报价.pdf", b"%PDF-")
    await fake.deliver()
    [push] = server.heard

    assert {name: str(push.raw[name]) for name in ("MsgType", "Title", "FileKey", "FileMd5", "FileTotalLen")} == {
        "MsgType": "file",
        "Title": "报价.pdf",
        "FileKey": key,
        "FileMd5": "561318f0d57972e7c62fe701849032af",
        "FileTotalLen": "5",
    }
    assert "MsgId" in push.raw


SCANNED = {"ScanType": "qrcode", "ScanResult": "1"}


@pytest.mark.parametrize(
    ("event", "messages"),
    [("TEMPLATESENDJOBFINISH", 0), ("VIEW", 0), ("CLICK", 3), ("scancode_push", 3), ("SCAN", 3), ("subscribe", 3)],
)
async def test_any_event(fake: FakeWeChat, server: AccountServer, event: str, messages: int) -> None:
    """
    An event of any kind has no MsgId, and most of them open no window.
    """
    fake.user_sends(
        OPENID, {"MsgType": "event", "Event": event, "EventKey": "key", "Ticket": "t", "ScanCodeInfo": SCANNED}
    )
    await fake.deliver()
    [push] = server.heard

    assert push.raw["Event"] == event
    assert "MsgId" not in push.raw
    assert fake.allowance(OPENID).messages == messages


async def test_an_event_is_no_message_of_a_session(fake: FakeWeChat, server: AccountServer) -> None:
    """
    In a session events are heard as before, and are not in the history.
    """
    fake.agent_online(AGENT, auto_accept=1)
    fake.user_says(OPENID, "hi")
    fake.user_waits(OPENID)
    fake.user_sends(OPENID, {"MsgType": "event", "Event": "VIEW", "EventKey": "u"})
    await fake.deliver()

    assert server.heard[-1].raw["Event"] == "VIEW"


def test_an_event_that_ends_all(fake: FakeWeChat) -> None:
    """
    Whoever unfollows cannot do what customers do, until they follow again.
    """
    fake.user_says(OPENID, "hi")
    fake.user_sends(OPENID, {"MsgType": "event", "Event": "unsubscribe"})

    assert fake.allowance(OPENID) == Allowance(0, 0.0)
    with pytest.raises(ValueError, match="does not follow"):
        fake.user_says(OPENID, "hi")

    fake.user_sends(OPENID, {"MsgType": "event", "Event": "subscribe"})
    fake.user_says(OPENID, "hi")

    assert fake.allowance(OPENID) == Allowance(5, 48 * 3600.0)


def test_what_is_no_push(fake: FakeWeChat) -> None:
    """
    Fields without a kind are refused.
    """
    with pytest.raises(ValueError, match="must have a MsgType"):
        fake.user_sends(OPENID, {"Content": "hi"})


async def test_a_payment(fake: FakeWeChat, server: AccountServer, wire: Wire) -> None:
    """
    For 48 hours after a payment nothing counts; the account's server hears nothing of it.
    """
    fake.user_pays(OPENID)
    codes = {await wire.say() for _ in range(20)}
    fake.advance(48 * 3600 + 1)
    wire.token = ""
    codes_after = await wire.say()
    await fake.deliver()

    assert (codes, codes_after) == ({0}, 45015)
    assert server.heard == []


def test_what_may_still_be_sent(fake: FakeWeChat) -> None:
    """
    The allowance is counted down, and over when its time is; a stranger has none and stays one.
    """
    stranger = fake.allowance(OPENID)
    fake.user_says(OPENID, "hi")
    fake.advance(60)
    before = fake.allowance(OPENID)
    fake.advance(48 * 3600)

    assert stranger == Allowance(0, 0.0)
    assert before == Allowance(5, 48 * 3600.0 - 60)
    assert fake.allowance(OPENID) == Allowance(0, 0.0)
    assert not fake.is_typing_shown("stranger")


@pytest.mark.parametrize("revoke_info", [None, "203"])
async def test_user_data(fake: FakeWeChat, server: AccountServer, revoke_info: str | None) -> None:
    """
    Of an event of user data the sender is WeChat, the person is a field.
    """
    fake.user_data_changes(OPENID, "user_authorization_revoke", revoke_info)
    await fake.deliver()
    [push] = server.heard

    assert push.raw["FromUserName"] != OPENID
    assert (push.raw["OpenID"], push.raw["AppID"]) == (OPENID, fake.appid)
    assert push.raw.get("RevokeInfo") == revoke_info
    assert fake.allowance(OPENID) == Allowance(0, 0.0)
