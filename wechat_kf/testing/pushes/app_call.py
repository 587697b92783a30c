"""
Calling an ASGI app as a server would, without a socket.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from ..._redact import get_logger
from ..fronts.asgi import AsgiApp, AsgiMessage

__all__ = ["call_app"]

_log: Final = get_logger("wechat_kf.testing")

_NONE: Final[Mapping[str, str]] = {}


async def call_app(
    app: AsgiApp, method: str, target: str, body: bytes, background: TaskGroup, *, headers: Mapping[str, str] = _NONE
) -> tuple[int, bytes]:
    """
    Call an ASGI app as a server would, and return the status and the body of its answer.

    An exception of the app is logged; before its answer it is HTTP 500. An app may work on after its answer. If this is
    cancelled before the answer, so is the app.

    Args:
        app: The app.

        method: The HTTP method.

        target: The path, decoded, and the query, encoded.

        body: The body.

        background: Where the app runs.

        headers: Headers besides those of every request.
    """
    incoming: list[AsgiMessage] = [{"type": "http.request", "body": body, "more_body": False}]
    status = 500
    answer, answered = bytearray(), anyio.Event()

    async def receive() -> AsgiMessage:
        await anyio.lowlevel.checkpoint()
        if incoming:
            return incoming.pop()
        # The client stays until it has its answer.
        await answered.wait()
        return {"type": "http.disconnect"}

    async def send(message: AsgiMessage) -> None:
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
                await app(_scope(method, target, len(body), headers), receive, send)
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


def _scope(method: str, target: str, size: int, more: Mapping[str, str]) -> AsgiMessage:
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": quote(path).encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [
            (b"host", b"localhost"),
            (b"content-length", str(size).encode()),
            *[(name.encode(), value.encode()) for name, value in more.items()],
        ],
        "client": ("127.0.0.1", 80),
        "server": ("localhost", 80),
    }
