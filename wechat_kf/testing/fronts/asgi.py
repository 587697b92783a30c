"""
The front for ASGI servers and test clients.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from functools import partial
from typing import Any, TypeAlias

import anyio

from ..._clock import Clock
from ..._concurrency import first_of
from ..machine.request import Receive, Request, base_url_of
from ..machine.response import Response

__all__ = ["AsgiApp", "AsgiFront", "AsgiMessage"]

AsgiMessage: TypeAlias = MutableMapping[str, Any]
_Read: TypeAlias = Callable[[], Awaitable[AsgiMessage]]
_Write: TypeAlias = Callable[[AsgiMessage], Awaitable[None]]

AsgiApp: TypeAlias = Callable[[AsgiMessage, _Read, _Write], Awaitable[None]]


class AsgiFront:
    """
    An ASGI app.

    A connection cannot be dropped from in here: a drop begins an answer and ends in a `ConnectionResetError`, on which
    a server breaks the connection.

    Args:
        receive: Takes a request in.

        clock: What delays are waited for with.

        pump: Delivers pushes as long as the server runs, where it has a lifespan.
    """

    def __init__(self, receive: Receive, clock: Clock, pump: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._receive = receive
        self._clock = clock
        self._pump = pump

    async def __call__(self, scope: AsgiMessage, receive: _Read, send: _Write) -> None:
        """
        Answer one request, or live through the server's lifespan.
        """
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            raise ValueError(f"the stand-in does not speak {scope['type']}")

    async def _live(self, receive: _Read, send: _Write) -> None:
        await receive()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._pump)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            tasks.cancel_scope.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: AsgiMessage, receive: _Read, send: _Write) -> None:
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        planned = await self._receive(_request(scope, bytes(body)))
        await self._clock.sleep(planned.delay)
        # Of a dropped answer a byte is promised that never comes.
        response = Response(200, "text/plain", b"-") if planned.response is None else planned.response
        headers = {"content-type": response.content_type, **response.headers}
        if planned.more is None:
            headers["content-length"] = str(len(response.body))
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
            }
        )
        for pause, piece in planned.pieces():
            await self._clock.sleep(pause)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if planned.breaks:
            raise ConnectionResetError("a fault breaks the connection")
        if planned.more is not None:
            await first_of(partial(_go_on, planned.more, send), partial(_until_gone, receive))
        await send({"type": "http.response.body", "body": b""})


async def _go_on(more: Callable[[], Awaitable[bytes]], send: _Write) -> None:
    while True:
        await send({"type": "http.response.body", "body": await more(), "more_body": True})


async def _until_gone(receive: _Read) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _request(scope: AsgiMessage, body: bytes) -> Request:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    # The raw path is optional.
    target = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
    query = scope["query_string"].decode("latin-1")
    return Request(
        scope["method"],
        f"{target}?{query}" if query else target,
        headers,
        body,
        base_url_of(scope.get("scheme", "http"), headers),
        str((scope.get("client") or ("127.0.0.1",))[0]),
    )
