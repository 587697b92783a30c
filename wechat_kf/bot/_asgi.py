"""
ASGI in two functions: read the body of a request, and respond to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, TypeAlias

from ..webhook import MAX_PUSH

__all__ = ["Event", "Receive", "Send", "read_body", "respond"]

Event: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]


async def read_body(receive: Receive) -> bytes | None:
    """
    Read the body of a request; None if it is too large.
    """
    body = bytearray()
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ConnectionError
        body += event.get("body", b"")
        if len(body) > MAX_PUSH:
            return None
        if not event.get("more_body"):
            return bytes(body)


async def respond(send: Send, status: int, body: bytes | None = None, kind: str | None = None, **headers: str) -> None:
    """
    Respond with a status, and a body whose type it shows; without one, with the status in words.
    """
    if body is None:
        body = HTTPStatus(status).phrase.encode()
    if kind is None:
        kind = {b"<": "text/xml", b"{": "application/json"}.get(body[:1], "text/plain")
    headers = {"content-type": f"{kind}; charset=utf-8", "content-length": str(len(body)), **headers}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body})
