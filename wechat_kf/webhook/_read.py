"""
Reading the fields of a push into the class of its kind. A push is never lost for a field: at worst it is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, cast, get_args

import attrs

from .._redact import get_logger
from ._events import (
    ClickEvent,
    KfCloseSessionEvent,
    KfCreateSessionEvent,
    KfSwitchSessionEvent,
    LocationEvent,
    LocationSelectEvent,
    PicEvent,
    ScanCodeEvent,
    ScanEvent,
    SubscribeEvent,
    UnsubscribeEvent,
    UserDataEvent,
    UserEnterTempsessionEvent,
    ViewEvent,
    ViewMiniProgramEvent,
)
from ._fields import Field, name_of, read_time, wire_fields
from ._messages import (
    FileMessage,
    ImageMessage,
    LinkMessage,
    LocationMessage,
    MiniProgramPageMessage,
    ShortVideoMessage,
    TextMessage,
    VideoMessage,
    VoiceMessage,
)
from ._platform import AuthorizedPush, ComponentVerifyTicketPush, UnauthorizedPush
from ._push import Push, UnknownMessage, UnknownPush

__all__ = ["NO_TIME", "read_push"]

_log = get_logger("wechat_kf.webhook")

NO_TIME: Final = datetime.fromtimestamp(0, UTC)
"""
The `create_time` of a push that does not say when it was made.
"""


def _by_name(attribute: str, kinds: Iterable[type[Push]]) -> dict[str, type[Push]]:
    return {name: kind for kind in kinds for name in get_args(attrs.fields_dict(kind)[attribute].type)}


_KINDS: Final[dict[str, tuple[type[Push], ...]]] = {
    "msg_type": (
        TextMessage,
        ImageMessage,
        VoiceMessage,
        VideoMessage,
        ShortVideoMessage,
        LocationMessage,
        LinkMessage,
        FileMessage,
        MiniProgramPageMessage,
    ),
    "event": (
        SubscribeEvent,
        UnsubscribeEvent,
        ScanEvent,
        LocationEvent,
        ClickEvent,
        ViewEvent,
        ViewMiniProgramEvent,
        ScanCodeEvent,
        PicEvent,
        LocationSelectEvent,
        KfCreateSessionEvent,
        KfCloseSessionEvent,
        KfSwitchSessionEvent,
        UserEnterTempsessionEvent,
        UserDataEvent,
    ),
    "info_type": (ComponentVerifyTicketPush, AuthorizedPush, UnauthorizedPush),
}
_FIELDS: Final[dict[type[Push], list[Field]]] = {
    kind: wire_fields(kind) for kind in (*(kind for kinds in _KINDS.values() for kind in kinds), UnknownMessage)
}
_MESSAGES, _EVENTS, _PLATFORM = (_by_name(attribute, kinds) for attribute, kinds in _KINDS.items())


def read_push(fields: Mapping[str, Any], *, is_json: bool) -> Push:
    """
    Read the fields of a push, as `Push.raw` keeps them, into its class. Nothing is verified.

    What its kind must have and lacks makes it an `UnknownMessage` if it has a sender and a message id, else an
    `UnknownPush`.

    Args:
        fields: The fields by their wire names.

        is_json: Whether they came as JSON.
    """
    push = _read(fields, fields, is_json)
    if isinstance(push, UnknownPush):
        said = _tidy(fields, is_json=is_json)
        if said != fields:
            push = _read(said, fields, is_json)
    return push


def _read(said: Mapping[str, Any], raw: Mapping[str, Any], is_json: bool) -> Push:
    sender, made, msg_type = name_of(said.get("FromUserName")), _time(said), name_of(said.get("MsgType"))
    kinds: tuple[type[Push] | None, ...] = ()
    named: dict[str, Any] = {}
    # A message is told from its repetition by its number, all else by its time.
    if msg_type == "event":
        named["event"] = name_of(said.get("Event"))
        if sender and made != NO_TIME:
            kinds = (_EVENTS.get(named["event"]),)
    elif msg_type or "InfoType" not in said:
        if sender:
            kinds = (_MESSAGES.get(msg_type), UnknownMessage if "MsgId" in said else None)
    elif made != NO_TIME:
        named["info_type"] = name_of(said.get("InfoType"))
        kinds = (_PLATFORM.get(named["info_type"]),)
    base: dict[str, Any] = {
        "to_user_name": name_of(said.get("ToUserName")),
        "from_user_name": sender,
        "create_time": made,
        "msg_type": msg_type,
        "raw": raw,
        "is_json": is_json,
    }
    for kind in kinds:
        if kind is not None:
            values = base | named
            if _add_own(values, kind, said):
                return kind(**values)
    return UnknownPush(**base)


def _tidy(fields: Mapping[str, Any], *, is_json: bool) -> dict[str, Any]:
    # The manual's own samples of user-data events have keys that begin with a blank.
    if is_json:
        return {name.strip(): value for name, value in fields.items()}
    # Of elements that occur twice the last counts, as of JSON's keys.
    return {name: value[-1] if type(value) is list else value for name, value in fields.items()}


def _time(said: Mapping[str, Any]) -> datetime:
    try:
        return read_time(said.get("CreateTime"))
    except ValueError:
        return NO_TIME


def _add_own(values: dict[str, Any], kind: type[Push], said: Mapping[str, Any]) -> bool:
    """
    Read the fields of a kind's own; False if one that it must have is missing or unreadable.
    """
    for name, wire, within, read, required in _FIELDS[kind]:
        value = _inside(said, within, wire) if within else said.get(wire)
        if not required and (value is None or value == ""):
            continue
        try:
            values[name] = read(value)
        except ValueError as error:
            _tell_once(kind.__name__, wire, "is missing" if value is None else f"is not {error}")
            if required:
                return False
    return True


def _inside(said: Mapping[str, Any], within: str, wire: str) -> object:
    place = said.get(within)
    return cast("dict[str, Any]", place).get(wire) if type(place) is dict else None


@cache
def _tell_once(kind: str, wire: str, problem: str) -> None:
    _log.warning("%s of a push (%s) %s. The push is handled, and its raw fields have what came.", wire, kind, problem)
