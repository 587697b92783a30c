"""
Markdown as language models write it, read by markdown-it-py (extra ``markdown``): CommonMark and its tables.

Two things are read otherwise: emphasis beside Chinese, which CommonMark refuses where punctuation touches it, and
formulas, in which nothing is emphasis.
"""

from __future__ import annotations

import re
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter

__all__ = ["make_parser"]

# From here on Unicode has the scripts of East Asia and their punctuation. The other signs are used in Chinese, too.
_FIRST_CJK: Final = "\u2e80"
_CJK_SIGNS: Final = "“”‘’…—·"

# A formula is no longer than this, so that signs without a partner do not each look through the whole text.
_FORMULA: Final = re.compile(
    r"""
    \$\$ (?P<display> [^$]{1,1000} ) \$\$
  | (?<![0-9A-Za-z]) \$ (?! \s ) (?P<inline> [^$\n]{0,300} (?<! [\s\\] ) ) (?<! \$ ) \$ (?! [0-9A-Za-z] )  # no price
  | \\\( (?P<round> .{1,300}? ) \\\)
  | \\\[ (?P<square> .{1,1000}? ) \\\]
    """,
    re.VERBOSE | re.DOTALL,
)
_FORMULA_LINES: Final = 50
_DISPLAY: Final = {"$$": "$$", "\\[": "\\]"}


def make_parser() -> MarkdownIt:
    """
    Make the parser.
    """
    parser = MarkdownIt("commonmark", {"maxNesting": 30})
    parser.enable("table")
    # Its tags are read as inline ones.
    parser.disable("html_block")
    parser.inline.ruler.at("emphasis", _read_emphasis)
    parser.inline.ruler.before("escape", "formula", _read_formula)
    parser.block.ruler.before("fence", "formula", _read_display, {"alt": ["paragraph"]})
    return parser


def _read_emphasis(state: StateInline, silent: bool) -> bool:
    """
    Read a run of ``*`` or ``_``, and note whether it can open or close emphasis.

    CommonMark lets a run open emphasis if no white space follows, and if punctuation follows, only after white space
    or punctuation; likewise for closing. Here Chinese punctuation is none, and a Chinese character before or behind is
    as good as white space.
    """
    begin, marker = state.pos, state.src[state.pos]
    if silent or marker not in "*_":
        return False
    end = begin
    while end < state.posMax and state.src[end] == marker:
        end += 1
    before, after = state.src[begin - 1 : begin] or " ", state.src[end : end + 1] or " "
    opens = not after.isspace() and (not _is_punctuation(after) or not _is_letter(before))
    closes = not before.isspace() and (not _is_punctuation(before) or not _is_letter(after))
    if marker == "_" or end - begin == 1:
        # Within words this is no emphasis; in Markdown proper ``2*3*4`` loses its signs.
        opens, closes = opens and not before.isalnum(), closes and not after.isalnum()
    for _ in range(end - begin):
        token = state.push("text", "", 0)
        token.content = marker
        state.delimiters.append(Delimiter(ord(marker), end - begin, len(state.tokens) - 1, -1, opens, closes))
    state.pos = end
    return True


def _is_cjk(char: str) -> bool:
    return char >= _FIRST_CJK or char in _CJK_SIGNS


def _is_punctuation(char: str) -> bool:
    return not (char.isalnum() or char.isspace() or _is_cjk(char))


def _is_letter(char: str) -> bool:
    return char.isalnum() and not _is_cjk(char)


def _read_formula(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "$\\":
        return False
    formula = _FORMULA.match(state.src, state.pos)
    if formula is None:
        return False
    if not silent:
        state.push("formula", "", 0).content = formula[formula.lastgroup or 0].strip()
    state.pos = formula.end()
    return True


def _read_display(state: StateBlock, begin: int, end: int, silent: bool) -> bool:
    """
    Read a formula on lines of its own, which may begin with signs that make lists.
    """

    def line(number: int) -> str:
        return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]].rstrip()

    first = line(begin)
    closing = _DISPLAY.get(first[:2])
    if closing is None or state.is_code_block(begin) or closing in first[2:]:
        return False
    for last in range(begin + 1, min(end, begin + _FORMULA_LINES)):
        if not line(last) or state.sCount[last] < state.blkIndent:
            return False
        if line(last).endswith(closing):
            break
    else:
        return False
    if not silent:
        token = state.push("formula_block", "", 0)
        token.map = [begin, last + 1]
        token.content = "\n".join([first[2:], *map(line, range(begin + 1, last)), line(last)[:-2]]).strip()
        state.line = last + 1
    return True
