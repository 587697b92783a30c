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
    "LocationSelectEvent",
    "PicEvent",
    "ScanCodeEvent",
    "ScanEvent",
    "SubscribeEvent",
    "UnsubscribeEvent",
    "UserDataEvent",
    "UserEnterTempsessionEvent",
    "ViewEvent",
    "ViewMiniProgramEvent",
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
class ViewMiniProgramEvent(Event):
    """
    A tap on a menu entry that opens a mini-program.

    Attributes:
        event_key: The page's path.

        menu_id: The conditional menu, if it is one.
    """

    _details = ("event", "event_key")

    event: Literal["view_miniprogram"] = "view_miniprogram"
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
    scan_type: str = attrs.field(metadata={"within": "ScanCodeInfo"})
    scan_result: str = attrs.field(metadata={"within": "ScanCodeInfo"})


@attrs.frozen(kw_only=True)
class PicEvent(Event):
    """
    Pictures chosen from the menu; each follows as an `ImageMessage` of its own.

    Attributes:
        event_key: The menu entry's key.

        pic_md5_sums: The MD5 of each picture, in hexadecimal digits.
    """

    _details = ("event", "event_key")

    event: Literal["pic_sysphoto", "pic_photo_or_album", "pic_weixin"] = "pic_sysphoto"
    event_key: str
    pic_md5_sums: tuple[str, ...] = attrs.field(default=(), metadata={"wire": "SendPicsInfo", "every": "PicMd5Sum"})


@attrs.frozen(kw_only=True)
class LocationSelectEvent(Event):
    """
    A place chosen from the menu; it may follow as a `LocationMessage`.

    Attributes:
        event_key: The menu entry's key.

        location_x: Latitude in degrees.

        location_y: Longitude in degrees.

        scale: Zoom of the map.

        label: Address.

        poiname: Name of the place in the customer's Moments, if any.
    """

    _details = ("event", "event_key")

    event: Literal["location_select"] = "location_select"
    event_key: str
    location_x: float = attrs.field(metadata={"wire": "Location_X", "within": "SendLocationInfo"})
    location_y: float = attrs.field(metadata={"wire": "Location_Y", "within": "SendLocationInfo"})
    scale: int | None = attrs.field(default=None, metadata={"within": "SendLocationInfo"})
    label: str | None = attrs.field(default=None, metadata={"within": "SendLocationInfo"})
    poiname: str | None = attrs.field(default=None, metadata={"within": "SendLocationInfo"})


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

    Attributes:
        kf_account: The agent's account.

        close_type: Who or what ended it, if WeChat says so; ``KF`` was seen.
    """

    _details = ("event", "kf_account")

    event: Literal["kf_close_session"] = "kf_close_session"
    kf_account: str
    close_type: str | None = None


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
class UserDataEvent(Event):
    """
    A customer changed or withdrew what they let the account know: personal data must be changed or deleted.

    Attributes:
        open_id: The customer; also as `openid`. `from_user_name` is WeChat's own sender.

        union_id: The customer's UnionID, if the account is bound to an open platform.

        app_id: The account's appid.

        revoke_info: What was withdrawn: WeChat's code, such as ``301`` for the address.

    Manual: https://developers.weixin.qq.com/doc/service/guide/h5/authorization_change.html
    """

    _details = ("event", "open_id", "revoke_info")

    event: Literal["user_info_modified", "user_authorization_revoke", "user_authorization_cancellation"] = (
        "user_info_modified"
    )
    open_id: str = attrs.field(metadata={"wire": "OpenID"})
    union_id: str | None = attrs.field(default=None, metadata={"wire": "UnionID"})
    app_id: str | None = attrs.field(default=None, metadata={"wire": "AppID"})
    revoke_info: str | None = None

    @property
    def openid(self) -> str:
        """
        The customer's openid.
        """
        return self.open_id
