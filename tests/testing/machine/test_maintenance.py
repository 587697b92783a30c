"""
Quotas, failed requests, addresses.
"""

from __future__ import annotations

import ipaddress
import json
import re
from urllib.parse import urlencode

import pytest

from wechat_kf.testing import FakeWeChat

from ..bare_api import API, OPENID, Wire

SEND = "/cgi-bin/message/custom/send"
IPS = "/cgi-bin/getcallbackip"
CLEAR = "/cgi-bin/clear_quota"
GET = "/cgi-bin/openapi/quota/get"
RID = "/cgi-bin/openapi/rid/get"


async def test_the_daily_quota(fake: FakeWeChat, wire: Wire) -> None:
    """
    A path has so many calls until midnight in Beijing.
    """
    fake.limits.calls_a_day[IPS] = 2
    answers = [await wire.get(IPS) for _ in range(3)]
    fake.advance(16 * 3600 - 1)
    wire.token = ""
    before = await wire.get(IPS)
    fake.advance(1)

    assert [answer.get("errcode") for answer in answers] == [None, None, 45009]
    assert answers[2]["errmsg"].startswith("reach max api daily quota limit rid: ")
    assert before["errcode"] == 45009
    assert "ip_list" in await wire.get(IPS)


async def test_the_token_quota(fake: FakeWeChat, wire: Wire) -> None:
    """
    The classic token can be fetched 2,000 times a day.
    """
    fake.limits.calls_a_day["/cgi-bin/token"] = 2
    answers = [await wire.classic_token() for _ in range(3)]

    assert fake.limits.calls_a_day["/cgi-bin/stable_token"] == 500_000
    assert answers[2]["errcode"] == 45009


async def test_the_minute(fake: FakeWeChat, wire: Wire) -> None:
    """
    Where there is a limit for a minute, the next minute is free again.
    """
    fake.limits.calls_a_minute[IPS] = 2
    fake.advance(30)
    answers = [await wire.get(IPS) for _ in range(3)]
    fake.advance(30)

    assert [answer.get("errcode") for answer in answers] == [None, None, 45011]
    assert "ip_list" in await wire.get(IPS)


async def test_what_is_left(fake: FakeWeChat, wire: Wire) -> None:
    """
    The quota of a path shows its limit and what was used of it, and the minute's limit where there is one.
    """
    fake.user_says(OPENID, "hi")
    await wire.say()
    await wire.say(content="")
    answer = await wire.post(GET, cgi_path=SEND)
    token = await wire.post(GET, cgi_path="/cgi-bin/stable_token")

    assert answer == {
        "errcode": 0,
        "errmsg": "ok",
        "quota": {"daily_limit": 500_000, "used": 2, "remain": 499_998},
    }
    assert token["rate_limit"] == {"call_count": 10_000, "refresh_second": 60}


@pytest.mark.parametrize(
    ("path", "errcode"), [("/cgi-bin/no", 76021), (SEND[1:], 76003), (API + SEND, 76003), (None, 76003)], ids=str
)
async def test_unknown_paths(wire: Wire, path: str | None, errcode: int) -> None:
    """
    A path begins with a slash and exists.
    """
    assert await wire.code(GET, cgi_path=path) == errcode
    assert await wire.code("/cgi-bin/openapi/quota/clear", cgi_path=path) == errcode


async def test_clear_quota(fake: FakeWeChat, wire: Wire) -> None:
    """
    Clearing brings every path back, ten times a month, by whichever call.
    """
    fake.limits.calls_a_day[IPS] = 1
    await wire.get(IPS)
    used = await wire.get(IPS)
    codes = [await wire.code(CLEAR, appid=fake.appid) for _ in range(9)]
    again = await wire.get(IPS)
    body = {"appid": fake.appid, "appsecret": fake.secret}
    emergency = [
        (await wire.http.post(f"{API}{CLEAR}/v2", content=json.dumps(body))).json()["errcode"] for _ in range(2)
    ]
    fake.advance(31 * 86400)
    wire.token = ""

    assert used["errcode"] == 45009
    assert codes == [0] * 9
    assert "ip_list" in again
    assert emergency == [0, 48006]
    assert await wire.code(CLEAR, appid="wx0") == 40013
    assert await wire.code(CLEAR, appid=fake.appid) == 0


async def test_clear_the_quota_of_one_path(fake: FakeWeChat, wire: Wire) -> None:
    """
    One path's quota can be cleared by itself, fifty times a month.
    """
    fake.limits.calls_a_day[IPS] = 1
    await wire.get(IPS)
    codes = [await wire.code("/cgi-bin/openapi/quota/clear", cgi_path=IPS) for _ in range(51)]

    assert codes == [0] * 50 + [48006]
    assert "ip_list" in await wire.get(IPS)


async def test_clearing_with_wrong_credentials(fake: FakeWeChat, wire: Wire) -> None:
    """
    The call without a token checks appid and secret.
    """
    codes = [
        (await wire.http.post(f"{API}{CLEAR}/v2", content=json.dumps(body))).json()["errcode"]
        for body in ({}, {"appid": "wx0"}, {"appid": fake.appid}, {"appid": fake.appid, "appsecret": "0"})
    ]

    assert codes == [41002, 40013, 41004, 40125]


async def test_a_failure_is_found_by_its_rid(fake: FakeWeChat, wire: Wire) -> None:
    """
    The rid in an error leads to what was asked and answered, for seven days.
    """
    failed = await wire.post(SEND, touser="nobody", msgtype="text", text={"content": "你好"})
    rid = failed["errmsg"].rpartition(" ")[2]
    at = int(fake.clock.now().timestamp())
    token = wire.token
    fake.advance(7 * 86400)
    wire.token = ""
    found = (await wire.post(RID, rid=rid))["request"]
    fake.advance(1)

    assert int(rid.partition("-")[0], 16) == at
    assert found["invoke_time"] == at
    assert found["request_url"] == urlencode({"access_token": token})
    assert json.loads(found["request_body"])["text"]["content"] == "你好"
    assert json.loads(found["response_body"]) == failed
    assert found["client_ip"] == "127.0.0.1"
    assert found["cost_in_ms"] >= 0
    assert await wire.code(RID, rid=rid) == 76004


@pytest.mark.parametrize(
    ("rid", "errcode"), [("61725984-6126f6f9-040f19c4", 76001), ("61725984", 76002), (None, 76002)], ids=str
)
async def test_unknown_rids(wire: Wire, rid: str | None, errcode: int) -> None:
    """
    A rid has three groups, and belongs to a failure.
    """
    assert await wire.code(RID, rid=rid) == errcode


async def test_only_so_many_failures_are_kept(fake: FakeWeChat, wire: Wire) -> None:
    """
    The oldest failure goes when there are too many, and of the calls the older half.
    """
    fake.limits.remembered = 4
    rids = [(await wire.get(SEND))["errmsg"].rpartition(" ")[2] for _ in range(5)]

    assert await wire.code(RID, rid=rids[0]) == 76001
    assert await wire.code(RID, rid=rids[4]) == 0
    assert len(fake.calls) <= 4


async def test_tails(wire: Wire) -> None:
    """
    Every refusal has a rid; those within have a hint before it.
    """
    at_the_door = (await wire.get("/cgi-bin/no"))["errmsg"]
    within = (await wire.post(SEND, touser="nobody"))["errmsg"]
    rid = r"rid: [0-9a-f]+-[0-9a-f]+-[0-9a-f]+"

    assert re.fullmatch(rf"invalid url {rid}", at_the_door)
    assert re.fullmatch(rf"invalid openid hint: \[[\w.-]{{16}}\] {rid}", within)


@pytest.mark.parametrize("path", [IPS, "/cgi-bin/get_api_domain_ip"])
async def test_addresses(wire: Wire, path: str) -> None:
    """
    Both lists hold addresses or ranges.
    """
    addresses = (await wire.get(path))["ip_list"]

    assert addresses
    assert all(ipaddress.ip_network(address) for address in addresses)
