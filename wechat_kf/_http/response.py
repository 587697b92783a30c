"""
What comes back: a response with its body, or one whose body is still coming.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any, Final, Protocol, TypeVar

import anyio
import attrs
from anyio import to_thread

from .._errors import ReplyError
from .._wire.reply import MAX_REPLY
from .._wire.request import Request
from .attempt import Attempt
from .decoded_body import DecodedBody
from .decoding import BadCoding

__all__ = ["HttpClient", "Response", "StreamedResponse", "read_whole"]

A = TypeVar("A", bound=Attempt)

_CLOSING_SECONDS: Final = 5.0

# Bytes: from here on CPython puts bytes together without holding its lock.
_LARGE: Final = 1024 * 1024


@attrs.frozen
class Response:
    """
    A response that has come whole.

    Attributes:
        status: The HTTP status.

        body: The body, decoded.
    """

    status: int
    body: bytes = attrs.field(repr=False)


class StreamedResponse:
    """
    A response whose body is still coming: an async iterator over its chunks. Whoever opened it closes it.

    Attributes:
        status: The HTTP status.

        headers: The headers, their names in any case.
    """

    def __init__(self, attempt: Attempt, response: Any) -> None:
        self.status = int(response.status_code)
        self.headers: Mapping[str, str] = response.headers
        self._attempt = attempt
        self._response = response
        self._kept: deque[bytes] = deque()
        self._ended = False

    @cached_property
    def _raw(self) -> AsyncIterator[bytes]:
        # Where a hook of the client's owner has read the body, it lies there decoded.
        chunks: AsyncIterator[bytes] = self._response.aiter_bytes() if self._is_read() else self._response.aiter_raw()
        return chunks

    @cached_property
    def _chunks(self) -> DecodedBody:
        return DecodedBody(self._raw, "" if self._is_read() else self.headers.get("content-encoding", ""))

    def _is_read(self) -> bool:
        return bool(self._response.is_stream_consumed)

    async def whole(self) -> bytes:
        """
        Read the body to its end.

        Raises:
            KfError: It breaks off, is too large, or cannot be decoded.
        """
        stream = self._response.stream
        if isinstance(stream, self._attempt.library.module.SyncByteStream) and "content-encoding" not in self.headers:
            # It has come whole and can be taken at once.
            self._ended = True
            return b"".join(stream)
        chunks: list[bytes] = []
        size = 0
        with suppress(StopAsyncIteration):
            while size <= MAX_REPLY:
                chunk = await self._next_chunk()
                size += len(chunk)
                chunks.append(chunk)
            raise self._wrong(f"The answer is larger than {MAX_REPLY} bytes.")
        self._ended = True
        # To put a large one together takes milliseconds, in which CPython lets other threads run.
        return b"".join(chunks) if size < _LARGE else await to_thread.run_sync(b"".join, chunks)

    async def peek(self, most: int) -> bytes:
        """
        Read ahead without taking anything, until there are more than this many bytes or the body ends.
        """
        size = sum(map(len, self._kept))
        while size <= most:
            try:
                chunk = await self.next_chunk()
            except StopAsyncIteration:
                break
            self._kept.append(chunk)
            size += len(chunk)
        return b"".join(self._kept)

    def __aiter__(self) -> StreamedResponse:
        return self

    async def __anext__(self) -> bytes:
        return self._kept.popleft() if self._kept else await self.next_chunk()

    async def next_chunk(self) -> bytes:
        """
        Read the next chunk from the connection.
        """
        return await self._next_chunk()

    async def _next_chunk(self) -> bytes:
        try:
            return await anext(self._chunks)
        except BadCoding as error:
            raise self._wrong(f"The answer cannot be decoded: {error}.") from None
        except self._attempt.library.errors as error:
            raise self._attempt.failure(error) from error

    async def aclose(self) -> None:
        """
        Give the connection back, or close it if the body was not read to its end.
        """
        await self.let_go()

    async def let_go(self) -> None:
        """
        Do the same, called by what opened it.
        """
        # A connection that is not given back is lost to its pool. At the end of a body its answer has been closed.
        if not self._ended:
            with anyio.move_on_after(_CLOSING_SECONDS, shield=True), suppress(*self._attempt.library.errors):
                await self._end()
                await self._response.aclose()

    def _wrong(self, problem: str) -> ReplyError:
        return ReplyError(problem, status=self.status, endpoint=self._attempt.request.endpoint)

    async def _end(self) -> None:
        # The HTTP library's generators, one within the other, end properly only from the innermost outwards; trio warns
        # of those left in the middle. So they are resumed once more, only to be cancelled.
        with anyio.CancelScope() as scope:
            scope.cancel()
            async for _ in self._raw:
                pass


class HttpClient(Protocol):
    """
    What a call is made over: the client's own connections, or somebody else's HTTP client.
    """

    @property
    def is_closed(self) -> bool:
        """
        Whether it was closed.
        """
        ...

    async def send(self, request: Request, seconds: float) -> Response:
        """
        Send a request and read its whole answer.

        Args:
            request: The request.

            seconds: For the whole attempt; for an upload, for each stall while it is sent, then for the answer.

        Raises:
            NotSent: Nothing was sent.

            DeliveryUncertain: It broke off or took too long after writing had begun.

            ReplyError: The answer is too large or cannot be decoded.
        """
        ...

    async def open(self, request: Request, seconds: float) -> StreamedResponse:
        """
        Send a request and leave the body of its answer to be read; the caller closes it.

        Raises:
            NotSent: Nothing was sent.

            DeliveryUncertain: It broke off, or stalled for longer than `seconds`.
        """
        ...

    def connections(self) -> tuple[int, int]:
        """
        Return how many requests are under way, and how many wait for a connection, in all event loops.
        """
        ...

    async def aclose(self) -> None:
        """
        Close what it opened itself.
        """
        ...


async def read_whole(attempt: A, open_response: Callable[[A], Awaitable[StreamedResponse]]) -> Response:
    """
    Send a request and read its whole answer, within the attempt's time.
    """
    with anyio.move_on_after(attempt.seconds if attempt.is_bounded else None) as scope:
        response = await open_response(attempt)
        try:
            if not attempt.is_bounded:
                scope.deadline = anyio.current_time() + attempt.seconds
            return Response(response.status, await response.whole())
        finally:
            await response.let_go()
    error = attempt.late()
    raise attempt.failure(error) from error
