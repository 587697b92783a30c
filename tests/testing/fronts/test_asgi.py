"""
The ASGI front.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from wechat_kf.testing import (
    FakeWeChat,
)


async def run_asgi(scope: dict[str, Any], *events: dict[str, Any]) -> list[dict[str, Any]]:
    """
    Run the ASGI app with events, and give what it sent.
    """
    waiting = list(events)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    app: Callable[..., Awaitable[None]] = FakeWeChat().asgi
    await app(scope, receive, send)
    return sent


async def test_asgi_lifespan() -> None:
    """
    The app answers the server's start and end.
    """
    sent = await run_asgi({"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})

    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


SCOPE: dict[str, Any] = {"type": "http", "method": "POST", "path": "/a", "query_string": b"", "headers": []}


async def test_asgi_without_the_optional_parts() -> None:
    """
    A server may leave the raw path, the client and the scheme out, and send the body in pieces.
    """
    body = {"type": "http.request", "body": b"{", "more_body": True}
    sent = await run_asgi(SCOPE, body, {"type": "http.request"})

    assert sent[0]["status"] == 200
    assert b"40066" in sent[1]["body"]


async def test_asgi_disconnects() -> None:
    """
    A client that goes away before its request is whole is not answered.
    """
    assert await run_asgi(SCOPE, {"type": "http.disconnect"}) == []


async def test_asgi_knows_no_websockets() -> None:
    """
    Other protocols are refused.
    """
    with pytest.raises(ValueError, match="websocket"):
        await run_asgi({"type": "websocket"})
