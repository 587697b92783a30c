"""
Markdown as WeChat can show it: text with links, lists and tables as plain lines, whole or block by block as it streams.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Iterator, MutableMapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import attrs

from .._wire.text import hold_back, sendable
from ._streams import TextStream

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

__all__ = ["markdown_to_text", "stream_markdown"]

_RULE: Final = "———"
_TASKS: Final = {"[ ] ": "☐", "[x] ": "☑", "[X] ": "☑"}

# What WeChat opens from a text; other targets are left out.
_LINKED: Final = ("http", "https", "weixin")
_ADDRESSES: Final = ("mailto", "tel")

_TAG: Final = re.compile(r"<(?P<end>/?)(?P<name>[a-zA-Z][a-zA-Z0-9]*)(?P<attributes>[^>]*)>", re.DOTALL)
_HREF: Final = re.compile(r"""\shref\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)
# Tags of HTML that say how a text looks; what else stands in angle brackets is text, such as ``List<String>``.
_TAGS: Final = frozenset(
    (
        *("abbr", "b", "big", "blockquote", "center", "cite", "code", "del", "details", "div", "em", "figure", "font"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "mark", "ol", "p", "pre", "q", "s"),
        *("samp", "small", "span", "strike", "strong", "style", "sub", "summary", "sup", "table", "tbody", "td", "th"),
        *("thead", "tr", "u", "ul", "var"),
    )
)

_BLANK: Final = re.compile(r"[\s>]*")
_FENCE: Final = re.compile(r"\s*(?:(?:[-*+]|\d{1,9}[.)])\s+)*(`{3,}(?!.*`)|~{3,})")
_NUMBER: Final = re.compile(r"(\d{1,9})[.)]\s")
_UNFINISHED_NUMBER: Final = re.compile(r"\d{1,9}[.)]?")
_LONGEST_NUMBER: Final = 11


def markdown_to_text(markdown: str) -> str:
    """
    Make Markdown text as WeChat can show it. Needs the extra ``markdown``.

    Links and pictures become ``<a href="…">…</a>``, items of lists lines that begin with "•", "☐", "☑" or their number,
    rows of tables lines with "|" between the cells; code and formulas stay as they are. Emphasis and headings lose
    their marks, also next to Chinese punctuation, where Markdown proper would not see emphasis. Tags of HTML are left
    out, but for links and line breaks.

    Args:
        markdown: What a language model wrote.

    Raises:
        ImportError: The package markdown-it-py is not installed.
    """
    return _convert(sendable(markdown), {})


def stream_markdown(pieces: AsyncIterable[str | None]) -> TextStream:
    """
    Make a stream of Markdown text as `markdown_to_text` does, block by block, each as soon as it is whole.

    Made for `pack`: ``pack(stream_markdown(think(push.content)))``. The text is that of the whole, but a link whose
    target is told further down (``[text][1]``) has none.

    Args:
        pieces: What a language model writes; a piece may be empty or None. Closed with the iterator (``aclose()``),
            if it can be.

    Raises:
        ImportError: The package markdown-it-py is not installed.
    """
    _parser()
    return TextStream(pieces, _Blocks())


@cache
def _parser() -> MarkdownIt:
    try:
        from ._markdown_parser import make_parser  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ImportError("Markdown needs the package markdown-it-py: install wechat-kf[markdown]") from error
    return make_parser()


def _convert(markdown: str, env: MutableMapping[str, Any]) -> str:
    parser = _parser()
    blocks: list[_Node] = []
    # The lists of blocks that are open.
    path = [blocks]
    for token in parser.parse(markdown, env):
        if token.level >= parser.options["maxNesting"] - 1:
            # What is nested deeper than the parser goes would be lost.
            return markdown
        if token.nesting < 0:
            path.pop()
            continue
        path[-1].append(node := _Node(token))
        if token.nesting > 0:
            path.append(node.children)
    return "\n".join(_Writer(markdown).join(blocks))


@attrs.define
class _Node:
    """
    A block, with those in it.
    """

    token: Token
    children: list[_Node] = attrs.field(factory=list["_Node"])


class _Writer:
    """
    Writes blocks as lines.

    Args:
        markdown: Where the blocks come from: lines apart there are apart here.
    """

    def __init__(self, markdown: str) -> None:
        self._source = markdown.split("\n")

    def join(self, nodes: Sequence[_Node]) -> list[str]:
        """
        Write blocks below each other.
        """
        lines: list[str] = []
        is_apart = False
        for node in nodes:
            is_apart = is_apart or self._is_apart(node)
            written = self._write(node)
            if written:
                lines += ["", *written] if lines and is_apart else written
                is_apart = False
        return lines

    def _is_apart(self, node: _Node) -> bool:
        begin = node.token.map[0] if node.token.map else 0
        return begin > 0 and _BLANK.fullmatch(self._source[begin - 1]) is not None

    def _write(self, node: _Node) -> list[str]:
        token = node.token
        match token.type:
            case "inline":
                text = _Inline().write(token.children or []).strip()
                lines = [line.rstrip() for line in text.split("\n")] if text else []
            case "fence" | "code_block" | "formula_block":
                lines = token.content.rstrip().split("\n") if token.content.strip() else []
            case "hr":
                lines = [_RULE]
            case "bullet_list_open":
                lines = self._write_list(node, None)
            case "ordered_list_open":
                lines = self._write_list(node, int(token.attrs.get("start", 1)))
            case "blockquote_open":
                lines = [f"> {line}".rstrip() for line in self.join(node.children)]
            case "tr_open":
                lines = [" | ".join(" ".join(self.join(cell.children)) for cell in node.children).strip()]
            case _:
                # Paragraphs, headings, and the parts of a table.
                lines = self.join(node.children)
        return lines

    def _write_list(self, node: _Node, number: int | None) -> list[str]:
        lines: list[str] = []
        for index, item in enumerate(node.children):
            sign = "•"
            body = self.join(item.children)
            if number is not None:
                sign = f"{number + index}{node.token.markup}"
            elif body and body[0][:4] in _TASKS:
                sign, body[0] = _TASKS[body[0][:4]], body[0][4:]
            if lines and self._is_apart(item):
                lines.append("")
            first, *more = body or [""]
            lines.append(f"{sign} {first}".rstrip())
            lines += [f"{' ' * (len(sign) + 1)}{line}".rstrip() for line in more]
        return lines


class _Inline:
    """
    Writes what stands within a block.
    """

    def __init__(self) -> None:
        self._written: list[str] = []
        # The links that are open: where each begins, and its target.
        self._links: list[tuple[int, str]] = []

    def write(self, tokens: Sequence[Token]) -> str:
        """
        Write tokens as text.
        """
        for token in tokens:
            match token.type:
                case "softbreak" | "hardbreak":
                    self._written.append("\n")
                case "link_open":
                    self._open(str(token.attrs["href"]))
                case "link_close":
                    self._close()
                case "image":
                    self._open(str(token.attrs["src"]))
                    self._written.append("".join(child.content for child in token.children or []))
                    self._close()
                case "html_inline":
                    self._write_tag(token.content)
                case _:
                    # Of emphasis only the marks, which are empty.
                    self._written.append(token.content)
        return "".join(self._written)

    def _open(self, target: str) -> None:
        self._links.append((len(self._written), target))

    def _close(self) -> None:
        begin, target = self._links.pop()
        label = " ".join("".join(self._written[begin:]).split())
        del self._written[begin:]
        self._written.append(label if self._links else _link(label, target))

    def _write_tag(self, text: str) -> None:
        tag = _TAG.fullmatch(text)
        name = tag["name"].lower() if tag else ""
        if tag is None:
            self._written.append("" if text.startswith("<!--") else text)
        elif name == "br":
            self._written.append("\n")
        elif name == "a" and tag["end"]:
            if self._links:
                self._close()
        elif name == "a":
            href = _HREF.search(tag["attributes"])
            if href and not self._links:
                self._open(href[1])
        elif name not in _TAGS:
            self._written.append(text)


def _link(label: str, target: str) -> str:
    scheme, _, address = target.partition(":")
    if scheme.lower() in _LINKED and address.startswith("//"):
        # WeChat makes a bare address a link by itself.
        return target if label in ("", target) else f'<a href="{target}">{label}</a>'
    if scheme.lower() in _ADDRESSES and address not in label:
        return f"{label} ({address})".lstrip()
    return label


class _Blocks:
    """
    Cuts a stream of Markdown where a block certainly ends, and converts what is whole.

    That is before a line that is not indented and follows a blank one, outside of code. An item of a numbered list that
    continues the one before may stand alone: it brings its number.
    """

    def __init__(self) -> None:
        self._env: dict[str, Any] = {}
        self._held = ""
        self._lines: list[str] = []
        # The line that is being written: its beginning as far as it matters, and all of it in pieces.
        self._head = ""
        self._line: list[str] = []
        self._is_decided = False
        self._is_after_blank = False
        self._fence = ""
        self._number: int | None = None

    def add(self, piece: str) -> Iterator[str]:
        piece, self._held = hold_back(self._held + piece)
        return self._add(sendable(piece))

    def end(self) -> Iterator[str]:
        yield from self._add(sendable(self._held))
        self._lines.append("".join(self._line))
        if text := self._convert():
            yield text

    def _add(self, text: str) -> Iterator[str]:
        first, *more = text.split("\n")
        yield from self._write(first)
        for part in more:
            yield from self._decide(self._head + "\n")
            self._end_line()
            yield from self._write(part)

    def _write(self, part: str) -> Iterator[str]:
        self._line.append(part)
        if not self._is_decided:
            self._head = (self._head + part)[: _LONGEST_NUMBER + 1]
            if self._head and not _UNFINISHED_NUMBER.fullmatch(self._head):
                yield from self._decide(self._head)

    def _decide(self, head: str) -> Iterator[str]:
        """
        Decide whether the block before the present line is whole, given how the line begins.
        """
        if self._is_decided:
            return
        self._is_decided = True
        if self._fence or head[0].isspace():
            return
        number = int(found[1]) if (found := _NUMBER.match(head)) else None
        if self._is_after_blank and (number is None or self._number in (None, number - 1)):
            self._number = number
            if text := self._convert():
                yield f"{text}\n\n"
        elif number is not None:
            # In Markdown only the first number of a list counts.
            self._number = number if self._number is None else self._number + 1

    def _end_line(self) -> None:
        line = "".join(self._line)
        self._lines.append(line)
        self._line, self._head, self._is_decided = [], "", False
        self._is_after_blank = not line.strip()
        if not self._fence:
            fence = _FENCE.match(line)
            self._fence = fence[1] if fence else ""
        elif line.strip().startswith(self._fence) and not line.strip().strip(self._fence[0]):
            self._fence = ""

    def _convert(self) -> str:
        markdown = "\n".join(self._lines)
        self._lines = []
        return _convert(markdown, self._env)
