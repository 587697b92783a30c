"""
What a file is, told from its first bytes, and the name it is sent under.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import Final

__all__ = ["HEAD", "file_type", "safe_name"]

_EXTENSIONS: Final = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "audio/amr": ".amr",
    "audio/mpeg": ".mp3",
    "video/mp4": ".mp4",
}

_MAGIC: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"#!AMR", "audio/amr"),
    (b"ID3", "audio/mpeg"),
    # WeChat takes none of these; they are known so that the refusal can name them.
    (b"OggS", "audio/ogg"),
    (b"BM", "image/bmp"),
    (b"%PDF-", "application/pdf"),
)

# The major brand after `ftyp`; any other is an MP4 video.
_BRANDS: Final = {
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heic",
    b"avif": "image/avif",
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
}

HEAD: Final = 12
"""
How many bytes the type is told from.
"""


def _sniff(head: bytes) -> str | None:
    """
    Tell the content type from a file's first bytes; None when they do not say.
    """
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12])
    # An MPEG audio frame begins with eleven set bits; the layer bits 01 say layer III.
    if len(head) >= 2 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2:
        return "audio/mpeg"
    return None


def file_type(head: bytes, allowed: Collection[str] | None, content_type: str | None) -> str:
    """
    Decide which content type a file has.
    """
    found = _sniff(head)
    given = None
    if content_type is not None:
        # Printable ASCII only, since it is written into a header.
        if re.fullmatch(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(;[ -~]*)?", content_type, re.ASCII) is None:
            raise ValueError(f"content_type must look like image/jpeg, not {content_type!r}")
        given = content_type.partition(";")[0].lower()
    if allowed is not None and (found or given) not in allowed:
        what = found or f"of unknown type (it begins with {head.hex(' ')})"
        raise ValueError(f"the file is {what}; allowed are {', '.join(sorted(allowed))}")
    return given if given in _EXTENSIONS else found or given or "application/octet-stream"


def safe_name(name: str, kind: str) -> str:
    """
    Make a name of ASCII letters, digits, dots and hyphens, with the extension of the content type.
    """
    own = PurePosixPath(name.replace("\\", "/"))
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", own.stem)[:64].strip("-._")
    extension = _EXTENSIONS.get(kind) or (own.suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,10}", own.suffix) else ".bin")
    return (stem or "media") + extension
