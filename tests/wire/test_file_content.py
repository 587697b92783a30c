"""
Files of every kind: which are refused, and what stays true of the others while they are sent.
"""

from __future__ import annotations

import asyncio
import gc
import gzip
import io
import os
import tempfile
import threading
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import anyio
import pytest

from wechat_kf._errors import KfError
from wechat_kf._wire import file_content
from wechat_kf._wire.file_content import READ
from wechat_kf._wire.multipart import CHUNK, FilePart

from .uploads import (
    JPEG,
    KINDS,
    MIB,
    Short,
    Unseekable,
    collect,
    content,
    on_disk,
    prepare,
)


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_an_empty_file_is_refused(kind: str, tmp_path: Path) -> None:
    """
    An empty file is refused, whatever it is.
    """
    with pytest.raises(ValueError, match="the file is empty"):
        await prepare(KINDS[kind](b"", tmp_path))


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_a_file_too_big_is_refused(kind: str, tmp_path: Path) -> None:
    """
    A file may have its limit and not a byte more; the refusal names the limit, and the size where it is known.
    """
    part = await FilePart.prepare(KINDS[kind](bytes(65_536), tmp_path), limit=65_536)
    streamed = kind in {"unseekable", "only read", "list", "generator"} or kind.startswith("async")

    assert len(await content(part)) == 65_536
    with pytest.raises(ValueError, match=r"at most 0\.0625 MiB \(65536 bytes\)") as refusal:
        await FilePart.prepare(KINDS[kind](bytes(65_537), tmp_path), limit=65_536)
    assert ("more than that" if streamed else "0.06 MiB (65537 bytes)") in str(refusal.value)


async def test_a_stream_is_read_no_further_than_the_limit() -> None:
    """
    An endless stream is given up at the limit, and an async generator is closed.
    """
    given, closed = 0, 0

    def endless() -> Iterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield bytes(1000)

    async def async_endless() -> AsyncIterator[bytes]:
        nonlocal closed
        try:
            while True:
                yield bytes(1000)
        finally:
            closed += 1

    for stream in (endless(), async_endless()):
        with pytest.raises(ValueError, match="more than that"):
            await FilePart.prepare(stream, limit=5000)

    assert given == 6
    assert closed == 1


async def async_items(*items: object) -> AsyncIterator[object]:
    """
    Give items one by one.
    """
    for item in items:
        yield item


class Upload:
    """
    A file object whose methods are async, as a web framework's is.
    """

    async def read(self, _size: int) -> bytes:
        """
        Never get here.
        """
        raise AssertionError


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (io.StringIO("text"), "binary mode"),
        (io.TextIOWrapper(io.BytesIO(b"text")), "binary mode"),
        (["text"], "must give bytes, not str"),
        ([b"a", 1], "must give bytes, not int"),
        ([None], "must give bytes, not NoneType"),
        (Upload(), r"Upload\.read is async; .*\.file"),
        (12, "not int"),
        (None, "not NoneType"),
    ],
)
async def test_what_is_no_file_is_refused(wrong: Any, why: str) -> None:
    """
    What does not give bytes is a TypeError that says what to pass.
    """
    with pytest.raises(TypeError, match=why):
        await prepare(wrong)


async def test_async_items_that_are_no_bytes_are_refused() -> None:
    """
    An async iterable must give bytes as well.
    """
    with pytest.raises(TypeError, match="must give bytes, not str"):
        await prepare(cast("AsyncIterator[bytes]", async_items(b"a", "text")))


async def test_a_file_that_turns_out_to_be_text_is_refused() -> None:
    """
    A file object that reads text is refused, also one that does not look like it.
    """

    class Text:
        def read(self, size: int) -> str:
            return "x" * size

    class SeekableText(Text):
        def seekable(self) -> bool:
            return True

        def tell(self) -> int:
            return 0

        def seek(self, offset: int, _whence: int = 0) -> int:
            return offset

    for wrong in (Text(), SeekableText()):
        with pytest.raises(TypeError, match="must give bytes, not str"):
            await prepare(cast("BinaryIO", wrong))


async def test_a_path_that_cannot_be_read_is_an_os_error(tmp_path: Path) -> None:
    """
    A missing file and a directory are the errors of `open`; a pipe, which would hang, is refused.
    """
    with pytest.raises(FileNotFoundError):
        await prepare(tmp_path / "none.jpg")
    with pytest.raises(IsADirectoryError):
        await prepare(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="the path is a pipe"):
        await prepare(tmp_path / "pipe")


@pytest.mark.parametrize("buffering", [0, -1])
async def test_a_file_object_is_sent_from_where_it_stands(tmp_path: Path, buffering: int) -> None:
    """
    A caller's file is sent from its position for every attempt, and is not closed.
    """
    path = on_disk(b"skipped" + JPEG, tmp_path)
    with path.open("rb", buffering=buffering) as file:
        file.seek(7)
        part = await prepare(file)

        assert file.tell() == 7
        assert await content(part) == JPEG
        assert await content(part) == JPEG
        assert not file.closed


async def test_a_refused_file_object_stands_where_it_stood() -> None:
    """
    A refusal leaves a caller's file as it was.
    """
    file = io.BytesIO(b"skipped" + JPEG)
    file.seek(7)
    with pytest.raises(ValueError, match="image/jpeg; allowed are video/mp4"):
        await prepare(file, allowed=["video/mp4"])

    assert file.tell() == 7


async def test_a_file_object_past_its_end_is_empty() -> None:
    """
    A file that stands at or behind its end has nothing to send.
    """
    file = io.BytesIO(JPEG)
    for position in (len(JPEG), 100):
        file.seek(position)
        with pytest.raises(ValueError, match="empty"):
            await prepare(file)


async def test_a_compressed_file_is_sent_uncompressed(tmp_path: Path) -> None:
    """
    What counts is what a file object gives, not what lies beneath it.
    """
    whole = JPEG + bytes(2 * CHUNK)
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(whole))
    with gzip.open(path) as file:
        part = await prepare(cast("BinaryIO", file))

        assert await content(part) == whole


async def test_an_upload_as_a_web_framework_gives_it() -> None:
    """
    The spooled file beneath an upload is sent, whether it is in memory or on disk.
    """
    for size in (10, 2 * CHUNK):
        with tempfile.SpooledTemporaryFile(max_size=CHUNK) as file:
            file.write(JPEG + bytes(size))
            file.seek(0)
            part = await prepare(file)

            assert await content(part) == JPEG + bytes(size)


async def test_two_passes_over_one_file_object_at_once(tmp_path: Path) -> None:
    """
    Two streams of one part do not disturb each other, although they share the file's position.
    """
    whole = os.urandom(2 * READ + CHUNK + 5)
    bodies: list[bytes] = []

    async def run(part: FilePart) -> None:
        bodies.append(await content(part))

    with on_disk(whole, tmp_path).open("rb") as file:
        part = await prepare(file)
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(run, part)

    assert bodies == [whole] * 4


def append(path: Path) -> None:
    """
    Make the file longer.
    """
    with path.open("ab") as file:
        file.write(b"more")


def truncate(path: Path) -> None:
    """
    Make the file shorter.
    """
    os.truncate(path, CHUNK + 1)


def rewrite(path: Path) -> None:
    """
    Change the file in place: its size stays.
    """
    with path.open("r+b") as file:
        file.write(b"other")
    os.utime(path, ns=(0, 1))


CHANGES = [append, truncate, rewrite, Path.unlink]


@pytest.mark.parametrize("change", CHANGES)
async def test_a_path_that_changed_before_is_an_error(tmp_path: Path, change: Callable[[Path], None]) -> None:
    """
    A file that is not what was prepared is not sent: no effect.
    """
    path = on_disk(bytes(2 * READ), tmp_path)
    part = await prepare(path)
    change(path)
    with pytest.raises(KfError, match=r"'picture\.jpg' changed") as failure:
        await anext(part.stream())

    assert failure.value.effect == "none"


@pytest.mark.parametrize("change", CHANGES)
async def test_a_path_that_changes_meanwhile_is_an_error(tmp_path: Path, change: Callable[[Path], None]) -> None:
    """
    A file that changes while it is sent breaks the upload off before its end: the effect is not known.
    """
    path = on_disk(bytes(2 * READ), tmp_path)
    stream = (await prepare(path)).stream()
    await anext(stream)
    change(path)
    with pytest.raises(KfError, match="changed") as failure:
        [_ async for _ in stream]

    assert failure.value.effect == "unknown"


def grow(file: io.BytesIO) -> None:
    """
    Make the buffer longer.
    """
    file.seek(0, os.SEEK_END)
    file.write(b"more")


def shrink(file: io.BytesIO) -> None:
    """
    Make the buffer shorter.
    """
    file.truncate(CHUNK + 1)


@pytest.mark.parametrize("change", [grow, shrink, io.BytesIO.close])
async def test_a_file_object_that_changes_is_an_error(change: Callable[[io.BytesIO], None]) -> None:
    """
    A caller's file that grows, shrinks or is closed breaks the upload off before its end.
    """
    file = io.BytesIO(bytes(2 * READ))
    stream = (await prepare(file)).stream()
    await anext(stream)
    change(file)
    with pytest.raises(KfError, match=r"'media\.bin' changed") as failure:
        [_ async for _ in stream]

    assert failure.value.effect == "unknown"


async def test_changes_to_a_buffer_do_not_reach_the_body() -> None:
    """
    A bytearray is copied, so that every attempt sends what was prepared.
    """
    buffer = bytearray(JPEG)
    part = await prepare(buffer)
    buffer[:] = b"other"

    assert await content(part) == JPEG


async def test_a_path_is_opened_off_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A path is opened in worker threads, and closed there before its chunk is given.
    """
    threads: set[int] = set()
    files: list[Any] = []
    real = Path.open

    def watched(self: Path, *args: Any, **kwargs: Any) -> Any:
        threads.add(threading.get_ident())
        files.append(real(self, *args, **kwargs))
        return files[-1]

    monkeypatch.setattr(Path, "open", watched)
    part = await prepare(on_disk_before(tmp_path))
    async for _ in part.stream():
        assert all(file.closed for file in files)

    assert len(files) == 4
    assert threading.get_ident() not in threads


def on_disk_before(directory: Path) -> Path:
    """
    Put a file that takes three reads on the disk, without `Path.open`.
    """
    descriptor = os.open(directory / "a.jpg", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, bytes(3 * READ))
    os.close(descriptor)
    return directory / "a.jpg"


@pytest.mark.parametrize("base", [Short, Unseekable])
async def test_a_file_object_is_read_off_the_event_loop(base: Callable[[bytes], Any]) -> None:
    """
    A file object is read in worker threads.
    """
    threads: set[int] = set()

    file = base(bytes(2 * CHUNK))
    real: Callable[[int], bytes] = file.read

    def watched(size: int) -> bytes:
        threads.add(threading.get_ident())
        return real(size)

    file.read = watched
    await collect(await prepare(file))

    assert threads
    assert threading.get_ident() not in threads


async def test_an_iterable_is_read_off_the_event_loop() -> None:
    """
    An iterable may block, so it is read in a worker thread.
    """
    threads: set[int] = set()

    def watched() -> Iterator[bytes]:
        threads.add(threading.get_ident())
        yield JPEG

    await prepare(watched())

    assert threads
    assert threading.get_ident() not in threads


async def test_memory_is_flat(tmp_path: Path) -> None:
    """
    A file of 10 MB takes the memory of a few chunks and two reads: a thread may still hold the last one.
    """
    path = tmp_path / "video.mp4"
    path.write_bytes(b"\x00\x00\x00\x20ftypisom" + bytes(10 * MIB - 12))
    # What is made once, at the first use, is not the file's.
    [_ async for _ in (await prepare(on_disk(bytes(CHUNK), tmp_path))).stream()]
    tracemalloc.start()
    try:
        part = await prepare(path)
        sent = 0
        async for chunk in part.stream():
            sent += len(chunk)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert sent == int(part.headers["Content-Length"])
    assert peak < 2 * READ + 4 * CHUNK


async def test_a_body_given_up_leaves_nothing_open(tmp_path: Path) -> None:
    """
    A body may be dropped or cancelled half-way: there is nothing to close, and it can be read again.
    """
    whole = os.urandom(2 * READ)
    part = await prepare(on_disk(whole, tmp_path))
    stream = part.stream()
    await anext(stream)
    with anyio.CancelScope() as scope:
        scope.cancel()
        [_ async for _ in stream]
    del stream
    gc.collect()

    assert scope.cancelled_caught
    assert await content(part) == whole


async def test_a_read_that_hangs_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Cancelling does not wait for a stream that gives nothing; the thread ends when the stream gives again.
    """
    entered, released, ended = threading.Event(), threading.Event(), threading.Event()
    given = 0
    gather = file_content._gather

    def watched(*args: Any) -> bytes:
        try:
            return gather(*args)
        finally:
            ended.set()

    def stuck() -> Iterator[bytes]:
        nonlocal given
        while True:
            entered.set()
            released.wait(10)
            given += 1
            yield b"x"

    async def read() -> None:
        await prepare(stuck())

    monkeypatch.setattr(file_content, "_gather", watched)
    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await anyio.to_thread.run_sync(entered.wait, 10)
        group.cancel_scope.cancel()
    before = given
    released.set()

    assert before == 0
    assert await anyio.to_thread.run_sync(ended.wait, 10)
    assert given == 1


def test_a_task_cancelled_by_asyncio_leaves_nothing_open(tmp_path: Path) -> None:
    """
    Asyncio's own cancellation, which no scope shields from, leaves no file open either.
    """
    path = on_disk(bytes(3 * READ), tmp_path)

    async def main() -> None:
        part = await FilePart.prepare(path, limit=10 * MIB)
        for steps in range(8):
            task = asyncio.create_task(collect(part))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        gc.collect()

    asyncio.run(main())
