"""
The state of a client, as a health check sees it.
"""

from __future__ import annotations

import json
import threading
from typing import Any

import anyio
import attrs
import pytest

from wechat_kf import AsyncKfClient, AuthError, ClientStatus
from wechat_kf.api.accounts import GET_KF_LIST
from wechat_kf.testing import Delay, Errcode, FakeWeChat
from wechat_kf.tokens import STABLE_TOKEN, NoToken

from ..arrivals import Arrivals, QuickClock
from ..conftest import HTTP, Connect, injected_http

FRESH: dict[str, Any] = {
    "is_closed": False,
    "token_age": None,
    "breaker": "closed",
    "hosts_down": [],
    "connections_in_use": 0,
    "connections_waiting": 0,
}


async def test_status_can_be_written_as_json(connect: Connect) -> None:
    """
    A client's state is of plain values, and knows how long its token has been in use.
    """
    fake = FakeWeChat(clock=QuickClock())
    kf = connect(fake)
    before = json.loads(json.dumps(attrs.asdict(kf.status())))
    fake.advance(1000)
    await kf.get_kf_list()
    fake.advance(60)
    used = kf.status()
    fake.revoke_tokens()
    fake.fault(STABLE_TOKEN, Errcode(40125))
    with pytest.raises(AuthError):
        await kf.get_kf_list()

    assert before == FRESH
    assert attrs.asdict(used) == {**FRESH, "token_age": 60.0}
    assert kf.status().token_age is None


async def test_breaker_is_seen(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    """
    After three refusals of the credentials the breaker is open, then one call may try; both ends stand in the log once.
    """
    fake = FakeWeChat(clock=QuickClock())
    kf = connect(fake)
    fake.fault(STABLE_TOKEN, Errcode(40125), times=4)
    states: list[str] = []
    for _ in range(3):
        with pytest.raises(AuthError):
            await kf.get_kf_list()
        states.append(kf.status().breaker)
    fake.advance(30)
    states.append(kf.status().breaker)
    with pytest.raises(AuthError):
        await kf.get_kf_list()
    fake.advance(30)
    await kf.get_kf_list()
    states.append(kf.status().breaker)

    said = [record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "INFO")]
    assert states == ["closed", "closed", "open", "probing", "closed"]
    assert [line for line in said if "credentials" in line] == [
        "WeChat refused the credentials 3 times in a row (errcode 40125); no calls are made for 30 seconds",
        "WeChat accepts the credentials again; calls pass",
    ]


@pytest.mark.parametrize("injected", [False, True], ids=["own", "injected"])
async def test_connections_are_counted(injected: bool, connect: Connect) -> None:
    """
    Requests under way and those that wait for a connection are counted, and seen from another thread, too.
    """
    fake = FakeWeChat()
    arrivals = Arrivals(fake)
    seen: list[ClientStatus] = []
    async with fake.serve() as base:
        library = HTTP if HTTP.startswith("httpx") else "httpx"
        options = {"http": injected_http(library, 1)} if injected else {}
        async with AsyncKfClient(fake.appid, fake.secret, base_url=base, max_connections=1, **options) as kf:
            await kf.get_kf_list()
            fake.fault(GET_KF_LIST, Delay(0.3))
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(kf.get_kf_list)
                await arrivals.until(GET_KF_LIST, 2)
                thread = threading.Thread(target=lambda: seen.append(kf.status()))
                thread.start()
                thread.join()
            seen.append(kf.status())
        seen.append(kf.status())
        if injected:
            await options["http"].aclose()

    assert [(each.connections_in_use, each.connections_waiting) for each in seen] == [(1, 2), (0, 0), (0, 0)]
    assert [each.is_closed for each in seen] == [False, False, not injected]


async def test_status_without_a_token() -> None:
    """
    A client that needs no token has none, and its breaker is closed.
    """
    async with AsyncKfClient("wx1", token=NoToken(), base_url="http://api.weixin.qq.com") as kf:
        status = kf.status()

    assert (status.token_age, status.breaker) == (None, "closed")
