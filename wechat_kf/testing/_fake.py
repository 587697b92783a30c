"""
The stand-in itself: the state machine, its fronts, and the controls for what customers and agents do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any, Final

import attrs
import httpx

from .._clock import Clock, SystemClock
from .._wire.endpoint import Endpoint
from ._clock import ManualClock, SteppedClock
from ._faults import Fault, Faults
from .fronts.asgi import AsgiApp, AsgiFront
from .fronts.controls import PREFIX, Remote
from .fronts.in_process import FakeTransport
from .fronts.socket import listen
from .machine.customers import Customer
from .machine.limits import Limits
from .machine.machine import Machine
from .machine.messages import THUMBS
from .machine.request import ReceivedCall, Request
from .machine.response import PlannedResponse, Refusal
from .machine.shown import Shown, Via
from .pushes.courier import OUT_OF_SERVICE, Callback, Courier
from .pushes.outgoing import Format, Mode, OutgoingPush, Seal
from .pushes.replies import ReplyMistake

__all__ = ["FakeWeChat"]

_SYSTEM_CLOCK: Final = SystemClock()

# The smallest files whose first bytes say what they are.
_JPEG: Final = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\xff\xd9"
_AMR: Final = b"#!AMR\n"
_MP4: Final = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"

# The controls that are called over HTTP too.
_REMOTE: Final = (
    "accept_invitation",
    "advance",
    "agent_accepts",
    "agent_closes",
    "agent_offline",
    "agent_online",
    "agent_says",
    "agent_switches",
    "blacklist",
    "clicks",
    "expire_tokens",
    "follows",
    "is_typing_shown",
    "mutes",
    "picks",
    "reject_invitation",
    "revoke_tokens",
    "scans",
    "shown_to",
    "unfollows",
    "user_says",
    "user_sends",
    "user_sends_image",
    "user_sends_video",
    "user_sends_voice",
    "user_waits",
    "works_elsewhere",
)

# A number that a float cannot hold, as WeChat's are.
_FIRST_MSG_ID: Final = 24_000_000_000_000_001


class FakeWeChat:
    """
    A stand-in for WeChat's customer service: one account, its agents and its customers.

    Args:
        appid: The account; no other is known.

        secret: Its secret.

        clock: What time it is. A `ManualClock` stands still until it is moved.

    Attributes:
        appid: The account.

        secret: Its secret.

        original_id: The account's name in pushes, ``gh_…``.

        clock: The clock; give the same to the client, so that `advance` moves both.

        limits: Every number that the stand-in goes by.

        calls: The requests that arrived, also those refused or dropped.

        sent: What was sent to customers with the API.
    """

    def __init__(
        self,
        *,
        appid: str = "wx5afe0ca11ab1e000",
        secret: str = "0123456789abcdef0123456789abcdef",  # noqa: S107 - it opens nothing
        clock: Clock = _SYSTEM_CLOCK,
    ) -> None:
        self.appid = appid
        self.secret = secret
        self.original_id: str = f"gh_{hashlib.sha256(appid.encode()).hexdigest()[:12]}"
        self.clock: ManualClock | SteppedClock = clock if isinstance(clock, ManualClock) else SteppedClock(clock)
        self.limits: Limits = Limits()
        self.calls: list[ReceivedCall] = []
        self.sent: list[Shown] = []
        # Tokens and ids need not be secret here, but two stand-ins must not make the same.
        self._random = Random()  # noqa: S311
        self._shown: dict[str, list[Shown]] = {}
        self._faults = Faults()
        self._courier = Courier(self.limits, self.clock, self._random, self._take, self._notice)
        self._machine = Machine(
            appid,
            secret,
            limits=self.limits,
            random=self._random,
            push=self._push,
            show=partial(self._show, via="custom"),
        )
        self._remote = Remote({name: getattr(self, name) for name in _REMOTE}, self._faults.add)
        self._msg_ids = iter(range(_FIRST_MSG_ID, 2**63))

    # ---- fronts ------------------------------------------------------------------------------------------------

    def client(self) -> httpx.AsyncClient:
        """
        Make an HTTP client whose requests come here, whatever their host. It need not be closed.
        """
        return httpx.AsyncClient(transport=FakeTransport(self._receive, self.clock))

    @property
    def asgi(self) -> AsgiApp:
        """
        An ASGI app, for any ASGI server or test client.
        """
        return AsgiFront(self._receive, self.clock, self._courier.pump)

    def serve(self, host: str = "127.0.0.1", port: int = 0) -> AbstractAsyncContextManager[str]:
        """
        Serve on a real socket, and deliver pushes meanwhile: ``async with fake.serve() as base_url:``.

        Args:
            host: The address to listen on.

            port: The port; 0 for a free one.
        """
        return listen(self._receive, self.clock, host, port, self._courier.pump)

    # ---- what customers do -------------------------------------------------------------------------------------

    def user_says(self, openid: str, text: str) -> None:
        """
        Let a customer write. One whom the account does not know follows it already.
        """
        self.user_sends(openid, {"MsgType": "text", "Content": text})

    def user_sends_image(self, openid: str, content: bytes = _JPEG) -> str:
        """
        Let a customer send a picture. Returns its media_id, which can be downloaded.
        """
        media_id = self._keep("image", content)
        url = f"http://mmbiz.qpic.cn/mmbiz_jpg/{media_id}/0"
        self.user_sends(openid, {"MsgType": "image", "PicUrl": url, "MediaId": media_id})
        return media_id

    def user_sends_voice(self, openid: str, content: bytes = _AMR) -> str:
        """
        Let a customer send a voice message. Returns its media_id.
        """
        media_id = self._keep("voice", content)
        fields = {"MediaId": media_id, "Format": "amr", "MediaId16K": self._keep("voice", content)}
        self.user_sends(openid, {"MsgType": "voice", **fields})
        return media_id

    def user_sends_video(self, openid: str, content: bytes = _MP4) -> str:
        """
        Let a customer send a video. Returns its media_id.
        """
        media_id = self._keep("video", content)
        fields = {"MediaId": media_id, "ThumbMediaId": self._keep("thumb", _JPEG)}
        self.user_sends(openid, {"MsgType": "video", **fields})
        return media_id

    def user_sends(self, openid: str, fields: Mapping[str, Any]) -> None:
        """
        Let a customer send anything.

        Args:
            openid: The customer.

            fields: The push's fields by their wire names, with ``MsgType``, without names, time and ``MsgId``.
        """
        at = self._at()
        customer = self._customer(openid)
        customer.grant(self.limits.message, at)
        customer.last_exchange = at
        # In a session the account's server does not hear it.
        if not self._machine.sessions.hear(openid, _history_text(fields), at):
            self._push(openid, {**fields, "MsgId": next(self._msg_ids)}, at)

    def follows(self, openid: str, scene: str | None = None) -> None:
        """
        Let somebody follow the account.

        Args:
            openid: Who.

            scene: The scene of the QR code they came by, if they did.
        """
        at = self._at()
        customer = self._machine.customers.meet(openid)
        customer.follows = True
        customer.grant(self.limits.follow, at)
        origin = {} if scene is None else {"EventKey": f"qrscene_{scene}", "Ticket": self._ticket()}
        self._push(openid, {"MsgType": "event", "Event": "subscribe", **origin}, at)

    def unfollows(self, openid: str) -> None:
        """
        Let a customer unfollow the account; nothing can be sent to them then.
        """
        at = self._at()
        customer = self._customer(openid)
        customer.follows = False
        customer.left, customer.until = 0, at
        self._push(openid, {"MsgType": "event", "Event": "unsubscribe"}, at)

    def scans(self, openid: str, scene: str) -> None:
        """
        Let somebody scan a QR code of the account; who does not follow it yet does so then.
        """
        if not self._machine.customers.has_follower(openid):
            self.follows(openid, scene)
            return
        at = self._at()
        self._customer(openid).grant(self.limits.scan, at)
        self._push(openid, {"MsgType": "event", "Event": "SCAN", "EventKey": scene, "Ticket": self._ticket()}, at)

    def clicks(self, openid: str, key: str, *, scan_result: str | None = None) -> None:
        """
        Let a customer tap an entry of the account's menu.

        Args:
            openid: The customer.

            key: The entry's key.

            scan_result: What the customer scans then, if the entry asks for it.
        """
        at = self._at()
        self._customer(openid).grant(self.limits.menu, at)
        fields: dict[str, Any] = {"Event": "CLICK", "EventKey": key}
        if scan_result is not None:
            info = {"ScanType": "qrcode", "ScanResult": scan_result}
            fields = {"Event": "scancode_waitmsg", "EventKey": key, "ScanCodeInfo": info}
        self._push(openid, {"MsgType": "event", **fields}, at)

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
        at = self._at()
        customer = self._customer(openid)
        # The manual can be read both ways; this is the stricter one: as a tap on the account's menu.
        customer.grant(self.limits.menu, at)
        customer.last_exchange = at
        fields = {"MsgType": "text", "Content": contents[-1], "bizmsgmenuid": item_id}
        if not self._machine.sessions.hear(openid, contents[-1], at):
            self._push(openid, {**fields, "MsgId": next(self._msg_ids)}, at)

    def mutes(self, openid: str, *, muted: bool = True) -> None:
        """
        Let a customer mute the account, or not any more.
        """
        self._customer(openid).muted = muted

    def blacklist(self, openid: str, *, listed: bool = True) -> None:
        """
        Put a customer on the account's blacklist, or take them off.
        """
        self._customer(openid).blacklisted = listed

    def shown_to(self, openid: str) -> tuple[Shown, ...]:
        """
        Everything a customer was shown: messages, passive replies, what agents wrote, WeChat's own notices.
        """
        return tuple(self._shown.get(openid, ()))

    def is_typing_shown(self, openid: str) -> bool:
        """
        Whether the customer sees that somebody types.
        """
        customers = self._machine.customers
        return customers.has_follower(openid) and self._at() < customers.meet(openid).typing_until

    # ---- what agents do ----------------------------------------------------------------------------------------

    def agent_online(self, kf_account: str, *, auto_accept: int = 0) -> None:
        """
        Log an agent in; make the account and bind a person to it if need be.

        Args:
            kf_account: Full account name, ``prefix@suffix``.

            auto_accept: How many sessions the agent has at most without accepting each.
        """
        self._machine.accounts.set_online(kf_account, auto_accept)
        self._machine.sessions.assign(self._at())

    def agent_offline(self, kf_account: str) -> None:
        """
        Log an agent out; open sessions stay.
        """
        self._machine.accounts.find(kf_account).status = 0

    def accept_invitation(self, kf_account: str) -> None:
        """
        Let the person invited to an account accept.
        """
        self._machine.accounts.answer_invitation(kf_account, self._at(), accept=True)

    def reject_invitation(self, kf_account: str) -> None:
        """
        Let the person invited to an account reject.
        """
        self._machine.accounts.answer_invitation(kf_account, self._at(), accept=False)

    def works_elsewhere(self, invite_wx: str, accounts: int) -> None:
        """
        Say how many accounts of other companies a person serves.
        """
        self._machine.accounts.bound_elsewhere[invite_wx] = accounts

    def user_waits(self, openid: str, kf_account: str | None = None) -> None:
        """
        Put a customer into the queue, as a `TransferReply` does.

        Args:
            openid: The customer.

            kf_account: The agent they wait for; None: any.
        """
        at = self._at()
        self._machine.sessions.transfer(self._customer(openid).openid, kf_account, None, at)

    def agent_accepts(self, kf_account: str, openid: str | None = None) -> str:
        """
        Let an agent take a customer who waits. Returns whom.

        Args:
            kf_account: The agent.

            openid: The customer; None: the one who has waited longest.
        """
        return self._machine.sessions.accept(kf_account, openid, self._at())

    def agent_says(self, openid: str, text: str) -> None:
        """
        Let the agent who serves a customer write to them.
        """
        at = self._at()
        customer = self._customer(openid)
        kf_account = self._machine.sessions.speak(openid, text, at)
        customer.last_exchange = customer.typing_until = at
        self._show(openid, {"msgtype": "text", "text": {"content": text}}, kf_account, at, via="agent")

    def agent_switches(self, openid: str, kf_account: str) -> None:
        """
        Let the agent who serves a customer hand them to another.
        """
        self._machine.sessions.switch(openid, kf_account, self._at())

    def agent_closes(self, openid: str) -> None:
        """
        Let the agent who serves a customer end the session.
        """
        self._machine.sessions.finish(openid, self._at())

    # ---- what the account's owner does -------------------------------------------------------------------------

    def add_material(self, type: str, content: bytes, media_id: str | None = None) -> str:
        """
        Keep a file for good, as in the console. Returns its media_id.

        Args:
            type: ``image``, ``voice``, ``video``, ``thumb`` or ``mpnews``.

            content: The file.

            media_id: The id it is to have.
        """
        return self._machine.media.keep(type, content, media_id)

    def expire_tokens(self) -> None:
        """
        Let every token be out of time.
        """
        self._machine.tokens.expire(self._at())

    def revoke_tokens(self) -> None:
        """
        Let every token be replaced, as if another program had renewed it.
        """
        self._machine.tokens.revoke()

    def set_callback(
        self,
        target: str | AsgiApp,
        *,
        token: str,
        encoding_aes_key: str | None = None,
        mode: Mode | None = None,
        format: Format = "xml",
    ) -> None:
        """
        Set where pushes go, as in the console.

        `serve`, the ASGI app's lifespan and the command deliver them by themselves; else call `deliver`.

        Args:
            target: A URL, or an ASGI app.

            token: What pushes are signed with.

            encoding_aes_key: What they are encrypted with.

            mode: ``plain``, ``compatible`` or ``safe``; by default safe with a key, plain without.

            format: ``xml`` or ``json``.
        """
        if mode is None:
            mode = "plain" if encoding_aes_key is None else "safe"
        seal = Seal(
            token=token,
            encoding_aes_key=encoding_aes_key,
            appid=self.appid,
            original_id=self.original_id,
            mode=mode,
            format=format,
        )
        self._courier.callback = Callback(target, seal)

    async def verify_callback(self) -> bool:
        """
        Check the callback as the console does: whether it answers the echostr.
        """
        return await self._courier.verify()

    async def deliver(self) -> None:
        """
        Deliver the pushes that wait, with the five seconds for each attempt, the retries, and what the answers do.
        """
        await self._courier.deliver()

    # ---- what goes wrong, and when -----------------------------------------------------------------------------

    def fault(self, path: str | Endpoint[Any], fault: Fault, times: int = 1, *, after: int = 0) -> None:
        """
        Let something go wrong with calls of a path, after the faults queued for it before.

        Args:
            path: The exact path, or the endpoint.

            fault: What goes wrong.

            times: With how many calls.

            after: How many calls go well before.
        """
        self._faults.add(path.path if isinstance(path, Endpoint) else path, fault, times, after)

    def advance(self, seconds: float) -> None:
        """
        Move the time.
        """
        self.clock.advance(seconds)
        self._at()

    # ---- how the parts speak to each other ---------------------------------------------------------------------

    def _at(self) -> float:
        at = self.clock.now().timestamp()
        self._machine.sessions.settle(at)
        return at

    def _customer(self, openid: str) -> Customer:
        customer = self._machine.customers.meet(openid)
        if not customer.follows:
            raise ValueError(f"{openid!r} does not follow the account")
        return customer

    def _keep(self, type: str, content: bytes) -> str:
        return self._machine.media.keep(type, content, expires=self._at() + self.limits.media)

    def _ticket(self) -> str:
        return f"gQ{self._random.getrandbits(256):064x}"

    def _receive(self, request: Request) -> PlannedResponse:
        if request.path.startswith(PREFIX):
            return PlannedResponse(self._remote.handle(request))
        now = self.clock.now()
        request = attrs.evolve(request, at=now.timestamp())
        self._remember(request, now)
        fault = self._faults.take(request.path)
        if fault is None:
            return PlannedResponse(self._machine.handle(request))
        return fault.meet(request, self._machine)

    def _remember(self, request: Request, now: datetime) -> None:
        try:
            parsed = json.loads(request.body)
        except (ValueError, RecursionError):
            parsed = None
        file = request.upload()
        call = ReceivedCall(
            request.method, request.path, request.query, parsed, request.headers, len(request.body), file, now
        )
        self.calls.append(call)
        if len(self.calls) > self.limits.remembered:
            del self.calls[: self.limits.remembered // 2]

    def _push(self, openid: str, fields: dict[str, Any], at: float) -> None:
        self._courier.add(OutgoingPush(openid, fields, at))

    def _take(self, push: OutgoingPush, message: dict[str, Any]) -> None:
        at = self._at()
        msgtype = message["msgtype"]
        content = message[msgtype]
        try:
            if msgtype == "transfer_customer_service":
                named = content.get("kf_account")
                agent = None if named is None else self._machine.accounts.find(named).kf_account
                self._machine.sessions.transfer(push.openid, agent, _history_text(push.fields), at)
                return
            if msgtype in ("image", "voice", "video"):
                self._machine.media.check(content.get("media_id", ""), (msgtype,), at)
            elif msgtype == "music":
                self._machine.media.check(content.get("thumb_media_id", ""), THUMBS, at)
        except Refusal as refusal:
            raise ReplyMistake(str(refusal.errcode)) from refusal
        customer = self._machine.customers.meet(push.openid)
        customer.last_exchange = customer.typing_until = at
        self._show(push.openid, message, None, at, via="passive")

    def _notice(self, openid: str) -> None:
        payload = {"msgtype": "text", "text": {"content": OUT_OF_SERVICE}}
        self._show(openid, payload, None, self._at(), via="notice")

    def _show(self, openid: str, payload: dict[str, Any], kf_account: str | None, at: float, *, via: Via) -> None:
        shown = Shown(openid, payload, kf_account, datetime.fromtimestamp(at, UTC), via)
        if via == "custom":
            self.sent.append(shown)
        self._shown.setdefault(openid, []).append(shown)


def _history_text(fields: Mapping[str, Any]) -> str:
    return str(fields["Content"]) if fields["MsgType"] == "text" else f"[{fields['MsgType']}]"
