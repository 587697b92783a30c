"""
A stand-in that others can reach asks for a token.
"""

from __future__ import annotations

import httpx
import pytest

from wechat_kf.testing import FakeWeChat

TOKEN = "se cret;1"


async def test_who_may_use_the_page() -> None:
    """
    With a token the page and the controls are for those who know it; what programs call stays as it is.
    """
    fake = FakeWeChat()
    async with (
        fake.serve(page_token=TOKEN) as base_url,
        httpx.AsyncClient(base_url=base_url, trust_env=False, timeout=60) as http,
    ):
        strangers = [
            await http.get(path, headers=headers)
            for path, headers in (
                ("/stand-in/", {}),
                ("/stand-in/feed", {}),
                ("/stand-in/page/main.js", {}),
                ("/stand-in/?token=x", {}),
                ("/stand-in/sent", {"authorization": "Bearer x"}),
                ("/stand-in/sent", {"authorization": f"Basic {TOKEN}"}),
                ("/stand-in/sent", {"cookie": "stand-in=x"}),
                ("/stand-in/sent", {"cookie": "{}=x"}),
            )
        ]
        called = await http.get("/cgi-bin/getcallbackip")
        brought = await http.get("/stand-in/", params={"token": TOKEN})
        opened = await http.get(brought.headers["location"])
        http.cookies.clear()
        closed = await http.get("/stand-in/")
        asked = await http.post("/stand-in/sent", headers={"authorization": f"bearer {TOKEN}"})

    assert [response.status_code for response in strangers] == [401] * len(strangers)
    assert strangers[0].headers["www-authenticate"] == "Bearer"
    assert called.json()["errcode"] == 41001
    assert (brought.status_code, brought.headers["location"]) == (303, "/stand-in/")
    assert "HttpOnly; SameSite=Strict" in brought.headers["set-cookie"]
    assert (opened.status_code, closed.status_code) == (200, 401)
    assert "<!doctype html>" in opened.text
    assert asked.json() == []


def test_no_empty_token() -> None:
    """
    An empty token protects nothing, and is refused.
    """
    with pytest.raises(ValueError, match="must not be empty"):
        FakeWeChat().serve(page_token="")
