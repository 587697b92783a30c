"""
Characters as a reader sees them: the grapheme clusters of UAX #29, as a pattern over the classes of the code points.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from unicodedata import category

__all__ = ["clusters"]

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


def clusters(content: str) -> Iterator[int]:
    """
    Find where each character of a text begins.
    """
    return (cluster.start() for cluster in _CLUSTER.finditer(content.translate(_Classes())))
