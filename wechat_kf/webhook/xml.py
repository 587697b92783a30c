"""
WeChat's XML as nested mappings: reading what strangers send, writing what cannot be broken out of.

Read, an element with children is a dict, one without is its text, siblings of one name are a list; attributes are not
used. Written, a list is a row of ``<item>`` elements, as in ``Articles``, and every text stands in CDATA.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast
from xml.parsers import expat

from .._errors import ParseError

__all__ = ["MAX_DEPTH", "read_xml", "render_xml"]

MAX_DEPTH: Final = 16
"""
The deepest nesting that is read; WeChat's own pushes have 5 levels.
"""

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


def _parse(body: bytes) -> dict[str, Any]:
    stack: list[dict[str, Any]] = [{}]
    text: list[str] = []

    def start(_name: str, _attributes: object) -> None:
        if len(stack) > MAX_DEPTH:
            raise ParseError("The push is nested too deeply.")
        stack.append({})
        text.clear()

    def end(name: str) -> None:
        value = stack.pop() or "".join(text)
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
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text.append
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.Parse(body, True)
    (root,) = stack[0].values()
    if type(root) is not dict:
        raise ParseError("The push is empty.")
    return cast("dict[str, Any]", root)


def _refuse_doctype(*_: object) -> None:
    raise ParseError("The push has a DOCTYPE; WeChat's have none.")


def _repair(body: bytes) -> bytes:
    text = _ILLEGAL.sub("", body.decode("utf-8", "replace"))
    return _CDATA_OR_REFERENCE.sub(_without_illegal_reference, text).encode()


def _without_illegal_reference(match: re.Match[str]) -> str:
    section, hexadecimal, decimal = match.groups()
    if section is not None:
        return str(section)
    digits = (hexadecimal or decimal).lstrip("0")
    if len(digits) > 7:
        return ""
    code = int(digits or "0", 16 if hexadecimal else 10)
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
