"""
A server that answers whatever bytes it is given.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager

import anyio
import anyio.abc

__all__ = ["RawServer", "http", "serve_raw"]


class RawServer:
    """
    Answers each request on a real socket with bytes as they are, then waits until the client closes.

    Attributes:
        url: Where it listens.

        requests: What arrived.

        left: How many connections the clients have closed.
    """

    def __init__(self, url: str, answers: Iterator[bytes]) -> None:
        self.url = url
        self.requests: list[bytes] = []
        self.left = 0
        self._answers = answers
        self._closed = anyio.Event()

    async def handle(self, stream: anyio.abc.SocketStream) -> None:
        """
        Serve one connection.
        """
        async with stream:
            request = b""
            try:
                while b"\r\n\r\n" not in request:
                    request += await stream.receive()
                self.requests.append(request)
                answer = next(self._answers)
                # In parts, so that an answer may be larger than memory should hold.
                for start in range(0, len(answer), 65536):
                    await stream.send(answer[start : start + 65536])
                if answer.endswith(b"<break>"):
                    return
                await stream.receive()
            except (anyio.BrokenResourceError, anyio.EndOfStream):
                self.left += 1
                self._closed.set()

    async def until_left(self) -> None:
        """
        Wait until a client has closed its connection, at most 30 seconds.
        """
        with anyio.fail_after(30):
            await self._closed.wait()


@asynccontextmanager
async def serve_raw(*answers: bytes) -> AsyncGenerator[RawServer]:
    """
    Serve raw answers, one after the other.
    """
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - not Django's
        server = RawServer(f"http://127.0.0.1:{port}", iter(answers))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, server.handle)
            try:
                yield server
            finally:
                tasks.cancel_scope.cancel()


def http(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """
    Write an HTTP answer.
    """
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
