"""
The body of an answer that holds a place in the pool.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx

__all__ = ["PooledBody"]


class PooledBody(httpx.AsyncByteStream):
    """
    The body of an answer; closing it, or failing to read it, gives the place back.

    Args:
        parts: The body as the connection reads it.

        give_back: Gives the place back; it is told whether the connection may be used again.
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
        """
        Give the place back; the connection in it is closed unless the body was read to its end.
        """
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
