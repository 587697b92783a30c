"""
Cut a long text into parts that a message can carry, where a reader minds it least.

Every border between two characters gets a level: what would be lost by a cut there. One pass over the text then cuts
whenever the bytes run out, at the last border of the best level since the cut before. Both are linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from unicodedata import category

__all__ = ["split_text"]

# The levels, the best first.
_LINE, _WORD, _GRAPHEME, _ELEMENT, _CODE_POINT = range(5)

_LINE_ENDS: Final = "\n\v\f\r\x85\u2028\u2029"
_NO_BREAK_SPACES: Final = "\xa0\u2007\u202f"
# Chinese has no spaces; a reader pauses after these.
_CJK_PAUSES: Final = "。，、；：！？…）》〉」』】〕”’"

_TAG: Final = re.compile(r"<a[\s>]|(</a\s*>)", re.IGNORECASE)

# ---- grapheme clusters ---------------------------------------------------------------------------------------------

# The clusters of UAX #29, in the form of its table 1b, over a text in which every code point is replaced by the letter
# of its class. Where `unicodedata` does not know a class, a larger one stands for it: all symbols for the pictographs,
# all letters of the Indic scripts for their consonants, all spacing marks for those that join; so that a cluster is
# rather too large than cut. Only the rare prepended marks stand alone. Possessive, so that nothing is read twice.
_CLUSTER: Final = re.compile(
    r"""
    rn | [rnc]
  | (?: l*+ (?: v++ | a v*+ | b ) t*+ | l++ | t++       # a Hangul syllable
      | ff                                              # a flag: two regional indicators
      | p (?: e*+ z p )*+                               # pictographs joined by U+200D
      | i (?: (?= [ez]*+ k ) [ezk]*+ i )*+              # Indic consonants joined by a virama
      | .
    ) [ezmk]*+                                          # marks, whatever they stand on
    """,
    re.VERBOSE,
)

_SINGLE: Final = {
    0x0D: "r",
    0x0A: "n",
    0x200C: "m",  # ZWNJ keeps consonants apart, so that it is no `e`
    0x200D: "z",
    0x2194: "p",  # the one arrow of an emoji sequence that is no symbol of the category So
    0x0E33: "m",
    0x0EB3: "m",
    0xFF9E: "e",
    0xFF9F: "e",
} | dict.fromkeys((0x94D, 0x9CD, 0xACD, 0xB4D, 0xC4D, 0xD4D), "k")

_RANGES: Final = (
    (0x1100, 0x115F, "l"),
    (0x1160, 0x11A7, "v"),
    (0x11A8, 0x11FF, "t"),
    (0xA960, 0xA97C, "l"),
    (0xD7B0, 0xD7C6, "v"),
    (0xD7CB, 0xD7FB, "t"),
    (0x1F1E6, 0x1F1FF, "f"),
    (0x1F3FB, 0x1F3FF, "e"),  # skin tones
    (0x1F000, 0x1FAFF, "p"),  # also those that this Python does not know yet
    (0xE0020, 0xE007F, "e"),  # the letters of a region's flag
)

_CATEGORIES: Final = {
    "Mn": "e",
    "Me": "e",
    "Mc": "m",
    "So": "p",
    "Cc": "c",
    "Cf": "c",
    "Zl": "c",
    "Zp": "c",
}


class _Classes(dict[int, str]):
    """
    The class of each code point as one letter, found when `str.translate` asks for it.
    """

    def __missing__(self, code: int) -> str:
        self[code] = letter = self._find(code)
        return letter

    @staticmethod
    def _find(code: int) -> str:
        if code in _SINGLE:
            return _SINGLE[code]
        if 0xAC00 <= code <= 0xD7A3:
            return "b" if (code - 0xAC00) % 28 else "a"
        for first, last, letter in _RANGES:
            if first <= code <= last:
                return letter
        kind = category(chr(code))
        if kind == "Lo" and 0x900 <= code <= 0xD7F:
            return "i"
        return _CATEGORIES.get(kind, "o")


# ---- borders -------------------------------------------------------------------------------------------------------


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
    for cluster in _CLUSTER.finditer(content.translate(_Classes())):
        at = cluster.start()
        levels[at] = _level_after(content[at - 1])
    for begin, end in _elements(content):
        for at in range(begin + 1, end):
            levels[at] = max(levels[at], _ELEMENT)
    return levels


def _width(char: str) -> int:
    return 1 if char < "\x80" else 2 if char < "\u0800" else 3 if char < "\U00010000" else 4


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
