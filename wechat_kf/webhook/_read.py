"""
Reading the fields of a push into the class of its kind.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, get_args

import attrs

from .._errors import ParseError
from ._events import (
    ClickEvent,
    KfCloseSessionEvent,
    KfCreateSessionEvent,
    KfSwitchSessionEvent,
    LocationEvent,
    ScanCodeEvent,
    ScanEvent,
    SubscribeEvent,
    UnsubscribeEvent,
    UserEnterTempsessionEvent,
    ViewEvent,
)
from ._messages import (
    ImageMessage,
    LinkMessage,
    LocationMessage,
    MiniProgramPageMessage,
    ShortVideoMessage,
    TextMessage,
    VideoMessage,
    VoiceMessage,
)
from ._push import Event, Push, UnknownPush, UserMessage

__all__ = [
    "read_push",
]


def _text(value: object) -> str:
    if type(value) is int:
        return str(value)
    if type(value) is not str:
        raise ValueError("a text")
    return value


def _integer(value: object) -> int:
    if type(value) is str and len(value) <= 20 and value.isascii() and value.strip().removeprefix("-").isdigit():
        return int(value)
    if type(value) is not int:
        raise ValueError("a whole number")
    return value


def _number(value: object) -> float:
    if type(value) is str or type(value) is int or type(value) is float:
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise ValueError("a number")


def _time(value: object) -> datetime:
    try:
        return datetime.fromtimestamp(_integer(value), UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError("a time in Unix seconds") from None


_READERS: Final[dict[Any, Callable[[object], object]]] = {
    str: _text,
    int: _integer,
    float: _number,
    datetime: _time,
}


class _Field(NamedTuple):
    name: str
    wire: str
    read: Callable[[object], object]
    required: bool


def _fields(kind: type[Push]) -> list[_Field]:
    attrs.resolve_types(kind)
    fields: list[_Field] = []
    for attribute in attrs.fields(kind):
        if attribute.name in ("raw", "is_json", "attempt"):
            continue
        wire = attribute.metadata.get("wire") or "".join([word.capitalize() for word in attribute.name.split("_")])
        alternatives = get_args(attribute.type) or (attribute.type,)
        # The annotation is a type, a type or None, or a Literal of strings.
        read = _READERS.get(alternatives[0], _text)
        fields.append(_Field(attribute.name, wire, read, type(None) not in alternatives))
    return fields


_FIELDS: Final[dict[type[Push], list[_Field]]] = {
    kind: _fields(kind)
    for kind in (
        TextMessage,
        ImageMessage,
        VoiceMessage,
        VideoMessage,
        ShortVideoMessage,
        LocationMessage,
        LinkMessage,
        MiniProgramPageMessage,
        SubscribeEvent,
        UnsubscribeEvent,
        ScanEvent,
        LocationEvent,
        ClickEvent,
        ViewEvent,
        ScanCodeEvent,
        KfCreateSessionEvent,
        KfCloseSessionEvent,
        KfSwitchSessionEvent,
        UserEnterTempsessionEvent,
        UnknownPush,
    )
}


def _by_name(family: type[Push], field: str) -> dict[str, type[Push]]:
    return {
        name: kind
        for kind in _FIELDS
        if issubclass(kind, family)
        for name in get_args(attrs.fields_dict(kind)[field].type)
    }


_MESSAGES: Final = _by_name(UserMessage, "msg_type")
_EVENTS: Final = _by_name(Event, "event")


def read_push(fields: dict[str, Any], *, is_json: bool) -> Push:
    """
    Read the fields of a push, as `Push.raw` keeps them, into its class. Nothing is verified.

    Args:
        fields: The fields by their wire names.

        is_json: Whether they came as JSON.

    Raises:
        ParseError: A field that this kind must have is missing or unreadable.
    """
    msg_type, event = fields.get("MsgType"), fields.get("Event")
    known, name = (_EVENTS, event) if msg_type == "event" else (_MESSAGES, msg_type)
    kind = known.get(name, UnknownPush) if type(name) is str else UnknownPush
    source = fields
    if type(fields.get("ScanCodeInfo")) is dict:
        source = fields | fields["ScanCodeInfo"]
    values: dict[str, Any] = {}
    for field in _FIELDS[kind]:
        value = source.get(field.wire)
        if not field.required and (value is None or value == ""):
            continue
        try:
            values[field.name] = field.read(value)
        except ValueError as error:
            if field.required:
                problem = "is missing" if value is None else f"is not {error}"
                raise ParseError(f"{field.wire} of the push ({kind.__name__}) {problem}.") from None
    return kind(**values, raw=fields, is_json=is_json)
