"""
A connection of httpx's own: that it is closed whatever its transport does, and why each workaround is there.
"""

from __future__ import annotations

import gc
import ssl
import sys
import types
from typing import Any

import anyio
import anyio.abc
import httpx
import pytest
from anyio.lowlevel import checkpoint

from wechat_kf._http import place as _place
from wechat_kf._http.httpx_connection import HttpxConnection
from wechat_kf._http.place import Place

from ..http_server import Server, port_of
from .odd_server import Endless, answer, odd_server


class Reluctant(httpx.AsyncHTTPTransport):
    """
    A transport whose network stream closes slowly, or never, or fails to.
    """

    def __init__(self, manner: str) -> None:
        super().__init__(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        self._manner = manner
        self.closed: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """
        Tell the trace of a stream, as httpx does.
        """
        stream = types.SimpleNamespace(aclose=self._close_stream)
        await request.extensions["trace"]("connection.connect_tcp.complete", {"return_value": stream})
        return httpx.Response(200)

    async def aclose(self) -> None:
        """
        Close without any delay.
        """
        self.closed.append("transport")

    async def _close_stream(self) -> None:
        await checkpoint()
        if self._manner == "never":
            await anyio.sleep_forever()
        if self._manner == "fails":
            raise OSError
        self.closed.append("stream")


@pytest.mark.parametrize("manner", ["slowly", "never", "fails"])
async def test_closing_is_shielded_and_bounded(monkeypatch: pytest.MonkeyPatch, manner: str) -> None:
    """
    Closing a connection goes on though the request is cancelled, but not for ever, and its failure is nobody's concern.
    """
    if manner == "never":
        monkeypatch.setattr(_place, "_CLOSING", 0.01)
    transport = Reluctant(manner)
    place = Place()
    await place.send(
        httpx.Request("GET", "http://wechat.invalid"),
        ("http", "wechat.invalid", None),
        lambda _: HttpxConnection(transport),
    )
    with anyio.CancelScope() as scope:
        scope.cancel()
        await place.close()

    assert transport.closed == (["stream", "transport"] if manner == "slowly" else ["transport"])
    assert place.origin is None


@pytest.mark.parametrize("says", ["something", "its end"])
async def test_server_that_speaks_first(says: str) -> None:
    """
    What a server says before it was asked is no answer: the request is not written.
    """

    async def speak(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            if says == "something":
                await stream.send(answer("nobody"))
                await anyio.sleep(30)

    events: list[str] = []

    async def trace(event: str, _: object) -> None:
        events.append(event)
        if event.endswith("connect_tcp.complete"):
            await anyio.sleep(0.05)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, speak)
        connection = HttpxConnection.to(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), None)
        request = httpx.Request("GET", f"http://127.0.0.1:{port_of(listener)}/", extensions={"trace": trace})
        with pytest.raises(httpx.ConnectError, match="spoke before it was asked"):
            await connection.handle_async_request(request)
        await connection.aclose()
        group.cancel_scope.cancel()

    assert events[:2] == ["connection.connect_tcp.started", "connection.connect_tcp.complete"]
    assert "http11.send_request_headers.started" not in events


HINTS = b"HTTP/1.1 103 Early Hints\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5"


@pytest.mark.parametrize("steps", [(Endless(HINTS, 0.01),), (CHUNKED, Endless(b";", 0.01))], ids=["1xx", "extension"])
async def test_what_drips_is_late(steps: tuple[Any, ...]) -> None:
    """
    What brings a response no further does not prolong the wait for its head, or for the next part of its body.
    """
    with odd_server(steps) as server:
        connection = HttpxConnection.to(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), None)
        request = httpx.Request("GET", f"{server.url}/x", extensions={"timeout": {"read": 0.2}})

        async def read() -> None:
            await (await connection.handle_async_request(request)).aread()

        with anyio.fail_after(20), pytest.raises(httpx.ReadTimeout):
            await read()
        await connection.aclose()


# Each of these fails when httpx no longer needs the care that is named there; the care can go then.


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_httpx_forgets_sockets_in_the_handshake(secure: Server) -> None:
    """
    Httpx leaves a socket open whose TLS handshake was cancelled (encode/httpcore#443): `_watched` keeps the streams.
    """
    secure.mute = True
    gc.disable()
    try:
        async with httpx.AsyncHTTPTransport() as transport, anyio.create_task_group() as group:
            request = httpx.Request("GET", f"{secure.url}/x")
            group.start_soon(transport.handle_async_request, request)
            await secure.until(lambda: secure.seen == [(0, "...")])
            group.cancel_scope.cancel()
        await anyio.sleep(0.1)

        assert secure.open == 1
    finally:
        gc.enable()
        gc.collect()


async def test_httpx_takes_leftovers_for_responses(certificates: ssl.SSLContext) -> None:
    """
    Httpx takes what lies behind a response for the response to the next request: `has_ended` looks for that.
    """
    both = answer("first") + answer("stale")
    for steps, secure in (((both,), False), (((answer("first"), answer("stale")),), True)):
        with odd_server(steps, certificates if secure else None) as server:
            async with httpx.AsyncClient(timeout=30) as http:
                await http.get(f"{server.url}/first")
                second = await http.get(f"{server.url}/next")

            assert second.json()["who"] == "stale"


async def test_httpx_waits_for_each_read(server: Server) -> None:
    """
    Httpx limits each read, not the wait for a head: `_Limit` does.
    """
    with odd_server((Endless(HINTS, 0.02),)) as running:
        async with httpx.AsyncClient(timeout=0.2) as http:
            with anyio.move_on_after(1) as scope:
                await http.get(f"{running.url}/x")

    assert scope.cancelled_caught


async def test_httpx_walks_through_its_pool(server: Server) -> None:
    """
    Httpx walks through all its connections for every request (encode/httpx#3215): the pool is a stack.
    """
    looked_at = 0

    def profile(frame: types.FrameType, event: str, _: object) -> None:
        nonlocal looked_at
        looked_at += event == "call" and frame.f_code.co_qualname == "AsyncHTTPConnection.has_expired"

    limits = httpx.Limits(max_connections=40, max_keepalive_connections=40)
    async with httpx.AsyncClient(base_url=server.url, timeout=30, limits=limits) as http:
        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(http.get, "/hold")
            await server.until(lambda: len(server.seen) == 40)
            server.release.set()
        sys.setprofile(profile)
        await http.get("/again")
        sys.setprofile(None)

    assert looked_at >= 40
