"""
The default HTTP transport: a stack of single connections for httpx, the one used last on top.

httpx 0.28.1's own pool loses a connection for good when a request is cancelled at the wrong moment, and walks through
all its connections for every request. Here each connection is an `httpx.AsyncHTTPTransport` of its own, in one of a
fixed number of places, and a request holds a place. However the request ends, the place comes back: with the connection
if the answer was read to the end, else empty. Finding a connection is a look at the top of the stack.

Where the extra ``fast`` is installed, a connection that needs no proxy is a `FastConnection` on asyncio.
"""

from __future__ import annotations

import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import cache, cached_property, partial
from threading import Lock
from typing import Any, Final, Protocol, TypeAlias, cast
from urllib.request import getproxies, proxy_bypass
from weakref import WeakKeyDictionary

import anyio
import httpx
from anyio.lowlevel import checkpoint_if_cancelled, current_token
from sniffio import current_async_library

__all__ = ["DirectClient", "StackTransport"]

_ONE: Final = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=None)

# Seconds. Closing only tells the kernel, so this is for what nobody has thought of.
_CLOSING: Final = 2.0

_Origin: TypeAlias = tuple[str, str, int | None]


class _Stream(Protocol):
    """
    The part of httpx's network stream that is used here.
    """

    def get_extra_info(self, info: str) -> Any: ...

    async def aclose(self) -> None: ...


class _Place:
    """
    A place for one connection: empty, with an idle one, or held by the one request that uses it.
    """

    __slots__ = ("_stream", "_transport", "idle_since", "origin")

    def __init__(self) -> None:
        self.origin: _Origin | None = None
        self.idle_since = 0.0
        self._transport: httpx.AsyncBaseTransport | None = None
        self._stream: _Stream | None = None

    async def send(
        self, request: httpx.Request, origin: _Origin, connect: Callable[[httpx.URL], httpx.AsyncBaseTransport]
    ) -> httpx.Response:
        """
        Send a request on the connection that is here if it leads to this origin and lives, else on a new one.
        """
        transport = self._transport
        if transport is None or self.origin != origin or self._has_ended():
            await self.close()
            transport = self._transport = connect(request.url)
            self.origin = origin
            request = self._watched(request)
        return await transport.handle_async_request(request)

    async def close(self) -> None:
        """
        Close the connection, if there is one, and leave the place empty even if that is cancelled.
        """
        transport, stream = self._transport, self._stream
        self._transport = self._stream = self.origin = None
        if transport is None:
            return
        # The outcome of the request matters, not what closing says about a connection that nobody wants any more.
        with anyio.move_on_after(_CLOSING, shield=True), suppress(Exception):
            try:
                # The socket first: after that nothing can wait for the server, a farewell of TLS included.
                if stream is not None:
                    await stream.aclose()
            finally:
                await transport.aclose()

    def _has_ended(self) -> bool:
        # A server says nothing on an idle connection: if there is something to read, it is the end. httpx's pool looks
        # as well, and would connect anew by itself, but what it connects then is not watched.
        try:
            readable = self._stream is not None and bool(self._stream.get_extra_info("is_readable"))
        except ValueError:
            return True  # what trio says of a socket that is closed already
        return readable or _has_read_on(self._transport)

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


class _Waiter:
    """
    A request that waits for a place.
    """

    __slots__ = ("place", "woken")

    def __init__(self) -> None:
        self.place: _Place | None = None
        self.woken = anyio.Event()


class _Stack:
    """
    The places of one event loop. While a request waits for one, none lies here: each goes from hand to hand.
    """

    __slots__ = ("_empty", "idle", "waiting")

    def __init__(self, places: int) -> None:
        self.idle: list[_Place] = []
        self._empty = [_Place() for _ in range(places)]
        self.waiting: deque[_Waiter] = deque()

    def take(self, origin: _Origin) -> _Place | None:
        """
        Take the place whose connection to this origin was used last, else an empty one, else the one idle for longest.
        """
        for index in range(len(self.idle) - 1, -1, -1):
            if self.idle[index].origin == origin:
                return self.idle.pop(index)
        if self._empty:
            return self._empty.pop()
        return self.idle.pop(0) if self.idle else None

    def put(self, place: _Place) -> None:
        """
        Give a place to the request that has waited longest, else keep it.
        """
        if self.waiting:
            waiter = self.waiting.popleft()
            waiter.place = place
            waiter.woken.set()
        elif place.origin is None:
            self._empty.append(place)
        else:
            self.idle.append(place)


class _Body(httpx.AsyncByteStream):
    """
    The body of an answer; closing it, or failing to read it, gives the place back.
    """

    def __init__(self, parts: httpx.AsyncByteStream, give_back: Callable[[bool], Awaitable[None]]) -> None:
        self._parts = parts
        self._give_back = give_back
        self._whole = False
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._parts:
                yield part
        except BaseException:
            await self.aclose()
            raise
        self._whole = True

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        reusable = False
        try:
            if self._whole:
                await self._parts.aclose()
                reusable = True
        finally:
            await self._give_back(reusable)


class StackTransport(httpx.AsyncBaseTransport):
    """
    Send requests of `httpx.AsyncClient` over at most so many connections, the one used last first.

    Every event loop that uses it has connections of its own, so it may be used from one loop after another, and from
    loops in several threads at once. Proxies are those of the environment, as httpx's own default.

    A request that finds no free connection waits in line, as long as its pool timeout allows, then ends in
    `httpx.PoolTimeout`. If its extensions have a ``trace``, that is told ``wechat_kf.wait.started`` first.

    Args:
        max_connections: The most connections of one event loop, at least 1.

        keepalive_expiry: Seconds after which an idle connection is not used again.

        clock: Seconds that never run backwards.
    """

    def __init__(
        self,
        *,
        max_connections: int = 64,
        keepalive_expiry: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if max_connections < 1:
            raise ValueError("max_connections must be at least 1")
        self._max_connections = max_connections
        self._keepalive_expiry = keepalive_expiry
        self._clock = clock
        self._closed = False
        self._stacks: WeakKeyDictionary[object, _Stack] = WeakKeyDictionary()
        self._arrival = Lock()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """
        Send a request; the body of the answer must be closed, as httpx's clients do.

        Raises:
            RuntimeError: The transport has been closed.

            httpx.PoolTimeout: No connection came free in time.

            httpx.TransportError: As httpx's own transport.
        """
        self._check_open()
        url = request.url
        origin = (url.scheme, url.host, url.port)
        stack = self._here()
        too_old = self._clock() - self._keepalive_expiry
        while stack.idle and stack.idle[0].idle_since < too_old:
            await self._give_back(stack, stack.idle.pop(0), reusable=False)
        place = stack.take(origin) or await self._wait(stack, request)
        try:
            response = await place.send(request, origin, self._connect)
        except BaseException:
            await self._give_back(stack, place, reusable=False)
            raise
        if isinstance(response.stream, httpx.ByteStream):  # nothing of it is still to come
            await self._give_back(stack, place, reusable=True)
            return response
        parts = cast("httpx.AsyncByteStream", response.stream)
        response.stream = _Body(parts, partial(self._give_back, stack, place))
        return response

    async def aclose(self) -> None:
        """
        Close the idle connections of the running event loop; requests in flight close theirs when they end.
        """
        self._closed = True
        stack = self._here()
        while stack.idle:
            await self._give_back(stack, stack.idle.pop(), reusable=False)

    async def _wait(self, stack: _Stack, request: httpx.Request) -> _Place:
        waiter = _Waiter()
        stack.waiting.append(waiter)
        try:
            if (trace := request.extensions.get("trace")) is not None:
                await trace("wechat_kf.wait.started", {})
            with anyio.move_on_after(request.extensions.get("timeout", {}).get("pool")):
                await waiter.woken.wait()
            # Who was cancelled in the moment in which a place came must not send any more.
            await checkpoint_if_cancelled()
        except BaseException:
            # Perhaps it was cancelled at the very moment when a place came.
            if waiter.place is not None:
                await self._give_back(stack, waiter.place, reusable=True)
            raise
        finally:
            if waiter.place is None:
                stack.waiting.remove(waiter)
        if waiter.place is None:
            raise httpx.PoolTimeout("No connection came free in time.", request=request)
        return waiter.place

    async def _give_back(self, stack: _Stack, place: _Place, reusable: bool) -> None:
        # Lets no other task run unless there is a connection to be closed.
        try:
            if self._closed or not reusable:
                await place.close()
            else:
                place.idle_since = self._clock()
        finally:
            stack.put(place)

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("Cannot send a request, as the transport has been closed.")

    def _here(self) -> _Stack:
        """
        Return the places of the running event loop.
        """
        loop = current_token().native_token
        stack = self._stacks.get(loop)
        if stack is None:
            with self._arrival:
                # The connections of an asyncio loop refer to it, so the dictionary alone would keep both for ever.
                for other in list(self._stacks):
                    # (Trio's refers to nothing, and cannot be asked.)
                    is_closed: Callable[[], bool] | None = getattr(other, "is_closed", None)
                    if is_closed is not None and is_closed():
                        del self._stacks[other]
                stack = self._stacks[loop] = _Stack(self._max_connections)
        return stack

    def _connect(self, url: httpx.URL) -> httpx.AsyncBaseTransport:
        """
        Prepare a connection to the origin of a URL.
        """
        self._check_open()  # again, for a request that has waited meanwhile
        proxy = _environment_proxy(url)
        if proxy is not None and proxy.url.scheme == "https":
            proxy.ssl_context = self._ssl_context
        verify = self._ssl_context if url.scheme == "https" else self._unused_ssl_context
        if proxy is None and current_async_library() == "asyncio":
            compiled = _compiled_connection()
            if compiled is not None:
                return compiled(verify)
        return httpx.AsyncHTTPTransport(verify=verify, limits=_ONE, proxy=proxy)

    @cached_property
    def _ssl_context(self) -> ssl.SSLContext:
        # Reading the certificates takes tens of milliseconds: once, and not before it is needed.
        return httpx.create_ssl_context()

    @cached_property
    def _unused_ssl_context(self) -> ssl.SSLContext:
        # For plain HTTP, where httpx would make a real one all the same. It trusts nobody.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class DirectClient(httpx.AsyncClient):
    """
    A client that hands a ready request to its transport, since it has no cookies, hooks, redirects or auth to look for.

    Args:
        transport: Where the requests go.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        super().__init__(transport=transport)
        self._direct = transport

    async def send(self, request: httpx.Request, **_: Any) -> httpx.Response:
        """
        Send a request; the answer's body is left to be read, and must be closed.
        """
        return await self._direct.handle_async_request(request)


def _has_read_on(transport: httpx.AsyncBaseTransport | None) -> bool:
    """
    Tell whether more was read than an answer, as from a server that miscounts.

    It lies in h11 then, which would take it for the answer to the next request. httpx has no public way to ask.
    """
    inner: Any = None
    for inner in getattr(getattr(transport, "_pool", None), "connections", ()):
        while (deeper := getattr(inner, "_connection", None)) is not None:
            inner = deeper  # noqa: PLW2901
    return bool(getattr(getattr(inner, "_h11_state", None), "trailing_data", (b"",))[0])


@cache
def _compiled_connection() -> Callable[[ssl.SSLContext], httpx.AsyncBaseTransport] | None:
    """
    Look once whether the extra ``fast`` is installed.
    """
    try:
        from .asyncio_connection import FastConnection  # noqa: PLC0415 - nothing of an extra is imported before it is needed
    except ImportError:
        return None
    return FastConnection


def _environment_proxy(url: httpx.URL) -> httpx.Proxy | None:
    """
    Return the proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, or the system's settings, ask for.
    """
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(url.host) or proxy_bypass(url.netloc.decode("ascii")):
        return None
    return httpx.Proxy(proxy if "://" in proxy else f"http://{proxy}")
