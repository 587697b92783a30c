"""
Files: uploaded for three days, or kept for good.
"""

from __future__ import annotations

from math import inf
from random import Random
from typing import Final

import attrs

from .limits import Limits
from .request import Request
from .response import OK, Refusal, Response, Result
from .upload import content_type_of, extension_of

__all__ = ["VIDEO_PATH", "Media"]

VIDEO_PATH: Final = "/video"
"""
Where the files behind a ``video_url`` lie, which WeChat keeps on another host.
"""


@attrs.frozen
class _Type:
    extensions: tuple[str, ...]
    content_types: tuple[str, ...]
    too_large: int


_JPEG: Final = ("image/jpeg", "image/jpg")
_TYPES: Final[dict[str, _Type]] = {
    "image": _Type(("png", "jpg", "gif"), (*_JPEG, "image/png", "image/gif"), 40009),
    "voice": _Type(("amr", "mp3"), ("audio/amr", "audio/mpeg", "audio/mp3"), 40010),
    "video": _Type(("mp4",), ("video/mp4",), 40011),
    "thumb": _Type(("jpg",), _JPEG, 40012),
}


@attrs.frozen
class _File:
    type: str
    content: bytes
    expires: float


class Media:
    """
    The files of the account.
    """

    def __init__(self, limits: Limits, random: Random) -> None:
        self._limits = limits
        self._random = random
        self._files: dict[str, _File] = {}

    def keep(self, type: str, content: bytes, media_id: str | None = None, expires: float = inf) -> str:
        """
        Keep a file. Says its media_id.
        """
        if media_id is None:
            media_id = f"{self._random.getrandbits(256):064x}"
        self._files[media_id] = _File(type, content, expires)
        return media_id

    def has(self, media_id: str) -> bool:
        """
        Tell whether there is a file, expired or not.
        """
        return media_id in self._files

    def read(self, media_id: str, at: float) -> bytes:
        """
        Return a file's content, or refuse a media_id that is unknown or expired.
        """
        return self._find(media_id, at).content

    def check(self, media_id: str, types: tuple[str, ...], at: float) -> None:
        """
        Refuse a media_id that is unknown, expired or of another type.
        """
        if self._find(media_id, at).type not in types:
            raise Refusal(40007)

    def upload(self, request: Request) -> Result:
        """
        Answer ``media/upload``.
        """
        name = request.query.get("type", "")
        kind = _TYPES.get(name)
        if kind is None:
            raise Refusal(40004)
        part = request.upload()
        if part is None:
            raise Refusal(41005)
        if not part.content:
            raise Refusal(44001)
        if len(part.content) > int(getattr(self._limits, name)):
            raise Refusal(kind.too_large)
        # Nothing where there is no dot.
        ending = str(part.filename).lower().partition(".")[2].rpartition(".")[2].replace("jpeg", "jpg")
        if (
            extension_of(part.content) not in kind.extensions
            or ending not in kind.extensions
            or (part.content_type is not None and part.content_type not in kind.content_types)
        ):
            raise Refusal(40005)
        media_id = self.keep(name, part.content, expires=request.at + self._limits.media)
        # A thumb's id comes under a name of its own.
        key = "thumb_media_id" if name == "thumb" else "media_id"
        return {**OK, "type": name, key: media_id, "created_at": int(request.at), "item": []}

    def download(self, request: Request) -> Result:
        """
        Answer ``media/get``.
        """
        media_id = request.query.get("media_id", "")
        if not media_id:
            raise Refusal(41006)
        file = self._find(media_id, request.at)
        if file.type == "video":
            return Response.of_json({"video_url": f"{request.base_url}{VIDEO_PATH}?id={media_id}"}, "text/plain")
        return self._send(media_id, file)

    def video(self, request: Request) -> Result:
        """
        Answer a GET of a ``video_url``.
        """
        media_id = request.query.get("id", "")
        return self._send(media_id, self._find(media_id, request.at))

    def _find(self, media_id: str, at: float) -> _File:
        file = self._files.get(media_id)
        if file is None or at >= file.expires:
            raise Refusal(40007)
        return file

    def _send(self, media_id: str, file: _File) -> Response:
        extension = extension_of(file.content) or "bin"
        return Response(
            200,
            content_type_of(file.content),
            file.content,
            {"content-disposition": f'attachment; filename="{media_id}.{extension}"'},
        )
