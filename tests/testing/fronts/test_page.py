"""
The page's files, and who may have them.
"""

from __future__ import annotations

import httpx
import pytest

from wechat_kf.testing import FakeWeChat

from ..bare_api import Wire


async def get(wire: Wire, path: str, **headers: str) -> httpx.Response:
    """
    Ask for something.
    """
    return await wire.http.get(f"http://localhost{path}", headers=headers)


async def test_the_files(wire: Wire) -> None:
    """
    The page and its files come with a policy that lets nothing else in, neither from other hosts nor written inline.
    """
    page = await get(wire, "/stand-in/")
    script, style, icon = [await get(wire, f"/stand-in/page/{name}") for name in ("main.js", "layout.css", "icon.svg")]
    policy = page.headers["content-security-policy"]

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert style.headers["content-type"] == "text/css; charset=utf-8"
    assert icon.headers["content-type"] == "image/svg+xml"
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "<style" not in page.text
    assert "<script>" not in page.text
    assert "http://" not in page.text + script.text + style.text


@pytest.mark.parametrize("name", ["nothing.js", "__init__.py", "../_fake.py", "sub/main.js", "..%2fmain.js", ""])
async def test_no_other_files(wire: Wire, name: str) -> None:
    """
    Nothing else can be had.
    """
    response = await get(wire, f"/stand-in/page/{name}")

    assert response.status_code == 404


async def test_browsers_find_it(wire: Wire) -> None:
    """
    A browser that asks for the base URL is sent to the page; a program is answered as WeChat would.
    """
    browser = await get(wire, "/", accept="text/html,*/*;q=0.8")
    program = await get(wire, "/", accept="*/*")

    assert (browser.status_code, browser.headers["location"]) == (307, "/stand-in/")
    assert program.json()["errcode"] == 40066


@pytest.mark.parametrize("path", ["/stand-in/", "/stand-in/page/main.js", "/stand-in/feed", "/stand-in/media"])
@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.test"}, {"host": "evil.test"}, {"sec-fetch-site": "cross-site"}],
    ids=["origin", "host", "fetched"],
)
async def test_other_sites_are_kept_out(path: str, headers: dict[str, str]) -> None:
    """
    Neither page nor events are given to another site's page, nor under another site's name.
    """
    async with FakeWeChat().serve() as base_url, httpx.AsyncClient(base_url=base_url, trust_env=False) as http:
        response = await http.get(path, headers=headers)

    assert response.status_code == 403
