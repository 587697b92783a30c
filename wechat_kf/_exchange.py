"""
The one place that does IO: a request value goes out over an httpx client, status and bytes come back, and every failure
is told as what it means for delivery.
"""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, Final, Protocol, cast
from urllib.parse import urlencode, urlsplit
from weakref import WeakKeyDictionary

import anyio
import attrs
from anyio.lowlevel import current_token

from ._clock import Clock
from ._errors import DeliveryUncertain, KfError, NotSent, ReplyError
from ._redact import redact
from ._wire import MAX_REPLY, Call, encode

__all__ = ["Exchange", "Hosts", "HttpClient", "OpenReply"]


class HttpClient(Protocol):
    """
    An ``httpx.AsyncClient`` or an ``httpx2.AsyncClient``.
    """

    @property
    def is_closed(self) -> bool: ...
    async def send(self, request: Any, *, stream: bool = ..., follow_redirects: Any = ...) -> Any: ...
    async def aclose(self) -> None: ...


_CLOSING_SECONDS: Final = 5.0

# What may come up through an HTTP library besides its own exceptions, all of a connection that broke.
_BROKEN: Final = (OSError, EOFError, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)


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
            if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
                raise ValueError("base_url must be https://host or http://host, with a port or a path prefix at most")
        self._urls = tuple(url.rstrip("/") for url in urls)
        self._clock = clock
        self._down_until: dict[str, float] = {}

    def pick(self, tried: Sequence[str] = ()) -> str:
        """
        Choose where to send: the first that is not known to be down and was not tried by this call.
        """
        now = self._clock.monotonic()
        # Of all tried or all down, False sorts before True and the first wins.
        return min(self._urls, key=lambda url: (url in tried, self._down_until.get(url, 0.0) > now))

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


class _Progress:
    """
    How far a request has come: handed to the HTTP client, heard of by its trace events, begun to be written.
    """

    __slots__ = ("begun", "handed", "heard")

    def __init__(self) -> None:
        self.handed = False
        self.heard = False
        self.begun = False

    @property
    def certainly_unsent(self) -> bool:
        return self.heard and not self.begun

    async def __call__(self, event: str, _: object) -> None:
        self.heard = True
        if event.endswith(".send_request_headers.started"):
            self.begun = True


@attrs.frozen
class _Outgoing:
    """
    Where one attempt goes.
    """

    base: str | None
    url: str
    call: Call[Any] | None

    @property
    def path(self) -> str | None:
        return None if self.call is None else self.call.endpoint.path


class OpenReply:
    """
    An answer whose body is still coming: an async iterator over its chunks.
    """

    def __init__(self, exchange: Exchange, outgoing: _Outgoing, response: Any, stack: AsyncExitStack) -> None:
        self.status = int(response.status_code)
        self.headers: Mapping[str, str] = response.headers
        self._exchange = exchange
        self._outgoing = outgoing
        self._response = response
        self._stack = stack
        self._source: AsyncGenerator[bytes] = response.aiter_bytes()
        self._kept: deque[bytes] = deque()

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
        # The HTTP library's generators, one within the other, end properly only from the innermost outwards; trio warns
        # of those left in the middle. So they are resumed once more, only to be cancelled.
        with anyio.CancelScope() as scope, suppress(Exception):
            scope.cancel()
            async for _ in self._source:
                pass
        await self._exchange.close(self._response, self._stack)

    async def _next(self) -> bytes:
        try:
            return await anext(self._source)
        except (self._exchange.failures, *_BROKEN) as error:
            raise self._exchange.meaning(error, self._outgoing, None) from error


class Exchange:
    """
    Sends requests over one HTTP client.

    Args:
        http: The client.

        hosts: The base URLs.

        guard: How many requests may be under way at once; None where the client's own transport sees to that.
    """

    def __init__(self, http: HttpClient, hosts: Hosts, *, guard: int | None) -> None:
        self._http = http
        self._family = _family_of(http)
        self._hosts = hosts
        self._guard = guard
        self._guards: WeakKeyDictionary[Any, anyio.Semaphore] = WeakKeyDictionary()
        self._urls: dict[tuple[str, str], tuple[str, Any, bytes]] = {}
        self.failures: type[Exception] = self._family.HTTPError

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

    async def ask(self, call: Call[Any], base: str, token: str | None, timeout: float) -> tuple[int, bytes]:
        """
        Send a call and read its whole answer.

        Args:
            call: The call.

            base: The base URL.

            token: The access token; None for a call that needs none.

            timeout: Seconds for the whole attempt, or for each stall of an upload.

        Raises:
            NotSent: Nothing was sent.

            DeliveryUncertain: It broke off or took too long after writing had begun.

            ReplyError: The answer is too large or cannot be decoded.
        """
        outgoing = _Outgoing(base, self._target(call, base, token), call)
        progress = _Progress()
        request = self._request(outgoing, token, progress, timeout)
        try:
            with anyio.move_on_after(timeout if call.file is None else None):
                async with AsyncExitStack() as stack:
                    response = await self._send(request, stack, progress, timeout)
                    try:
                        body = await self._whole(response, outgoing)
                    finally:
                        await self.close(response, stack)
                return int(response.status_code), body
        except (self.failures, *_BROKEN) as error:
            raise self.meaning(error, outgoing, progress) from error
        except KfError as error:
            # From the file of an upload, which does not know where it goes.
            error.endpoint = call.endpoint.path
            raise
        timed_out = self._family.ReadTimeout(f"no answer within {timeout:g} seconds")
        raise self.meaning(timed_out, outgoing, progress) from timed_out

    async def open(
        self, call: Call[Any] | str, base: str | None, token: str | None, timeout: float
    ) -> OpenReply:
        """
        Send a call, or GET an absolute URL, and leave the body of its answer to be read; the caller closes it.

        Raises:
            NotSent: Nothing was sent.

            DeliveryUncertain: It broke off, or stalled for longer than `timeout` seconds.
        """
        if isinstance(call, str):
            outgoing = _Outgoing(None, call, None)
        else:
            outgoing = _Outgoing(base, self._target(call, cast("str", base), token), call)
        progress = _Progress()
        request = self._request(outgoing, token, progress, timeout)
        async with AsyncExitStack() as stack:
            try:
                response = await self._send(request, stack, progress, timeout)
            except (self.failures, *_BROKEN) as error:
                raise self.meaning(error, outgoing, progress) from error
            return OpenReply(self, outgoing, response, stack.pop_all())

    async def close(self, response: Any, stack: AsyncExitStack) -> None:
        """
        Let go of an answer, whatever happens meanwhile: a connection that is not given back is lost to its pool.
        """
        with anyio.move_on_after(_CLOSING_SECONDS, shield=True):
            await response.aclose()
        await stack.aclose()

    def meaning(self, error: Exception, outgoing: _Outgoing, progress: _Progress | None) -> KfError:
        """
        Tell what a failure means for delivery.

        Args:
            error: What the HTTP library raised.

            outgoing: What was sent.

            progress: How far it came; None once an answer had begun.
        """
        family = self._family
        if isinstance(error, family.RequestError):
            # The request in the exception has the token in its URL.
            error.request = family.Request("GET", redact(outgoing.url))  # type: ignore[attr-defined]
        text = redact(str(error)) or type(error).__name__
        if isinstance(error, family.DecodingError):
            return ReplyError(f"The answer cannot be decoded: {text}.", endpoint=outgoing.path)
        if isinstance(error, family.PoolTimeout):
            return NotSent("No connection was free in time.", endpoint=outgoing.path)
        unmade = isinstance(error, (family.ConnectError, family.ConnectTimeout, family.UnsupportedProtocol))
        if progress is not None and not progress.handed:
            return NotSent("No connection was free in time.", endpoint=outgoing.path)
        if progress is not None and (unmade or progress.certainly_unsent):
            if outgoing.base is not None:
                self._hosts.unreachable(outgoing.base)
            return NotSent(f"No connection could be made: {text}.", endpoint=outgoing.path)
        return DeliveryUncertain(
            f"The connection broke or took too long after sending had begun: {text}.", endpoint=outgoing.path
        )

    # ---- how a request is made ---------------------------------------------------------------------------------------

    def _target(self, call: Call[Any], base: str, token: str | None) -> str:
        query = dict(call.query) if token is None else {"access_token": token, **call.query}
        target = f"{base}{call.endpoint.path}"
        return f"{target}?{urlencode(query)}" if query else target

    def _request(self, outgoing: _Outgoing, token: str | None, progress: _Progress, timeout: float) -> Any:
        family, call = self._family, outgoing.call
        # A URL costs more to parse than all else here, and most calls of an endpoint go to the same.
        key = (outgoing.base or "", outgoing.path or "")
        cached = self._urls.get(key)
        if cached is not None and cached[0] == outgoing.url:
            _, url, host = cached
        else:
            url = family.URL(outgoing.url)
            host = url.netloc
            if outgoing.base is not None:
                self._urls[key] = (outgoing.url, url, host)
        headers: list[tuple[bytes, bytes]] = [(b"Host", host), (b"User-Agent", b"wechat-kf"), (b"Accept", b"*/*")]
        content: AsyncIterator[bytes] | bytes = b""
        if call is not None and call.file is not None:
            headers += [(name.encode(), value.encode()) for name, value in call.file.headers.items()]
            content = call.file.stream()
        elif call is not None and call.json is not None:
            content = encode(call.json)
            headers += [
                (b"Content-Type", b"application/json; charset=utf-8"),
                (b"Content-Length", str(len(content)).encode()),
            ]
        elif call is not None and call.endpoint.method != "GET":
            headers.append((b"Content-Length", b"0"))
        extensions = {
            "timeout": {"connect": timeout, "read": timeout, "write": timeout, "pool": timeout},
            "trace": progress,
        }
        body = {"stream": family.ByteStream(content)} if isinstance(content, bytes) else {"content": content}
        method = "GET" if call is None else call.endpoint.method
        return family.Request(method, url, headers=headers, extensions=extensions, **body)

    async def _send(self, request: Any, stack: AsyncExitStack, progress: _Progress, timeout: float) -> Any:
        if self._guard is not None:
            await self._enter_guard(stack, timeout, self._guard)
        progress.handed = True
        return await self._http.send(request, stream=True, follow_redirects=False)

    async def _enter_guard(self, stack: AsyncExitStack, timeout: float, most: int) -> None:
        # An httpx pool that has to queue a request can lose the connection when that request is cancelled, so no more
        # are let in than it has connections.
        loop = current_token().native_token
        guard = self._guards.get(loop)
        if guard is None:
            guard = self._guards[loop] = anyio.Semaphore(most, fast_acquire=True)
        with anyio.move_on_after(timeout) as scope:
            await guard.acquire()
            stack.callback(guard.release)
        if scope.cancelled_caught:
            raise self._family.PoolTimeout("no connection was free")

    async def _whole(self, response: Any, outgoing: _Outgoing) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > MAX_REPLY:
                raise ReplyError(
                    f"The answer is larger than {MAX_REPLY} bytes.",
                    status=int(response.status_code),
                    endpoint=outgoing.path,
                )
            chunks.append(chunk)
        return b"".join(chunks) if len(chunks) != 1 else chunks[0]
