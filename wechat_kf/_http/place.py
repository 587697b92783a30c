"""
The places of one event loop: each holds at most one connection, and a request holds a place.

Finding a connection is a look at the top of a stack. httpx's own pool walks through all its connections for every
request (encode/httpx#3215), and loses one for good when a request is cancelled at the wrong moment
(encode/httpcore#1093, also #830 and #658). Here the place comes back however the request ends: with the connection
if the answer was read to its end, else empty.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol, TypeAlias

import anyio
import httpx

__all__ = ["Connection", "Origin", "Place", "Stack", "Waiter"]

# Seconds. Closing only tells the kernel, so this is for what nobody has thought of.
_CLOSING: Final = 2.0

Origin: TypeAlias = tuple[str, str, int | None]


class Connection(Protocol):
    """
    A connection that carries one request at a time; it connects with the first.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """
        Send a request and return its answer as soon as the head is there, as a transport of httpx does.
        """
        ...

    async def aclose(self) -> None:
        """
        Close it, whatever is under way.
        """
        ...

    def has_ended(self) -> bool:
        """
        Whether it cannot carry another request: the server closed it, or something lies unread in it.
        """
        ...


class Place:
    """
    A place for one connection: empty, with an idle one, or held by the one request that uses it.
    """

    __slots__ = ("_connection", "idle_since", "origin")

    def __init__(self) -> None:
        self.origin: Origin | None = None
        self.idle_since = 0.0
        self._connection: Connection | None = None

    async def send(
        self, request: httpx.Request, origin: Origin, connect: Callable[[httpx.URL], Connection]
    ) -> httpx.Response:
        """
        Send a request on the connection that is here if it leads to this origin and lives, else on a new one.
        """
        connection = self._connection
        if connection is None or self.origin != origin or connection.has_ended():
            await self.close()
            connection = self._connection = connect(request.url)
            self.origin = origin
        return await connection.handle_async_request(request)

    async def close(self) -> None:
        """
        Close the connection, if there is one, and leave the place empty even if that is cancelled.
        """
        connection = self._connection
        self._connection = self.origin = None
        if connection is None:
            return
        # The outcome of the request matters, not what closing says about a connection that nobody wants any more.
        with anyio.move_on_after(_CLOSING, shield=True), suppress(Exception):
            await connection.aclose()


class Waiter:
    """
    A request that waits for a place.
    """

    __slots__ = ("place", "woken")

    def __init__(self) -> None:
        self.place: Place | None = None
        self.woken = anyio.Event()


class Stack:
    """
    The places of one event loop. While a request waits for one, none lies here: each goes from hand to hand.
    """

    __slots__ = ("_empty", "_places", "idle", "waiting")

    def __init__(self, places: int) -> None:
        self._places = places
        self.idle: list[Place] = []
        self._empty = [Place() for _ in range(places)]
        self.waiting: deque[Waiter] = deque()

    @property
    def taken(self) -> int:
        """
        How many places hold a request.
        """
        return self._places - len(self._empty) - len(self.idle)

    def take(self, origin: Origin) -> Place | None:
        """
        Take the place whose connection to this origin was used last, else an empty one, else the one idle for longest.
        """
        for index in range(len(self.idle) - 1, -1, -1):
            if self.idle[index].origin == origin:
                return self.idle.pop(index)
        if self._empty:
            return self._empty.pop()
        return self.idle.pop(0) if self.idle else None

    def put(self, place: Place) -> None:
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
