"""
What WeChat pushes, as one class for each kind, and the one function that reads them all.

A field's name is the wire's in snake_case, its annotation says how it is read: a field that may be None may be absent,
empty or unreadable (a customer's message is not lost for an ornament), every other one must be there and fit.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal, NamedTuple, get_args

import attrs

from .._errors import ParseError

__all__ = [
    "ClickEvent",
    "Event",
    "ImageMessage",
    "KfCloseSessionEvent",
    "KfCreateSessionEvent",
    "KfSwitchSessionEvent",
    "LinkMessage",
    "LocationEvent",
    "LocationMessage",
    "MiniProgramPageMessage",
    "Push",
    "ScanCodeEvent",
    "ScanEvent",
    "ShortVideoMessage",
    "SubscribeEvent",
    "TextMessage",
    "UnknownPush",
    "UnsubscribeEvent",
    "UserEnterTempsessionEvent",
    "UserMessage",
    "VideoMessage",
    "ViewEvent",
    "VoiceMessage",
    "read_push",
]


@attrs.frozen(kw_only=True)
class Push:
    """
    Anything that WeChat pushes.

    Attributes:
        to_user_name: The account's original id, ``gh_…``.

        from_user_name: The customer's openid; also as `openid`.

        create_time: When it happened, aware, in UTC.

        msg_type: The wire's ``MsgType``.

        raw: Every field as it came, by its wire name: strings from XML, native values from JSON.

        is_json: Whether it came as JSON, and so is answered in JSON.
    """

    to_user_name: str
    from_user_name: str
    create_time: datetime
    msg_type: str
    raw: Mapping[str, Any] = attrs.field(factory=dict[str, Any], repr=False, hash=False)
    is_json: bool = attrs.field(default=False, repr=False, eq=False)

    # What tells two pushes of one customer and one second apart.
    _details: ClassVar[tuple[str, ...]] = ("msg_type",)

    @property
    def openid(self) -> str:
        """
        The customer's openid.
        """
        return self.from_user_name

    @property
    def dedupe_key(self) -> str:
        """
        The same for every repetition of this push, and for nothing else.
        """
        # WeChat names sender and second; two events can happen in one.
        details = [getattr(self, name) or "" for name in self._details]
        return ":".join([self.from_user_name, str(int(self.create_time.timestamp())), *details])


@attrs.frozen(kw_only=True)
class UserMessage(Push):
    """
    A message that a customer wrote.

    Attributes:
        msg_id: WeChat's 64-bit number of the message; it stays the same when the push is repeated.

        msg_data_id: The article that the customer answers to, if any.

        idx: The position of that article in its issue, from 1.
    """

    msg_id: int
    msg_data_id: int | None = None
    idx: int | None = None

    @property
    def dedupe_key(self) -> str:
        """
        Sender and message id.
        """
        return f"{self.from_user_name}:{self.msg_id}"


@attrs.frozen(kw_only=True)
class TextMessage(UserMessage):
    """
    Text.

    Attributes:
        bizmsgmenuid: The id of the `MenuItem` that the customer chose, if the text comes of a `MsgMenu`.

        business_id: The sub-merchant, if any.
    """

    msg_type: Literal["text"] = "text"
    content: str
    bizmsgmenuid: str | None = attrs.field(default=None, metadata={"wire": "bizmsgmenuid"})
    business_id: str | None = None


@attrs.frozen(kw_only=True)
class ImageMessage(UserMessage):
    """
    A picture: its temporary URL, and its media id for `download_temp_media`.
    """

    msg_type: Literal["image"] = "image"
    pic_url: str
    media_id: str


@attrs.frozen(kw_only=True)
class VoiceMessage(UserMessage):
    """
    A voice message.

    Attributes:
        format: ``amr`` or ``speex``.

        media_id_16k: A copy at 16 kHz, where WeChat makes one.

        recognition: The spoken text, where recognition is on.
    """

    msg_type: Literal["voice"] = "voice"
    media_id: str
    format: str
    media_id_16k: str | None = attrs.field(default=None, metadata={"wire": "MediaId16K"})
    recognition: str | None = None


@attrs.frozen(kw_only=True)
class VideoMessage(UserMessage):
    """
    A video and its cover picture.
    """

    msg_type: Literal["video"] = "video"
    media_id: str
    thumb_media_id: str


@attrs.frozen(kw_only=True)
class ShortVideoMessage(UserMessage):
    """
    A short video, taken in the chat, and its cover picture.
    """

    msg_type: Literal["shortvideo"] = "shortvideo"
    media_id: str
    thumb_media_id: str


@attrs.frozen(kw_only=True)
class LocationMessage(UserMessage):
    """
    A place that the customer sent.

    Attributes:
        location_x: Latitude in degrees.

        location_y: Longitude in degrees.

        scale: Zoom of the map.

        label: Name or address.
    """

    msg_type: Literal["location"] = "location"
    location_x: float = attrs.field(metadata={"wire": "Location_X"})
    location_y: float = attrs.field(metadata={"wire": "Location_Y"})
    scale: int | None = None
    label: str | None = None


@attrs.frozen(kw_only=True)
class LinkMessage(UserMessage):
    """
    A shared link.
    """

    msg_type: Literal["link"] = "link"
    title: str
    description: str
    url: str


@attrs.frozen(kw_only=True)
class MiniProgramPageMessage(UserMessage):
    """
    A page of a mini-program, in its customer service.
    """

    msg_type: Literal["miniprogrampage"] = "miniprogrampage"
    title: str
    app_id: str
    page_path: str
    thumb_url: str | None = None
    thumb_media_id: str | None = None


@attrs.frozen(kw_only=True)
class Event(Push):
    """
    Something that a customer or an agent did.

    Attributes:
        event: The wire's ``Event``; WeChat's names mix upper and lower case.
    """

    _details: ClassVar[tuple[str, ...]] = ("event",)

    msg_type: Literal["event"] = "event"
    event: str


@attrs.frozen(kw_only=True)
class SubscribeEvent(Event):
    """
    A follow.

    Attributes:
        event_key: ``qrscene_`` and the scene, if it comes of a QR code.

        ticket: The QR code's ticket.
    """

    _details = ("event", "event_key")

    event: Literal["subscribe"] = "subscribe"
    event_key: str | None = None
    ticket: str | None = None


@attrs.frozen(kw_only=True)
class UnsubscribeEvent(Event):
    """
    An unfollow: this customer cannot be written to any more.
    """

    event: Literal["unsubscribe"] = "unsubscribe"


@attrs.frozen(kw_only=True)
class ScanEvent(Event):
    """
    A follower scanned a QR code of the account.

    Attributes:
        event_key: The scene.

        ticket: The QR code's ticket.
    """

    _details = ("event", "event_key")

    event: Literal["SCAN"] = "SCAN"
    event_key: str
    ticket: str | None = None


@attrs.frozen(kw_only=True)
class LocationEvent(Event):
    """
    Where the customer is, reported when they open the chat: degrees, and the precision.
    """

    event: Literal["LOCATION"] = "LOCATION"
    latitude: float
    longitude: float
    precision: float


@attrs.frozen(kw_only=True)
class ClickEvent(Event):
    """
    A tap on a menu entry that has a key.
    """

    _details = ("event", "event_key")

    event: Literal["CLICK"] = "CLICK"
    event_key: str


@attrs.frozen(kw_only=True)
class ViewEvent(Event):
    """
    A tap on a menu entry that opens a page.

    Attributes:
        event_key: The URL.

        menu_id: The conditional menu, if it is one.
    """

    _details = ("event", "event_key")

    event: Literal["VIEW"] = "VIEW"
    event_key: str
    menu_id: int | None = None


@attrs.frozen(kw_only=True)
class ScanCodeEvent(Event):
    """
    A scan started from the menu.

    Attributes:
        event_key: The menu entry's key.

        scan_type: ``qrcode``, ``barcode`` or another.

        scan_result: What the code says.
    """

    _details = ("event", "event_key")

    event: Literal["scancode_push", "scancode_waitmsg"] = "scancode_push"
    event_key: str
    scan_type: str
    scan_result: str


@attrs.frozen(kw_only=True)
class KfCreateSessionEvent(Event):
    """
    An agent took the customer over: until the session closes, WeChat pushes none of their messages.
    """

    _details = ("event", "kf_account")

    event: Literal["kf_create_session"] = "kf_create_session"
    kf_account: str


@attrs.frozen(kw_only=True)
class KfCloseSessionEvent(Event):
    """
    An agent's session with the customer ended.
    """

    _details = ("event", "kf_account")

    event: Literal["kf_close_session"] = "kf_close_session"
    kf_account: str


@attrs.frozen(kw_only=True)
class KfSwitchSessionEvent(Event):
    """
    One agent handed the customer over to another.
    """

    _details = ("event", "from_kf_account", "to_kf_account")

    event: Literal["kf_switch_session"] = "kf_switch_session"
    from_kf_account: str
    to_kf_account: str


@attrs.frozen(kw_only=True)
class UserEnterTempsessionEvent(Event):
    """
    A customer opened a mini-program's customer service; `session_from` is what its button said.
    """

    event: Literal["user_enter_tempsession"] = "user_enter_tempsession"
    session_from: str | None = None


@attrs.frozen(kw_only=True)
class UnknownPush(Push):
    """
    A push of a kind that this library does not know; `raw` has everything.
    """

    _details = ("event", "event_key")

    event: str | None = None
    event_key: str | None = None
    msg_id: int | None = None

    @property
    def dedupe_key(self) -> str:
        """
        As of a message if it has a message id, else as of an event, and of all that it says.
        """
        if self.msg_id is not None:
            return f"{self.from_user_name}:{self.msg_id}"
        # Two template messages or two cards of one second differ in nothing but fields of their own.
        raw = json.dumps(self.raw, sort_keys=True, default=str).encode()
        return f"{super().dedupe_key}:{hashlib.sha1(raw, usedforsecurity=False).hexdigest()[:16]}"


# ---- reading -----------------------------------------------------------------------------------------------------


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
        if attribute.name in ("raw", "is_json"):
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
    Read the fields of a push into its class.

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
