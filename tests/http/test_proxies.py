"""
Proxies of the environment.
"""

from __future__ import annotations

import re
import socket
import ssl
import sys

import httpx
import pytest

from wechat_kf import AsyncKfClient, NotSent, ReplyError, SystemClock
from wechat_kf._http import proxies
from wechat_kf._http.pool import StackTransport

from ..http_server import Server
from .clients import client
from .proxy_server import connect_proxy, socks_proxy


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


@pytest.mark.parametrize("kind", ["connect", "connect over tls", "socks5", "socks5h"])
@pytest.mark.parametrize("path", ["/x", "/twice"])
async def test_tunnel(
    secure: Server, certificates: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, kind: str, path: str
) -> None:
    """
    Through a tunnel each request over TLS gets its own response, and the tunnel is used again if nothing lies in it.
    """
    if kind.startswith("socks"):
        running, scheme = socks_proxy(secure.url), kind
    else:
        over_tls = kind == "connect over tls"
        running = connect_proxy(secure.url, certificates if over_tls else None)
        scheme = "https" if over_tls else "http"
    async with running as proxy:
        monkeypatch.setenv("https_proxy", f"{scheme}://127.0.0.1:{proxy.port}")
        async with httpx.AsyncClient(transport=StackTransport(max_connections=1), timeout=30) as http:
            # Its certificate is of 127.0.0.1.
            texts = [(await http.get(f"https://127.0.0.1:9{each}")).text for each in (path, "/a", "/b")]

    assert texts == [path, "/a", "/b"]
    assert [target for _, target in secure.seen] == [path, "/a", "/b"]
    assert proxy.asked == ["127.0.0.1:9"] * (2 if path == "/twice" else 1)


async def test_tunnel_that_ends(secure: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A tunnel that the server closed while it was idle costs the caller no error.
    """
    async with connect_proxy(secure.url) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        async with httpx.AsyncClient(transport=StackTransport(max_connections=1), timeout=30) as http:
            await http.get("https://127.0.0.1:9/a")
            await secure.hang_up()
            await proxy.until_idle()
            await http.get("https://127.0.0.1:9/b")

    assert secure.seen == [(0, "/a"), (1, "/b")]


async def test_silent_socks_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A SOCKS proxy that says nothing is a connection that takes too long.
    """
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("all_proxy", f"socks5://127.0.0.1:{silent.getsockname()[1]}")
        async with httpx.AsyncClient(transport=StackTransport()) as http:
            with pytest.raises(httpx.ConnectTimeout):
                await http.get("http://wechat.invalid/a", timeout=httpx.Timeout(30, connect=0.1))


async def test_socks_without_tls(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A plain request goes through a SOCKS proxy too.
    """
    async with socks_proxy(server.url) as proxy:
        monkeypatch.setenv("all_proxy", f"socks5://127.0.0.1:{proxy.port}")
        async with client(StackTransport(), server) as http:
            await http.get("http://wechat.invalid/a")

    assert server.seen == [(0, "/a")]
    assert proxy.asked == ["wechat.invalid:80"]


@pytest.mark.parametrize(
    ("variable", "proxy", "problem"),
    [
        ("http_proxy", "socks4://127.0.0.1:1", "http_proxy names a proxy of the kind 'socks4'. Name one of http, "),
        ("HTTP_PROXY", "gopher://127.0.0.1:1", "HTTP_PROXY names a proxy of the kind 'gopher'. Name one of http, "),
        ("all_proxy", "ftp://u:secret@127.0.0.1:1", "all_proxy names a proxy of the kind 'ftp'. Name one of http, "),
        ("ALL_PROXY", "http://u:secret@127.0.0.1:x", "ALL_PROXY does not name a proxy. Write it as http://host:port"),
        ("http_proxy", "SOCKS5://127.0.0.1:1", "for which socksio is not installed. Install wechat-kf[socks]"),
    ],
)
async def test_proxy_that_cannot_be_used(
    server: Server, monkeypatch: pytest.MonkeyPatch, variable: str, proxy: str, problem: str
) -> None:
    """
    A setting that cannot work is a `NotSent` that names it and the remedy, is tried once, and costs no place.
    """
    monkeypatch.setenv(variable, proxy)
    monkeypatch.setitem(sys.modules, "socksio", None)
    async with AsyncKfClient(token="T", base_url=server.url, max_connections=1, clock=Clock()) as kf:
        with pytest.raises(NotSent, match=re.escape(problem)):
            await kf.typing("o1")
        with pytest.raises(NotSent, match=re.escape(problem)) as failure:
            await kf.typing("o1")
        monkeypatch.delenv(variable)
        with pytest.raises(ReplyError):
            await kf.typing("o1")

    assert "or list the host in NO_PROXY" in str(failure.value)
    assert "secret" not in str(failure.value)
    assert failure.value.is_lasting
    assert failure.value.__context__ is None
    assert len(server.seen) == 1


class Clock(SystemClock):
    """
    A clock that nobody may wait by.
    """

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing is to be tried again")


async def test_system_setting_that_cannot_be_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where the setting is not in the environment but the system's, it is called so.
    """
    monkeypatch.setattr(proxies, "getproxies", lambda: {"http": "socks4://127.0.0.1:1"})
    async with client(StackTransport(), server) as http:
        with pytest.raises(NotSent, match=r"^The system's setting for http proxies names"):
            await http.get("/x")
