"""
The one place that does IO: a request value goes out over an httpx client, status and bytes come back.

Every failure is told as what it means for delivery. For that an `_Attempt` listens to the transport's trace: it knows
whether the first byte of the request was written. An HTTP client of somebody else's is handled with more care than the
own transport needs, see `_steadily`.
"""

from __future__ import annotations

import importlib
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlencode, urlsplit
from weakref import WeakKeyDictionary

import anyio
from anyio.lowlevel import current_token
from sniffio import current_async_library

from .._clock import Clock
from .._errors import DeliveryUncertain, KfError, NotSent, ReplyError
from .._redact import redact
from .._wire.endpoint import Call
from .._wire.json import encode
from .._wire.multipart import FilePart
from .._wire.reply import MAX_REPLY

__all__ = ["Exchange", "Hosts", "HttpClient", "OpenReply"]

T = TypeVar("T")


class HttpClient(Protocol):
    """
    An ``httpx.AsyncClient`` or an ``httpx2.AsyncClient``.
    """

    @property
    def is_closed(self) -> bool: ...
    async def send(self, request: Any, *, stream: bool = ..., follow_redirects: Any = ...) -> Any: ...
    async def aclose(self) -> None: ...


_CLOSING_SECONDS: Final = 5.0

# Of the time for an attempt: what waiting for a connection may take, so that this is told apart from the rest.
_WAITING_SHARE: Final = 0.9

# Prepared URLs kept; an endpoint of the caller's own may have a path that is another each time.
_URLS: Final = 128


def _family_of(http: HttpClient) -> Any:
    """
    Find the library a client is of, so that its own requests and exceptions are used.
    """
    for cls in type(http).__mro__:
        root = cls.__module__.partition(".")[0]
        if cls.__name__ == "AsyncClient" and root in ("httpx", "httpx2"):
            return importlib.import_module(root)
    raise TypeError(f"http must be an httpx.AsyncClient or an httpx2.AsyncClient, not {type(http).__name__}")


class Hosts:
    """
    The base URLs in order of preference, and which of them could not be reached lately.
    """

    _DOWN: Final = 30.0

    def __init__(self, base_url: str | Sequence[str], clock: Clock) -> None:
        urls = (base_url,) if isinstance(base_url, str) else tuple(base_url)
        if not urls:
            raise ValueError("base_url must name at least one host")
        for url in urls:
            parts = urlsplit(url)
            scheme, host, port = parts.scheme, parts.hostname, parts.port
            if scheme not in ("https", "http") or not host or port == 0 or parts.query or parts.fragment:
                raise ValueError("base_url must be https://host or http://host, with a port or a path prefix at most")
        self._urls = tuple(url.rstrip("/") for url in urls)
        self._clock = clock
        self._down_until: dict[str, float] = {}

    def pick(self, tried: Sequence[str] = ()) -> str:
        """
        Choose where to send: the first that is not known to be down and was not tried by this call.
        """
        if not self._down_until and not tried:
            return self._urls[0]
        now = self._clock.monotonic()
        # Of all tried or all down, False sorts before True and the first wins.
        url = min(self._urls, key=lambda url: (url in tried, self._down_until.get(url, now) > now))
        if url in self._down_until:
            # This call sees whether it is back; the others need not wait for that.
            self._down_until[url] = now + self._DOWN
        return url

    def untried(self, tried: Sequence[str]) -> bool:
        """
        Whether there is another to turn to.
        """
        return any(url not in tried for url in self._urls)

    def unreachable(self, url: str) -> None:
        """
        Take note that no connection could be made; it is left alone for 30 seconds.
        """
        self._down_until[url] = self._clock.monotonic() + self._DOWN

    def answered(self, url: str) -> None:
        """
        Take note that it can be reached.
        """
        self._down_until.pop(url, None)


class _Attempt:
    """
    One attempt: where it goes, and how far it has come, as the transport's trace tells.

    Attributes:
        base: The base URL; None for an address that WeChat named.

        path: The endpoint's path; None likewise.

        url: The whole, with the token.

        seconds: How long it may take, or stall.

        unsent: Whether certainly nothing of the request was written.

        begun: Whether writing it began, as far as was told.

        connecting: Whether a connection was tried for it.

        scope: A scope around the sending, if it is to be kept from cancellation at times.
    """

    __slots__ = ("base", "begun", "connecting", "path", "scope", "seconds", "unsent", "url")

    def __init__(self, base: str | None, path: str | None, url: str, seconds: float) -> None:
        self.base = base
        self.path = path
        self.url = url
        self.seconds = seconds
        self.unsent = True
        self.connecting = False
        self.scope: anyio.CancelScope | None = None
        self.begun = False

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """
        Hear of an event.
        """
        if event.endswith(".connect_tcp.started"):
            self.connecting = True
        elif event.endswith(".send_request_headers.started"):
            # The request to a proxy to let one through is not ours.
            self.begun = self.begun or getattr(info.get("request"), "method", None) != b"CONNECT"
        self.unsent = not self.begun
        if self.scope is not None:
            # httpx's pool never again uses a connection whose request was cancelled between its making and its use.
            self.scope.shield = event.endswith((".connect_tcp.complete", ".start_tls.complete"))


async def _steadily(step: Callable[[], Awaitable[T]]) -> T:
    """
    Run a step so that the clean-up of an HTTP client is not cut short.

    httpx's pool shields its clean-up by anyio's means, which do not hold off asyncio's own ``Task.cancel()``: it would
    lose connections for good. In a child task asyncio's cancellation arrives as anyio's.
    """
    if current_async_library() != "asyncio":
        return await step()
    results: list[T] = []
    failures: list[Exception] = []

    async def run() -> None:
        try:
            results.append(await step())
        except Exception as error:  # noqa: BLE001 - the task group would wrap it
            failures.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
    if failures:
        raise failures.pop()
    return results.pop()


class _AtOnce:
    """
    An async iterator over one chunk.
    """

    def __init__(self, chunk: bytes) -> None:
        self._chunk: bytes | None = chunk

    def __aiter__(self) -> _AtOnce:
        return self

    async def __anext__(self) -> bytes:
        chunk, self._chunk = self._chunk, None
        if chunk is None:
            raise StopAsyncIteration
        return chunk


def _body_classes(family: Any) -> tuple[Any, Any]:
    """
    Make classes of an HTTP library for the bodies of requests: bytes that are held, and a file.

    The library's own are read by async generators, which a cancelled request leaves in the middle; trio warns of that.
    """

    def at_once(self: Any) -> AsyncIterator[bytes]:
        return _AtOnce(b"".join(self))

    def keep(self: Any, file: FilePart) -> None:
        self.file = file

    def read(self: Any) -> AsyncIterator[bytes]:
        file: FilePart = self.file
        return file.stream()

    return (
        type("Whole", (family.ByteStream,), {"__aiter__": at_once}),
        type("File", (family.AsyncByteStream,), {"__init__": keep, "__aiter__": read}),
    )


class OpenReply:
    """
    An answer whose body is still coming: an async iterator over its chunks.
    """

    def __init__(self, exchange: Exchange, attempt: _Attempt, response: Any, slot: anyio.Semaphore | None) -> None:
        self.status = int(response.status_code)
        self.headers: Mapping[str, str] = response.headers
        self._exchange = exchange
        self._attempt = attempt
        self._response = response
        self._slot = slot
        self._source: AsyncIterator[bytes] = response.aiter_bytes()
        self._kept: deque[bytes] = deque()
        self._ended = False

    async def whole(self) -> bytes:
        """
        Read the body to its end.
        """
        response = self._response
        if isinstance(response.stream, self._exchange.whole_stream) and "content-encoding" not in self.headers:
            # It has come whole and can be taken at once.
            self._ended = True
            return b"".join(response.stream)
        chunks: list[bytes] = []
        size = 0
        try:
            async for chunk in self._source:
                size += len(chunk)
                if size > MAX_REPLY:
                    problem = f"The answer is larger than {MAX_REPLY} bytes."
                    raise ReplyError(problem, status=self.status, endpoint=self._attempt.path)
                chunks.append(chunk)
        except self._exchange.failures as error:
            raise self._exchange.meaning(error, self._attempt) from error
        self._ended = True
        return b"".join(chunks)

    async def peek(self, most: int) -> bytes:
        """
        Read ahead without taking anything, until there are more than this many bytes or the body ends.
        """
        size = sum(map(len, self._kept))
        while size <= most:
            try:
                chunk = await self._next()
            except StopAsyncIteration:
                break
            self._kept.append(chunk)
            size += len(chunk)
        return b"".join(self._kept)

    def __aiter__(self) -> OpenReply:
        return self

    async def __anext__(self) -> bytes:
        return self._kept.popleft() if self._kept else await self._next()

    async def aclose(self) -> None:
        """
        Give the connection back, or close it if the body was not read to its end.
        """
        await (self.let_go() if self._slot is None else _steadily(self.let_go))

    async def let_go(self) -> None:
        """
        Do the same where asyncio's own cancellation cannot come.
        """
        # A connection that is not given back is lost to its pool.
        try:
            # At the end of a body its answer has been closed already.
            if not self._ended:
                with anyio.move_on_after(_CLOSING_SECONDS, shield=True), suppress(*self._exchange.failures):
                    await self._end()
                    await self._response.aclose()
        finally:
            slot, self._slot = self._slot, None
            if slot is not None:
                slot.release()

    async def _end(self) -> None:
        # The HTTP library's generators, one within the other, end properly only from the innermost outwards; trio warns
        # of those left in the middle. So they are resumed once more, only to be cancelled.
        with anyio.CancelScope() as scope:
            scope.cancel()
            async for _ in self._source:
                pass

    async def _next(self) -> bytes:
        try:
            return await (anext(self._source) if self._slot is None else _steadily(partial(anext, self._source)))
        except self._exchange.failures as error:
            raise self._exchange.meaning(error, self._attempt) from error


class Exchange:
    """
    Sends requests over one HTTP client.

    Args:
        http: The client.

        hosts: The base URLs.

        guard: For a client of somebody else's: how many requests may be under way at once, as many as its pool has
            connections, since httpx's pool can lose one for good when a request is cancelled that waits for it.
    """

    def __init__(self, http: HttpClient, hosts: Hosts, *, guard: int | None) -> None:
        family = _family_of(http)
        self._http = http
        self._family = family
        self._hosts = hosts
        self._guard = guard
        self._slots: WeakKeyDictionary[Any, anyio.Semaphore] = WeakKeyDictionary()
        self._urls: dict[tuple[str | None, str | None], tuple[str, Any, bytes]] = {}
        self._whole_body, self._file_body = _body_classes(family)
        # A body that is held whole already.
        self.whole_stream: type[Any] = family.SyncByteStream
        # All that a broken connection may come up as: an HTTP library's own exceptions, and what passes through it.
        self.failures: tuple[type[Exception], ...] = (
            family.HTTPError,
            family.InvalidURL,
            family.CookieConflict,
            family.StreamError,
            OSError,
            EOFError,
            anyio.BrokenResourceError,
            anyio.ClosedResourceError,
            anyio.EndOfStream,
        )

    @property
    def is_closed(self) -> bool:
        """
        Whether the HTTP client was closed.
        """
        return self._http.is_closed

    async def aclose(self) -> None:
        """
        Close the HTTP client.
        """
        await self._http.aclose()

    async def ask(self, call: Call[Any], base: str, token: str | None, seconds: float) -> tuple[int, bytes]:
        """
        Send a call and read its whole answer.

        Args:
            call: The call.

            base: The base URL.

            token: The access token; None for a call that needs none.

            seconds: For the whole attempt; for an upload, for each stall while it is sent, then for the answer.

        Returns:
            The HTTP status and the body.

        Raises:
            NotSent: Nothing was sent.

            DeliveryUncertain: It broke off or took too long after writing had begun.

            ReplyError: The answer is too large or cannot be decoded.
        """
        exchange = partial(self._ask, call, base, token, seconds)
        return await (exchange() if self._guard is None else _steadily(exchange))

    async def open(self, call: Call[Any], base: str, token: str | None, seconds: float) -> OpenReply:
        """
        Send a call and leave the body of its answer to be read; the caller closes it.

        Raises:
            NotSent: Nothing was sent.

            DeliveryUncertain: It broke off, or stalled for longer than `seconds`.
        """
        attempt = _Attempt(base, call.endpoint.path, _target(call, base, token), seconds)
        return await self._open(attempt, self._request(attempt, call))

    async def open_url(self, url: str, seconds: float) -> OpenReply:
        """
        GET an absolute URL, likewise.
        """
        attempt = _Attempt(None, None, url, seconds)
        return await self._open(attempt, self._request(attempt, None))

    def meaning(self, error: Exception, attempt: _Attempt) -> KfError:
        """
        Tell what a failure of the HTTP library means for delivery.
        """
        family = self._family
        # Of somebody else's code an error might name the URL, as `raise_for_status` does in a hook.
        error.args = tuple(redact(each) if isinstance(each, str) else each for each in error.args)
        if isinstance(error, family.HTTPError):
            _censor(error, family.Request("GET", redact(attempt.url)))
        text = redact(str(error)) or type(error).__name__
        if isinstance(error, family.DecodingError):
            return ReplyError(f"The answer cannot be decoded: {text}", endpoint=attempt.path)
        if not attempt.begun:
            if isinstance(error, family.PoolTimeout):
                return NotSent("No connection was free in time.", endpoint=attempt.path)
            unmade = (family.ConnectError, family.ConnectTimeout, family.ProxyError, family.UnsupportedProtocol)
            if attempt.unsent or (isinstance(error, unmade) and _is_to_be_believed(error)):
                if attempt.base is not None:
                    self._hosts.unreachable(attempt.base)
                return NotSent(f"No connection could be made: {text}", endpoint=attempt.path)
        return DeliveryUncertain(
            f"The connection broke or took too long after sending had begun: {text}", endpoint=attempt.path
        )

    async def _ask(self, call: Call[Any], base: str, token: str | None, seconds: float) -> tuple[int, bytes]:
        attempt = _Attempt(base, call.endpoint.path, _target(call, base, token), seconds)
        request = self._request(attempt, call, bounded=call.file is None)
        with anyio.move_on_after(seconds if call.file is None else None) as scope:
            reply = await self._send(attempt, request)
            try:
                if call.file is not None:
                    scope.deadline = anyio.current_time() + seconds
                return reply.status, await reply.whole()
            finally:
                await reply.let_go()
        error = self._timeout(attempt)(f"It took longer than {seconds:g} seconds.")
        raise self.meaning(error, attempt) from error

    async def _open(self, attempt: _Attempt, request: Any) -> OpenReply:
        if self._guard is None:
            return await self._send(attempt, request)
        opened: list[OpenReply] = []

        async def step() -> None:
            opened.append(await self._send(attempt, request))

        try:
            await _steadily(step)
        except BaseException:
            # Perhaps it was cancelled at the very moment when the answer came.
            for reply in opened:
                await reply.aclose()
            raise
        return opened[0]

    async def _send(self, attempt: _Attempt, request: Any) -> OpenReply:
        slot: anyio.Semaphore | None = None
        response: Any = None
        try:
            if self._guard is None:
                response = await self._http.send(request, stream=True, follow_redirects=False)
            else:
                slot = await self._free_slot(self._guard, _WAITING_SHARE * attempt.seconds)
                # In doubt it was, unless its transport tells otherwise.
                attempt.unsent = False
                attempt.scope = anyio.CancelScope()
                with attempt.scope:
                    response = await self._http.send(request, stream=True, follow_redirects=False)
        except BaseException as error:
            if slot is not None:
                slot.release()
            if isinstance(error, self.failures):
                raise self.meaning(error, attempt) from error
            if isinstance(error, KfError):
                # From the file of an upload, which does not know where it goes.
                error.endpoint = attempt.path
            raise
        if attempt.base is not None:
            self._hosts.answered(attempt.base)
        return OpenReply(self, attempt, response, slot)

    async def _free_slot(self, most: int, seconds: float) -> anyio.Semaphore:
        loop = current_token().native_token
        slots = self._slots.get(loop)
        if slots is None:
            slots = self._slots[loop] = anyio.Semaphore(most, fast_acquire=True)
        with anyio.move_on_after(seconds):
            await slots.acquire()
            return slots
        raise self._family.PoolTimeout("No slot was free in time.")

    def _timeout(self, attempt: _Attempt) -> Any:
        """
        Find the exception for an attempt that took too long, by what it was waiting for.
        """
        family = self._family
        if not attempt.unsent:
            return family.ReadTimeout
        return family.ConnectTimeout if attempt.connecting else family.PoolTimeout

    def _request(self, attempt: _Attempt, call: Call[Any] | None, *, bounded: bool = False) -> Any:
        family, seconds = self._family, attempt.seconds
        method = "GET" if call is None else call.endpoint.method
        url, host = self._url(attempt)
        headers: list[tuple[bytes, bytes]] = [(b"Host", host), (b"User-Agent", b"wechat-kf"), (b"Accept", b"*/*")]
        if call is not None and call.file is not None:
            headers += [(name.encode(), value.encode()) for name, value in call.file.headers.items()]
            body = self._file_body(call.file)
        else:
            content = b"" if call is None or call.json is None else encode(call.json)
            if content:
                headers.append((b"Content-Type", b"application/json; charset=utf-8"))
            if content or method != "GET":
                headers.append((b"Content-Length", b"%d" % len(content)))
            body = self._whole_body(content)
        # Where the attempt as a whole has its bound, one for each step would cost without ever coming first.
        stall = None if bounded else seconds
        timeouts = {"connect": seconds, "read": stall, "write": stall, "pool": _WAITING_SHARE * seconds}
        # An answer that is there may be given at once instead of as a stream, by a transport that knows how.
        extensions = {"timeout": timeouts, "trace": attempt, "wechat_kf.whole": True}
        return family.Request(method, url, headers=headers, extensions=extensions, stream=body)

    def _url(self, attempt: _Attempt) -> tuple[Any, bytes]:
        # A URL costs more to parse than all else here, and most calls of an endpoint go to the same.
        key = (attempt.base, attempt.path)
        cached = self._urls.get(key)
        if cached is not None and cached[0] == attempt.url:
            return cached[1], cached[2]
        try:
            url = self._family.URL(attempt.url)
        except self._family.InvalidURL as error:
            raise ValueError(f"base_url, path and query do not make a URL: {error}") from None
        if len(self._urls) >= _URLS:
            self._urls.clear()
        self._urls[key] = (attempt.url, url, url.netloc)
        return url, url.netloc


def _target(call: Call[Any], base: str, token: str | None) -> str:
    query = dict(call.query) if token is None else {"access_token": token, **call.query}
    target = f"{base}{call.endpoint.path}"
    return f"{target}?{urlencode(query)}" if query else target


def _is_to_be_believed(error: Exception) -> bool:
    """
    Tell whether no connection was made, if an exception says so and the transport told nothing of its steps.

    One that stands on another library may say it of a connection that broke later, as httpx-aiohttp does of any.
    """
    cause = error.__cause__
    if cause is None or type(cause).__module__.partition(".")[0] in ("httpcore", "httpcore2"):
        return True
    while cause is not None and not isinstance(cause, (ConnectionRefusedError, socket.gaierror)):
        cause = cause.__cause__
    return cause is not None


def _censor(error: Any, request: Any) -> None:
    """
    Take the real request out of an exception: its URL holds the token.
    """
    error.request = request
    if hasattr(error, "response"):
        error.response.request = request
