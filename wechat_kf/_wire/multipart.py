"""
One file as the body of a ``multipart/form-data`` request: of known length, and readable again for every attempt.

Nothing stays open between two chunks: each chunk of a path is one job in a worker thread, which opens, reads and
closes. So nothing leaks, whenever a request is cancelled or given up.
"""

from __future__ import annotations

import inspect
import io
import os
import re
import secrets
import threading
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Collection,
    Generator,
    Iterable,
    Mapping,
)
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final, Protocol, TypeAlias, cast

import attrs
from anyio import to_thread

from .._errors import Effect, KfError

__all__ = ["CHUNK", "READ", "BinaryFile", "FileInput", "FilePart"]

CHUNK: Final = 256 * 1024
"""
How much of a body is sent at a time, in bytes: a stall is told from a slow connection by whether so much gets through.
"""

READ: Final = 4 * CHUNK
"""
How much of a file is read at a time, in bytes. To change to a worker thread takes longer than to read.
"""


class BinaryFile(Protocol):
    """
    A file object opened for reading bytes; one that can seek is read in place, another is gathered.
    """

    def read(self, size: int, /) -> bytes: ...


FileInput: TypeAlias = (
    str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryFile | Iterable[bytes] | AsyncIterable[bytes]
)
"""
What can be uploaded: a path, bytes, a binary file object, or an iterable or async iterable of bytes.
"""


class _Seekable(BinaryFile, Protocol):
    def seek(self, offset: int, whence: int = ..., /) -> object: ...
    def tell(self) -> int: ...


# ---- what a file is ------------------------------------------------------------------------------------------------

_EXTENSIONS: Final = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "audio/amr": ".amr",
    "audio/mpeg": ".mp3",
    "video/mp4": ".mp4",
}

_MAGIC: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"#!AMR", "audio/amr"),
    (b"ID3", "audio/mpeg"),
    # WeChat takes none of these; they are known so that the refusal can name them.
    (b"OggS", "audio/ogg"),
    (b"BM", "image/bmp"),
    (b"%PDF-", "application/pdf"),
)

# The major brand after `ftyp`; any other is an MP4 video.
_BRANDS: Final = {
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heic",
    b"avif": "image/avif",
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
}

_HEAD: Final = 12
"""
How many bytes the type is told from.
"""


def _sniff(head: bytes) -> str | None:
    """
    Tell the content type from a file's first bytes; None when they do not say.
    """
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12])
    # An MPEG audio frame begins with eleven set bits; the layer bits 01 say layer III.
    if len(head) >= 2 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2:
        return "audio/mpeg"
    return None


def _kind(head: bytes, allowed: Collection[str] | None, content_type: str | None) -> str:
    """
    Decide which content type a file has.
    """
    found = _sniff(head)
    given = None
    if content_type is not None:
        # Printable ASCII only, since it is written into a header.
        if re.fullmatch(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(;[ -~]*)?", content_type, re.ASCII) is None:
            raise ValueError(f"content_type must look like image/jpeg, not {content_type!r}")
        given = content_type.partition(";")[0].lower()
    if allowed is not None and (found or given) not in allowed:
        what = found or f"of unknown type (it begins with {head.hex(' ')})"
        raise ValueError(f"the file is {what}; allowed are {', '.join(sorted(allowed))}")
    return given if given in _EXTENSIONS else found or given or "application/octet-stream"


def _safe_name(name: str, kind: str) -> str:
    """
    Make a name of ASCII letters, digits, dots and hyphens, with the extension of the content type.
    """
    own = PurePosixPath(name.replace("\\", "/"))
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", own.stem)[:64].strip("-._")
    extension = _EXTENSIONS.get(kind) or (own.suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,10}", own.suffix) else ".bin")
    return (stem or "media") + extension


# ---- where its bytes are -------------------------------------------------------------------------------------------


def _check_size(size: int, limit: int, *, at_least: bool = False) -> None:
    if size <= 0:
        raise ValueError("the file is empty")
    if size > limit:
        mib = 1024 * 1024
        many = "more than that" if at_least else f"{size / mib:.2f} MiB ({size} bytes)"
        raise ValueError(f"the file is too big: at most {limit / mib:g} MiB ({limit} bytes) are allowed, it has {many}")


def _bytes(chunk: object) -> bytes:
    if not isinstance(chunk, bytes | bytearray | memoryview):
        raise TypeError(f"the file must give bytes, not {type(chunk).__name__}; open it in binary mode")
    return bytes(cast("bytes", chunk))


def _read(file: BinaryFile, size: int) -> bytes:
    """
    Read so many bytes, fewer only at the end, although one read of a raw file may give fewer than asked.
    """
    whole = _bytes(file.read(size))
    while len(whole) < size and (more := _bytes(file.read(size - len(whole)))):
        whole += more
    return whole


def _stamp(file: BinaryFile) -> tuple[int, int] | None:
    """
    Take what changes with a file on disk: its size and time of modification. None for what is not on disk.
    """
    raw = getattr(file, "raw", file)
    if not isinstance(raw, io.FileIO):
        return None
    status = os.fstat(raw.fileno())
    return status.st_size, status.st_mtime_ns


@attrs.frozen
class _Memory:
    """
    Bytes that are held.
    """

    whole: bytes

    @property
    def size(self) -> int:
        return len(self.whole)

    @property
    def head(self) -> bytes:
        return self.whole[:_HEAD]

    async def read(self, at: int, size: int) -> bytes:
        return self.whole[at : at + size]


@attrs.frozen
class _Disk:
    """
    Bytes that are read anew for each pass.
    """

    opened: Callable[[], AbstractContextManager[_Seekable]]
    start: int
    size: int
    head: bytes
    stamp: tuple[int, int] | None

    @classmethod
    def examine(cls, opened: Callable[[], AbstractContextManager[_Seekable]]) -> _Disk:
        with opened() as file:
            start = file.tell()
            try:
                head = _read(file, _HEAD)
                file.seek(0, os.SEEK_END)
                return cls(opened, start, file.tell() - start, head, _stamp(file))
            finally:
                file.seek(start)

    async def read(self, at: int, size: int) -> bytes:
        return await to_thread.run_sync(self._read, at, size)

    def _read(self, at: int, size: int) -> bytes:
        # One byte more than there should be tells a file that grew.
        probe = at + size == self.size
        with self.opened() as file:
            file.seek(self.start + at)
            chunk = _read(file, size + probe)
            if len(chunk) != size or _stamp(file) != self.stamp:
                raise OSError("the file is not what it was when it was prepared")
            return chunk


@contextmanager
def _borrowed(file: _Seekable, lock: threading.Lock) -> Generator[_Seekable, None, None]:
    # The position belongs to the file, so two passes must not come between each other's seek and read.
    with lock:
        yield file


def _examine_path(path: Path) -> _Disk:
    if path.is_fifo():
        # To open it is to wait for its writer, beyond the reach of cancellation.
        raise ValueError("the path is a pipe; open it and pass the file object")
    return _Disk.examine(lambda: path.open("rb", buffering=0))


def _gather(chunks: Iterable[object], limit: int, stop: threading.Event) -> bytes:
    whole = bytearray()
    for chunk in chunks:
        whole += _bytes(chunk)
        if len(whole) > limit or stop.is_set():
            break
    return bytes(whole)


async def _gather_in_thread(chunks: Iterable[object], limit: int) -> bytes:
    # The next item may never come, so a cancelled caller does not wait for the thread, which ends at that item.
    stop = threading.Event()
    try:
        return await to_thread.run_sync(_gather, chunks, limit, stop, abandon_on_cancel=True)
    finally:
        stop.set()


async def _gather_async(chunks: AsyncIterable[object], limit: int) -> bytes:
    whole = bytearray()
    iterator = aiter(chunks)
    try:
        async for chunk in iterator:
            whole += _bytes(chunk)
            if len(whole) > limit:
                break
    finally:
        # What is left of a generator given up at the limit would be closed by the garbage collector, too late.
        if isinstance(iterator, AsyncGenerator):
            await iterator.aclose()
    return bytes(whole)


async def _content(file: object, limit: int) -> _Memory | _Disk:
    """
    Find out where the bytes are, and gather those of a stream.
    """
    if isinstance(file, bytes | bytearray | memoryview):
        view = memoryview(cast("bytes", file))
        _check_size(view.nbytes, limit)
        return _Memory(bytes(view))
    if isinstance(file, str | os.PathLike):
        disk = await to_thread.run_sync(_examine_path, Path(cast("str", file)))
        _check_size(disk.size, limit)
        return disk
    if isinstance(file, AsyncIterable):
        whole = await _gather_async(cast("AsyncIterable[object]", file), limit)
    elif callable(read := getattr(file, "read", None)):
        if isinstance(file, io.TextIOBase):
            raise TypeError("the file must be opened in binary mode")
        if inspect.iscoroutinefunction(read):
            raise TypeError(f"{type(file).__name__}.read is async; pass the file beneath it (an UploadFile's .file)")
        seekable = getattr(file, "seekable", None)
        if callable(seekable) and seekable():
            opened = partial(_borrowed, cast("_Seekable", file), threading.Lock())
            disk = await to_thread.run_sync(_Disk.examine, opened)
            _check_size(disk.size, limit)
            return disk
        whole = await _gather_in_thread(iter(partial(read, READ), b""), limit)
    elif isinstance(file, Iterable):
        whole = await _gather_in_thread(cast("Iterable[object]", file), limit)
    else:
        raise TypeError(f"a file is a path, bytes, a binary file or an iterable of bytes, not {type(file).__name__}")
    _check_size(len(whole), limit, at_least=True)
    return _Memory(whole)


def _own_name(file: object) -> str:
    """
    Find the name a file has by itself: empty for none; a file object's may be a number.
    """
    name: object = cast("object", file) if isinstance(file, str | os.PathLike) else getattr(file, "name", None)
    return os.fsdecode(cast("str", name)) if isinstance(name, str | bytes | os.PathLike) else ""


# ---- the part ------------------------------------------------------------------------------------------------------


@attrs.frozen(eq=False, kw_only=True)
class FilePart:
    """
    A file, ready to be sent as the part ``media`` of a ``multipart/form-data`` body. Made by `prepare`.

    Attributes:
        filename: The name it is sent under: ASCII, with the extension of its type.

        content_type: The content type it is sent with.

        size: The file's size in bytes.

        content_length: The whole body's size in bytes.

        headers: The request's ``Content-Type``, with the boundary unquoted, and its ``Content-Length``.
    """

    filename: str
    content_type: str
    size: int
    content_length: int = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    _head: bytes = attrs.field(repr=False, alias="head")
    _tail: bytes = attrs.field(repr=False, alias="tail")
    _content: _Memory | _Disk = attrs.field(repr=False, alias="content")

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
        content = await _content(file, limit)
        kind = _kind(content.head, allowed, content_type)
        name = _safe_name(_own_name(file) if filename is None else filename, kind)
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
            content_type=content_type or kind,
            size=content.size,
            content_length=length,
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
    content: _Memory | _Disk
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
