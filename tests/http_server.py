"""
A small HTTP/1.1 server on a real socket of this machine, which counts what reaches it and misbehaves when asked.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import anyio
import anyio.abc
import h11
from anyio.streams.tls import TLSStream

__all__ = ["Server", "port_of", "serve"]

_PATIENCE: Final = 30.0
_GONE: Final = (
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.EndOfStream,
    h11.RemoteProtocolError,
    ssl.SSLError,
)


class Server:
    """
    What the server does and has seen.

    As a proxy it answers for the origin itself, and refuses to CONNECT.

    The path says how a request is answered: ``/hold`` when `release` is set, ``/half`` with half a body and then
    nothing more, ``/drop`` with the end of the connection, ``/last`` with ``Connection: close``, ``/twice`` with the
    answer and another, any other with the request's target as the body.

    Attributes:
        url: Where it listens, without a slash at the end.

        accepted: How many connections there ever were.

        open: How many there are now.

        most: How many there were at once.

        seen: The number of the connection, from 0, and the target of each request, in order.

        release: Lets every ``/hold`` go, from then on.

        mute: Whether it says nothing on connections from now on; the first words on each are seen as ``...``.
    """

    def __init__(self, url: str, ssl_context: ssl.SSLContext | None) -> None:
        self.url = url
        self.accepted = 0
        self.open = 0
        self.most = 0
        self.seen: list[tuple[int, str]] = []
        self.release = anyio.Event()
        self.mute = False
        self._ssl_context = ssl_context
        self._changed = anyio.Event()
        self._connections: set[anyio.CancelScope] = set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """
        Wait until something holds that connections and requests change; at most 30 seconds.
        """
        with anyio.fail_after(_PATIENCE):
            while not holds():
                await self._changed.wait()

    async def hang_up(self) -> None:
        """
        Close every connection.
        """
        for connection in self._connections:
            connection.cancel()
        await self.until(lambda: self.open == 0)

    async def handle(self, stream: anyio.abc.ByteStream) -> None:
        """
        Serve one connection until either side closes it.
        """
        number = self.accepted
        self.accepted += 1
        self.open += 1
        self.most = max(self.most, self.open)
        scope = anyio.CancelScope()
        self._connections.add(scope)
        self._change()
        try:
            async with stream:
                with scope, suppress(*_GONE):
                    if self.mute:
                        await self._listen(stream, number)
                    elif self._ssl_context is None:
                        await self._converse(stream, number, scope)
                    else:
                        tls = await TLSStream.wrap(stream, ssl_context=self._ssl_context, standard_compatible=False)
                        await self._converse(tls, number, scope)
        finally:
            self._connections.discard(scope)
            self.open -= 1
            self._change()

    async def _listen(self, stream: anyio.abc.ByteStream, number: int) -> None:
        await stream.receive()
        self.seen.append((number, "..."))
        while True:
            self._change()
            await stream.receive()

    async def _converse(self, stream: anyio.abc.ByteStream, number: int, scope: anyio.CancelScope) -> None:
        h11_connection = h11.Connection(h11.SERVER)
        while h11_connection.states == {h11.CLIENT: h11.IDLE, h11.SERVER: h11.IDLE}:
            request: h11.Request | None = None
            while not isinstance(event := h11_connection.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA:
                    h11_connection.receive_data(await stream.receive())
                elif isinstance(event, h11.Request):
                    request = event
            assert request is not None
            target = request.target.decode()
            self.seen.append((number, target))
            self._change()
            if target == "/drop":
                return
            if target == "/hold":
                await self._hold(stream, scope)
            headers = [("Content-Length", str(len(target)))]
            if target == "/last":
                headers.append(("Connection", "close"))
            status = 403 if request.method == b"CONNECT" else 200
            answer = h11_connection.send(h11.Response(status_code=status, headers=headers)) or b""
            if target == "/half":
                await stream.send(answer + b"/h")
                await stream.receive()
                return
            answer += h11_connection.send(h11.Data(data=target.encode())) or b""
            answer += h11_connection.send(h11.EndOfMessage()) or b""
            await stream.send(answer * 2 if target.endswith("/twice") else answer)
            if h11_connection.our_state is h11.DONE:
                h11_connection.start_next_cycle()

    async def _hold(self, stream: anyio.abc.ByteStream, scope: anyio.CancelScope) -> None:
        async def until_gone() -> None:
            with suppress(*_GONE):
                await stream.receive()
            scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(until_gone)
            await self.release.wait()
            group.cancel_scope.cancel()

    def _change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


def port_of(listener: anyio.abc.Listener[anyio.abc.SocketStream]) -> int:
    """
    Return the port on which a listener listens.
    """
    return listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - ruff takes it for Django's


@asynccontextmanager
async def serve(ssl_context: ssl.SSLContext | None = None) -> AsyncGenerator[Server]:
    """
    Run a server in the running event loop.
    """
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    scheme = "http" if ssl_context is None else "https"
    server = Server(f"{scheme}://127.0.0.1:{port_of(listener)}", ssl_context)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, server.handle)
        try:
            yield server
        finally:
            group.cancel_scope.cancel()
