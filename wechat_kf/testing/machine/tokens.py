"""
Tokens: the stable and the classic endpoint, which do not disturb each other.
"""

from __future__ import annotations

from datetime import date
from random import Random
from typing import Any

import attrs

from .limits import Limits
from .maintenance import day_of
from .request import Request
from .response import Refusal, Result

__all__ = ["Tokens"]


@attrs.define
class _Issued:
    value: str
    expires: float
    # Until when it works: its expiry, or sooner if another took its place.
    works: float


class Tokens:
    """
    What was issued, and what still works.
    """

    def __init__(self, appid: str, secret: str, limits: Limits, random: Random) -> None:
        self._limits = limits
        self.appid = appid
        self._secret = secret
        self._random = random
        self._issued: dict[str, _Issued] = {}
        self._classic: _Issued | None = None
        self._stable: _Issued | None = None
        self._forced: list[float] = []
        self._of_platform: list[_Issued] = []

    def has_issued(self, value: str) -> bool:
        """
        Tell whether a token is this account's, whether it still works or not.
        """
        return value in self._issued

    def check(self, value: str | None, at: float) -> None:
        """
        Refuse a call whose token is missing, unknown, replaced or expired.
        """
        if not value:
            raise Refusal(41001)
        issued = self._issued.get(value)
        if issued is None:
            raise Refusal(40014)
        if at >= issued.expires:
            raise Refusal(42001)
        if at >= issued.works:
            raise Refusal(40001)

    def expire(self, at: float) -> None:
        """
        Let every token be out of time now, as if two hours had passed.
        """
        for issued in self._issued.values():
            issued.expires = min(issued.expires, at)

    def revoke(self) -> None:
        """
        Let every token be replaced now, as if another program had renewed it.
        """
        for issued in self._issued.values():
            issued.works = 0.0
        self._classic = self._stable = None

    def issue_to_platform(self, at: float) -> str:
        """
        Make a token for the third-party platform that the account authorised; those before work on.
        """
        issued = self._issue(at)
        self._of_platform = [each for each in self._of_platform if each.works > at] + [issued]
        return issued.value

    def end_platform(self, at: float) -> None:
        """
        Let no token work any more that a platform has.
        """
        for issued in self._of_platform:
            issued.works = min(issued.works, at)

    def classic(self, request: Request) -> Result:
        """
        Answer ``/cgi-bin/token``: a new token for each call; the one before works five minutes more.
        """
        self._check_credentials(request.query)
        if self._classic is not None:
            self._classic.works = min(self._classic.works, request.at + self._limits.token_overlap)
        self._classic = self._issue(request.at)
        return self._answer(self._classic, request.at)

    def stable(self, request: Request) -> Result:
        """
        Answer ``/cgi-bin/stable_token``: the same token until its last five minutes, unless a new one is forced.
        """
        body = request.json()
        self._check_credentials(body)
        current = self._stable
        if current is not None and body.get("force_refresh") is True and self._may_force(request.at):
            current.works = request.at
            current = self._issue(request.at)
        elif current is None or current.expires - request.at <= self._limits.token_overlap:
            # The old one works on until its own end.
            current = self._issue(request.at)
        self._stable = current
        return self._answer(current, request.at)

    def check_credentials(self, appid: object, secret: object) -> None:
        """
        Refuse an appid or a secret that is missing or wrong.
        """
        if not appid:
            raise Refusal(41002)
        if appid != self.appid:
            raise Refusal(40013)
        if not secret:
            raise Refusal(41004)
        if secret != self._secret:
            raise Refusal(40125)

    def _check_credentials(self, fields: Any) -> None:
        if fields.get("grant_type") != "client_credential":
            raise Refusal(40002)
        self.check_credentials(fields.get("appid"), fields.get("secret"))

    def _may_force(self, at: float) -> bool:
        if self._forced and at - self._forced[-1] < self._limits.forced_apart:
            return False
        today: date = day_of(at)
        self._forced = [each for each in self._forced if day_of(each) == today]
        if len(self._forced) >= self._limits.forced_tokens:
            raise Refusal(45009)
        self._forced.append(at)
        return True

    def _issue(self, at: float) -> _Issued:
        value = f"{self._random.randrange(10, 100)}_{self._random.getrandbits(816):0204x}"
        expires = at + self._limits.token
        self._issued = {key: each for key, each in self._issued.items() if each.expires > at - 86400}
        self._issued[value] = issued = _Issued(value, expires, expires)
        return issued

    def _answer(self, issued: _Issued, at: float) -> Result:
        return {"access_token": issued.value, "expires_in": int(issued.expires - at)}
