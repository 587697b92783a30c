"""
The front on a real socket.
"""

from __future__ import annotations

import anyio
import httpx
import pytest

from wechat_kf.testing import (
    ClockSkew,
    FakeWeChat,
    Status,
)
from wechat_kf.testing.fronts.socket import address_of

from ..bare_api import Wire

IPS = "/cgi-bin/getcallbackip"


async def talk(base_url: str, text: bytes, *, until: bytes | None = None) -> bytes:
    """
    Write bytes to a socket and give what comes back, to its end or to a mark.
    """
    host, _, port = base_url.removeprefix("http://").partition(":")
    received = b""
    with anyio.fail_after(60):
        async with await anyio.connect_tcp(host, int(port)) as stream:
            await stream.send(text)
            try:
                while until is None or until not in received:
                    received += await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                pass
    return received


async def test_answers_without_a_body() -> None:
    """
    To HEAD, and with 204 and 304, only the head is answered; the connection is kept.
    """
    fake = FakeWeChat()
    for status in (204, 304):
        fake.fault(IPS, Status(status))
    async with fake.serve() as base_url, httpx.AsyncClient(base_url=base_url, trust_env=False) as http:
        got = [await http.get(IPS), await http.get(IPS), await http.head(IPS)]
        after = await http.get(IPS)

    assert [(response.status_code, response.content) for response in got] == [(204, b""), (304, b""), (200, b"")]
    assert after.json()["errcode"] == 41001


async def test_one_request_does_not_end_the_server(caplog: pytest.LogCaptureFixture) -> None:
    """
    What the stand-in itself cannot do drops that connection, and is logged.
    """
    fake = FakeWeChat()
    fake.fault(IPS, ClockSkew(-1e15))
    async with fake.serve() as base_url, httpx.AsyncClient(trust_env=False, timeout=60) as http:
        wire = Wire(fake, http, base_url)
        with pytest.raises(httpx.RemoteProtocolError):
            await wire.send("GET", IPS)
        after = await wire.send("GET", IPS)

    assert "ip_list" in after.json()
    assert [record.getMessage() for record in caplog.records if record.name == "wechat_kf.testing"] == [
        "A request was not answered."
    ]


def test_an_ipv6_address_stands_in_brackets() -> None:
    """
    The base URL of an IPv6 address can be used as it is; not every machine has one to listen on.
    """
    assert address_of("::1", 80) == "[::1]:80"
    assert address_of("127.0.0.1", 80) == "127.0.0.1:80"


async def test_connections_are_kept() -> None:
    """
    Several requests go over one connection, also pipelined, until the client closes it.
    """
    one = b"GET /a?x=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"GET /b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    fake = FakeWeChat()
    async with fake.serve() as base_url:
        received = await talk(base_url, one + one + last)

    assert received.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert [call.path for call in fake.calls] == ["/a", "/a", "/b"]


async def test_expectations_are_met() -> None:
    """
    A client that asks first is told to go on.
    """
    head = b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    async with FakeWeChat().serve() as base_url:
        received = await talk(base_url, head, until=b"\r\n\r\n")

    assert received.startswith(b"HTTP/1.1 100 Continue")


@pytest.mark.parametrize(
    "text", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET"], ids=["nonsense", "no host", "cut off"]
)
async def test_bad_clients(text: bytes) -> None:
    """
    What is not HTTP is hung up on, and the next client is served.
    """
    fake = FakeWeChat()
    async with fake.serve() as base_url:
        host, _, port = base_url.removeprefix("http://").partition(":")
        async with await anyio.connect_tcp(host, int(port)) as stream:
            await stream.send(text)
            await stream.send_eof()
            with anyio.fail_after(60), pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await stream.receive()
        received = await talk(base_url, b"GET /a HTTP/1.0\r\n\r\n")

    assert received.startswith(b"HTTP/1.1 200")
    assert [call.path for call in fake.calls] == ["/a"]


async def test_it_is_no_proxy() -> None:
    """
    A client that takes it for a proxy is told so.
    """
    async with FakeWeChat().serve() as base_url:
        received = await talk(
            base_url, b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n", until=b"directly."
        )

    assert received.startswith(b"HTTP/1.1 405")
    assert received.endswith(b"The stand-in is no proxy; call it directly.")


async def test_a_body_without_end() -> None:
    """
    A body of more than 32 MiB is refused without being gathered.
    """
    fake = FakeWeChat()
    head = b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n"
    async with fake.serve() as base_url:
        received = await talk(base_url, head + bytes(33 * 1024 * 1024), until=b"\r\n")

    assert received.startswith(b"HTTP/1.1 413")
    assert fake.calls == []


async def test_idle_connections_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Who says nothing for long is hung up on.
    """
    monkeypatch.setattr("wechat_kf.testing.fronts.socket._IDLE_SECONDS", 0.01)
    async with FakeWeChat().serve() as base_url:
        received = await talk(base_url, b"GET /")

    assert received == b""


async def test_an_error_in_the_block_comes_out_as_it_is() -> None:
    """
    The server's task group does not wrap what the test raises.
    """
    with pytest.raises(LookupError, match="mine"):
        async with FakeWeChat().serve():
            raise LookupError("mine")
