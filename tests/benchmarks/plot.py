"""
The plot for the README: bars, written as SVG by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

__all__ = ["bars"]

_WIDTH: Final = 760
_LEFT: Final = 210
_ROW: Final = 26
_TOP: Final = 52

# It follows the reader's light or dark page.
_STYLE: Final = """
    text { font: 13px system-ui, sans-serif; fill: #1f2328; }
    .title { font-weight: 600; font-size: 15px; }
    .note { font-size: 11px; fill: #656d76; }
    .ours { fill: #07a35a; }
    .theirs { fill: #9aa4af; }
    .limit { fill: #d0d7de; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .note { fill: #8d96a0; }
      .theirs { fill: #6e7681; }
      .limit { fill: #3d444d; }
    }
"""


def bars(title: str, note: str, rows: Sequence[tuple[str, float]], kinds: Mapping[str, str]) -> str:
    """
    Draw one bar for each row, as long as its figure.

    Args:
        title: Stands above.

        note: Stands below.

        rows: Labels and figures.

        kinds: ``ours`` or ``limit`` for some of the labels; the rest are theirs.
    """
    most = max(figure for _, figure in rows)
    height = _TOP + _ROW * len(rows) + 34
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" role="img">',
        f"  <title>{escape(title)}</title>",
        f"  <style>{_STYLE}  </style>",
        f'  <text class="title" x="12" y="26">{escape(title)}</text>',
    ]
    for number, (label, figure) in enumerate(rows):
        y = _TOP + _ROW * number
        width = max(1, round((_WIDTH - _LEFT - 70) * figure / most))
        lines += [
            f'  <text x="{_LEFT - 10}" y="{y + 15}" text-anchor="end">{escape(label)}</text>',
            f'  <rect class="{kinds.get(label, "theirs")}" x="{_LEFT}" y="{y}" width="{width}" height="20" rx="3"/>',
            f'  <text x="{_LEFT + width + 6}" y="{y + 15}">{figure:,.0f}</text>',
        ]
    lines += [f'  <text class="note" x="12" y="{height - 12}">{escape(note)}</text>', "</svg>", ""]
    return "\n".join(lines)
