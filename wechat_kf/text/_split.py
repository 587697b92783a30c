"""
Cut a long text into parts that a message can carry, where a reader minds it least.

Every border between two characters gets a level: what would be lost by a cut there. One pass over the text then cuts
whenever the bytes run out, at the last border of the best level since the cut before. Both are linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ._graphemes import clusters

__all__ = ["cut", "size", "split_text"]

# The levels, the best first.
_LINE, _WORD, _GRAPHEME, _ELEMENT, _CODE_POINT = range(5)

_LINE_ENDS: Final = "\n\v\f\r\x85\u2028\u2029"
_NO_BREAK_SPACES: Final = "\xa0\u2007\u202f"
# Chinese has no spaces; a reader pauses after these.
_CJK_PAUSES: Final = "。，、；：！？…）》〉」』】〕”’"

_TAG: Final = re.compile(r"<a[\s>]|(</a\s*>)", re.IGNORECASE)


def _elements(content: str) -> Iterator[tuple[int, int]]:
    """
    Find the links: where each begins and ends.
    """
    begin = None
    for tag in _TAG.finditer(content):
        if not tag[1]:
            begin = tag.start()
        elif begin is not None:
            yield begin, tag.end()
            begin = None


def _level_after(char: str) -> int:
    if char in _LINE_ENDS:
        return _LINE
    if char in _CJK_PAUSES or (char.isspace() and char not in _NO_BREAK_SPACES):
        return _WORD
    return _GRAPHEME


def _levels(content: str) -> bytearray:
    """
    Rate the border before each code point.
    """
    levels = bytearray([_CODE_POINT]) * len(content)
    for at in clusters(content):
        levels[at] = _level_after(content[at - 1])
    for begin, end in _elements(content):
        for at in range(begin + 1, end):
            levels[at] = max(levels[at], _ELEMENT)
    return levels


def _width(char: str) -> int:
    return 1 if char < "\x80" else 2 if char < "\u0800" else 3 if char < "\U00010000" else 4


def size(content: str) -> int:
    """
    Count the bytes of UTF-8.
    """
    return len(content.encode())


def cut(content: str, limit: int, least: int = 0) -> int:
    """
    Find where the first part of a text ends best, as in `split_text`; all of it if it fits.

    Args:
        content: The text.

        limit: The most bytes the part may have, at least 4.

        least: The bytes that it must have, even where a better end comes before; near the limit 3 fewer, which a
            character may need.

    Returns:
        The number of code points.
    """
    # A link that ends further on is too long to stay whole.
    window = content[: 2 * limit]
    least = min(least, limit - 3)
    ends = [0] * 5
    offset = 0
    for index, (char, level) in enumerate(zip(window, _levels(window), strict=True)):
        if offset >= least:
            ends[level] = index
        offset += _width(char)
        if offset > limit:
            return next(end for end in ends if end)
    return len(content)


def split_text(content: str, limit: int = 2048) -> list[str]:
    """
    Cut a text into parts of at most `limit` bytes of UTF-8, which joined are exactly the text.

    A part ends after a line if it can; else after a word or Chinese punctuation; else between two characters, as a
    reader sees them: an emoji or a letter with its marks stays whole. A link, ``<a …>…</a>``, stays whole as well.
    Only one that does not fit into a part by itself is cut, between characters; and a character that does not, between
    its code points.

    Args:
        content: The text. An empty one has no parts.

        limit: The most bytes a part may have, at least 4, which a code point may need.

    Raises:
        ValueError: The limit is less than 4, or the text holds a lone surrogate, which UTF-8 cannot carry.
    """
    if limit < 4:
        raise ValueError("limit must be at least 4 bytes, which one character may need")
    try:
        size = len(content.encode())
    except UnicodeEncodeError:
        raise ValueError("content holds a lone surrogate, which UTF-8 cannot carry") from None
    if size <= limit:
        return [content] if content else []

    parts: list[str] = []
    start, start_offset, offset = 0, 0, 0
    # For each level the last border: its index, and its offset in bytes.
    borders = [(0, 0)] * 5
    for index, (char, level) in enumerate(zip(content, _levels(content), strict=True)):
        borders[level] = (index, offset)
        offset += _width(char)
        while offset - start_offset > limit:
            end, start_offset = next(border for border in borders if border[0] > start)
            parts.append(content[start:end])
            start = end
    parts.append(content[start:])
    return parts
