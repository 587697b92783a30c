r"""
A journal in a file: a line of JSON for each step, only ever added to.

Strategy. That a message is about to be sent is on the disk (fsync) before it leaves, so that not even a machine that
loses its power sends it again. What became of it is written before it is told, and is on the disk with the next
message of its slot: lost to a power cut, it counts as uncertain, and at most `concurrency` do. One write and one fsync
serve all the messages that wait for it at that time.

The file belongs to the process that has locked it, and the system unlocks it when that dies. What a write that broke
off has left is cut away; after a crash the last line may be torn, and its row counts as uncertain.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Final

import anyio
import attrs
from anyio import to_thread

from .._errors import JournalError
from ._journal import Entry, OpenJournal
from .lines import check_header, entry_line, header_line, read_entry

__all__ = ["FileJournal"]

# The first line is not longer than this, in bytes; an appid has 18.
_LONGEST_HEADER: Final = 4096

# A line's beginning, from which its row can be told although the rest is missing.
_BEGINNING: Final = re.compile(rb'\{"index":(\d{1,15}),')


class FileJournal:
    """
    Keep the journal of a broadcast in a file, so that a run that was killed can be started again.

    ::

        async for outcome in kf.send_each(pairs, journal=FileJournal("spring-sale.jsonl")):
            ...

    The file is made if it is not there, for its owner only, since it names customers; the messages are not in it. Its
    first line names the account; each other line is a step of a row: its ``index``, ``touser``, ``digest`` of customer
    and message, ``state`` (``sending``, ``delivered``, ``uncertain`` or ``failed``), and the ``error`` if there is one.
    Of a row's lines the last counts. Delete the file when it is not needed any more.

    Args:
        path: The file, on a disk of this machine. To go on from another machine, use `RedisJournal` of
            `wechat_kf.stores.redis`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._path)!r})"

    @asynccontextmanager
    async def open(self, account: str) -> AsyncGenerator[OpenJournal]:
        """
        Lock the file for one run and read it.

        Raises:
            JournalError: Another run has it, it cannot be read or written, or it is not a journal of this account.
        """
        file = await to_thread.run_sync(_OpenFile, self._path, account)
        try:
            yield file
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(file.close)


class _OpenFile:
    """
    A journal's file, locked and read.
    """

    def __init__(self, path: Path, account: str) -> None:
        self._path = path
        self._entries: dict[int, Entry] = {}
        # Lines to be written, how many there ever were, and how many of them are in the file.
        self._lines: list[bytes] = []
        self._added = self._written = 0
        self._turn = anyio.Lock()
        self._failure: JournalError | None = None
        try:
            self._file = _open(path)
            try:
                self._size = self._read(account)
            except BaseException:
                self._file.close()
                raise
        except OSError as error:
            raise self._unusable(error) from error

    @property
    def entries(self) -> Mapping[int, Entry]:
        """
        The last entry of each row.
        """
        return self._entries

    async def write(self, entry: Entry) -> None:
        """
        Add a line; return when it is in the file, and on the disk if a message is to be sent.

        Raises:
            JournalError: It cannot be written; then nothing can from now on.
        """
        self._lines.append(entry_line(entry))
        self._added += 1
        number = self._added
        async with self._turn:
            if self._written >= number:
                # With those of another.
                return
            if self._failure is not None:
                raise self._failure
            lines, self._lines = self._lines, []
            try:
                with anyio.CancelScope(shield=True):
                    await to_thread.run_sync(self._add, lines)
            except OSError as error:
                self._failure = self._unusable(error)
                raise self._failure from error
            self._written += len(lines)

    def close(self) -> None:
        """
        Close the file, which unlocks it, with all of it on the disk.
        """
        with self._file, suppress(OSError):
            os.fsync(self._file.fileno())

    def _add(self, lines: list[bytes]) -> None:
        data = memoryview(b"".join(lines))
        try:
            while data:
                data = data[self._file.write(data) :]
            if any(b'"state":"sending"' in line for line in lines):
                os.fsync(self._file.fileno())
        except OSError:
            # None of these messages will be sent.
            with suppress(OSError):
                self._file.truncate(self._size)
            raise
        self._size += sum(map(len, lines))

    def _read(self, account: str) -> int:
        """
        Read the file and mend its end; return its size.
        """
        header, size = header_line(account), 0
        with open(self._file.fileno(), "rb", closefd=False) as file:
            first = file.readline(_LONGEST_HEADER)
            if header.startswith(first) and first != header:
                # It is empty, or its making was cut off.
                self._file.truncate(0)
                self._size = 0
                self._add([header])
                os.fsync(self._file.fileno())
                _keep_name(self._path)
                return self._size
            check_header(first, account, self._path)
            size += len(first)
            last = b""
            for number, last in enumerate(file, start=2):
                if not last.endswith(b"\n"):
                    break
                self._take(last, number)
                size += len(last)
            else:
                return size
        self._file.truncate(size)
        self._size = size
        self._mend(last)
        return self._size

    def _take(self, line: bytes, number: int) -> None:
        entry = read_entry(line)
        if entry is None:
            raise JournalError(f"Line {number} of {self._path} is not one of a journal")
        self._entries[entry.index] = entry

    def _mend(self, torn: bytes) -> None:
        """
        Put in place of a last line that does not end what is known by it.
        """
        entry = read_entry(torn)
        if entry is None and (beginning := _BEGINNING.match(torn)) is not None:
            index = int(beginning[1])
            known = self._entries.get(index, Entry(index, "", "", "sending"))
            if known.state != "delivered":
                entry = attrs.evolve(known, state="uncertain", error="the journal's last line was torn")
        # Of a line of which not even the row can be read nothing was sent: it is on the disk before that.
        if entry is not None:
            self._entries[entry.index] = entry
            self._add([entry_line(entry)])

    def _unusable(self, error: OSError) -> JournalError:
        return JournalError(f"The journal {self._path} cannot be used: {error.strerror or error}. Nothing more is sent")


def _open(path: Path) -> FileIO:
    """
    Open a file and take it.
    """
    file = FileIO(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600), "r+")
    try:
        _take_alone(file, path)
    except BaseException:
        file.close()
        raise
    return file


def _take_alone(file: FileIO, path: Path) -> None:
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        raise JournalError(f"The journal {path} is not a file")
    try:
        if sys.platform == "win32":  # pragma: no cover - the tests run where there is flock
            import msvcrt  # noqa: PLC0415 - only there

            # A byte far behind the end, since locked bytes cannot be read.
            file.seek(2**40)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            file.seek(0)
        else:
            import fcntl  # noqa: PLC0415 - not everywhere

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        raise JournalError(f"Another run has the journal {path}. Nothing was sent") from None


def _keep_name(path: Path) -> None:
    """
    Put on the disk that there is such a file.
    """
    # Not everywhere can a folder be opened.
    with suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
