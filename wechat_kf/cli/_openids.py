"""
Files of openids, as people make them: with a byte order mark, Windows' line ends, blank lines, repetitions.
"""

from __future__ import annotations

import re
import sys
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path
from typing import Final

import attrs

from ._exits import CommandError, Exit

__all__ = ["Recipients", "check_openid", "read_openids"]

_OPENID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")

# So many wrong lines are named.
_NAMED: Final = 10


@attrs.frozen
class Recipients:
    """
    Whom to write to.

    Attributes:
        openids: Each once, in the file's order.

        lines: The line of each in its file; empty if there is no file.

        repeated: The lines of those that stand there again, with the line of the first.
    """

    openids: tuple[str, ...]
    lines: tuple[int, ...] = ()
    repeated: tuple[tuple[int, int], ...] = ()


def check_openid(openid: str) -> str:
    """
    Return an openid.

    Raises:
        CommandError: It cannot be one.
    """
    if _OPENID.fullmatch(openid) is None:
        raise CommandError(Exit.USAGE, f"{openid!r} is no openid: it has letters, digits, - and _ only.")
    return openid


def read_openids(path: Path) -> Recipients:
    """
    Read a file with an openid a line; ``-`` is the standard input.

    Raises:
        CommandError: A line holds something else, or there is none.
    """
    name = "The standard input" if str(path) == "-" else str(path)
    first: dict[str, int] = {}
    repeated: list[tuple[int, int]] = []
    wrong: list[str] = []
    for number, line in enumerate(_lines(path, name), 1):
        openid = line.strip()
        if not openid:
            continue
        if _OPENID.fullmatch(openid) is None:
            wrong.append(f"line {number}: {_short(openid)}")
        elif openid in first:
            repeated.append((number, first[openid]))
        else:
            first[openid] = number
    if wrong:
        more = f"; and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        named = "; ".join(wrong[:_NAMED])
        raise CommandError(Exit.USAGE, f"{name} has lines that are no openids ({named}{more}). Nothing was sent.")
    if not first:
        raise CommandError(Exit.USAGE, f"{name} has no openid.")
    return Recipients(tuple(first), tuple(first.values()), tuple(repeated))


def _lines(path: Path, name: str) -> list[str]:
    content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    encoding = "utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise CommandError(Exit.USAGE, f"{name}, line {number}: it is not text in UTF-8. Nothing was sent.") from None
    # Not by splitlines, which would end lines where no editor does.
    return re.split(r"\r\n|\n|\r", text)


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}…")
