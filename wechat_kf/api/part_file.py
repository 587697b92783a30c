"""
A file that appears complete or not at all.
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
    A file written beside its target, and moved there when it is complete.

    Each step runs in a worker thread. asyncio's ``Task.cancel()`` leaves such a thread running, so a step waits for the
    one before it, and after `discard` a step does nothing.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._path = target.parent / f"{token_hex(8)}.part"
        self._lock = Lock()
        self._file: BufferedWriter | None = None
        self._is_discarded = False

    def open(self) -> None:
        """
        Create the file beside the target.
        """
        with self._lock:
            if not self._is_discarded:
                self._file = self._path.open("xb")

    def write(self, chunk: bytes) -> None:
        """
        Write the next chunk.
        """
        with self._lock:
            if self._file is not None:
                self._file.write(chunk)

    def publish(self) -> None:
        """
        Move the complete file to the target.
        """
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._path.replace(self._target)

    def discard(self) -> None:
        """
        Remove the file unless it was published.
        """
        with self._lock:
            self._is_discarded = True
            file, self._file = self._file, None
            if file is not None:
                with suppress(OSError):
                    file.close()
                self._path.unlink(missing_ok=True)
