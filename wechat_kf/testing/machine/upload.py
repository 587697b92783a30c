"""
Reading ``multipart/form-data`` as narrowly as WeChat does, and knowing files by their first bytes.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

__all__ = ["Part", "content_type_of", "extension_of", "read_parts"]

_CONTENT_TYPES: Final = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "amr": "audio/amr",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
}

# Unquoted: WeChat is reported not to find the parts behind a quoted boundary.
_BOUNDARY: Final = re.compile(r'multipart/form-data\s*;.*?\bboundary=([^\s";,]+)', re.IGNORECASE)
# WxJava#3280: without the parameter, the boundary is the body's first line.
_WITHOUT_BOUNDARY: Final = re.compile(r"multipart/form-data\s*(?:;(?!.*\bboundary=).*)?", re.IGNORECASE)
_FIRST_LINE: Final = re.compile(rb"--([^\s\"]{1,70})\r\n")
_NAME: Final = re.compile(r'[;\s]name="?([^";]*)"?', re.IGNORECASE)
# RFC 2231's `filename*=` is not understood.
_FILENAME: Final = re.compile(r'[;\s]filename="?([^";]*)"?', re.IGNORECASE)


@attrs.frozen
class Part:
    """
    One part of a form.

    Attributes:
        name: The field's name.

        filename: The file's name; None if the part has none.

        content_type: The part's type, in lower case; None if it names none.

        content: The bytes.
    """

    name: str
    filename: str | None
    content_type: str | None
    content: bytes = attrs.field(repr=lambda content: f"<{len(content)} bytes>")


def read_parts(content_type: str, body: bytes) -> tuple[Part, ...]:
    """
    Split a form into its parts; nothing if it is not one, or not whole.
    """
    boundary = _boundary_of(content_type, body)
    if boundary is None:
        return ()
    marker = b"\r\n--" + boundary
    pieces = (b"\r\n" + body).split(marker)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        return ()
    return tuple(_read_part(piece) for piece in pieces[1:-1])


def _boundary_of(content_type: str, body: bytes) -> bytes | None:
    named = _BOUNDARY.match(content_type)
    if named is not None:
        return named.group(1).encode("latin-1")
    first = _FIRST_LINE.match(body) if _WITHOUT_BOUNDARY.fullmatch(content_type) else None
    return None if first is None else first.group(1)


def _read_part(piece: bytes) -> Part:
    head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    headers: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    disposition = headers.get("content-disposition", "")
    name_found = _NAME.search(disposition)
    file_found = _FILENAME.search(disposition)
    return Part(
        name_found.group(1) if name_found else "",
        file_found.group(1) if file_found and file_found.group(1) else None,
        headers["content-type"].lower() if "content-type" in headers else None,
        content,
    )


def extension_of(content: bytes) -> str | None:
    """
    Name a file's kind by its first bytes: ``jpg``, ``png``, ``gif``, ``amr``, ``mp3``, ``mp4``, or None.
    """
    if content.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if content.startswith(b"#!AMR"):
        return "amr"
    # Either a tag, or the eleven set bits that begin a frame.
    if content.startswith(b"ID3") or (content[:1] == b"\xff" and content[1:2] >= b"\xe0"):
        return "mp3"
    return "mp4" if content[4:8] == b"ftyp" else None


def content_type_of(content: bytes) -> str:
    """
    Name a file's type by its first bytes, as HTTP does.
    """
    return _CONTENT_TYPES.get(extension_of(content) or "", "application/octet-stream")
