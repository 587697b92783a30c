"""
Requests over an HTTP client of somebody else's, with the care that its pool needs.

httpx's pool loses a connection for good when a request is cancelled that waits for it (encode/httpcore#1093), or when
asyncio's own cancellation cuts its clean-up short (encode/httpcore#658). And the transport may be anybody's: it may
tell nothing of its steps, or wrap another library's errors.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol, TypeVar

import anyio
from sniffio import current_async_library

from .._concurrency import PerLoop
from .._wire.request import Request
from .attempt import Attempt
from .library import WAITING_SHARE, Library
from .response import Response, StreamedResponse, read_whole
from .unobserved import unobserved

__all__ = ["AsyncHttpxClient", "BorrowedHttp"]

T = TypeVar("T")


class AsyncHttpxClient(Protocol):
    """
    An ``httpx.AsyncClient`` or an ``httpx2.AsyncClient``; no other class will do.
    """

    # So many of their members that a class which only looks a little like one does not pass the type checkers.
    @property
    def is_closed(self) -> bool: ...
    @property
    def trust_env(self) -> bool: ...
    @property
    def event_hooks(self) -> Any: ...
    @property
    def base_url(self) -> Any: ...
    @property
    def cookies(self) -> Any: ...
    @property
    def timeout(self) -> Any: ...
    def build_request(self, method: str, url: Any) -> Any: ...
    def stream(self, method: str, url: Any) -> Any: ...
    async def send(self, request: Any, *, stream: bool = ..., auth: Any = ..., follow_redirects: Any = ...) -> Any: ...
    async def aclose(self) -> None: ...


class BorrowedHttp:
    """
    Somebody else's HTTP client, which is used and never closed; an `HttpClient`.

    Args:
        http: The client.

        max_connections: How many requests may be under way at once: as many as its pool has connections, so that none
            waits in there.

    Raises:
        TypeError: It is of neither library.
    """

    def __init__(self, http: AsyncHttpxClient, max_connections: int) -> None:
        self._library = _library_of(http)
        self._http = http
        self._most = max_connections
        self._slots: PerLoop[anyio.Semaphore] = PerLoop(lambda: anyio.Semaphore(max_connections, fast_acquire=True))

    @property
    def is_closed(self) -> bool:
        """
        Whether its owner closed it.
        """
        return self._http.is_closed

    async def send(self, request: Request, seconds: float) -> Response:
        """
        Send a request and read its whole answer.
        """
        is_bounded = isinstance(request.body, bytes)
        attempt = _BorrowedAttempt(self._library, request, seconds, is_bounded=is_bounded)
        return await _shield_cleanup(partial(read_whole, attempt, self._open))

    async def open(self, request: Request, seconds: float) -> StreamedResponse:
        """
        Send a request and leave the body of its answer to be read.
        """
        attempt = _BorrowedAttempt(self._library, request, seconds, is_bounded=False)
        opened: list[_BorrowedResponse] = []

        async def step() -> None:
            opened.append(await self._open(attempt))

        try:
            await _shield_cleanup(step)
        except BaseException:
            # It may have been cancelled at the very moment when the answer came.
            for response in opened:
                await response.aclose()
            raise
        return opened[0]

    def connections(self) -> tuple[int, int]:
        """
        Return how many requests are under way, and how many wait for a slot.
        """
        slots = self._slots.all()
        in_use = sum(self._most - each.value for each in slots)
        return in_use, sum(each.statistics().tasks_waiting for each in slots)

    async def aclose(self) -> None:
        """
        Leave it open: it is its owner's.
        """

    async def _open(self, attempt: _BorrowedAttempt) -> _BorrowedResponse:
        try:
            slot = await self._free_slot(attempt.seconds)
            try:
                response = await attempt.send_over(self._http)
            except BaseException:
                slot.release()
                raise
        except self._library.errors as error:
            raise attempt.failure(error) from error
        return _BorrowedResponse(attempt, response, slot)

    async def _free_slot(self, seconds: float) -> anyio.Semaphore:
        slots = self._slots.get()
        with anyio.move_on_after(WAITING_SHARE * seconds):
            await slots.acquire()
            return slots
        raise self._library.module.PoolTimeout("No slot was free in time.")


class _BorrowedAttempt(Attempt):
    """
    An attempt over a transport that may tell nothing of its steps.
    """

    __slots__ = ("_scope",)

    async def __call__(self, event: str, info: dict[str, Any]) -> None:
        """
        Record how far the request got, and let no cancellation come between a connection's making and its use.
        """
        await super().__call__(event, info)
        # httpx's pool never again uses a connection whose request was cancelled just there (encode/httpcore#1093).
        self._scope.shield = event.endswith((".connect_tcp.complete", ".start_tls.complete"))

    async def send_over(self, http: AsyncHttpxClient) -> Any:
        """
        Send the request; the body of the answer is left to be read.
        """
        request = self.outgoing()
        # In doubt it was sent, unless the transport tells otherwise.
        self.unsent = False
        # To an address that WeChat named the client's own credentials must not go.
        auth = {} if self.request.endpoint is not None else {"auth": None}
        with unobserved(), anyio.CancelScope() as self._scope:
            return await http.send(request, stream=True, follow_redirects=False, **auth)

    def made_no_connection(self, error: Exception) -> bool:
        """
        Tell whether it failed because no connection could be made.

        A transport on top of another library may say so of a connection that broke later, as httpx-aiohttp does of any.
        """
        module = self.library.module
        if self.unsent:
            return True
        unmade = (module.ConnectError, module.ConnectTimeout, module.ProxyError, module.UnsupportedProtocol)
        if not isinstance(error, unmade):
            return False
        below = error.__cause__
        if below is None or type(below).__module__.partition(".")[0] in ("httpcore", "httpcore2"):
            return True
        while below is not None and not isinstance(below, (ConnectionRefusedError, socket.gaierror)):
            below = below.__cause__
        return below is not None


class _BorrowedResponse(StreamedResponse):
    """
    A response over such a client; it holds a slot until it is closed.
    """

    def __init__(self, attempt: Attempt, response: Any, slot: anyio.Semaphore) -> None:
        super().__init__(attempt, response)
        self._slot: anyio.Semaphore | None = slot

    async def next_chunk(self) -> bytes:
        """
        Read the next chunk from the connection.
        """
        return await _shield_cleanup(super().next_chunk)

    async def aclose(self) -> None:
        """
        Give the connection back, or close it if the body was not read to its end.
        """
        await _shield_cleanup(self.let_go)

    async def let_go(self) -> None:
        """
        Do the same where asyncio's own cancellation cannot come.
        """
        try:
            await super().let_go()
        finally:
            slot, self._slot = self._slot, None
            if slot is not None:
                slot.release()


async def _shield_cleanup(step: Callable[[], Awaitable[T]]) -> T:
    """
    Run a step so that the clean-up of an HTTP client is not cut short.

    httpx's pool shields its clean-up by anyio's means, which do not hold off asyncio's own ``Task.cancel()``: it would
    lose connections for good (encode/httpcore#658). In a child task asyncio's cancellation arrives as anyio's.
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
    if not results:
        # Something below cancelled it, as a hook that waits for a cancelled future.
        raise anyio.get_cancelled_exc_class()
    return results.pop()


def _library_of(http: object) -> Library:
    """
    Find the library a client is of, so that its own requests and exceptions are used.
    """
    for cls in type(http).__mro__:
        root = cls.__module__.partition(".")[0]
        if cls.__name__ == "AsyncClient" and root in ("httpx", "httpx2"):
            return Library(root)
    raise TypeError(f"http must be an httpx.AsyncClient or an httpx2.AsyncClient, not {type(http).__name__}")
