"""
A connection of httpx's own, for trio and for proxies, and what keeps it safe in the pool.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Protocol, cast

import anyio
import httpx

__all__ = ["HttpxConnection"]

_ONE: Final = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=None)


class _Stream(Protocol):
    """
    The part of httpx's network stream that is used here.
    """

    def get_extra_info(self, info: str) -> Any: ...

    async def aclose(self) -> None: ...


class HttpxConnection:
    """
    An `httpx.AsyncHTTPTransport` of one connection.

    Args:
        transport: Where requests go; one that has sent none.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport
        # That of the socket, and one for each TLS above it.
        self._streams: list[_Stream] = []
        self._is_used = False

    @classmethod
    def to(cls, ssl_context: ssl.SSLContext, proxy: httpx.Proxy | None) -> HttpxConnection:
        """
        Prepare a connection.

        Args:
            ssl_context: What certificates are checked with.

            proxy: What it goes through, if anything.
        """
        return cls(httpx.AsyncHTTPTransport(verify=ssl_context, limits=_ONE, proxy=proxy))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """
        Send a request and return its response as soon as the head is there.
        """
        timeout: dict[str, float | None] = request.extensions.get("timeout", {})
        limit = _Limit(timeout.get("connect"), timeout.get("read"))
        with limit.scope:
            response = await self._transport.handle_async_request(self._watched(request, limit))
            if limit.read is not None:
                response.stream = _TimedBody(cast("httpx.AsyncByteStream", response.stream), limit.read)
            return response
        raise limit.late("")

    async def aclose(self) -> None:
        """
        Close the connection, whatever is under way.
        """
        try:
            # The socket first: after that nothing can wait for the server, a farewell of TLS included.
            if self._streams:
                await self._streams[0].aclose()
        finally:
            await self._transport.aclose()

    def has_ended(self) -> bool:
        """
        Whether there is anything to read: on an idle connection that is the end, or a response that nobody asked for.

        httpx's pool looks at the socket as well, and would connect anew by itself, but what it connects then is not
        watched.
        """
        return any(map(_has_unread, self._streams)) or self._has_read_on()

    def _has_read_on(self) -> bool:
        """
        Tell whether more was read than a response, as from a server that miscounts.

        It lies in h11 then, which would take it for the response to the next request. httpx has no public way to ask.
        """
        inner: Any = None
        for inner in getattr(getattr(self._transport, "_pool", None), "connections", ()):
            while (deeper := getattr(inner, "_connection", None)) is not None:
                inner = deeper  # noqa: PLW2901
        return bool(getattr(getattr(inner, "_h11_state", None), "trailing_data", (b"",))[0])

    def _is_greeted(self, info: Mapping[str, Any]) -> bool:
        """
        Whether a request may be written: the connection is used already, leads to a proxy, or is as still as it should.

        Through TLS only what lies in there is seen: its tickets may lie in the socket.
        """
        to_proxy = getattr(info.get("request"), "method", None) == b"CONNECT"
        was_used, self._is_used = self._is_used, self._is_used or not to_proxy
        return was_used or to_proxy or not _has_unread(self._streams[-1])

    def _watched(self, request: httpx.Request, limit: _Limit) -> httpx.Request:
        """
        Make the same request with a trace that keeps the streams, and limits each phase.
        """
        theirs = request.extensions.get("trace")

        async def trace(event: str, info: dict[str, Any]) -> None:
            # httpx loses sight of a socket when the TLS handshake on it is cancelled (encode/httpcore#443); it would
            # stay open until the garbage collector finds it. The trace shows the socket in time.
            if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
                self._streams.append(info["return_value"])
            limit.note(event)
            if event == "http11.send_request_headers.started" and not self._is_greeted(info):
                raise httpx.ConnectError("The server closed the connection at once, or spoke before it was asked.")
            if theirs is not None:
                await theirs(event, info)

        return httpx.Request(
            request.method,
            request.url,
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "trace": trace},
        )


class _Limit:
    """
    How long the phases of a request may take.

    httpx's own limits are for each read, so that 1xx responses without end never come to one, and there is none for
    the words of a SOCKS proxy.

    Attributes:
        scope: What is cancelled when a phase takes too long.

        late: What that is then.

        read: Seconds for the head, and for each part of the body; None for no limit.
    """

    def __init__(self, connect: float | None, read: float | None) -> None:
        self.scope = anyio.CancelScope()
        self.late: type[httpx.TimeoutException] = httpx.ConnectTimeout
        self.read = read
        self._connect = connect

    def note(self, event: str) -> None:
        """
        Note what httpx's trace tells of.
        """
        if event.endswith(".connect_tcp.started"):
            self._begin(self._connect)
        elif event.endswith(".send_request_headers.started"):
            self._begin(None)
        elif event.endswith(".receive_response_headers.started"):
            self.late = httpx.ReadTimeout
            self._begin(self.read)
        elif event.endswith(".receive_response_headers.complete"):
            self._begin(None)

    def _begin(self, seconds: float | None) -> None:
        self.scope.deadline = math.inf if seconds is None else anyio.current_time() + seconds


class _TimedBody(httpx.AsyncByteStream):
    """
    A body each part of which has to come within so many seconds, however many reads it takes.
    """

    def __init__(self, stream: httpx.AsyncByteStream, seconds: float) -> None:
        self._stream = stream
        self._seconds = seconds

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts = aiter(self._stream)
        while True:
            try:
                with anyio.fail_after(self._seconds):
                    part = await anext(parts)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise httpx.ReadTimeout("") from None
            yield part

    async def aclose(self) -> None:
        """
        Close the body.
        """
        await self._stream.aclose()


def _has_unread(stream: _Stream) -> bool:
    try:
        tls: ssl.SSLObject | None = stream.get_extra_info("ssl_object")
        if tls is None:
            return bool(stream.get_extra_info("is_readable"))
        # Its `pending` tells of the record that was decrypted last, not of those that were read from the socket behind
        # it. Whatever there is may be taken, since it ends the connection.
        tls.read(1)
    except ssl.SSLWantReadError:
        return False
    except (ValueError, OSError):
        # What trio and TLS say of a socket that is closed already.
        return True
    return True
