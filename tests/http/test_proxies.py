"""
Proxies of the environment.
"""

from __future__ import annotations

import httpx
import pytest

from wechat_kf._http.pool import StackTransport

from ..http_server import Server
from .clients import client


async def test_proxy_of_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A plain request goes through the proxy that HTTP_PROXY names, with or without its scheme.
    """
    for proxy in (server.url, server.url.removeprefix("http://")):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("http_proxy", proxy)
        async with client(StackTransport(), server) as http:
            await http.get("http://wechat.invalid/a")
            await http.get("http://wechat.invalid/b")

    assert [target for _, target in server.seen] == ["http://wechat.invalid/a", "http://wechat.invalid/b"] * 2
    assert server.accepted == 2


@pytest.mark.parametrize("name", ["https_proxy", "all_proxy"])
async def test_proxy_for_tls(server: Server, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """
    A request over TLS asks the proxy for a tunnel; if that is refused, it is the HTTP library's ProxyError.
    """
    monkeypatch.setenv(name, server.url)
    async with client(StackTransport(max_connections=1), server) as http:
        with pytest.raises(httpx.ProxyError, match="403"):
            await http.get("https://wechat.invalid/a")
        await server.until(lambda: server.open == 0)

    assert server.seen == [(0, "wechat.invalid:443")]


async def test_proxy_that_speaks_tls(secure: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A proxy may itself speak TLS; its certificate is checked as any other.
    """
    monkeypatch.setenv("http_proxy", secure.url)
    async with client(StackTransport(), secure) as http:
        await http.get("http://wechat.invalid/a")

    assert secure.seen == [(0, "http://wechat.invalid/a")]


@pytest.mark.parametrize("listed", ["127.0.0.1", "example.com, 127.0.0.1:{port}", "*"])
async def test_no_proxy(server: Server, monkeypatch: pytest.MonkeyPatch, listed: str) -> None:
    """
    A host that NO_PROXY lists is reached directly.
    """
    port = httpx.URL(server.url).port
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", listed.format(port=port))
    async with client(StackTransport(), server) as http:
        await http.get("/direct")

    assert server.seen == [(0, "/direct")]


async def test_proxy_of_an_unknown_kind(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A proxy that cannot be used is an error at each request, and costs no place.
    """
    monkeypatch.setenv("http_proxy", "gopher://127.0.0.1:1")
    async with client(StackTransport(max_connections=1), server) as http:
        for _ in range(2):
            with pytest.raises(ValueError, match="Unknown scheme for proxy URL"):
                await http.get("/x")
        monkeypatch.delenv("http_proxy")
        await http.get("/direct")

    assert server.seen == [(0, "/direct")]
