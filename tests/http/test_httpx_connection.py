"""
A connection of httpx's own: that it is closed whatever its transport does, and why each workaround is there.
"""

from __future__ import annotations

import ssl
import types

import anyio
import httpx
import pytest
from anyio.lowlevel import checkpoint

from wechat_kf._http import place as _place
from wechat_kf._http.httpx_connection import HttpxConnection
from wechat_kf._http.place import Place


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
