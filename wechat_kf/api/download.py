"""
A file being downloaded: iterated over, read or saved.
"""

from __future__ import annotations

import os
from email.message import Message as Headers
from pathlib import Path
from typing import Self

import anyio
from anyio import to_thread

from .._wire.download import Download
from .part_file import PartFile

__all__ = ["MediaDownload"]


def _filename(disposition: str) -> str | None:
    """
    Read the file name of a Content-Disposition, without folders and without characters that a file name must not have.
    """
    # The standard library reads all its forms.
    headers = Headers()
    headers["Content-Disposition"] = disposition
    try:
        name = headers.get_filename("")
    except ValueError:
        # It is not in the charset that it claims.
        return None
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(each for each in last if each.isprintable() and each not in '<>:"|?*').strip(" .") or None


class MediaDownload:
    """
    A file being downloaded: iterate over it, read it or save it, once.

    Attributes:
        content_type: Its content type, such as ``image/jpeg``; None if WeChat gave none.

        filename: Its name, safe to use in any folder; None if WeChat gave none.
    """

    def __init__(self, download: Download) -> None:
        self._chunks = aiter(download.body)
        self._can_read_on = True
        content_type = download.headers.get("content-type", "").partition(";")[0].strip().lower()
        self.content_type: str | None = content_type or None
        self.filename: str | None = _filename(download.headers.get("content-disposition", ""))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._can_read_on:
            raise RuntimeError("the download was interrupted or closed; the rest is not available")
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            raise
        except BaseException:
            # Otherwise the next chunk asked for would look like the end of the file.
            self.stop()
            raise

    def stop(self) -> None:
        """
        Refuse to read on; leaving the ``async with`` block does this.
        """
        self._can_read_on = False

    async def read(self) -> bytes:
        """
        Read the rest of the file.
        """
        return b"".join([chunk async for chunk in self])

    async def save(self, path: str | os.PathLike[str]) -> None:
        """
        Write the rest of the file to a path, which appears complete or not at all.

        Raises:
            OSError: It cannot be written.
        """
        part = PartFile(Path(path))
        try:
            await to_thread.run_sync(part.open)
            try:
                async for chunk in self:
                    await to_thread.run_sync(part.write, chunk)
                await to_thread.run_sync(part.publish)
            except BaseException:
                # The chunks written so far are lost.
                self.stop()
                raise
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(part.discard)
