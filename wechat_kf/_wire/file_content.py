"""
Where a file's bytes are: in memory, or on disk to be read again for every attempt.

Nothing stays open between two chunks: each chunk of a path is one job in a worker thread, which opens, reads and
closes. So nothing leaks, whenever a request is cancelled or given up.
"""

from __future__ import annotations

import inspect
import io
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeAlias, cast

import attrs
from anyio import to_thread

from .file_type import HEAD

__all__ = ["READ", "BinaryFile", "Disk", "FileInput", "Memory", "content_of", "own_name"]

READ: Final = 1024 * 1024
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
class Memory:
    """
    Bytes that are held.
    """

    whole: bytes

    @property
    def size(self) -> int:
        return len(self.whole)

    @property
    def head(self) -> bytes:
        return self.whole[:HEAD]

    async def read(self, at: int, size: int) -> bytes:
        return self.whole[at : at + size]


@attrs.frozen
class Disk:
    """
    Bytes that are read anew for each pass.
    """

    opened: Callable[[], AbstractContextManager[_Seekable]]
    start: int
    size: int
    head: bytes
    stamp: tuple[int, int] | None

    @classmethod
    def examine(cls, opened: Callable[[], AbstractContextManager[_Seekable]]) -> Disk:
        with opened() as file:
            start = file.tell()
            try:
                head = _read(file, HEAD)
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


def _examine_path(path: Path) -> Disk:
    if path.is_fifo():
        # To open it is to wait for its writer, beyond the reach of cancellation.
        raise ValueError("the path is a pipe; open it and pass the file object")
    return Disk.examine(lambda: path.open("rb", buffering=0))


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


async def content_of(file: object, limit: int) -> Memory | Disk:
    """
    Find out where the bytes are, and gather those of a stream.
    """
    if isinstance(file, bytes | bytearray | memoryview):
        view = memoryview(cast("bytes", file))
        _check_size(view.nbytes, limit)
        return Memory(bytes(view))
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
            disk = await to_thread.run_sync(Disk.examine, opened)
            _check_size(disk.size, limit)
            return disk
        whole = await _gather_in_thread(iter(partial(read, READ), b""), limit)
    elif isinstance(file, Iterable):
        whole = await _gather_in_thread(cast("Iterable[object]", file), limit)
    else:
        raise TypeError(f"a file is a path, bytes, a binary file or an iterable of bytes, not {type(file).__name__}")
    _check_size(len(whole), limit, at_least=True)
    return Memory(whole)


def own_name(file: object) -> str:
    """
    Find the name a file has by itself: empty for none; a file object's may be a number.
    """
    name: object = cast("object", file) if isinstance(file, str | os.PathLike) else getattr(file, "name", None)
    return os.fsdecode(cast("str", name)) if isinstance(name, str | bytes | os.PathLike) else ""
