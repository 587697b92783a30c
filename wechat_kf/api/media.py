"""
Temporary media: upload a file for a message, download what a customer sent.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, Literal

import attrs

from .._errors import ReplyError
from .._wire.arguments import required
from .._wire.download import Download
from .._wire.endpoint import Call, Endpoint
from .._wire.file_content import FileInput
from .._wire.metadata import FORMERLY
from .._wire.multipart import FilePart
from .._wire.tolerant import Tolerant
from .chapter import Chapter
from .download import MediaDownload

__all__ = ["DOWNLOAD_TEMP_MEDIA", "UPLOAD_TEMP_MEDIA", "MediaCalls", "MediaType", "TempMedia"]

MediaType = Literal["image", "voice", "video", "thumb"]


@attrs.frozen
class TempMedia(Tolerant):
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
    created_at: datetime | None = None


_MANUAL: Final = "https://developers.weixin.qq.com/doc/service/api/material/temporary/"

UPLOAD_TEMP_MEDIA: Final = Endpoint(
    "POST", "/cgi-bin/media/upload", TempMedia, manual=f"{_MANUAL}api_uploadtempmedia.html"
)
DOWNLOAD_TEMP_MEDIA: Final = Endpoint(
    "GET", "/cgi-bin/media/get", Download, manual=f"{_MANUAL}api_getmedia.html", reads=True
)

_MIB: Final = 1024 * 1024

# The manual's sizes and formats; where it says both 2 and 10 MB for an image, 10 is what passes.
_LIMITS: Final[dict[str, tuple[int, tuple[str, ...]]]] = {
    "image": (10 * _MIB, ("image/jpeg", "image/png", "image/gif")),
    "voice": (2 * _MIB, ("audio/amr", "audio/mpeg")),
    "video": (10 * _MIB, ("video/mp4",)),
    "thumb": (64 * 1024, ("image/jpeg",)),
}


class MediaCalls(Chapter):
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
        download = await self.request(Call(DOWNLOAD_TEMP_MEDIA, {"media_id": required("media_id", media_id)}))
        if download.json is not None:
            # A video comes as JSON that says where it is.
            url = _video_url(download.json)
            try:
                download = await self.request(Call(DOWNLOAD_TEMP_MEDIA, url=url))
            except ValueError:
                raise _no_address() from None
            if download.json is not None:
                raise ReplyError(
                    "The video's address does not lead to a file.", effect="none", endpoint=DOWNLOAD_TEMP_MEDIA.path
                )
        media = MediaDownload(download)
        try:
            yield media
        finally:
            media.leave()
            await download.body.aclose()


def _video_url(answer: dict[str, Any]) -> str:
    url = answer.get("video_url")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise _no_address()
    return url


def _no_address() -> ReplyError:
    return ReplyError(
        "The answer holds neither a file nor a video's address.",
        where="$.video_url",
        effect="none",
        endpoint=DOWNLOAD_TEMP_MEDIA.path,
    )
