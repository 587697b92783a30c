"""
What customers do, and what they see.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..machine.shown import Shown
from .state import AccountState, history_text

__all__ = ["CustomerControls"]

# The smallest files whose first bytes say what they are.
_JPEG: Final = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\xff\xd9"
_AMR: Final = b"#!AMR\n"
_MP4: Final = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"


class CustomerControls:
    """
    The part of customers.
    """

    _state: AccountState

    def user_says(self, openid: str, text: str) -> None:
        """
        Let a customer write. One whom the account does not know follows it already.
        """
        self.user_sends(openid, {"MsgType": "text", "Content": text})

    def user_sends_image(self, openid: str, content: bytes = _JPEG) -> str:
        """
        Let a customer send a picture. Returns its media_id, which can be downloaded.
        """
        media_id = self._state.keep_file("image", content)
        url = f"http://mmbiz.qpic.cn/mmbiz_jpg/{media_id}/0"
        self.user_sends(openid, {"MsgType": "image", "PicUrl": url, "MediaId": media_id})
        return media_id

    def user_sends_voice(self, openid: str, content: bytes = _AMR) -> str:
        """
        Let a customer send a voice message. Returns its media_id.
        """
        media_id = self._state.keep_file("voice", content)
        fields = {"MediaId": media_id, "Format": "amr", "MediaId16K": self._state.keep_file("voice", content)}
        self.user_sends(openid, {"MsgType": "voice", **fields})
        return media_id

    def user_sends_video(self, openid: str, content: bytes = _MP4) -> str:
        """
        Let a customer send a video. Returns its media_id.
        """
        media_id = self._state.keep_file("video", content)
        fields = {"MediaId": media_id, "ThumbMediaId": self._state.keep_file("thumb", _JPEG)}
        self.user_sends(openid, {"MsgType": "video", **fields})
        return media_id

    def user_sends(self, openid: str, fields: Mapping[str, Any]) -> None:
        """
        Let a customer send anything.

        Args:
            openid: The customer.

            fields: The push's fields by their wire names, with ``MsgType``, without names, time and ``MsgId``.
        """
        at = self._state.now()
        customer = self._state.follower(openid)
        customer.grant(self._state.limits.message, at)
        customer.last_exchange = at
        # In a session the account's server does not hear it.
        if not self._state.machine.sessions.hear(openid, history_text(fields), at):
            self._state.push(openid, {**fields, "MsgId": self._state.msg_id()}, at)

    def follows(self, openid: str, scene: str | None = None) -> None:
        """
        Let somebody follow the account.

        Args:
            openid: Who.

            scene: The scene of the QR code they came by, if they did.
        """
        at = self._state.now()
        customer = self._state.machine.customers.meet(openid)
        customer.follows = True
        customer.grant(self._state.limits.follow, at)
        origin = {} if scene is None else {"EventKey": f"qrscene_{scene}", "Ticket": self._state.ticket()}
        self._state.push(openid, {"MsgType": "event", "Event": "subscribe", **origin}, at)

    def unfollows(self, openid: str) -> None:
        """
        Let a customer unfollow the account; nothing can be sent to them then.
        """
        at = self._state.now()
        customer = self._state.follower(openid)
        customer.follows = False
        customer.left, customer.until = 0, at
        self._state.push(openid, {"MsgType": "event", "Event": "unsubscribe"}, at)

    def scans(self, openid: str, scene: str) -> None:
        """
        Let somebody scan a QR code of the account; who does not follow it yet does so then.
        """
        if not self._state.machine.customers.has_follower(openid):
            self.follows(openid, scene)
            return
        at = self._state.now()
        self._state.follower(openid).grant(self._state.limits.scan, at)
        self._state.push(
            openid, {"MsgType": "event", "Event": "SCAN", "EventKey": scene, "Ticket": self._state.ticket()}, at
        )

    def clicks(self, openid: str, key: str, *, scan_result: str | None = None) -> None:
        """
        Let a customer tap an entry of the account's menu.

        Args:
            openid: The customer.

            key: The entry's key.

            scan_result: What the customer scans then, if the entry asks for it.
        """
        at = self._state.now()
        self._state.follower(openid).grant(self._state.limits.menu, at)
        fields: dict[str, Any] = {"Event": "CLICK", "EventKey": key}
        if scan_result is not None:
            info = {"ScanType": "qrcode", "ScanResult": scan_result}
            fields = {"Event": "scancode_waitmsg", "EventKey": key, "ScanCodeInfo": info}
        self._state.push(openid, {"MsgType": "event", **fields}, at)

    def picks(self, openid: str, item_id: str) -> None:
        """
        Let a customer tap an entry of the last menu message (`MsgMenu`) that has it.

        Args:
            openid: The customer.

            item_id: The entry's id.
        """
        menus = [shown.payload["msgmenu"] for shown in self.shown_to(openid) if shown.payload["msgtype"] == "msgmenu"]
        contents = [item["content"] for menu in menus for item in menu["list"] if item["id"] == item_id]
        if not contents:
            raise ValueError(f"{openid!r} was shown no menu with {item_id!r}")
        at = self._state.now()
        customer = self._state.follower(openid)
        # The manual can be read both ways; this is the stricter one: as a tap on the account's menu.
        customer.grant(self._state.limits.menu, at)
        customer.last_exchange = at
        fields = {"MsgType": "text", "Content": contents[-1], "bizmsgmenuid": item_id}
        if not self._state.machine.sessions.hear(openid, contents[-1], at):
            self._state.push(openid, {**fields, "MsgId": self._state.msg_id()}, at)

    def mutes(self, openid: str, *, muted: bool = True) -> None:
        """
        Let a customer mute the account, or not any more.
        """
        self._state.follower(openid).muted = muted

    def blacklist(self, openid: str, *, listed: bool = True) -> None:
        """
        Put a customer on the account's blacklist, or take them off.
        """
        self._state.follower(openid).blacklisted = listed

    def shown_to(self, openid: str) -> tuple[Shown, ...]:
        """
        Everything a customer was shown: messages, passive replies, what agents wrote, WeChat's own notices.
        """
        return tuple(self._state.shown.get(openid, ()))

    def is_typing_shown(self, openid: str) -> bool:
        """
        Whether the customer sees that somebody types.
        """
        customers = self._state.machine.customers
        return customers.has_follower(openid) and self._state.now() < customers.meet(openid).typing_until
