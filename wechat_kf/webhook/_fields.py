"""
How the fields of a push are read: each kind's plan, made once from its annotations.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple, cast, get_args

import attrs

from .._wire.text import sendable
from ._push import Push

__all__ = ["Field", "name_of", "read_time", "read_whole", "wire_fields"]

_WHOLE: Final = re.compile(r"\s*(-?[0-9]{1,20})(?:\.0*)?\s*")


class Field(NamedTuple):
    """
    How a field is read.

    Attributes:
        name: The attribute's name.

        wire: The wire's name.

        within: The wire's name of the object it stands in, if not in the push itself.

        read: Reads the wire's value; a `ValueError` if it does not fit.

        required: Whether the push is not of its kind without it.
    """

    name: str
    wire: str
    within: str | None
    read: Callable[[object], object]
    required: bool


def name_of(value: object) -> str:
    """
    Read an id or the name of a kind, which never begins or ends with a blank; empty if it is none.
    """
    if type(value) is str:
        return (value if value.isprintable() else sendable(value)).strip()
    return str(value) if type(value) is int else ""


def read_whole(value: object) -> int:
    """
    Read a whole number, also as ``"5"``, ``5.0`` or ``"5.0"``.
    """
    if type(value) is int:
        return value
    if type(value) is str:
        if value.isdigit() and value.isascii() and len(value) <= 20:
            return int(value)
        if found := _WHOLE.fullmatch(value):
            return int(found[1])
    elif type(value) is float and value.is_integer() and abs(value) < 2**63:
        return int(value)
    raise ValueError("a whole number")


def read_time(value: object) -> datetime:
    """
    Read Unix seconds.
    """
    try:
        return datetime.fromtimestamp(read_whole(value), UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError("a time in Unix seconds") from None


def _text(value: object) -> str:
    if type(value) is str:
        return value if value.isprintable() else sendable(value)
    # A menu's key or a scene that looks like a number is one in JSON.
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return str(value)
    raise ValueError("a text")


def _number(value: object) -> float:
    if type(value) is str or type(value) is int or type(value) is float:
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise ValueError("a number")


def _every(name: str, value: object) -> tuple[str, ...]:
    """
    Read the texts of one name, wherever they stand below: XML and JSON nest lists differently.
    """
    return tuple(map(_text, _below(name, value)))


def _below(name: str, value: object) -> Iterator[object]:
    if type(value) is dict:
        for key, each in cast("dict[str, object]", value).items():
            if key == name:
                yield from cast("list[object]", each) if type(each) is list else [each]
            else:
                yield from _below(name, each)
    elif type(value) is list:
        for each in cast("list[object]", value):
            yield from _below(name, each)


_READERS: Final[dict[Any, Callable[[object], object]]] = {str: _text, int: read_whole, float: _number}

# What is read of every push, or is no wire field.
_OTHERS: Final = frozenset(
    {"to_user_name", "from_user_name", "create_time", "msg_type", "event", "info_type"}
    | {"raw", "is_json", "attempt", "sealed_by"}
)


def wire_fields(kind: type[Push]) -> list[Field]:
    """
    Plan how the fields of a kind's own are read.
    """
    attrs.resolve_types(kind)
    return [_field(each) for each in attrs.fields(kind) if each.name not in _OTHERS]


def _field(attribute: attrs.Attribute[Any]) -> Field:
    metadata = attribute.metadata
    wire = metadata.get("wire") or "".join([word.capitalize() for word in attribute.name.split("_")])
    # The annotation is a type, or a type or None.
    read = _READERS.get((get_args(attribute.type) or (attribute.type,))[0], _text)
    if "every" in metadata:
        read = partial(_every, metadata["every"])
    return Field(attribute.name, wire, metadata.get("within"), read, attribute.default is attrs.NOTHING)
