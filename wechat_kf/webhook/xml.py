"""
WeChat's XML as nested mappings: reading what strangers send, writing what cannot be broken out of.

Read, an element with children is a dict, one without is its text, siblings of one name are a list; attributes are not
used. Blanks beside a CDATA section do not count; those in it do, and so do those of a text without a section.

Written, a list is a row of ``<item>`` elements, as in ``Articles``, and every text stands in CDATA.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast
from xml.parsers import expat

from .._errors import ParseError
from .._wire.text import join_halves

__all__ = ["MAX_DEPTH", "read_xml", "render_xml"]

MAX_DEPTH: Final = 16
"""
The deepest nesting that is read; WeChat's own pushes have 5 levels.
"""

_BLANKS: Final = " \t\r\n"

# Everything but what XML 1.0 calls Char.
_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# A section that is never closed is taken to the end, lest each of many such be searched to the end again.
_CDATA_OR_REFERENCE: Final = re.compile(r"(<!\[CDATA\[(?:.*?\]\]>|.*))|&#(?:x([0-9a-fA-F]+)|([0-9]+));", re.DOTALL)


def read_xml(body: bytes) -> dict[str, Any]:
    """
    Read a document into the mapping below its root element.

    Characters that XML 1.0 forbids are dropped, broken UTF-8 becomes U+FFFD.

    Raises:
        ParseError: It is not XML, has a DOCTYPE, is nested too deeply, or its root has no children.
    """
    try:
        return _parse(body)
    except expat.ExpatError:
        pass
    # "WeRoBot#420": one control character of one customer must not make the account fall silent.
    try:
        return _parse(_repair(body))
    except expat.ExpatError as error:
        raise ParseError(f"The push is not well-formed XML: {expat.ErrorString(error.code)}.") from None


def _parse(body: bytes, *, look_at_sections: bool = False) -> dict[str, Any]:
    stack: list[dict[str, Any]] = [{}]
    text: list[str] = []
    is_in_pieces = False

    def start(_name: str, _attributes: object) -> None:
        if len(stack) > MAX_DEPTH:
            raise ParseError("The push is nested too deeply.")
        stack.append({})
        text.clear()

    def end(name: str) -> None:
        nonlocal is_in_pieces
        value: Any = stack.pop()
        if not value:
            if len(text) == 1:
                value = text[0]
                # An empty section may stand beside it.
                if value[0] <= " ":
                    is_in_pieces = True
            elif text:
                value = "".join(text)
                is_in_pieces = True
            else:
                value = ""
        text.clear()
        parent = stack[-1]
        if name not in parent:
            parent[name] = value
        elif type(parent[name]) is list:
            parent[name].append(value)
        else:
            parent[name] = [parent[name], value]

    # The encoding is WeChat's; a declaration of another is overruled.
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text.append
    parser.StartDoctypeDeclHandler = _refuse_doctype
    if look_at_sections:
        _drop_blanks_beside_sections(parser, text, start, end)
    parser.Parse(body, True)
    # To look at every section takes half as long again, and WeChat's own pushes do not need it.
    if is_in_pieces and not look_at_sections and _has_blanks_beside_sections(body):
        return _parse(body, look_at_sections=True)
    (root,) = stack[0].values()
    if type(root) is not dict:
        raise ParseError("The push is empty.")
    return cast("dict[str, Any]", root)


def _has_blanks_beside_sections(body: bytes) -> bool:
    # Or a comment, or text beside a section, or markup in one: each is rare, and each is no harm.
    sections = body.count(b"<!")
    return body.count(b"><![CDATA[") != sections or body.count(b"]]><") != sections


def _drop_blanks_beside_sections(
    parser: expat.XMLParserType, text: list[str], start: Callable[[str, object], None], end: Callable[[str], None]
) -> None:
    """
    Let a parser drop what stands beside an element's CDATA sections, if it is blank.

    Args:
        parser: The parser.

        text: The pieces of the present element's text.

        start: What the parser does where an element begins.

        end: What it does where one ends.
    """
    # How many pieces stood before the end of the element's last section; None before its first.
    pieces: int | None = None

    def start_element(name: str, attributes: object) -> None:
        nonlocal pieces
        pieces = None
        start(name, attributes)

    def start_section() -> None:
        if not "".join(text[pieces:]).strip(_BLANKS):
            del text[pieces:]

    def end_section() -> None:
        nonlocal pieces
        pieces = len(text)

    def end_element(name: str) -> None:
        nonlocal pieces
        if pieces is not None:
            start_section()
            pieces = None
        end(name)

    parser.StartElementHandler, parser.EndElementHandler = start_element, end_element
    parser.StartCdataSectionHandler, parser.EndCdataSectionHandler = start_section, end_section


def _refuse_doctype(*_: object) -> None:
    raise ParseError("The push has a DOCTYPE; WeChat's have none.")


def _repair(body: bytes) -> bytes:
    text = _ILLEGAL.sub("", join_halves(body).decode("utf-8", "replace"))
    text = _CDATA_OR_REFERENCE.sub(_without_illegal_reference, text)
    # Two halves of a surrogate pair that stand together are the character; others are dropped.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore").encode()


def _without_illegal_reference(match: re.Match[str]) -> str:
    section, hexadecimal, decimal = match.groups()
    if section is not None:
        return str(section)
    digits = (hexadecimal or decimal).lstrip("0")
    if len(digits) > 7:
        return ""
    code = int(digits or "0", 16 if hexadecimal else 10)
    if 0xD800 <= code <= 0xDFFF:
        return chr(code)
    return match.group() if code <= 0x10FFFF and not _ILLEGAL.match(chr(code)) else ""


def render_xml(fields: Mapping[str, Any]) -> bytes:
    """
    Write a mapping as the children of ``<xml>``; characters that XML 1.0 forbids are dropped.

    Raises:
        TypeError: A value is none of a text, a number, a mapping and a sequence; its markup would be taken for ours.
    """
    return _element("xml", fields).encode()


def _element(name: str, value: object) -> str:
    if isinstance(value, Mapping):
        inner = "".join([_element(key, each) for key, each in cast("Mapping[str, object]", value).items()])
    elif isinstance(value, str):
        # A section cannot hold its own end: it is cut in two there.
        inner = f"<![CDATA[{_ILLEGAL.sub('', value).replace(']]>', ']]]]><![CDATA[>')}]]>"
    elif isinstance(value, Sequence):
        inner = "".join([_element("item", each) for each in cast("Sequence[object]", value)])
    elif isinstance(value, int | float):
        inner = str(value)
    else:
        raise TypeError(f"{name} cannot be a {type(value).__name__}")
    return f"<{name}>{inner}</{name}>"
