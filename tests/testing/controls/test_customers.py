"""
What customers do is pushed.
"""

from __future__ import annotations

from typing import get_args

import pytest

from wechat_kf.testing import FakeWeChat, Format
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
