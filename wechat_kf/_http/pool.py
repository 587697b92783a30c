"""
The default HTTP transport: a pool of single connections for httpx, the one used last on top.

On asyncio a connection that needs no proxy is an `AsyncioConnection`; any other is httpx's own.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from functools import cached_property, partial
from typing import cast

import anyio
import httpx
from anyio.lowlevel import checkpoint_if_cancelled
from sniffio import current_async_library

from .._concurrency import PerLoop
from .httpx_connection import HttpxConnection
from .place import Connection, Place, Stack, Waiter
from .pooled_body import PooledBody
from .proxies import environment_proxy

__all__ = ["StackTransport"]


class StackTransport(httpx.AsyncBaseTransport):
    """
    Send requests of httpx over at most so many connections, the one used last first.

    Every event loop that uses it has connections of its own, so it may be used from one loop after another, and from
    loops in several threads at once. Proxies are those of the environment, as httpx's own default.

    A request that finds no free connection waits in the queue, as long as its pool timeout allows, then ends in
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
        self._keepalive_expiry = keepalive_expiry
        self._clock = clock
        self._closed = False
        self._stacks = PerLoop(lambda: Stack(max_connections))

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
        stack = self._stacks.get()
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
        response.stream = PooledBody(parts, partial(self._give_back, stack, place))
        return response

    def usage(self) -> tuple[int, int]:
        """
        Return how many places are taken, and how many requests wait for one, in all event loops.
        """
        stacks = self._stacks.all()
        return sum(stack.taken for stack in stacks), sum(len(stack.waiting) for stack in stacks)

    async def aclose(self) -> None:
        """
        Close the idle connections of the running event loop; requests in flight close theirs when they end.
        """
        self._closed = True
        stack = self._stacks.get()
        while stack.idle:
            await self._give_back(stack, stack.idle.pop(), reusable=False)

    async def _wait(self, stack: Stack, request: httpx.Request) -> Place:
        waiter = Waiter()
        stack.waiting.append(waiter)
        try:
            if (trace := request.extensions.get("trace")) is not None:
                await trace("wechat_kf.wait.started", {})
            with anyio.move_on_after(request.extensions.get("timeout", {}).get("pool")):
                await waiter.woken.wait()
            # A request cancelled in the moment in which a place came must not be sent any more.
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

    async def _give_back(self, stack: Stack, place: Place, reusable: bool) -> None:
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

    def _connect(self, url: httpx.URL) -> Connection:
        """
        Prepare a connection to the origin of a URL.
        """
        self._check_open()  # again, for a request that has waited meanwhile
        proxy = environment_proxy(url)
        if proxy is not None and proxy.url.scheme == "https":
            proxy.ssl_context = self._ssl_context
        ssl_context = self._ssl_context if url.scheme == "https" else self._unused_ssl_context
        if proxy is None and current_async_library() == "asyncio":
            from .asyncio_connection import AsyncioConnection  # noqa: PLC0415 - not where trio runs

            return AsyncioConnection(ssl_context)
        return HttpxConnection.to(ssl_context, proxy)

    @cached_property
    def _ssl_context(self) -> ssl.SSLContext:
        # Reading the certificates takes tens of milliseconds: once, and not before it is needed.
        return httpx.create_ssl_context()

    @cached_property
    def _unused_ssl_context(self) -> ssl.SSLContext:
        # For plain HTTP, where httpx would make a real one all the same. It trusts nobody.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
