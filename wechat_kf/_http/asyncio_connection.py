"""
One connection of the pool on asyncio: asyncio's own sockets, and a parser of responses.

It stands where an `httpx.AsyncHTTPTransport` of one connection stands otherwise, and does what that does: the same
exceptions for the same failures, the same trace before the first byte is written. Between socket and parser there is
nothing but this protocol, so that asyncio wakes a task once for a response, and reads at any time: what the server says
on an idle connection, or while a request is still being written, is seen at once.
"""

from __future__ import annotations

import asyncio
import select
import ssl
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, cast

import anyio
import httpx
from anyio.lowlevel import checkpoint_if_cancelled

from .auto_parser import response_parser
from .happy_eyeballs import connect
from .parser import MAX_HEAD, BadResponse
from .streamed_body import StreamedBody

__all__ = ["AsyncioConnection"]

# How many bytes of a body may lie here unread before reading is paused.
_MAX_UNREAD: Final = 256 * 1024

# What a response begins with.
_START: Final = b"HTTP/"

_FRAMING: Final = {b"content-length", b"transfer-encoding"}


class AsyncioConnection(asyncio.Protocol):
    """
    A connection that carries one request at a time; it connects with the first.

    If a request's extensions have ``wechat_kf.whole``, a response that has come whole is returned with an
    `httpx.ByteStream`.

    Args:
        ssl_context: What certificates are checked with.
    """

    def __init__(self, ssl_context: ssl.SSLContext) -> None:
        self._ssl_context = ssl_context
        self._loop = asyncio.get_running_loop()
        self._socket: asyncio.Transport | None = None
        self._parser = response_parser()()
        self._waiter: asyncio.Future[None] | None = None
        self._is_full = False
        self._is_written = True
        self._is_paused = False
        self._has_ended = False
        self._failure: httpx.TransportError | None = None
        self._unread: deque[bytes] = deque()
        self._unread_size = 0
        self._is_silent = True
        self._bodiless_size = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """
        Send a request and return its response as soon as the head is there.

        Raises:
            httpx.TransportError: As httpx's own transport.
        """
        timeout: dict[str, float | None] = request.extensions.get("timeout", {})
        trace = request.extensions.get("trace")
        if self._socket is None:
            if trace is not None:
                await trace("connection.connect_tcp.started", {"host": request.url.raw_host.decode("ascii")})
            await self._connect(request.url, timeout.get("connect"))
            if trace is not None:
                await trace("connection.connect_tcp.complete", {"return_value": self._socket})
            # asyncio would say nothing of what is written then. With TLS, tickets may lie in the socket.
            if self._has_ended or (request.url.scheme == "http" and self._readable()):
                raise httpx.ConnectError("The server closed the connection at once, or spoke before it was asked.")
        if trace is not None:
            await trace("http11.send_request_headers.started", {})
        self._begin()
        await self._write(request, timeout.get("write"))
        parser = self._parser
        while parser.status is None or self._failure is not None:
            await self._wait_to_read(timeout.get("read"))
        body = StreamedBody(partial(self._receive, timeout.get("read")), trace)
        if parser.is_complete and "wechat_kf.whole" in request.extensions:
            await body.aclose()
            return httpx.Response(parser.status, headers=parser.headers, stream=httpx.ByteStream(self._take_all()))
        return httpx.Response(parser.status, headers=parser.headers, stream=body)

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
        Whether it cannot carry another request: the server closed it, or something lies unread in it.
        """
        # It may lie in the socket without the event loop having had the time to read it.
        return self._has_ended or bool(self._readable())

    def _begin(self) -> None:
        self._parser.begin()
        self._failure = None
        self._is_written = False
        self._is_silent = True
        self._bodiless_size = 0

    async def _connect(self, url: httpx.URL, seconds: float | None) -> None:
        is_secure = url.scheme == "https"
        host = url.raw_host.decode("ascii")
        if is_secure:
            self._ssl_context.set_alpn_protocols(["http/1.1"])
        try:
            with anyio.fail_after(seconds):
                connected = await connect(host, url.port or (443 if is_secure else 80))
                await self._loop.create_connection(
                    lambda: self,
                    sock=connected,
                    ssl=self._ssl_context if is_secure else None,
                    server_hostname=host if is_secure else None,
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
        else:
            to.write(b"".join(lines))
            async for chunk in cast("httpx.AsyncByteStream", request.stream):
                await self._until_written(seconds)
                if self._readable():
                    # Read first: to write to a server that has hung up would throw away what it said before.
                    await asyncio.sleep(0)
                if self._is_answered():
                    return
                to.write(chunk)
        await self._until_written(seconds)
        self._is_written = True

    async def _until_written(self, seconds: float | None) -> None:
        while self._is_full and not self._is_answered():
            await self._wait(seconds, httpx.WriteTimeout)

    def _is_answered(self) -> bool:
        """
        Whether there is no use in writing on: the server has answered, or hung up.
        """
        return self._has_ended or self._parser.status is not None

    async def _receive(self, seconds: float | None) -> bytes | None:
        """
        Return the next part of the body; None at its end.
        """
        while not self._unread:
            if self._parser.is_complete and self._failure is None:
                return None
            await self._wait_to_read(seconds)
        part = self._unread.popleft()
        self._unread_size -= len(part)
        if self._is_paused and self._unread_size <= _MAX_UNREAD and not self._has_ended:
            self._is_paused = False
            cast("asyncio.Transport", self._socket).resume_reading()
        return part

    def _take_all(self) -> bytes:
        whole = b"".join(self._unread)
        self._unread.clear()
        self._unread_size = 0
        return whole

    async def _wait_to_read(self, seconds: float | None) -> None:
        if self._failure is not None:
            raise self._failure
        if self._has_ended:
            raise httpx.ReadError("The connection is closed.")
        await self._wait(seconds, httpx.ReadTimeout)

    async def _wait(self, seconds: float | None, late: type[httpx.TimeoutException]) -> None:
        # While there is always something to wake for, anyio finds no moment to cancel.
        await checkpoint_if_cancelled()
        waiter = self._waiter = self._loop.create_future()
        timer = None if seconds is None else self._loop.call_later(seconds, _expire, waiter, late)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _end(self, failure: httpx.TransportError | None) -> None:
        if not self._has_ended:
            self._has_ended = True
            cast("asyncio.Transport", self._socket).abort()
        if not self._parser.is_complete and self._failure is None:
            self._failure = failure
        self._wake()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        Keep the socket.
        """
        self._socket = cast("asyncio.Transport", transport)
        self._readable = _readable(transport.get_extra_info("socket").fileno())

    def data_received(self, data: bytes) -> None:
        """
        Read what came; if nothing was asked, close the connection.
        """
        if self._parser.is_complete:
            self._end(None)
        else:
            self._read(data)

    def _read(self, data: bytes) -> None:
        parser = self._parser
        waits_for_head = parser.status is None
        if self._is_silent and not (data.startswith(_START) or _START.startswith(data)):
            # h11 would wait for an empty line; llhttp would pass over empty ones, and read RTSP.
            self._refuse("The server does not speak HTTP.")
            return
        self._is_silent = False
        try:
            parts = parser.feed(data)
        except BadResponse as error:
            self._refuse(str(error))
            return
        if parts:
            self._bodiless_size = 0
            self._unread += parts
            self._unread_size += sum(map(len, parts))
        else:
            self._bodiless_size += len(data)
        if parser.fields_size > MAX_HEAD or (self._bodiless_size > MAX_HEAD and not parser.is_complete):
            self._refuse("The head or the trailers of the response are too large.")
        elif parser.is_complete:
            self._complete()
        elif self._unread_size > _MAX_UNREAD and not self._is_paused:
            self._is_paused = True
            cast("asyncio.Transport", self._socket).pause_reading()
        # What brings a reader no further does not wake it either, and so does not give it more time.
        if parts or parser.is_complete or (waits_for_head and parser.status is not None):
            self._wake()

    def _refuse(self, problem: str) -> None:
        """
        Let the request fail, even if the response is complete.
        """
        self._failure = httpx.RemoteProtocolError(problem)
        self._end(None)

    def _complete(self) -> None:
        """
        Close the connection after a response, unless it may carry another.
        """
        parser = self._parser
        is_written = self._is_written and cast("asyncio.Transport", self._socket).get_write_buffer_size() == 0
        # Of a length and chunks one may be wrong (RFC 9112, 6.3). While reading is paused, TLS may hold back the rest.
        is_plain = not self._is_paused and not _FRAMING.issubset(name for name, _ in parser.headers)
        if not (parser.keeps_alive and is_written and is_plain):
            self._end(None)

    def eof_received(self) -> None:
        """
        Note that no more will come.
        """
        self._at_end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """
        Note that the connection broke.
        """
        self._at_end(exc)

    def pause_writing(self) -> None:
        """
        Note that what was written has not left yet.
        """
        self._is_full = True

    def resume_writing(self) -> None:
        """
        Note that it has.
        """
        self._is_full = False
        self._wake()

    def _at_end(self, error: Exception | None) -> None:
        if error is not None:
            self._end(httpx.ReadError(str(error)))
        elif self._parser.status is None:
            self._end(httpx.RemoteProtocolError("Server disconnected without sending a response."))
        elif _FRAMING.isdisjoint(name for name, _ in self._parser.headers):
            self._parser.is_complete = True
            self._end(None)
        else:
            self._end(httpx.RemoteProtocolError("peer closed connection without sending complete message body"))


def _expire(waiter: asyncio.Future[None], late: type[httpx.TimeoutException]) -> None:
    # The response may have come in the same turn of the event loop.
    if not waiter.done():
        waiter.set_exception(late(""))


if sys.platform == "win32":  # pragma: no cover - the tests run where there is poll

    def _readable(descriptor: int) -> Callable[[], object]:
        return lambda: select.select([descriptor], [], [], 0)[0]

else:

    def _readable(descriptor: int) -> Callable[[], object]:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return partial(poll.poll, 0)
