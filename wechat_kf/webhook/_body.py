"""
Reading the body of a push, or what was sealed in one, by what it is, whatever its Content-Type.
"""

from __future__ import annotations

from typing import Any, Final, cast

from .._errors import ParseError
from .._wire.json import read_json
from .._wire.text import join_halves
from .xml import MAX_DEPTH, read_xml

__all__ = ["read_body"]

_BOM: Final = b"\xef\xbb\xbf"


def read_body(body: bytes) -> tuple[dict[str, Any], bool]:
    """
    Read XML or JSON: the fields, and whether it was JSON.

    Raises:
        ParseError: It is neither, or empty, or nested too deeply.
    """
    body = body.removeprefix(_BOM).lstrip()
    if not body.startswith(b"{"):
        return read_xml(body), False
    fields: dict[str, Any] | None
    try:
        fields = read_json(join_halves(body))
    except ValueError:
        # The parser's error holds all that the customer wrote, so that ours must not come of it.
        fields = None
    if fields is None:
        raise ParseError("The push is not well-formed JSON.")
    if not fields:
        raise ParseError("The push is empty.")
    _limit_depth(fields, MAX_DEPTH)
    return fields, True


def _limit_depth(value: dict[str, Any] | list[Any], depth: int) -> None:
    if not depth:
        raise ParseError("The push is nested too deeply.")
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, (dict, list)):
            _limit_depth(cast("dict[str, Any] | list[Any]", each), depth - 1)
