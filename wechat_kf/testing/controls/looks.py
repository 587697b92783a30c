"""
What can be seen of customers, agents, files and pushes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf
from typing import Literal

import attrs

from .._feed import PushAttempt
from ..machine.accounts import AgentAccount
from ..machine.customers import Customer
from .state import AccountState

__all__ = ["LookControls", "SeenAgent", "SeenCustomer"]


@attrs.frozen
class SeenCustomer:
    """
    A customer as seen from outside.

    Attributes:
        openid: Who.

        follows: Whether they follow the account.

        muted: Whether they have muted it.

        blacklisted: Whether the account has put them on its blacklist.

        messages: How many messages may still be sent to them.

        until: Until when; None: never yet.

        typing_until: Until when they see that somebody types; None: never yet.

        session: ``served`` by an agent, ``waiting`` for one, or ``none``.

        kf_account: The agent who serves them, or whom alone they wait for.

        since: Since when they are served, or when they last wrote as one who waits.
    """

    openid: str
    follows: bool
    muted: bool
    blacklisted: bool
    messages: int
    until: datetime | None
    typing_until: datetime | None
    session: Literal["none", "served", "waiting"]
    kf_account: str | None
    since: datetime | None


@attrs.frozen
class SeenAgent:
    """
    An agent's account as seen from outside.

    Attributes:
        kf_account: Full account name, ``prefix@suffix``.

        kf_nick: The agent's name.

        is_bound: Whether a person is bound to the account.

        invite_wx: Who is invited to it; None: nobody.

        is_online: Whether they are online.

        auto_accept: How many sessions they have at most without accepting each.

        sessions: How many they have.
    """

    kf_account: str
    kf_nick: str
    is_bound: bool
    invite_wx: str | None
    is_online: bool
    auto_accept: int
    sessions: int


class LookControls:
    """
    The part of those who only look.
    """

    _state: AccountState

    @property
    def customers(self) -> tuple[SeenCustomer, ...]:
        """
        Everybody who ever did something, the first known first.
        """
        at = self._state.now()
        return tuple(self._see_customer(each, at) for each in self._state.machine.customers.everybody())

    def customer(self, openid: str) -> SeenCustomer | None:
        """
        Look at one customer; None: they never did anything.
        """
        at = self._state.now()
        customer = self._state.machine.customers.get(openid)
        return None if customer is None else self._see_customer(customer, at)

    @property
    def agents(self) -> tuple[SeenAgent, ...]:
        """
        All accounts of agents, in the order they were added.
        """
        self._state.now()
        return tuple(self._see_agent(each) for each in self._state.machine.accounts.everybody())

    @property
    def pushes(self) -> tuple[PushAttempt, ...]:
        """
        The attempts to deliver a push that are over, the first first.
        """
        return tuple(self._state.pushes)

    @property
    def callback(self) -> str | None:
        """
        Where pushes go: a URL, or the path in an app of this process; None: nowhere.
        """
        callback = self._state.courier.callback
        if callback is None:
            return None
        return callback.target if isinstance(callback.target, str) else callback.path or "/"

    def media(self, media_id: str) -> bytes:
        """
        Return a file that a customer sent, that was uploaded, or that is kept for good.
        """
        return self._state.machine.media.read(media_id, self._state.now())

    def _see_customer(self, customer: Customer, at: float) -> SeenCustomer:
        standing = self._state.machine.sessions.standing(customer.openid)
        return SeenCustomer(
            customer.openid,
            customer.follows,
            customer.muted,
            customer.blacklisted,
            customer.left if at <= customer.until else 0,
            _moment(customer.until),
            _moment(customer.typing_until),
            standing.session,
            standing.kf_account,
            _moment(-inf if standing.since is None else standing.since),
        )

    def _see_agent(self, agent: AgentAccount) -> SeenAgent:
        return SeenAgent(
            agent.kf_account,
            agent.kf_nick,
            agent.kf_wx is not None,
            None if agent.invitation is None else agent.invitation.invite_wx,
            bool(agent.status),
            agent.auto_accept,
            self._state.machine.sessions.count(agent.kf_account),
        )


def _moment(at: float) -> datetime | None:
    return None if at == -inf else datetime.fromtimestamp(at, UTC)
