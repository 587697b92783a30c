"""
One connection of the default transport where the extra ``fast`` is installed: asyncio's own sockets, read by httptools.

It stands where an `httpx.AsyncHTTPTransport` of one connection stands otherwise, and does what that does: the same
exceptions for the same failures, the same trace before the first byte is written. The parser (llhttp) is compiled;
between it and the socket there is nothing but this protocol, so that asyncio wakes a task once for an answer.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, Final, cast

import aiohappyeyeballs
import anyio
import httptools
import httpx
from anyio.lowlevel import checkpoint_if_cancelled

__all__ = ["AsyncioConnection"]

# Bytes: what an answer's head may have, as with h11, and how much of a body may lie here unread.
_MOST_HEAD: Final = 100 * 1024
_MOST_UNREAD: Final = 256 * 1024

# Its types are not complete.
_start_connection: Callable[..., Awaitable[socket.socket]] = cast("Any", aiohappyeyeballs).start_connection


class AsyncioConnection(asyncio.Protocol):
    """
    A connection that carries one request at a time; it connects with the first.

    If a request's extensions have ``wechat_kf.whole``, an answer that has come whole is returned as an
    `httpx.ByteStream`.

    Args:
        ssl_context: What certificates are checked with.
    """

    def __init__(self, ssl_context: ssl.SSLContext) -> None:
        self._ssl_context = ssl_context
        self._loop = asyncio.get_running_loop()
        self._socket: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._full = False
        self._ended = False
        self._begin()
        self._complete = True

    def _begin(self) -> None:
        self._status: int | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_size = 0
        self._unread: deque[bytes] = deque()
        self._unread_size = 0
        self._complete = False
        self._failure: httpx.TransportError | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """
        Send a request and return its answer as soon as its head is there.

        Raises:
            httpx.TransportError: As httpx's own transport.
        """
        timeout: dict[str, float | None] = request.extensions.get("timeout", {})
        trace = request.extensions.get("trace")
        if self._socket is None:
            if trace is not None:
                await trace("connection.connect_tcp.started", {})
            await self._connect(request.url, timeout.get("connect"))
            if trace is not None:
                await trace("connection.connect_tcp.complete", {})
            if self._ended:
                # Of what is written now asyncio would say nothing.
                raise httpx.ConnectError("The server closed the connection at once.")
        self._begin()
        if trace is not None:
            await trace("http11.send_request_headers.started", {})
        await self._write(request, timeout.get("write"))
        while self._status is None:
            await self._wait_to_read(timeout.get("read"))
        body = _StreamedBody(self, timeout.get("read"), trace)
        if self._complete and "wechat_kf.whole" in request.extensions:
            await body.aclose()
            whole = b"".join(self._unread)
            self._taken(len(whole))
            return httpx.Response(self._status, headers=self._headers, stream=httpx.ByteStream(whole))
        return httpx.Response(self._status, headers=self._headers, stream=body)

    async def aclose(self) -> None:
        """
        Close the connection, whatever is under way.
        """
        if self._socket is not None:
            self._end(None)
            # asyncio closes the socket in its next turn.
            await asyncio.sleep(0)

    def has_ended(self) -> bool:
        """
        Whether it cannot carry another request.
        """
        # The end may have come already without the event loop having had the time to tell.
        return self._ended or bool(self._readable())

    async def _connect(self, url: httpx.URL, seconds: float | None) -> None:
        secure = url.scheme == "https"
        host = url.raw_host.decode("ascii")
        if secure:
            self._ssl_context.set_alpn_protocols(["http/1.1"])
        try:
            with anyio.fail_after(seconds):
                addresses = await self._loop.getaddrinfo(
                    host, url.port or (443 if secure else 80), type=socket.SOCK_STREAM
                )
                connected = await _start_connection(addresses, happy_eyeballs_delay=0.25)
                await self._loop.create_connection(
                    lambda: self,
                    sock=connected,
                    ssl=self._ssl_context if secure else None,
                    server_hostname=host if secure else None,
                )
        except TimeoutError as error:
            raise httpx.ConnectTimeout(str(error)) from error
        # uvloop raises RuntimeError where asyncio raises OSError; a name that cannot be one is a UnicodeError.
        except (OSError, RuntimeError, UnicodeError) as error:
            raise httpx.ConnectError(str(error)) from error

    async def _write(self, request: httpx.Request, seconds: float | None) -> None:
        to = cast("asyncio.Transport", self._socket)
        lines = [b"%b %b HTTP/1.1\r\n" % (request.method.encode("ascii"), request.url.raw_path)]
        lines += [b"%b: %b\r\n" % header for header in request.headers.raw]
        lines.append(b"\r\n")
        if isinstance(request.stream, httpx.ByteStream):
            to.write(b"".join([*lines, *request.stream]))
            await self._until_written(seconds)
            return
        to.write(b"".join(lines))
        async for chunk in cast("httpx.AsyncByteStream", request.stream):
            await self._until_written(seconds)
            # Perhaps the server has answered before it hung up.
            if self._ended:
                return
            to.write(chunk)
        await self._until_written(seconds)

    async def _until_written(self, seconds: float | None) -> None:
        while self._full and not self._ended:
            await self._wait(seconds, httpx.WriteTimeout)

    async def _wait_to_read(self, seconds: float | None) -> None:
        if self._failure is not None:
            raise self._failure
        await self._wait(seconds, httpx.ReadTimeout)

    async def _wait(self, seconds: float | None, late: type[httpx.TimeoutException]) -> None:
        # While there is always something to wake for, anyio finds no moment to cancel.
        await checkpoint_if_cancelled()
        waiter = self._waiter = self._loop.create_future()
        timer = None if seconds is None else self._loop.call_later(seconds, self._expire, waiter, late)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    @staticmethod
    def _expire(waiter: asyncio.Future[None], late: type[httpx.TimeoutException]) -> None:
        if not waiter.done():
            waiter.set_exception(late(""))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _end(self, failure: httpx.TransportError | None) -> None:
        if not self._ended:
            self._ended = True
            cast("asyncio.Transport", self._socket).abort()
        if not self._complete and self._failure is None:
            self._failure = failure
        self._wake()

    async def receive(self, seconds: float | None) -> bytes | None:
        """
        Return the next part of the body; None at its end.
        """
        while not self._unread:
            if self._complete:
                return None
            await self._wait_to_read(seconds)
        part = self._unread.popleft()
        self._taken(len(part))
        return part

    def _taken(self, size: int) -> None:
        before = self._unread_size
        self._unread_size -= size
        if before > _MOST_UNREAD >= self._unread_size and not self._ended:
            cast("asyncio.Transport", self._socket).resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        Keep the socket.
        """
        self._socket = cast("asyncio.Transport", transport)
        self._readable = _readable(transport.get_extra_info("socket").fileno())

    def data_received(self, data: bytes) -> None:
        """
        Give what came to the parser.
        """
        if self._complete:  # nothing was asked
            self._end(None)
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(httpx.RemoteProtocolError(str(error)))
            return
        except httptools.HttpParserUpgrade:
            self._end(httpx.RemoteProtocolError("The server changed to another protocol."))
            return
        if self._status is None:
            self._head_size += len(data)
            if self._head_size > _MOST_HEAD:
                self._end(httpx.RemoteProtocolError("The head of the answer is too large."))

    def eof_received(self) -> None:
        """
        Take note that no more will come.
        """
        self._at_end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """
        Take note that the connection broke.
        """
        self._at_end(exc)

    def pause_writing(self) -> None:
        """
        Take note that what was written has not left yet.
        """
        self._full = True

    def resume_writing(self) -> None:
        """
        Take note that it has.
        """
        self._full = False
        self._wake()

    def _at_end(self, error: Exception | None) -> None:
        if error is not None:
            self._end(httpx.ReadError(str(error)))
        elif self._status is None:
            self._end(httpx.RemoteProtocolError("Server disconnected without sending a response."))
        elif {b"content-length", b"transfer-encoding"}.isdisjoint(name.lower() for name, _ in self._headers):
            self._complete = True
            self._end(None)
        else:
            self._end(httpx.RemoteProtocolError("peer closed connection without sending complete message body"))

    def on_message_begin(self) -> None:
        """
        Refuse a second answer.
        """
        if self._complete:
            raise ValueError("more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """
        Keep a header.
        """
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """
        Let the answer be returned, unless it is one that only says that another will come.
        """
        status = self._parser.get_status_code()
        if status < 200:
            self._headers = []
            return
        self._status = status
        self._wake()

    def on_body(self, body: bytes) -> None:
        """
        Keep a part of the body, and read no further if there is too much.
        """
        self._unread.append(body)
        before = self._unread_size
        self._unread_size += len(body)
        if before <= _MOST_UNREAD < self._unread_size:
            cast("asyncio.Transport", self._socket).pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        """
        Take note that the answer is whole.
        """
        if self._status is not None:
            self._complete = True
            if not self._parser.should_keep_alive():
                self._end(None)
            self._wake()


if sys.platform == "win32":  # pragma: no cover - the tests run where there is poll

    def _readable(descriptor: int) -> Callable[[], object]:
        return lambda: select.select([descriptor], [], [], 0)[0]

else:

    def _readable(descriptor: int) -> Callable[[], object]:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return partial(poll.poll, 0)


class _StreamedBody(httpx.AsyncByteStream):
    """
    The body of an answer, as it comes.
    """

    def __init__(self, connection: AsyncioConnection, seconds: float | None, trace: Any) -> None:
        self._connection = connection
        self._seconds = seconds
        self._trace = trace

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (part := await self._connection.receive(self._seconds)) is not None:
            yield part

    async def aclose(self) -> None:
        if self._trace is not None:
            await self._trace("http11.response_closed.complete", {})
