"""
What customers do, and what they see.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from .._feed import Changed
from ..machine.limits import Allowance
from ..machine.shown import Shown
from .state import AccountState, history_text

__all__ = ["CustomerControls", "UserDataEvent"]

# The smallest files whose first bytes say what they are.
_JPEG: Final = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\xff\xd9"
_AMR: Final = b"#!AMR\n"
_PDF: Final = b"%PDF-1.7\n%%EOF\n"
_MP4: Final = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"

UserDataEvent: TypeAlias = Literal["user_info_modified", "user_authorization_revoke", "user_authorization_cancellation"]
"""
What a person did with their data.
"""

# WeChat's service for such events has a name like a customer's.
_PUSH_SERVICE: Final = "oWeChatPushServiceUserName_0"


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

    def user_sends_file(self, openid: str, title: str = "报价.pdf", content: bytes = _PDF) -> str:
        """
        Let a customer send a file. Returns its ``FileKey``; it cannot be downloaded with the API.
        """
        file_key = self._state.ticket()
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        fields = {"Title": title, "Description": "", "FileKey": file_key, "FileMd5": digest}
        self.user_sends(openid, {"MsgType": "file", **fields, "FileTotalLen": len(content)})
        return file_key

    def user_sends(self, openid: str, fields: Mapping[str, Any]) -> None:
        """
        Let a customer send anything, or let any event of theirs happen.

        An event (``MsgType`` is ``event``) has no ``MsgId``, and but for a few opens no window.

        Args:
            openid: The customer.

            fields: The push's fields by their wire names, with ``MsgType``, without names, time and ``MsgId``.
        """
        if "MsgType" not in fields:
            raise ValueError("fields must have a MsgType")
        if fields["MsgType"] == "event":
            self._event(openid, fields)
            return
        at = self._state.now()
        customer = self._state.follower(openid)
        customer.grant(self._state.limits.message, at)
        customer.last_exchange = at
        self._state.say(openid, history_text(fields), fields, at)

    def follows(self, openid: str, scene: str | None = None) -> None:
        """
        Let somebody follow the account.

        Args:
            openid: Who.

            scene: The scene of the QR code they came by, if they did.
        """
        origin = {} if scene is None else {"EventKey": f"qrscene_{scene}", "Ticket": self._state.ticket()}
        self._event(openid, {"Event": "subscribe", **origin})

    def unfollows(self, openid: str) -> None:
        """
        Let a customer unfollow the account; nothing can be sent to them then.
        """
        self._state.follower(openid)
        self._event(openid, {"Event": "unsubscribe"})

    def scans(self, openid: str, scene: str) -> None:
        """
        Let somebody scan a QR code of the account; who does not follow it yet does so then.
        """
        if not self._state.machine.customers.has_follower(openid):
            self.follows(openid, scene)
            return
        self._event(openid, {"Event": "SCAN", "EventKey": scene, "Ticket": self._state.ticket()})

    def clicks(self, openid: str, key: str, *, scan_result: str | None = None) -> None:
        """
        Let a customer tap an entry of the account's menu.

        Args:
            openid: The customer.

            key: The entry's key.

            scan_result: What the customer scans then, if the entry asks for it.
        """
        fields: dict[str, Any] = {"Event": "CLICK", "EventKey": key}
        if scan_result is not None:
            info = {"ScanType": "qrcode", "ScanResult": scan_result}
            fields = {"Event": "scancode_waitmsg", "EventKey": key, "ScanCodeInfo": info}
        self._event(openid, fields)

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
        self._state.say(openid, contents[-1], fields, at)

    def user_pays(self, openid: str) -> None:
        """
        Let a customer pay: messages may then be sent for 48 hours. The account's server is not told here.
        """
        self._state.follower(openid).grant(self._state.limits.payment, self._state.now())
        self._state.feed.add(Changed(openid))

    def user_data_changes(
        self, openid: str, event: UserDataEvent = "user_authorization_revoke", revoke_info: str | None = None
    ) -> None:
        """
        Tell the account's server that it must update or delete what it knows of a person.

        The push's ``FromUserName`` is WeChat's own service; the person is ``OpenID``.

        Args:
            openid: The person.

            event: What happened: a profile was cleaned up, an authorisation revoked, an account closed.

            revoke_info: What was revoked, such as ``203`` for cards.
        """
        info = {} if revoke_info is None else {"RevokeInfo": revoke_info}
        fields = {"MsgType": "event", "Event": event, "OpenID": openid, "AppID": self._state.appid, **info}
        self._state.push(_PUSH_SERVICE, fields, self._state.now())

    def mutes(self, openid: str, *, muted: bool = True) -> None:
        """
        Let a customer mute the account, or not any more.
        """
        self._state.follower(openid).muted = muted
        self._state.feed.add(Changed(openid))

    def blacklist(self, openid: str, *, listed: bool = True) -> None:
        """
        Put a customer on the account's blacklist, or take them off.
        """
        self._state.follower(openid).blacklisted = listed
        self._state.feed.add(Changed(openid))

    def allowance(self, openid: str) -> Allowance:
        """
        How many messages may still be sent to somebody, and for how many seconds more.
        """
        if not self._state.machine.customers.has_follower(openid):
            return Allowance(0, 0.0)
        customer = self._state.machine.customers.find(openid)
        seconds = customer.until - self._state.now()
        return Allowance(customer.left if seconds >= 0 else 0, max(seconds, 0.0))

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
        return customers.has_follower(openid) and self._state.now() < customers.find(openid).typing_until

    def _event(self, openid: str, fields: Mapping[str, Any]) -> None:
        at = self._state.now()
        name = fields.get("Event")
        if name == "subscribe":
            self._state.machine.customers.meet(openid).follows = True
        elif name == "unsubscribe":
            self._state.machine.customers.meet(openid).leave(at)
        allowance = self._state.limits.of_event(name)
        if allowance is not None:
            self._state.follower(openid).grant(allowance, at)
        self._state.push(openid, {"MsgType": "event", **fields}, at)
