"""
All that the stand-in knows of one account: its rules, its pushes, what arrived and what customers see.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any, Final

import attrs

from .._clock import ManualClock, SteppedClock
from .._faults import Faults
from .._feed import AnsweredCall, Changed, Feed, Happened, PushAttempt
from ..machine.customers import Customer
from ..machine.limits import Limits
from ..machine.machine import Machine
from ..machine.messages import THUMBS
from ..machine.request import ReceivedCall, Request
from ..machine.response import PlannedResponse, Refusal
from ..machine.shown import Shown, Via
from ..pushes.courier import OUT_OF_SERVICE, Courier
from ..pushes.outgoing import OutgoingPush
from ..pushes.replies import ReplyMistake

__all__ = ["AccountState", "history_text"]

# A number that a float cannot hold, as WeChat's are.
_FIRST_MSG_ID: Final = 24_000_000_000_000_001

_REFUSED_REPLIES: Final = {
    40007: "its MediaId or ThumbMediaId is unknown, expired or of another kind (40007)",
    65401: "its KfAccount does not exist (65401)",
}


class AccountState:
    """
    One account, and everything that happened to it.

    Args:
        accounts: All accounts on this clock, to which this one is added.

    Attributes:
        original_id: The account's name in pushes, ``gh_…``.

        calls: The requests that arrived, also those refused or dropped.

        sent: What was sent to customers with the API.

        shown: What each customer sees, by openid.

        faults: What goes wrong with the next calls.

        courier: The pushes on their way.

        machine: The rules.

        pushes: The attempts to deliver a push that are over.

        feed: What happens, for those who watch.
    """

    def __init__(
        self,
        appid: str,
        secret: str,
        clock: ManualClock | SteppedClock,
        accounts: list[AccountState],
        original_id: str | None = None,
    ) -> None:
        self.appid = appid
        self.original_id: str = original_id or f"gh_{hashlib.sha256(appid.encode()).hexdigest()[:12]}"
        self.clock = clock
        self.limits: Limits = Limits()
        self.calls: list[ReceivedCall] = []
        self.sent: list[Shown] = []
        self.shown: dict[str, list[Shown]] = {}
        self.pushes: list[PushAttempt] = []
        self.feed: Feed = Feed()
        self.faults: Faults = Faults()
        # Tokens and ids need not be secret here, but two stand-ins must not make the same.
        self._random = Random()  # noqa: S311
        self._accounts = accounts
        accounts.append(self)
        self._msg_ids: Iterator[int] = iter(range(_FIRST_MSG_ID, 2**63))
        self.courier: Courier = Courier(
            self.limits, clock, self._random, take=self._take_reply, notice=self._show_notice, see=self._see_push
        )
        self.machine: Machine = Machine(
            appid,
            secret,
            limits=self.limits,
            random=self._random,
            push=self.push,
            show=partial(self.show, via="custom"),
        )

    def advance(self, seconds: float) -> None:
        """
        Move the time of all accounts.
        """
        self.clock.advance(seconds)
        for account in self._accounts:
            account.now()
            account.feed.add(Changed())

    def handle(self, request: Request) -> PlannedResponse:
        """
        Take a request in and remember it; answer it by the rules, or as a fault says.
        """
        now = self.clock.now()
        request = attrs.evolve(request, at=now.timestamp())
        call = self._remember(request, now)
        fault = self.faults.take(request.path)
        planned = PlannedResponse(self.machine.handle(request)) if fault is None else fault.meet(request, self.machine)
        self.feed.add(AnsweredCall(call, planned.response))
        return planned

    def now(self) -> float:
        """
        Return the time in Unix seconds, after ending the sessions that are over by then.
        """
        at = self.clock.now().timestamp()
        self.machine.sessions.settle(at)
        return at

    def follower(self, openid: str) -> Customer:
        """
        Find a customer, who must follow the account; one whom it does not know follows it already.
        """
        customer = self.machine.customers.meet(openid)
        if not customer.follows:
            raise ValueError(f"{openid!r} does not follow the account")
        return customer

    def keep_file(self, type: str, content: bytes) -> str:
        """
        Keep a customer's file for three days. Returns its media_id.
        """
        return self.machine.media.keep(type, content, expires=self.now() + self.limits.media)

    def ticket(self) -> str:
        """
        Make the ticket of a QR code.
        """
        return f"gQ{self._random.getrandbits(256):064x}"

    def push(self, openid: str | None, fields: Mapping[str, Any], at: float) -> None:
        """
        Push something to the account's server, if a callback is set; None: it concerns no customer.
        """
        self.feed.add(Happened(openid, fields, datetime.fromtimestamp(at, UTC)))
        self.courier.add(OutgoingPush(openid, fields, at))

    def say(self, openid: str, text: str, fields: Mapping[str, Any], at: float) -> None:
        """
        Tell what a customer writes to the agent who serves them, or else to the account's server.

        Args:
            openid: The customer.

            text: How the history has it.

            fields: The push's fields, without names, time and ``MsgId``.

            at: When, in Unix seconds.
        """
        if self.machine.sessions.hear(openid, text, at):
            agent = self.machine.sessions.standing(openid).kf_account
            self.feed.add(Happened(openid, fields, datetime.fromtimestamp(at, UTC), agent))
        else:
            self.push(openid, {**fields, "MsgId": next(self._msg_ids)}, at)

    def show(self, openid: str, payload: dict[str, Any], kf_account: str | None, at: float, *, via: Via) -> None:
        """
        Show a customer a message.
        """
        shown = Shown(openid, payload, kf_account, datetime.fromtimestamp(at, UTC), via)
        if via == "custom":
            self.sent.append(shown)
        self.shown.setdefault(openid, []).append(shown)
        self.feed.add(shown)

    def _remember(self, request: Request, now: datetime) -> ReceivedCall:
        call = ReceivedCall.of(request, now)
        self.calls.append(call)
        if len(self.calls) > self.limits.remembered:
            del self.calls[: self.limits.remembered // 2]
        return call

    def _see_push(self, attempt: PushAttempt) -> None:
        self.feed.add(attempt)
        if attempt.seconds is not None:
            self.pushes.append(attempt)
            if len(self.pushes) > self.limits.remembered:
                del self.pushes[: self.limits.remembered // 2]

    def _take_reply(self, push: OutgoingPush, message: dict[str, Any]) -> None:
        if push.openid is None:
            raise ReplyMistake("nobody can be answered; reply success")
        at = self.now()
        msgtype = message["msgtype"]
        content = message[msgtype]
        try:
            if msgtype == "transfer_customer_service":
                named = content.get("kf_account")
                agent = None if named is None else self.machine.accounts.find(named).kf_account
                self.machine.sessions.transfer(push.openid, agent, history_text(push.fields), at)
                return
            if msgtype in ("image", "voice", "video"):
                self.machine.media.check(content.get("media_id", ""), (msgtype,), at)
            elif msgtype == "music" and "thumb_media_id" in content:
                # easywechat#1302: it may be left out, but not be empty.
                self.machine.media.check(content["thumb_media_id"], THUMBS, at)
        except Refusal as refusal:
            raise ReplyMistake(_REFUSED_REPLIES[refusal.errcode]) from None
        customer = self.machine.customers.meet(push.openid)
        customer.last_exchange = customer.typing_until = at
        self.show(push.openid, message, None, at, via="passive")

    def _show_notice(self, openid: str) -> None:
        payload = {"msgtype": "text", "text": {"content": OUT_OF_SERVICE}}
        self.show(openid, payload, None, self.now(), via="notice")


def history_text(fields: Mapping[str, Any]) -> str:
    """
    Write a customer's message as the history has it: of anything but a text its kind.
    """
    return str(fields["Content"]) if fields["MsgType"] == "text" else f"[{fields['MsgType']}]"
