"""
The body of a response as it comes, on the asyncio connection.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx

__all__ = ["StreamedBody"]


class StreamedBody(httpx.AsyncByteStream):
    """
    The body of a response, as it comes.

    Args:
        receive: Waits for the next part; None is the end.

        trace: What the request wants to be told, if anything.
    """

    def __init__(self, receive: Callable[[], Awaitable[bytes | None]], trace: Any) -> None:
        self._receive = receive
        self._trace = trace

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (part := await self._receive()) is not None:
            yield part

    async def aclose(self) -> None:
        """
        Tell the trace, as httpx does.
        """
        if self._trace is not None:
            await self._trace("http11.response_closed.complete", {})
