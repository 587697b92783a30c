"""
The rows of the manual's table of errcodes; ``python -m tests.errcode_table`` writes them into ``docs/errors.md``.
"""

from __future__ import annotations

import re
from pathlib import Path

from wechat_kf._errcodes import ERRCODES

__all__ = ["errcode_rows"]

PAGE = Path(__file__).parents[1] / "docs" / "errors.md"
HEAD = "| code | error | meaning | what to do |\n|---:|---|---|---|\n"


def errcode_rows() -> str:
    """
    Write one row for each code: its class, what happened, and what to do. Words of the code stand in backticks.
    """
    rows = [
        f"| {code} | `{known.family}` | {_quoted(known.meaning)} | {_quoted(known.remedy)} |\n"
        for code, known in sorted(ERRCODES.items())
    ]
    return HEAD + "".join(rows)


def _quoted(text: str) -> str:
    return re.sub(r"(?<!\w)(\w+_\w+|/[\w/-]+|\[[A-Za-z0-9_-]+\]|\\\w+)(?!\w)", r"`\1`", text)


if __name__ == "__main__":
    told, _, _ = PAGE.read_text(encoding="utf-8").partition(HEAD)
    PAGE.write_text(told + errcode_rows(), encoding="utf-8")
