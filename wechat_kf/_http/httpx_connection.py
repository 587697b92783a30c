"""
A connection of httpx's own, for trio and for proxies, and what keeps it safe in the pool.
"""

from __future__ import annotations

import ssl
from typing import Any, Final, Protocol

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
        self._stream: _Stream | None = None

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
        Send a request and return its answer as soon as the head is there.
        """
        if self._stream is None:
            request = self._watched(request)
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        """
        Close the connection, whatever is under way.
        """
        try:
            # The socket first: after that nothing can wait for the server, a farewell of TLS included.
            if self._stream is not None:
                await self._stream.aclose()
        finally:
            await self._transport.aclose()

    def has_ended(self) -> bool:
        """
        Whether there is anything to read: on an idle connection that is the end, or an answer that nobody asked for.

        httpx's pool looks as well, and would connect anew by itself, but what it connects then is not watched.
        """
        try:
            readable = self._stream is not None and bool(self._stream.get_extra_info("is_readable"))
        except ValueError:
            return True  # what trio says of a socket that is closed already
        return readable or self._has_read_on()

    def _has_read_on(self) -> bool:
        """
        Tell whether more was read than an answer, as from a server that miscounts.

        It lies in h11 then, which would take it for the answer to the next request. httpx has no public way to ask.
        """
        inner: Any = None
        for inner in getattr(getattr(self._transport, "_pool", None), "connections", ()):
            while (deeper := getattr(inner, "_connection", None)) is not None:
                inner = deeper  # noqa: PLW2901
        return bool(getattr(getattr(inner, "_h11_state", None), "trailing_data", (b"",))[0])

    def _watched(self, request: httpx.Request) -> httpx.Request:
        # httpx loses sight of a socket when the TLS handshake on it is cancelled; it would stay open until the garbage
        # collector finds it. The trace shows the socket in time.
        theirs = request.extensions.get("trace")

        async def trace(event: str, info: dict[str, Any]) -> None:
            if event.endswith("connect_tcp.complete"):
                self._stream = info.get("return_value")
            if theirs is not None:
                await theirs(event, info)

        return httpx.Request(
            request.method,
            request.url,
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "trace": trace},
        )
