"""
Sessions between agents and customers, and the queue of those who wait.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any, Literal

import attrs

from .accounts import Accounts
from .customers import Customers
from .limits import Limits
from .records import Records
from .request import Request
from .response import OK, Refusal, Result

__all__ = ["Sessions", "Standing"]


@attrs.define
class _Session:
    openid: str
    kf_account: str
    createtime: float
    touched: float


@attrs.define
class _Waiting:
    openid: str
    kf_account: str | None
    latest_time: float
    forwarded: list[tuple[str, float]] = attrs.field(factory=list[tuple[str, float]])


@attrs.frozen
class Standing:
    """
    Where a customer stands with the agents.

    Attributes:
        session: ``served``, ``waiting`` or ``none``.

        kf_account: The agent who serves them, or whom alone they wait for; None: none, or any.

        since: Since when they are served, or when they last wrote as one who waits, in Unix seconds.
    """

    session: Literal["none", "served", "waiting"]
    kf_account: str | None
    since: float | None


class Sessions:
    """
    Who serves whom.

    Args:
        push: Tells the account's server about an event of a customer: openid, fields, Unix seconds.
    """

    def __init__(
        self,
        limits: Limits,
        accounts: Accounts,
        customers: Customers,
        records: Records,
        push: Callable[[str, dict[str, Any], float], None],
    ) -> None:
        self._limits = limits
        self._accounts = accounts
        self._customers = customers
        self._records = records
        self._push = push
        self._open: dict[str, _Session] = {}
        self._waiting: dict[str, _Waiting] = {}

    # What the API does.

    def create(self, request: Request) -> Result:
        """
        Answer ``kfsession/create``.
        """
        body = request.json()
        account = self._accounts.find_bound(body.get("kf_account"))
        customer = self._customers.find(body.get("openid"))
        if not customer.follows:
            raise Refusal(40003)
        session = self._open.get(customer.openid)
        if session is not None and session.kf_account == account.kf_account:
            return OK
        if not account.status:
            raise Refusal(65415)
        if session is not None:
            raise Refusal(65414)
        self.begin(account.kf_account, customer.openid, request.at)
        return OK

    def close(self, request: Request) -> Result:
        """
        Answer ``kfsession/close``.
        """
        body = request.json()
        account = self._accounts.find_bound(body.get("kf_account"))
        customer = self._customers.find(body.get("openid"))
        session = self._open.get(customer.openid)
        if session is None:
            raise Refusal(65413)
        if session.kf_account != account.kf_account:
            raise Refusal(65414)
        self._end(session, request.at)
        return OK

    def of_customer(self, request: Request) -> Result:
        """
        Answer ``kfsession/getsession``.
        """
        session = self._open.get(self._customers.find(request.query.get("openid")).openid)
        if session is None:
            return {"createtime": 0, "kf_account": ""}
        return {"createtime": int(session.createtime), "kf_account": session.kf_account}

    def of_account(self, request: Request) -> Result:
        """
        Answer ``kfsession/getsessionlist``.
        """
        account = self._accounts.find_bound(request.query.get("kf_account"))
        return {
            "sessionlist": [
                {"createtime": int(session.createtime), "openid": session.openid}
                for session in self._open.values()
                if session.kf_account == account.kf_account
            ]
        }

    def waiting(self, _: Request) -> Result:
        """
        Answer ``kfsession/getwaitcase``.
        """
        shown = list(self._waiting.values())[: self._limits.waiting_shown]
        return {
            "count": len(self._waiting),
            "waitcaselist": [{"latest_time": int(each.latest_time), "openid": each.openid} for each in shown],
        }

    # What happens in the customer-service console.

    def settle(self, at: float) -> None:
        """
        End the sessions in which nothing has passed for half an hour.
        """
        # In the order of their ends: at each the agent may take the next customer, whose session may be over too.
        while self._open:
            session = min(self._open.values(), key=lambda each: each.touched)
            end = session.touched + self._limits.session
            if end > at:
                return
            self._end(session, end)

    def count(self, kf_account: str) -> int:
        """
        Count an agent's sessions.
        """
        return sum(session.kf_account == kf_account for session in self._open.values())

    def standing(self, openid: str) -> Standing:
        """
        Tell whether a customer is served or waits.
        """
        session, waiting = self._open.get(openid), self._waiting.get(openid)
        if session is not None:
            return Standing("served", session.kf_account, session.createtime)
        if waiting is not None:
            return Standing("waiting", waiting.kf_account, waiting.latest_time)
        return Standing("none", None, None)

    def begin(self, kf_account: str, openid: str, at: float) -> None:
        """
        Let an agent serve a customer, who waits no longer.
        """
        waiting = self._waiting.pop(openid, None)
        self._open[openid] = _Session(openid, kf_account, at, at)
        for text, written in [] if waiting is None else waiting.forwarded:
            self._records.received(openid, kf_account, text, written)
        self._push(openid, {"MsgType": "event", "Event": "kf_create_session", "KfAccount": kf_account}, at)

    def switch(self, openid: str, kf_account: str, at: float) -> None:
        """
        Let the agent who serves a customer hand them to another.
        """
        session = self._session(openid)
        event = {"Event": "kf_switch_session", "FromKfAccount": session.kf_account, "ToKfAccount": kf_account}
        session.kf_account = self._accounts.find_bound(kf_account).kf_account
        session.touched = at
        self._push(openid, {"MsgType": "event", **event}, at)

    def finish(self, openid: str, at: float) -> None:
        """
        Let the agent who serves a customer end it.
        """
        self._end(self._session(openid), at)

    def end_all(self, kf_account: str, at: float) -> None:
        """
        End every session of an account that goes away.
        """
        for session in list(self._open.values()):
            if session.kf_account == kf_account:
                self._end(session, at)

    def transfer(self, openid: str, kf_account: str | None, text: str | None, at: float) -> None:
        """
        Let a customer wait for an agent, or for any, with what they wrote; who accepts automatically takes them.
        """
        if openid in self._open:
            return
        waiting = self._waiting.setdefault(openid, _Waiting(openid, kf_account, at))
        waiting.latest_time = at
        if text is not None:
            waiting.forwarded.append((text, at))
        self.assign(at)

    def assign(self, at: float) -> None:
        """
        Give those who wait to the agents who accept automatically and have room.
        """
        for waiting in list(self._waiting.values()):
            for account in self._accounts.online():
                # A named agent is waited for, even one who cannot take the customer.
                if (
                    waiting.kf_account in (None, account.kf_account)
                    and self.count(account.kf_account) < account.auto_accept
                ):
                    self.begin(account.kf_account, waiting.openid, at)
                    break

    def accept(self, kf_account: str, openid: str | None, at: float) -> str:
        """
        Let an agent take a customer who waits; None: the one who has waited longest. Says whom.
        """
        taken = openid if openid is not None else next(iter(self._waiting), None)
        if taken is None or taken not in self._waiting:
            raise ValueError("nobody waits" if openid is None else f"{openid!r} does not wait")
        self.begin(self._accounts.find_bound(kf_account).kf_account, taken, at)
        return taken

    def hear(self, openid: str, text: str, at: float) -> bool:
        """
        Pass what a customer wrote to their agent; False: nobody serves them.
        """
        if openid in self._waiting:
            self._waiting[openid].latest_time = at
        session = self._open.get(openid)
        if session is None:
            return False
        session.touched = at
        self._records.received(openid, session.kf_account, text, at)
        return True

    def speak(self, openid: str, text: str, at: float) -> str:
        """
        Let the agent who serves a customer write to them. Says who that is.
        """
        session = self._session(openid)
        session.touched = at
        self._records.sent(openid, session.kf_account, text, at)
        return session.kf_account

    def _session(self, openid: str) -> _Session:
        if openid not in self._open:
            raise ValueError(f"nobody serves {openid!r}")
        return self._open[openid]

    def _end(self, session: _Session, at: float) -> None:
        del self._open[session.openid]
        event = {"MsgType": "event", "Event": "kf_close_session", "KfAccount": session.kf_account}
        self._push(session.openid, event, ceil(at))
        self.assign(at)
