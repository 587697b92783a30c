"""
How pushes are written.
"""

from __future__ import annotations

from typing import get_args

import pytest

from wechat_kf.testing import FakeWeChat, Format, Mode
from wechat_kf.webhook import (
    TextMessage,
    TextReply,
)

from ..account_server import AccountServer
from ..bare_api import OPENID


@pytest.mark.parametrize("format_", get_args(Format))
@pytest.mark.parametrize("mode", [mode for mode in get_args(Mode) if mode != "cloud-run"])
async def test_there_and_back(fake: FakeWeChat, mode: Mode, format_: Format) -> None:
    """
    In every mode that is signed, and every format, a message arrives as it was written, and the reply is shown.
    """
    server = AccountServer(fake, mode=mode, format_=format_)
    server.answer = lambda push: TextReply(f"你说：{push.raw['Content']}")
    verified = await fake.verify_callback()
    fake.user_says(OPENID, "]]> <你好> \N{PILE OF POO}")
    await fake.deliver()
    (push,) = server.heard
    (shown,) = fake.shown_to(OPENID)

    assert verified
    assert isinstance(push, TextMessage)
    assert (push.openid, push.to_user_name, push.create_time) == (OPENID, fake.original_id, fake.clock.now())
    assert push.msg_id > 2**53
    assert push.is_json == (format_ == "json")
    assert ("encrypt_type" in server.queries[0]) == (mode != "plain")
    assert server.queries[0]["openid"] == OPENID
    assert (shown.text, shown.via) == ("你说：]]> <你好> \N{PILE OF POO}", "passive")
    assert fake.sent == []
