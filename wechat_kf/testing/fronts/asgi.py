"""
The mouth for ASGI servers and test clients; and calling an ASGI app.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from ..._clock import Clock
from ..machine.values import Receive, Reply, Request

__all__ = ["AsgiApp", "AsgiMouth", "call_app"]

_log: Final = logging.getLogger("wechat_kf.testing")

_Message: TypeAlias = MutableMapping[str, Any]
_Read: TypeAlias = Callable[[], Awaitable[_Message]]
_Write: TypeAlias = Callable[[_Message], Awaitable[None]]

AsgiApp: TypeAlias = Callable[[_Message, _Read, _Write], Awaitable[None]]


class AsgiMouth:
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

    async def __call__(self, scope: _Message, receive: _Read, send: _Write) -> None:
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

    async def _answer(self, scope: _Message, receive: _Read, send: _Write) -> None:
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        exchange = self._receive(_request(scope, bytes(body)))
        await self._clock.sleep(exchange.delay)
        # Of a dropped answer a byte is promised that never comes.
        reply = Reply(200, "text/plain", b"-") if exchange.reply is None else exchange.reply
        headers = {"content-type": reply.content_type, "content-length": str(len(reply.body)), **reply.headers}
        await send(
            {
                "type": "http.response.start",
                "status": reply.status,
                "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
            }
        )
        for pause, piece in exchange.pieces():
            await self._clock.sleep(pause)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if exchange.breaks:
            raise ConnectionResetError("a fault breaks the connection")
        await send({"type": "http.response.body", "body": b""})


async def call_app(
    app: AsgiApp, method: str, query: Mapping[str, str], body: bytes, background: TaskGroup
) -> tuple[int, bytes]:
    """
    Call an ASGI app as a server would. An exception of its own is logged; before its answer it is HTTP 500.

    An app may work on after its answer. If this is cancelled before the answer, so is the app.

    Args:
        app: The app.

        method: The HTTP method.

        query: The query's parameters.

        body: The body.

        background: Where the app runs.

    Returns:
        The status, and the body of the answer.
    """
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "root_path": "",
        "query_string": urlencode(query).encode(),
        "headers": [(b"host", b"localhost"), (b"content-length", str(len(body)).encode())],
        "client": ("127.0.0.1", 80),
        "server": ("localhost", 80),
    }
    incoming: list[_Message] = [{"type": "http.request", "body": body, "more_body": False}]
    status = 500
    answer = bytearray()
    answered = anyio.Event()

    async def receive() -> _Message:
        await anyio.lowlevel.checkpoint()
        if incoming:
            return incoming.pop()
        # The client stays until it has its answer.
        await answered.wait()
        return {"type": "http.disconnect"}

    async def send(message: _Message) -> None:
        nonlocal status
        await anyio.lowlevel.checkpoint()
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            answer.extend(message.get("body", b""))
            if not message.get("more_body", False):
                answered.set()

    async def run() -> None:
        nonlocal status
        with running:
            try:
                await app(scope, receive, send)
            except Exception:  # noqa: BLE001 - as a server does
                _log.exception("The app failed.")
                if not answered.is_set():
                    status = 500
                    answer.clear()
            answered.set()

    running = anyio.CancelScope()
    background.start_soon(run)
    try:
        await answered.wait()
    finally:
        if not answered.is_set():
            running.cancel()
    return status, bytes(answer)


def _request(scope: _Message, body: bytes) -> Request:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    # The raw path is optional.
    target = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
    query = scope["query_string"].decode("latin-1")
    return Request(
        scope["method"],
        f"{target}?{query}" if query else target,
        headers,
        body,
        f"{scope.get('scheme', 'http')}://{headers.get('host', '')}",
        str((scope.get("client") or ("127.0.0.1",))[0]),
    )
