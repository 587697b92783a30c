"""
What turns a stream of text into another: a pure part that takes the pieces, and here the iterator around it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Protocol, Self

__all__ = ["TextStream", "Transformer"]


class Transformer(Protocol):
    """
    Turns pieces of text into others.
    """

    def add(self, piece: str) -> Iterable[str]:
        """
        Take a piece; return what is ready.
        """
        ...

    def end(self) -> Iterable[str]:
        """
        Return what is left, after the last piece.
        """
        ...


class TextStream(AsyncIterator[str]):
    """
    The pieces of another stream, transformed.

    Args:
        pieces: The other stream. None counts as an empty piece: the last one of many models.

        transformer: What to do with them.
    """

    def __init__(self, pieces: AsyncIterable[str | None], transformer: Transformer) -> None:
        self._pieces = aiter(pieces)
        self._transformer = transformer
        self._ready: deque[str] = deque()
        self._is_over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        while not self._ready:
            if self._is_over:
                raise StopAsyncIteration
            # Whatever ends the other stream ends this one, too.
            self._is_over = True
            try:
                piece = await anext(self._pieces)
            except StopAsyncIteration:
                self._ready.extend(self._transformer.end())
            else:
                self._is_over = False
                self._ready.extend(self._transformer.add(piece or ""))
        return self._ready.popleft()

    async def aclose(self) -> None:
        """
        End the stream, and the other one with it.
        """
        self._is_over = True
        self._ready.clear()
        close = getattr(self._pieces, "aclose", None)
        if close is not None:
            await close()
