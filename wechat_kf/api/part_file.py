"""
A file that appears whole or not at all.
"""

from __future__ import annotations

from contextlib import suppress
from io import BufferedWriter
from pathlib import Path
from secrets import token_hex
from threading import Lock

__all__ = ["PartFile"]


class PartFile:
    """
    A file beside its target until it is whole, written step by step in worker threads.

    A native cancellation on asyncio leaves a thread running, so a step waits for the one before, and after the last
    one there is none.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._path = target.parent / f"{token_hex(8)}.part"
        self._lock = Lock()
        self._file: BufferedWriter | None = None
        self._over = False

    def open(self) -> None:
        """
        Make the file beside the target.
        """
        with self._lock:
            if not self._over:
                self._file = self._path.open("xb")

    def write(self, chunk: bytes) -> None:
        """
        Write on.
        """
        with self._lock:
            if self._file is not None:
                self._file.write(chunk)

    def publish(self) -> None:
        """
        Put the whole file in the target's place.
        """
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._path.replace(self._target)

    def discard(self) -> None:
        """
        Remove what was not published, and do nothing more.
        """
        with self._lock:
            self._over = True
            file, self._file = self._file, None
            if file is not None:
                with suppress(OSError):
                    file.close()
                self._path.unlink(missing_ok=True)
