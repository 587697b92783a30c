"""
The stand-in, its controls, its clock and the fixtures.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, assert_type

import httpx

from wechat_kf import AsyncKfClient, Clock
from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.testing import (
    Allowance,
    Delay,
    Drip,
    DropAfter,
    DropBefore,
    Errcode,
    FakeAccount,
    FakeWeChat,
    Fault,
    Garble,
    ManualClock,
    ReceivedCall,
    Shown,
    Status,
)


async def test_as_users_write_it(fake_wechat: FakeWeChat, kf: AsyncKfClient) -> None:
    fake_wechat.user_says("OPENID", "你好")
    await kf.typing("OPENID")

    assert_type(fake_wechat.sent, list[Shown])
    assert_type(fake_wechat.calls, list[ReceivedCall])


async def controls() -> None:
    fake = FakeWeChat()
    FakeWeChat(appid="appid", secret="secret", clock=ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))
    assert_type((fake.appid, fake.secret), tuple[str, str])

    fake.user_says("OPENID", "你好")
    assert_type(fake.user_sends_image("OPENID"), str)
    fake.agent_online("lin@shop")
    fake.accept_invitation("lin@shop")
    fake.advance(60)

    for shown in fake.shown_to("OPENID"):
        assert_type((shown.openid, shown.kf_account, shown.at), tuple[str, str | None, datetime])
        assert_type(shown.payload, dict[str, Any])
    for call in fake.calls:
        assert_type((call.method, call.path), tuple[str, str])

    faults: list[Fault] = [
        Errcode(45009),
        Delay(0.5),
        DropBefore(),
        DropAfter(),
        Drip(10),
        Garble(b"<html>"),
        Status(502),
        Status(502, b""),
    ]
    for fault in faults:
        fake.fault("/cgi-bin/message/custom/send", fault)
        fake.fault(SEND_CUSTOM_MESSAGE, fault, times=2)

    assert_type(fake.allowance("OPENID"), Allowance)
    other = fake.add_account("wx2")
    assert_type(other, FakeAccount)
    assert_type(fake.accounts, tuple[FakeAccount, ...])
    other.set_callback("http://localhost/", token="TOKEN", format="json")
    fake.user_data_changes("OPENID", "user_info_modified")
    fake.user_data_changes("OPENID", "renamed")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    assert_type(fake.client(), httpx.AsyncClient)
    over_tls: AbstractAsyncContextManager[str] = fake.serve(ca_file=Path("ca.pem"), allow_hosts=["wechat"])
    async with over_tls as base_url:
        AsyncKfClient(fake.appid, fake.secret, base_url=base_url)
    serving: AbstractAsyncContextManager[str] = fake.serve(host="127.0.0.1", port=0)
    async with serving as base_url:
        AsyncKfClient(fake.appid, fake.secret, base_url=base_url)

    clock = ManualClock()
    as_a_clock: Clock = clock
    assert_type(as_a_clock.now() - clock.now(), timedelta)
    clock.advance(1.5)

    fake.fault("/cgi-bin/message/custom/send", 45009)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
