"""
Web pages are kept out.
"""

from __future__ import annotations

import httpx
import pytest

from wechat_kf.testing import FakeWeChat
from wechat_kf.testing.fronts.guard import why_foreign

LOCAL = "127.0.0.1:8088"


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({}, False),
        ({"host": LOCAL}, False),
        ({"host": "localhost"}, False),
        ({"host": "LOCALHOST:8088"}, False),
        ({"host": "shop.localhost"}, False),
        ({"host": "[::1]:8088"}, False),
        ({"host": "192.168.1.5:8088"}, False),
        ({"host": "api.weixin.qq.com"}, False),
        ({"host": "sh.api.weixin.qq.com:443"}, False),
        ({"host": "wechat:8088"}, False),
        ({"host": "evil.test:8088"}, True),
        ({"host": "weixin.qq.com.evil.test"}, True),
        ({"host": "evilweixin.qq.com"}, True),
        ({"host": "127.0.0.1.evil.test"}, True),
        ({"host": ""}, True),
        ({"host": "[::1"}, True),
        ({"host": LOCAL, "origin": f"http://{LOCAL}"}, False),
        ({"host": LOCAL, "origin": f"https://{LOCAL.upper()}"}, False),
        ({"host": LOCAL, "origin": "http://127.0.0.1:3000"}, True),
        ({"host": LOCAL, "origin": "https://evil.test"}, True),
        ({"host": LOCAL, "origin": "null"}, True),
        ({"origin": "https://evil.test"}, True),
        ({"host": LOCAL, "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, False),
        ({"host": LOCAL, "sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, False),
        ({"host": LOCAL, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, False),
        ({"host": LOCAL, "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, True),
        ({"host": LOCAL, "sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}, True),
    ],
    ids=str,
)
def test_who_is_foreign(headers: dict[str, str], foreign: bool) -> None:
    """
    Programs are not, nor is the stand-in's own page; other sites are, and names that somebody bound to this machine.
    """
    assert (why_foreign(headers, ["wechat"]) is not None) == foreign


def test_any_host() -> None:
    """
    An app that is called in its own process may go by any name.
    """
    assert why_foreign({"host": "testserver"}, None) is None


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Host": "evil.test"}, "the Host 'evil.test' is not the stand-in's; allow it with --allow-host, or serve("),
        ({"Origin": "https://evil.test"}, "the Origin 'https://evil.test' is another site's"),
        ({"Sec-Fetch-Site": "cross-site"}, "it comes from another site's page"),
    ],
    ids=["host", "origin", "site"],
)
@pytest.mark.parametrize("path", ["/stand-in/user_says", "/cgi-bin/token"])
async def test_foreign_requests_are_refused(path: str, headers: dict[str, str], reason: str) -> None:
    """
    They do nothing, neither by a control nor by a call, and are told why.
    """
    fake = FakeWeChat()
    async with fake.serve() as base_url, httpx.AsyncClient(base_url=base_url, trust_env=False, timeout=60) as http:
        refused = await http.post(path, json={"openid": "o1", "text": "hi"}, headers=headers)
        allowed = await http.get("/stand-in/allowance", params={"openid": "o1"})

    assert refused.status_code == 403
    assert reason in refused.text
    assert allowed.json()["messages"] == 0
    assert fake.calls == []


async def test_a_name_that_is_allowed() -> None:
    """
    A container is called by its name.
    """
    fake = FakeWeChat()
    async with fake.serve(allow_hosts=["WeChat"]) as base_url, httpx.AsyncClient(trust_env=False, timeout=60) as http:
        response = await http.get(f"{base_url}/stand-in/sent", headers={"Host": "wechat:8088"})

    assert response.json() == []
