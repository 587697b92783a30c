"""
Customers: who they are, and how many messages may still be sent to them.
"""

from __future__ import annotations

from math import inf

import attrs

from .limits import Allowance
from .response import Refusal

__all__ = ["Customer", "Customers"]


@attrs.define
class Customer:
    """
    A user of the account.

    Attributes:
        openid: Who.

        follows: Whether they follow the account.

        muted: Whether they have muted it.

        blacklisted: Whether the account has put them on its blacklist.

        left: Messages that may still be sent.

        until: Until when, in Unix seconds.

        last_exchange: When a message last passed, either way.

        typing_until: Until when "typing" is shown.
    """

    openid: str
    follows: bool = True
    muted: bool = False
    blacklisted: bool = False
    left: int = 0
    until: float = -inf
    last_exchange: float = -inf
    typing_until: float = -inf

    def grant(self, allowance: Allowance, at: float) -> None:
        """
        Allow messages for an action of theirs.

        Allowances do not add up: the number and the deadline become the larger of the old and the new.
        """
        self.left = max(self.left if at <= self.until else 0, allowance.messages)
        self.until = max(self.until, at + allowance.seconds)

    def leave(self, at: float) -> None:
        """
        Unfollow the account; nothing may be sent then.
        """
        self.follows = False
        self.left, self.until = 0, at

    def check_window(self, at: float) -> None:
        """
        Refuse when nothing may be sent to them, whatever it is.
        """
        if self.blacklisted:
            raise Refusal(43019)
        if not self.follows or at > self.until:
            raise Refusal(45015)
        if self.muted:
            raise Refusal(48002)


class Customers:
    """
    Everyone who ever did something.
    """

    def __init__(self) -> None:
        self._all: dict[str, Customer] = {}

    def find(self, openid: object) -> Customer:
        """
        Find a user of this account, or refuse.
        """
        customer = self._all.get(openid) if isinstance(openid, str) else None
        if customer is None:
            raise Refusal(40003)
        return customer

    def get(self, openid: str) -> Customer | None:
        """
        Find somebody; None: they never did anything.
        """
        return self._all.get(openid)

    def everybody(self) -> tuple[Customer, ...]:
        """
        List all, the first known first.
        """
        return tuple(self._all.values())

    def has_follower(self, openid: str) -> bool:
        """
        Tell whether somebody follows the account.
        """
        return openid in self._all and self._all[openid].follows

    def meet(self, openid: str) -> Customer:
        """
        Find somebody, or get to know them.
        """
        return self._all.setdefault(openid, Customer(openid))
