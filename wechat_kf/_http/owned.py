"""
Requests over the client's own connections.
"""

from __future__ import annotations

from .._wire.request import Request
from .attempt import Attempt
from .library import Library
from .pool import StackTransport
from .response import Response, StreamedResponse, read_whole
from .unobserved import unobserved

__all__ = ["OwnedHttp"]


class OwnedHttp:
    """
    The client's own connections; an `HttpClient`.

    Args:
        max_connections: The most connections of one event loop.
    """

    def __init__(self, max_connections: int) -> None:
        self._library = Library("httpx")
        self._transport = StackTransport(max_connections=max_connections)
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """
        Whether it was closed.
        """
        return self._is_closed

    async def send(self, request: Request, seconds: float) -> Response:
        """
        Send a request and read its whole answer.
        """
        is_bounded = isinstance(request.body, bytes)
        return await read_whole(Attempt(self._library, request, seconds, is_bounded=is_bounded), self._open)

    async def open(self, request: Request, seconds: float) -> StreamedResponse:
        """
        Send a request and leave the body of its answer to be read.
        """
        return await self._open(Attempt(self._library, request, seconds, is_bounded=False))

    def connections(self) -> tuple[int, int]:
        """
        Return how many requests are under way, and how many wait for a connection.
        """
        return self._transport.usage()

    async def aclose(self) -> None:
        """
        Close the connections.
        """
        self._is_closed = True
        await self._transport.aclose()

    async def _open(self, attempt: Attempt) -> StreamedResponse:
        try:
            with unobserved():
                response = await self._transport.handle_async_request(attempt.outgoing())
        except self._library.errors as error:
            raise attempt.failure(error) from error
        return StreamedResponse(attempt, response)
