"""
The content coding of a response: none, or one gzip or deflate, which is inflated in small steps.

Nobody asks for a coding, but gateways put one on all the same. A few KiB may hold gigabytes: no step gives more than
its limit, and whoever reads counts.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

__all__ = ["MAX_STEP", "BadCoding", "Inflater", "inflater_for"]

MAX_STEP: Final = 256 * 1024
"""
How many bytes are inflated in one step, which takes about a millisecond.
"""

# How many bytes may come without giving any.
_MAX_IDLE: Final = 1024 * 1024

_GZIP: Final = 16 + zlib.MAX_WBITS


class BadCoding(Exception):
    """
    A body is not in the coding that its head says, or in one that is not read. The text quotes none of it.
    """


class Inflater:
    """
    Inflates one body.

    Args:
        is_gzip: Whether it is gzip; else deflate, with zlib's head or, as some servers have it, without.
    """

    def __init__(self, *, is_gzip: bool) -> None:
        self._engine = zlib.decompressobj(_GZIP) if is_gzip else None
        self._idle = 0

    def inflate(self, data: bytes) -> Iterator[bytes]:
        """
        Inflate the next part of the body, step by step.

        Raises:
            BadCoding: It is something else, or goes on after its end.
        """
        if self._engine is None:
            # The first byte of zlib's head says 8, which a bare block never begins with.
            has_head = data[0] & 0x0F == 8
            self._engine = zlib.decompressobj(zlib.MAX_WBITS if has_head else -zlib.MAX_WBITS)
        self._idle += len(data)
        while data:
            if self._engine.eof:
                raise BadCoding("it goes on after its end")
            try:
                step = self._engine.decompress(data, MAX_STEP)
            except zlib.error:
                raise BadCoding("it is not what its head says") from None
            if step:
                self._idle = 0
                yield step
            data = self._engine.unconsumed_tail or self._engine.unused_data
        if self._idle > _MAX_IDLE:
            raise BadCoding("it holds nothing")

    def end(self) -> None:
        """
        Note that the body has ended.

        Raises:
            BadCoding: Something of it is missing.
        """
        if self._engine is not None and not self._engine.eof:
            raise BadCoding("it breaks off")


def inflater_for(content_encoding: str) -> Inflater | None:
    """
    Make what inflates a body, by the ``Content-Encoding`` in its head; None if there is nothing to inflate.

    Raises:
        BadCoding: There are several codings, or another one.
    """
    names = [name for each in content_encoding.lower().split(",") if (name := each.strip()) not in ("", "identity")]
    if not names:
        return None
    if len(names) > 1 or names[0] not in ("gzip", "x-gzip", "deflate"):
        raise BadCoding("its coding is not one gzip or deflate")
    return Inflater(is_gzip=names[0] != "deflate")
