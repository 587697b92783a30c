"""
The body of a response with its content coding undone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from anyio.lowlevel import checkpoint

from .decoding import Inflater, inflater_for

__all__ = ["DecodedBody"]


class DecodedBody:
    """
    An async iterator over the chunks of a body. The event loop turns before each step of inflating.

    Args:
        raw: The body as it comes.

        content_encoding: What its head says of its coding; empty for nothing.
    """

    def __init__(self, raw: AsyncIterator[bytes], content_encoding: str) -> None:
        self._raw = raw
        self._content_encoding = content_encoding
        self._inflater: Inflater | None = None
        self._steps: Iterator[bytes] = iter(())

    def __aiter__(self) -> DecodedBody:
        return self

    async def __anext__(self) -> bytes:
        if self._content_encoding:
            self._inflater = inflater_for(self._content_encoding)
            self._content_encoding = ""
        if self._inflater is None:
            return await anext(self._raw)
        while True:
            # Before a step is taken, so that none is lost if it is cancelled here.
            await checkpoint()
            for step in self._steps:
                return step
            try:
                self._steps = self._inflater.inflate(await anext(self._raw))
            except StopAsyncIteration:
                self._inflater.end()
                raise
