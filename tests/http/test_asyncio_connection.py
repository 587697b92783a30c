"""
The connection on asyncio with each parser, against servers that answer in their own time, and where it is used.

How responses are read is tested in test_odd_answers.py, and what it has in common with httpx's own connections in
test_pool.py.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, TypeAlias, cast

import anyio
import httpx
import pytest

from wechat_kf._http import asyncio_connection as module
from wechat_kf._http.asyncio_connection import AsyncioConnection
from wechat_kf._http.place import Connection, Origin, Place
from wechat_kf._http.pool import StackTransport

from ..http_server import serve
from .clients import PARSERS, use_parser

Connect: TypeAlias = Callable[[httpx.URL], Connection]
Converse: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

TIMEOUT = httpx.Timeout(30)


@pytest.fixture(params=PARSERS, autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Read responses with each parser there is.
    """
    use_parser(request.param, monkeypatch)


@pytest.fixture
def anyio_backend() -> str:
    """
    Run on asyncio, the only event loop that it is for.
    """
    return "asyncio"


@asynccontextmanager
async def server(converse: Converse) -> AsyncGenerator[str]:
    """
    Run a server that has this conversation on each connection, then closes it.
    """

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    running = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}"
    finally:
        running.close()


def answering(*answers: bytes, last: bool = False) -> Converse:
    """
    Read the head of a request, then write these pieces, each on its own; and again, unless it is the last.
    """

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            for answer in answers:
                writer.write(answer)
                await writer.drain()
                # So that it is a piece of its own on the other side too.
                for _ in range(5):
                    await asyncio.sleep(0)
            if last:
                return

    return converse


def client() -> httpx.AsyncClient:
    """
    Make a client with one connection.
    """
    return httpx.AsyncClient(transport=StackTransport(max_connections=1), timeout=TIMEOUT)


@pytest.mark.parametrize(
    ("backend", "proxied", "kind"),
    [
        ("asyncio", False, "AsyncioConnection"),
        ("asyncio", True, "HttpxConnection"),
        ("trio", False, "HttpxConnection"),
    ],
)
def test_where_it_is_used(backend: str, proxied: bool, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    On asyncio a connection that needs no proxy is the compiled one; any other is httpx's own.
    """
    made: list[str] = []
    send = Place.send

    async def watched(place: Place, request: httpx.Request, origin: Origin, connect: Connect) -> httpx.Response:
        def noted(url: httpx.URL) -> Connection:
            connection = connect(url)
            made.append(type(connection).__name__)
            return connection

        return await send(place, request, origin, noted)

    async def main() -> None:
        async with serve() as running, httpx.AsyncClient(transport=StackTransport(max_connections=1)) as http:
            if proxied:
                monkeypatch.setenv("http_proxy", running.url)
            await http.get(running.url)

    monkeypatch.setattr(Place, "send", watched)
    anyio.run(main, backend=backend)

    assert made == [kind]


async def test_reset() -> None:
    """
    A connection that the server resets is a ReadError.
    """

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))

    async with server(converse) as url, client() as http:
        with pytest.raises(httpx.ReadError):
            await http.get(url)


@pytest.mark.parametrize("phase", ["head", "body"])
async def test_read_timeout(phase: str) -> None:
    """
    A server that stalls before or within its answer is a ReadTimeout.
    """
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no" if phase == "body" else b""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begun)
        await reader.read()

    async with server(converse) as url, client() as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get(url, timeout=httpx.Timeout(30, read=0.01))


async def test_head_that_drips() -> None:
    """
    Bytes that bring a head no nearer to its end give it no more time.
    """

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ")
        for _ in range(200):
            writer.write(b"x")
            await asyncio.sleep(0.01)
        writer.write(b"\r\n\r\n")

    async with server(converse) as url, client() as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get(url, timeout=httpx.Timeout(30, read=0.5))


class Sockets(AsyncioConnection):
    """
    A connection whose sockets hold little, so that writing has to wait soon.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        cast("asyncio.Transport", transport).set_write_buffer_limits(1)


async def chunks(many: int) -> AsyncIterator[bytes]:
    """
    Give so many parts of a body.
    """
    for _ in range(many):
        yield bytes(256 * 1024)


def upload(url: str, many: int, **timeout: float) -> httpx.Request:
    """
    Make a request with a body of so many parts.
    """
    timeouts = {"connect": 30.0, "read": 30.0, "write": 30.0, **timeout}
    headers = {"Content-Length": str(many * 256 * 1024)}
    return httpx.Request("POST", url, headers=headers, content=chunks(many), extensions={"timeout": timeouts})


@pytest.mark.parametrize("is_whole", [False, True])
async def test_write_timeout(is_whole: bool) -> None:
    """
    A server that takes no more of a request, in parts or of one piece, is a WriteTimeout.
    """
    done = asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()

    async with server(converse) as url:
        connection = Sockets(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        request = upload(url, 100, write=0.01)
        if is_whole:
            request.stream = httpx.ByteStream(bytes(100 * 256 * 1024))
        with pytest.raises(httpx.WriteTimeout):
            await connection.handle_async_request(request)
        await connection.aclose()
        done.set()


async def test_request_in_parts() -> None:
    """
    A large request goes out in parts, as the server takes them.
    """
    received: list[int] = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        received.append(len(await reader.readexactly(20 * 256 * 1024)))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with server(converse) as url:
        connection = Sockets(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        response = await connection.handle_async_request(upload(url, 20))
        await connection.aclose()

    assert response.status_code == 200
    assert received == [20 * 256 * 1024]


async def test_answer_and_timeout_in_one_turn() -> None:
    """
    A timeout in the very turn of the event loop in which the answer came is too late.
    """
    waiter = asyncio.get_running_loop().create_future()
    waiter.set_result(None)
    module._expire(waiter, httpx.ReadTimeout)

    assert await waiter is None


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"])
async def test_server_hangs_up_while_written_to(answer: bytes) -> None:
    """
    A server that has heard enough of a request may have answered it; that answer counts.
    """

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.write_eof()
        # Were there anything unread, closing would be a reset, which destroys what was sent.
        for _ in range(3):
            await reader.read(256 * 1024)

    async with server(converse) as url:
        connection = Sockets(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        if answer:
            response = await connection.handle_async_request(upload(url, 100))
            body = b"".join([part async for part in cast("httpx.AsyncByteStream", response.stream)])

            assert (response.status_code, body) == (413, b"no")
        else:
            with pytest.raises(httpx.RemoteProtocolError):
                await connection.handle_async_request(upload(url, 100))
        await connection.aclose()


async def test_whole_answer_to_half_a_request() -> None:
    """
    A connection whose request was answered before all of it had left is not used again.
    """
    answered = asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        answered.set()
        # What comes on this connection next is the rest of the request.
        await (reader.read() if head.startswith(b"POST") else reader.readuntil(b"\r\n\r\n"))

    async def parts() -> AsyncIterator[bytes]:
        yield b"first"
        await answered.wait()
        # So that it has been read on this side.
        for _ in range(10):
            await asyncio.sleep(0)
        yield b"second"

    async with server(converse) as url, client() as http:
        with anyio.fail_after(20):
            responses = [
                await http.post(url, content=parts(), headers={"Content-Length": "11"}),
                await http.get(url),
            ]

    assert [response.text for response in responses] == ["ok", "ok"]


async def test_head_that_comes_alone() -> None:
    """
    A head is told before any of the body has come, also to who is still writing.
    """
    seen = asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n")
        await seen.wait()
        writer.write(b"no")
        await reader.read()

    async with server(converse) as url:
        connection = Sockets(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        with anyio.fail_after(20):
            response = await connection.handle_async_request(upload(url, 100))
            seen.set()
            body = b"".join([part async for part in cast("httpx.AsyncByteStream", response.stream)])
        await connection.aclose()

    assert (response.status_code, body) == (413, b"no")


async def test_body_is_not_gathered() -> None:
    """
    Of a body that comes faster than it is read only a part is held.
    """
    size = 64 * 1024 * 1024
    sent = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(64):
            writer.write(bytes(1024 * 1024))
            await writer.drain()
            sent += 1024 * 1024

    async with server(converse) as url, client() as http, http.stream("GET", url) as response:
        before = -1
        while before < sent:
            before = sent
            await asyncio.sleep(0.05)
        received = 0
        async for part in response.aiter_raw():
            received += len(part)

    assert before < size / 2
    assert received == size


async def test_body_that_was_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A response that was so much that reading was paused is read to its end, and so are those that follow.
    """
    monkeypatch.setattr(module, "_MAX_UNREAD", 100)
    body = bytes(1000)
    pieces = [b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" + body, body, body]
    async with server(answering(*pieces)) as url, client() as http:
        for _ in range(3):
            response = await http.get(url)

            assert response.content == body * 3


async def test_whole_answer() -> None:
    """
    An answer that came whole is given at once to who asks for that, and its connection is free at once.
    """
    async with serve() as running:
        transport = StackTransport(max_connections=1)
        events: list[str] = []

        async def trace(event: str, _: object) -> None:
            events.append(event)

        for _ in range(3):
            extensions: dict[str, Any] = {"trace": trace, "wechat_kf.whole": True}
            request = httpx.Request("GET", f"{running.url}/x", extensions=extensions)
            response = await transport.handle_async_request(request)
            while not isinstance(response.stream, httpx.ByteStream):  # it came in pieces
                await response.aclose()
                response = await transport.handle_async_request(request)

            assert b"".join(response.stream) == b"/x"
        await transport.aclose()

    assert events[-2:] == ["http11.send_request_headers.started", "http11.response_closed.complete"]


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (TimeoutError(110, "Connection timed out"), httpx.ConnectTimeout),
        (ConnectionRefusedError(111, "Connection refused"), httpx.ConnectError),
        (RuntimeError("as uvloop says it"), httpx.ConnectError),
    ],
)
async def test_no_connection(
    monkeypatch: pytest.MonkeyPatch, problem: Exception, expected: type[httpx.HTTPError]
) -> None:
    """
    Whatever keeps a connection from being made is the same exception as httpx's own.
    """

    async def start_connection(*_: object, **__: object) -> None:
        raise problem

    monkeypatch.setattr(module, "connect", start_connection)
    async with client() as http:
        with pytest.raises(expected) as failure:
            await http.get("http://127.0.0.1:9/")

    assert failure.value.__cause__ is problem


async def test_connect_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A connection that takes too long is a ConnectTimeout.
    """

    async def start_connection(*_: object, **__: object) -> None:
        await anyio.sleep_forever()

    monkeypatch.setattr(module, "connect", start_connection)
    async with client() as http:
        with pytest.raises(httpx.ConnectTimeout):
            await http.get("http://127.0.0.1:9/", timeout=httpx.Timeout(30, connect=0.01))


async def test_name_that_is_none() -> None:
    """
    A name that cannot even be looked up is a ConnectError too.
    """
    async with client() as http:
        with pytest.raises(httpx.ConnectError, match="label"):
            await http.get(f"http://{'a' * 64}.example/")


async def test_server_that_speaks_first() -> None:
    """
    What a server says before it was asked is no answer: the request is not written.
    """

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async def late(event: str, _: object) -> None:
        if event.endswith("connect_tcp.complete"):
            # The loop does not turn, so that only the socket can tell.
            time.sleep(0.05)  # noqa: ASYNC251

    async with server(converse) as url:
        connection = AsyncioConnection(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        extensions: dict[str, Any] = {"trace": late}
        with pytest.raises(httpx.ConnectError, match="spoke before it was asked"):
            await connection.handle_async_request(httpx.Request("GET", url, extensions=extensions))
        await connection.aclose()


async def test_closed_just_before_writing() -> None:
    """
    A request that finds its connection closed, because its trace took its time, fails at once.
    """

    async def late(event: str, _: object) -> None:
        if event.endswith("send_request_headers.started"):
            await asyncio.sleep(0.05)

    async with server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", last=True)) as url:
        connection = AsyncioConnection(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        await (await connection.handle_async_request(httpx.Request("GET", url))).aread()
        extensions: dict[str, Any] = {"trace": late}
        with pytest.raises(httpx.ReadError, match="is closed"):
            await connection.handle_async_request(httpx.Request("GET", url, extensions=extensions))
        await connection.aclose()


async def test_closed_at_once() -> None:
    """
    Nothing is written to a connection that ended before it could be used, as one over TLS can with its handshake.
    """

    class Ending(AsyncioConnection):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.eof_received()

    events: list[str] = []

    async def trace(event: str, _: object) -> None:
        events.append(event)

    async with serve() as running:
        connection = Ending(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        extensions: dict[str, Any] = {"timeout": {"read": 5.0}, "trace": trace}
        with pytest.raises(httpx.ConnectError, match="closed the connection at once"):
            await connection.handle_async_request(httpx.Request("GET", running.url, extensions=extensions))
        await connection.aclose()

    assert events == ["connection.connect_tcp.started", "connection.connect_tcp.complete"]
    assert running.seen == []
