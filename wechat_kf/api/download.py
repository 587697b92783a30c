"""
A file on its way in: iterated over, read or saved.
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
    Read the name in a Content-Disposition, without what could lead out of a folder or no file's name may hold.
    """
    # The standard library reads all its forms.
    headers = Headers()
    headers["Content-Disposition"] = disposition
    try:
        name = headers.get_filename("")
    except ValueError:
        # The name is written in a charset that cannot be read so.
        return None
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(each for each in last if each.isprintable() and each not in '<>:"|?*').strip(" .") or None


class MediaDownload:
    """
    A file on its way in: iterate over it, read it, or save it; once.

    Attributes:
        content_type: Its type, such as ``image/jpeg``; None if WeChat named none.

        filename: Its name, safe in any folder; None if WeChat named none.
    """

    def __init__(self, download: Download) -> None:
        self._chunks = aiter(download.body)
        self._intact = True
        content_type = download.headers.get("content-type", "").partition(";")[0].strip().lower()
        self.content_type: str | None = content_type or None
        self.filename: str | None = _filename(download.headers.get("content-disposition", ""))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._intact:
            raise RuntimeError("this download broke off or was left; its rest cannot be had")
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            raise
        except BaseException:
            # What comes after that would look like the end of the file.
            self.leave()
            raise

    def leave(self) -> None:
        """
        Give nothing more; the ``async with`` block does this at its end.
        """
        self._intact = False

    async def read(self) -> bytes:
        """
        Return the rest of the file.
        """
        return b"".join([chunk async for chunk in self])

    async def save(self, path: str | os.PathLike[str]) -> None:
        """
        Write the rest of the file to a path, which appears whole or not at all.

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
                # What was taken is lost.
                self.leave()
                raise
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(part.discard)
