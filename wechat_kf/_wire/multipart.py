"""
One file as the body of a ``multipart/form-data`` request: of known length, and readable again for every attempt.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Final

import attrs

from .._errors import Effect, KfError
from .file_content import READ, Disk, FileInput, Memory, content_of, own_name
from .file_type import file_type, safe_name

__all__ = ["CHUNK", "FilePart"]

CHUNK: Final = 256 * 1024
"""
How much of a body is sent at a time, in bytes: a stall is told from a slow connection by whether so much gets through.
"""


@attrs.frozen(eq=False, kw_only=True)
class FilePart:
    """
    A file, ready to be sent as the part ``media`` of a ``multipart/form-data`` body. Made by `prepare`.

    Attributes:
        filename: The name it is sent under: ASCII, with the extension of its type.

        headers: The request's ``Content-Type``, with the boundary unquoted, and its ``Content-Length``.
    """

    filename: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    _head: bytes = attrs.field(repr=False, alias="head")
    _tail: bytes = attrs.field(repr=False, alias="tail")
    _content: Memory | Disk = attrs.field(repr=False, alias="content")

    @classmethod
    async def prepare(
        cls,
        file: FileInput,
        *,
        limit: int,
        allowed: Collection[str] | None = None,
        filename: str | None = None,
        content_type: str | None = None,
    ) -> FilePart:
        """
        Check a file and make a part of it. Nothing of it is sent yet.

        A path and a file object that can seek are read in chunks while they are sent, in worker threads; a file object
        from where it stands, again for each attempt. It is never closed, and must be left alone until the call ends.
        Anything else is held in memory.

        Args:
            file: A path, bytes, a binary file object, or an iterable or async iterable of bytes.

            limit: The most it may have, in bytes.

            allowed: The content types it may have, told by its first bytes; None for any.

            filename: The name to send it under, made safe; default: the file's own.

            content_type: The content type to send it with, and what it is where its first bytes do not say; default:
                told by its first bytes. It does not excuse a file whose first bytes say that it is not allowed.

        Raises:
            ValueError: The file is empty, too big or of a type not allowed, or `content_type` is not one.

            TypeError: The file is none of the above, or does not give bytes.

            OSError: There is no such file, or it cannot be read.
        """
        content = await content_of(file, limit)
        kind = file_type(content.head, allowed, content_type)
        name = safe_name(own_name(file) if filename is None else filename, kind)
        boundary = secrets.token_hex(16)
        # No `filename*`: WeChat does not understand RFC 2231 (41005). The name needs no quoting.
        head = (
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="media"; filename="{name}"\r\n'
            f"Content-Type: {content_type or kind}\r\n\r\n"
        ).encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        length = len(head) + content.size + len(tail)
        return cls(
            filename=name,
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}", "Content-Length": str(length)},
            head=head,
            tail=tail,
            content=content,
        )

    def stream(self) -> AsyncIterator[bytes]:
        """
        Give the body in chunks; each call gives the same bytes from the beginning, several at a time too.

        Raises:
            KfError: The file is not what it was when it was prepared; effect ``"none"`` before the first chunk.
        """
        return _Pass(self.filename, self._head, self._tail, self._content)


@attrs.define(eq=False)
class _Pass:
    """
    One pass over the body. Not an async generator, since a request that breaks off does not close its body.
    """

    name: str
    head: bytes
    tail: bytes
    content: Memory | Disk
    at: int = 0
    unsent: memoryview | None = None

    def __aiter__(self) -> _Pass:
        return self

    async def __anext__(self) -> bytes:
        at, size = self.at, self.content.size
        if at == size:
            raise StopAsyncIteration
        if self.unsent is None:
            try:
                self.unsent = memoryview(await self.content.read(at, min(READ, size - at)))
            except Exception as error:  # changed, gone or closed; a file object of the caller's may raise anything
                effect: Effect = "unknown" if at else "none"
                raise KfError(f"The file {self.name!r} changed before it was sent.", effect=effect) from error
        chunk = bytes(self.unsent[:CHUNK])
        # An empty rest would keep what was read in memory.
        self.unsent = self.unsent[CHUNK:] or None
        self.at += len(chunk)
        if at == 0:
            chunk = self.head + chunk
        if self.at == size:
            chunk += self.tail
        return chunk
