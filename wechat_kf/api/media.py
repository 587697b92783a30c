"""
Temporary media: upload a file for a message, download what a customer sent.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from email.message import Message as Headers
from io import BufferedWriter
from pathlib import Path
from secrets import token_hex
from threading import Lock
from typing import Any, Final, Literal, Self, cast

import anyio
import attrs
from anyio import to_thread

from .._errors import ReplyError
from .._wire.arguments import required
from .._wire.endpoint import Call, Download, Endpoint
from .._wire.fields import FORMERLY, Timestamp
from .._wire.multipart import FileInput, FilePart
from .chapter import Chapter

__all__ = ["DOWNLOAD_TEMP_MEDIA", "UPLOAD_TEMP_MEDIA", "Media", "MediaDownload", "MediaType", "TempMedia"]

MediaType = Literal["image", "voice", "video", "thumb"]


@attrs.frozen
class TempMedia:
    """
    An uploaded file.

    Attributes:
        type: What it is.

        media_id: Its id, good for any number of messages.

        created_at: When it was uploaded; it lives 3 days.
    """

    type: str
    # The answer for a thumb names the id after its type.
    media_id: str = attrs.field(metadata={FORMERLY: "thumb_media_id"})
    created_at: Timestamp = None


_MANUAL: Final = "https://developers.weixin.qq.com/doc/service/api/material/temporary/"

UPLOAD_TEMP_MEDIA: Final = Endpoint(
    "POST", "/cgi-bin/media/upload", TempMedia, manual=f"{_MANUAL}api_uploadtempmedia.html"
)
DOWNLOAD_TEMP_MEDIA: Final = Endpoint(
    "GET",
    "/cgi-bin/media/get",
    cast("type[dict[str, Any]]", dict),
    manual=f"{_MANUAL}api_getmedia.html",
    repeatable=True,
)

_MIB: Final = 1024 * 1024

# The manual's sizes and formats; where it says both 2 and 10 MB for an image, 10 is what passes.
_LIMITS: Final[dict[str, tuple[int, tuple[str, ...]]]] = {
    "image": (10 * _MIB, ("image/jpeg", "image/png", "image/gif")),
    "voice": (2 * _MIB, ("audio/amr", "audio/mpeg")),
    "video": (10 * _MIB, ("video/mp4",)),
    "thumb": (64 * 1024, ("image/jpeg",)),
}


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
        self._chunks = aiter(download)
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
        part = _PartFile(Path(path))
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


class _PartFile:
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
        with self._lock:
            if not self._over:
                self._file = self._path.open("xb")

    def write(self, chunk: bytes) -> None:
        with self._lock:
            if self._file is not None:
                self._file.write(chunk)

    def publish(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._path.replace(self._target)

    def discard(self) -> None:
        with self._lock:
            self._over = True
            file, self._file = self._file, None
            if file is not None:
                with suppress(OSError):
                    file.close()
                self._path.unlink(missing_ok=True)


class Media(Chapter):
    """
    The chapter on temporary media.
    """

    async def upload_temp_media(
        self,
        type: MediaType,
        file: FileInput,
        *,
        filename: str | None = None,
        content_type: str | None = None,
    ) -> TempMedia:
        """
        Upload a file for messages; it lives 3 days.

        Args:
            type: ``image`` (JPEG, PNG, GIF, at most 10 MiB), ``voice`` (AMR, MP3, 2 MiB, 60 s), ``video`` (MP4, 10 MiB)
                or ``thumb`` (JPEG, 64 KiB).

            file: A path, bytes, a binary file object, or an (async) iterable of bytes.

            filename: The name to send; made safe ASCII with an extension.

            content_type: The type to send instead of the one the content shows.

        Raises:
            ValueError: Empty, too large or of a wrong type; nothing was sent.

            InvalidArgument: WeChat does not take the file (40004, 40005, 40009 to 40012, 45007).

        Manual: https://developers.weixin.qq.com/doc/service/api/material/temporary/api_uploadtempmedia.html
        """
        if type not in _LIMITS:
            raise ValueError(f"type must be one of {', '.join(_LIMITS)}, not {type!r}")
        limit, allowed = _LIMITS[type]
        part = await FilePart.prepare(file, limit=limit, allowed=allowed, filename=filename, content_type=content_type)
        return await self.request(Call(UPLOAD_TEMP_MEDIA, {"type": type}, file=part))

    @asynccontextmanager
    async def download_temp_media(self, media_id: str) -> AsyncGenerator[MediaDownload]:
        """
        Download a file that a customer sent or that was uploaded, of any size, as it comes.

        ::

            async with kf.download_temp_media(media_id) as media:
                await media.save("picture.jpg")

        Args:
            media_id: Its id.

        Raises:
            NotFound: Unknown or older than 3 days (40007).

            ReplyError: The answer is neither a file nor a video's address.

        Manual: https://developers.weixin.qq.com/doc/service/api/material/temporary/api_getmedia.html
        """
        call = Call(DOWNLOAD_TEMP_MEDIA, {"media_id": required("media_id", media_id)})
        async with AsyncExitStack() as stack:
            opened = await stack.enter_async_context(self._download(call))
            if isinstance(opened, dict):
                # A video comes as JSON that says where it is; that address needs no token.
                url = _video_url(opened)
                try:
                    opened = await stack.enter_async_context(self._download(url))
                except ValueError:
                    raise _no_address() from None
            if isinstance(opened, dict):
                raise ReplyError("The video's address does not lead to a file.", endpoint=DOWNLOAD_TEMP_MEDIA.path)
            media = MediaDownload(opened)
            try:
                yield media
            finally:
                media.leave()


def _video_url(answer: dict[str, Any]) -> str:
    url = answer.get("video_url")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise _no_address()
    return url


def _no_address() -> ReplyError:
    return ReplyError(
        "The answer holds neither a file nor a video's address.",
        where="$.video_url",
        endpoint=DOWNLOAD_TEMP_MEDIA.path,
    )
