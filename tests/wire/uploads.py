"""
Files of every kind for the tests of uploads, and the reading of the bodies they become.
"""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel

from wechat_kf._wire.file_content import FileInput
from wechat_kf._wire.multipart import FilePart

__all__ = [
    "JPEG",
    "KINDS",
    "MIB",
    "PICTURES",
    "Short",
    "Unseekable",
    "async_pieces",
    "collect",
    "content",
    "kind_of",
    "on_disk",
    "parse",
    "pieces",
    "prepare",
]

MIB = 1024 * 1024
JPEG = b"\xff\xd8\xff\xe0 a picture"
PICTURES = ("image/jpeg", "image/png")

prepare = partial(FilePart.prepare, limit=10 * MIB)


async def collect(part: FilePart) -> bytes:
    """
    Read a whole body.
    """
    return b"".join([chunk async for chunk in part.stream()])


def parse(part: FilePart, body: bytes) -> tuple[list[str], bytes]:
    """
    Read a body strictly: the part's header lines, and its content.
    """
    found = re.fullmatch(r"multipart/form-data; boundary=([0-9a-f]{32})", part.headers["Content-Type"])
    assert found is not None
    boundary = found[1].encode()
    assert body.startswith(b"--" + boundary + b"\r\n")
    head, blank, rest = body[len(boundary) + 4 :].partition(b"\r\n\r\n")
    assert blank
    tail = b"\r\n--" + boundary + b"--\r\n"
    assert rest.endswith(tail)
    assert body.count(boundary) == 2
    return head.decode("ascii").split("\r\n"), rest[: -len(tail)]


async def content(part: FilePart) -> bytes:
    """
    Read the content back out of a body.
    """
    return parse(part, await collect(part))[1]


class Short(io.BytesIO):
    """
    A file that gives fewer bytes than asked, as a raw one may.
    """

    def read(self, size: int | None = -1) -> bytes:
        """
        Read some bytes.
        """
        assert size is not None

        return super().read(min(size, 50_000))


class Unseekable(Short):
    """
    A file like a socket's.
    """

    def seekable(self) -> bool:
        """
        Say that there is no going back.
        """
        return False


class OnlyRead:
    """
    The least a file object can be.
    """

    def __init__(self, data: bytes) -> None:
        self.read = io.BytesIO(data).read


async def async_pieces(data: bytes) -> AsyncIterator[bytes]:
    """
    Give bytes in pieces, as a body on its way in does.
    """
    for at in range(0, len(data), 70_000):
        await anyio.lowlevel.checkpoint()
        yield data[at : at + 70_000]


class AsyncPieces:
    """
    An async iterator that is no generator.
    """

    def __init__(self, data: bytes) -> None:
        self._pieces = pieces(data)

    def __aiter__(self) -> AsyncPieces:
        return self

    async def __anext__(self) -> bytes:
        try:
            return next(self._pieces)
        except StopIteration:
            raise StopAsyncIteration from None


def pieces(data: bytes) -> Iterator[bytes]:
    """
    Give bytes in pieces.
    """
    for at in range(0, len(data), 70_000):
        yield data[at : at + 70_000]


def on_disk(data: bytes, directory: Path) -> Path:
    """
    Put bytes into a file.
    """
    path = directory / "picture.jpg"
    path.write_bytes(data)
    return path


KINDS: dict[str, Callable[[bytes, Path], FileInput]] = {
    "path": on_disk,
    "str": lambda data, directory: str(on_disk(data, directory)),
    "bytes": lambda data, _: data,
    "bytearray": lambda data, _: bytearray(data),
    "memoryview": lambda data, _: memoryview(data),
    "BytesIO": lambda data, _: io.BytesIO(data),
    "short reads": lambda data, _: Short(data),
    "unseekable": lambda data, _: Unseekable(data),
    "only read": lambda data, _: OnlyRead(data),
    "list": lambda data, _: [data[:1], b"", data[1:]],
    "generator": lambda data, _: pieces(data),
    "async generator": lambda data, _: async_pieces(data),
    "async iterator": lambda data, _: AsyncPieces(data),
    "async file": lambda data, _: anyio.wrap_file(io.BytesIO(data)),
}


async def kind_of(part: FilePart) -> str:
    """
    Read the content type that a part is sent with.
    """
    return parse(part, await collect(part))[0][1].removeprefix("Content-Type: ")
