"""
Proxies on real sockets of this machine that lead every host to one server: CONNECT, and SOCKS5.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.tls import TLSStream

from ..http_server import port_of

__all__ = ["Proxy", "connect_proxy", "socks_proxy"]

Greet: TypeAlias = Callable[[anyio.abc.ByteStream, BufferedByteReceiveStream], Awaitable[str]]


class Proxy:
    """
    What a proxy listens on and has seen.

    Attributes:
        port: Where it listens.

        asked: What it was asked to connect to, as ``host:port``.

    """

    def __init__(self, port: int, target: int, greet: Greet, ssl_context: ssl.SSLContext | None) -> None:
        self.port = port
        self.asked: list[str] = []
        self._open = 0
        self._idle = anyio.Event()
        self._target = target
        self._greet = greet
        self._ssl_context = ssl_context

    async def handle(self, client: anyio.abc.ByteStream) -> None:
        """
        Serve one connection.
        """
        self._open += 1
        try:
            with suppress(anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError, ssl.SSLError):
                async with client:
                    await self._serve(client)
        finally:
            self._open -= 1
            if not self._open:
                self._idle.set()
                self._idle = anyio.Event()

    async def until_idle(self) -> None:
        """
        Wait until there is no connection; at most 30 seconds.
        """
        with anyio.fail_after(30):
            while self._open:
                await self._idle.wait()

    async def _serve(self, client: anyio.abc.ByteStream) -> None:
        if self._ssl_context is not None:
            client = await TLSStream.wrap(client, ssl_context=self._ssl_context, standard_compatible=False)
        # Nothing but the greeting is sent before the answer to it.
        self.asked.append(await self._greet(client, BufferedByteReceiveStream(client)))
        async with await anyio.connect_tcp("127.0.0.1", self._target) as server, anyio.create_task_group() as pumps:
            pumps.start_soon(_pump, client, server, pumps.cancel_scope)
            pumps.start_soon(_pump, server, client, pumps.cancel_scope)


async def _pump(source: anyio.abc.ByteStream, sink: anyio.abc.ByteStream, both: anyio.CancelScope) -> None:
    with suppress(anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError, ssl.SSLError):
        while True:
            await sink.send(await source.receive())
    both.cancel()


async def _greet_connect(client: anyio.abc.ByteStream, words: BufferedByteReceiveStream) -> str:
    head = await words.receive_until(b"\r\n\r\n", 65536)
    await client.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
    return head.split(b" ")[1].decode()


async def _greet_socks(client: anyio.abc.ByteStream, words: BufferedByteReceiveStream) -> str:
    # RFC 1928: version and methods; then version, command, address type, a name with its length, the port.
    _, methods = await words.receive_exactly(2)
    await words.receive_exactly(methods)
    await client.send(b"\x05\x00")
    *_, kind = await words.receive_exactly(4)
    if kind == 1:
        host = ".".join(map(str, await words.receive_exactly(4)))
    else:
        host = (await words.receive_exactly((await words.receive_exactly(1))[0])).decode()
    port = int.from_bytes(await words.receive_exactly(2), "big")
    await client.send(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
    return f"{host}:{port}"


@asynccontextmanager
async def _run(target: str, greet: Greet, ssl_context: ssl.SSLContext | None) -> AsyncGenerator[Proxy]:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    proxy = Proxy(port_of(listener), int(target.rpartition(":")[2]), greet, ssl_context)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, proxy.handle)
        try:
            yield proxy
        finally:
            group.cancel_scope.cancel()


@asynccontextmanager
async def connect_proxy(target: str, ssl_context: ssl.SSLContext | None = None) -> AsyncGenerator[Proxy]:
    """
    Run a proxy for tunnels, over TLS if a certificate is given.
    """
    async with _run(target, _greet_connect, ssl_context) as proxy:
        yield proxy


@asynccontextmanager
async def socks_proxy(target: str) -> AsyncGenerator[Proxy]:
    """
    Run a SOCKS5 server.
    """
    async with _run(target, _greet_socks, None) as proxy:
        yield proxy
