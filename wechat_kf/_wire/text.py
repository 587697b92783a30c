"""
Text as WeChat can be sent it, whatever a model or a terminal has put into it.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["hold_back", "join_halves", "sendable"]

# JSON can only escape most of them, and WeChat refuses escapes (40033); XML 1.0 forbids most of them, and the last two.
_UNSENDABLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")

# A character beyond the first plane as two halves, each encoded by itself (CESU-8), as some Java programs write it.
_HALVES: Final = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")


def sendable(text: str) -> str:
    r"""
    Drop what WeChat cannot be sent, and nothing that a customer would see.

    ``\r\n`` and ``\r`` become ``\n``; other control characters and lone halves of a surrogate pair are dropped; two
    halves that stand together become the one character they are.
    """
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    return _UNSENDABLE.sub("", text)


def hold_back(piece: str) -> tuple[str, str]:
    r"""
    Split a piece of a stream in two: what can go now, and what the next piece may complete.

    The second part is empty, half a surrogate pair or a ``\r``; put it before the next piece.
    """
    is_open = piece[-1:] == "\r" or "\ud800" <= piece[-1:] <= "\udbff"
    return (piece[:-1], piece[-1]) if is_open else (piece, "")


def join_halves(body: bytes) -> bytes:
    """
    Make two halves of a surrogate pair, each in UTF-8 by itself, the one character they are.
    """
    return _HALVES.sub(_joined, body) if b"\xed" in body else body


def _joined(halves: re.Match[bytes]) -> bytes:
    text = halves[0].decode("utf-8", "surrogatepass")
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le").encode()
