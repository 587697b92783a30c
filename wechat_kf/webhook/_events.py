"""
What customers and agents do, a class for each kind.
"""

from __future__ import annotations

from typing import Literal

import attrs

from ._push import Event

__all__ = [
    "ClickEvent",
    "KfCloseSessionEvent",
    "KfCreateSessionEvent",
    "KfSwitchSessionEvent",
    "LocationEvent",
    "ScanCodeEvent",
    "ScanEvent",
    "SubscribeEvent",
    "UnsubscribeEvent",
    "UserEnterTempsessionEvent",
    "ViewEvent",
]


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
