"""
An HTTP library of httpx's kind, httpx or httpx2: the requests it is given, and what it raises when they fail.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import anyio

from .._wire.multipart import FilePart
from .._wire.request import Request

__all__ = ["WAITING_SHARE", "Library"]

WAITING_SHARE: Final = 0.9
"""
Of the time for an attempt: what waiting for a free connection may take, so that this is told apart from the rest.
"""

# Parsed addresses kept; an endpoint of the caller's own may have a path that is another each time.
_ADDRESSES: Final = 128


class Library:
    """
    One of the two, by its name.

    Attributes:
        module: The library's module: its classes and exceptions.

        errors: All that a broken connection may come up as: the library's own exceptions, and what passes through it.
    """

    def __init__(self, name: str) -> None:
        self.module: Any = importlib.import_module(name)
        self.errors: tuple[type[Exception], ...] = (
            self.module.HTTPError,
            self.module.InvalidURL,
            self.module.CookieConflict,
            self.module.StreamError,
            OSError,
            EOFError,
            anyio.BrokenResourceError,
            anyio.ClosedResourceError,
            anyio.EndOfStream,
        )
        self._addresses: dict[str, tuple[Any, bytes]] = {}
        self._bytes_body, self._file_body = _body_classes(self.module)

    def request(self, request: Request, trace: Callable[..., Any], seconds: float, stall: float | None) -> Any:
        """
        Make the library's own request.

        Args:
            request: What is to be sent.

            trace: The hook that is told how far it gets.

            seconds: For the connection.

            stall: For each step of writing and reading; None where the attempt as a whole has its bound, since one for
                each step would cost without ever coming first.

        Raises:
            ValueError: The address is not one.
        """
        address, host = self._address(request)
        body = self._bytes_body(request.body) if isinstance(request.body, bytes) else self._file_body(request.body)
        timeouts = {"connect": seconds, "read": stall, "write": stall, "pool": WAITING_SHARE * seconds}
        # An answer that is there may be given at once instead of as a stream, by a transport that knows how.
        extensions = {"timeout": timeouts, "trace": trace, "wechat_kf.whole": True}
        headers = [(b"Host", host), *request.headers]
        made = self.module.Request(request.method, address, headers=headers, extensions=extensions, stream=body)
        if request.query and request.endpoint is not None:
            # httpx has no public way to set an encoded query that is cheaper than parsing; the URL is a copy.
            made.url._uri_reference = made.url._uri_reference._replace(query=request.query)
        return made

    def _address(self, request: Request) -> tuple[Any, bytes]:
        """
        Parse an address, or find it parsed: that costs more than all else here. The query, with the token, is not kept.
        """
        if request.endpoint is None:
            url = self._parsed(f"{request.address}?{request.query}" if request.query else request.address)
            return url, url.netloc
        address = self._addresses.get(request.address)
        if address is None:
            if len(self._addresses) >= _ADDRESSES:
                self._addresses.clear()
            url = self._parsed(request.address)
            address = self._addresses[request.address] = (url, url.netloc)
        return address

    def _parsed(self, url: str) -> Any:
        try:
            return self.module.URL(url)
        except self.module.InvalidURL as error:
            raise ValueError(f"base_url, path and query do not make a URL: {error}") from None


class _OneChunk:
    """
    An async iterator over one chunk.
    """

    def __init__(self, chunk: bytes) -> None:
        self._chunk: bytes | None = chunk

    def __aiter__(self) -> _OneChunk:
        return self

    async def __anext__(self) -> bytes:
        chunk, self._chunk = self._chunk, None
        if chunk is None:
            raise StopAsyncIteration
        return chunk


def _body_classes(module: Any) -> tuple[Any, Any]:
    """
    Make classes of an HTTP library for the bodies of requests: bytes that are held, and a file.

    The library's own are read by async generators, which a cancelled request leaves in the middle; trio warns of that.
    """

    def read_bytes(self: Any) -> AsyncIterator[bytes]:
        return _OneChunk(b"".join(self))

    def keep(self: Any, file: FilePart) -> None:
        self.file = file

    def read_file(self: Any) -> AsyncIterator[bytes]:
        file: FilePart = self.file
        return file.stream()

    return (
        type("BytesBody", (module.ByteStream,), {"__aiter__": read_bytes}),
        type("FileBody", (module.AsyncByteStream,), {"__init__": keep, "__aiter__": read_file}),
    )
