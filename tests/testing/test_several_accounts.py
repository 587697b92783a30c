"""
Several accounts behind one address.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from wechat_kf.testing import Errcode, FakeAccount, FakeWeChat
from wechat_kf.webhook.xml import read_xml

from .bare_api import AGENT, OPENID, Wire
from .machine.test_media import MP4

IPS = "/cgi-bin/getcallbackip"


@pytest.fixture
def other(fake: FakeWeChat) -> FakeAccount:
    """
    Give a second account.
    """
    return fake.add_account("wx2")


@pytest.fixture
def other_wire(fake: FakeWeChat, other: FakeAccount) -> Wire:
    """
    Give the bare API with the second account's credentials, through the same HTTP client.
    """
    wire = Wire(fake)
    wire.appid, wire.secret = other.appid, other.secret
    return wire


async def test_each_has_its_own(fake: FakeWeChat, other: FakeAccount, wire: Wire, other_wire: Wire) -> None:
    """
    Customers, agents, calls, limits and faults of one are none of the other's.
    """
    other.user_says(OPENID, "hi")
    other.agent_online(AGENT)
    other.limits.accounts = 1
    other.fault(IPS, Errcode(45009))
    codes = (await wire.say(), await other_wire.say())
    faults = [(await each.get(IPS)).get("errcode") for each in (wire, other_wire)]
    lists = [(await each.get("/cgi-bin/customservice/getkflist"))["kf_list"] for each in (wire, other_wire)]

    assert codes == (40003, 0)
    assert faults == [None, 45009]
    assert [len(each) for each in lists] == [0, 1]
    assert [shown.text for shown in other.sent] == ["你好"]
    assert fake.sent == []
    assert len(fake.calls) == len(other.calls) == 4
    assert fake.accounts == (fake, other)
    assert fake.original_id != other.original_id


async def test_tokens_tell_accounts_apart(fake: FakeWeChat, wire: Wire, other_wire: Wire) -> None:
    """
    Both token endpoints answer each account; the tokens of one are not disturbed by the other's.
    """
    classic = [await each.classic_token() for each in (wire, other_wire)]
    stable = [await each.stable_token() for each in (wire, other_wire)]
    fake.revoke_tokens()
    for each, answer in zip((wire, other_wire), classic, strict=True):
        each.token = answer["access_token"]
    answers = [await each.get(IPS) for each in (wire, other_wire)]

    assert len({answer["access_token"] for answer in classic + stable}) == 4
    assert [answer.get("errcode") for answer in answers] == [40001, None]


async def test_wrong_credentials(fake: FakeWeChat, other: FakeAccount, other_wire: Wire) -> None:
    """
    An unknown appid, a secret of another account's and a token of nobody's are refused as with one account.
    """
    refused = await other_wire.stable_token(secret=fake.secret)
    unknown = await other_wire.stable_token(appid="wx3")
    other_wire.token = "nonsense"
    nobody = await other_wire.get(IPS)

    assert [answer["errcode"] for answer in (refused, unknown, nobody)] == [40125, 40013, 40014]
    assert len(other.calls) == 1


async def test_a_film_of_the_second(other_wire: Wire) -> None:
    """
    A video is found although its address says nothing of an account.
    """
    answer = await other_wire.upload("/cgi-bin/media/upload", "a.mp4", MP4, "video/mp4", type="video")
    url = (await other_wire.get("/cgi-bin/media/get", media_id=answer["media_id"]))["video_url"]

    assert (await other_wire.http.get(url)).content == MP4


async def test_time_moves_for_all(fake: FakeWeChat, other: FakeAccount, other_wire: Wire) -> None:
    """
    Whichever account's `advance` is called, sessions end in all of them.
    """
    heard: list[str] = []
    other.set_callback(listener(heard), token="T")
    other.agent_online(AGENT, auto_accept=1)
    other.user_says(OPENID, "hi")
    other.user_waits(OPENID)
    fake.advance(1801)
    await other.deliver()

    assert heard == ["text", "kf_create_session", "kf_close_session"]


async def test_pushes_of_all_are_delivered(fake: FakeWeChat, other: FakeAccount) -> None:
    """
    While the stand-in serves, pushes of every account go out by themselves, of one added meanwhile, too.
    """
    heard: list[str] = []
    async with fake.serve():
        await anyio.wait_all_tasks_blocked()
        third = fake.add_account("wx3")
        for account in (fake, other, third):
            account.set_callback(listener(heard), token="T")
            account.user_says(OPENID, "hi")
        with anyio.fail_after(60):
            for account in (fake, other, third):
                await account.settle()

    assert heard == ["text"] * 3


def test_an_appid_is_one_accounts(fake: FakeWeChat, other: FakeAccount) -> None:
    """
    The same appid cannot be added twice.
    """
    for appid in (fake.appid, other.appid):
        with pytest.raises(ValueError, match="already"):
            fake.add_account(appid)


def listener(heard: list[str]) -> Callable[..., Awaitable[None]]:
    """
    Give an app that notes what kind of push it hears.
    """

    async def app(_: Any, receive: Any, send: Any) -> None:
        push = read_xml((await receive())["body"])
        heard.append(push.get("Event") or push["MsgType"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"success"})

    return app
