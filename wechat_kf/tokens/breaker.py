"""
An end to calls whose credentials are refused again and again.

The token endpoint has a daily quota that other services share: what is refused for good must not be asked for ever.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from .._clock import Clock
from .._errors import ApiError, AuthError, KfError, PermissionDenied
from .._redact import get_logger

__all__ = ["Breaker", "BreakerState"]

_log = get_logger("wechat_kf.token")


BreakerState: TypeAlias = Literal["closed", "open", "probing"]
"""
``"closed"``: calls pass. ``"open"``: they are refused. ``"probing"``: the pause is over, and one may try.
"""


class Breaker:
    """
    Counts refusals in a row; after three, calls are refused for 30 seconds, then one may try.

    Args:
        clock: The clock.
    """

    _MAX_REFUSALS: Final = 3
    _PAUSE_SECONDS: Final = 30.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._refusals = 0
        self._last: ApiError | None = None
        self._open_until = 0.0
        self._is_probing = False

    @property
    def is_open(self) -> bool:
        """
        Whether calls are refused.
        """
        return self._refusals >= self._MAX_REFUSALS

    @property
    def state(self) -> BreakerState:
        """
        Whether calls pass.
        """
        if not self.is_open:
            return "closed"
        return "open" if self._clock.monotonic() < self._open_until else "probing"

    def admit(self) -> bool:
        """
        Let a call pass; return whether it is the one that tries if things are well again.

        Raises:
            AuthError: The last refusals are recent, or another call is trying.
        """
        last = self._last
        if last is None or not self.is_open:
            return False
        if self._is_probing or self._clock.monotonic() < self._open_until:
            raise AuthError(
                last.errcode,
                last.errmsg,
                hint=last.hint,
                rid=last.rid,
                manual=last.manual,
                endpoint=last.endpoint,
            )
        self._is_probing = True
        return True

    def end_probe(self) -> None:
        """
        Let another call try: the one that did has ended, however it fared.
        """
        self._is_probing = False

    def reset(self) -> None:
        """
        Reset the count: WeChat accepted the token.
        """
        if self._last is not None:
            if self.is_open:
                _log.info("WeChat accepts the credentials again; calls pass")
            self._refusals = 0
            self._last = None

    def count(self, failure: KfError) -> None:
        """
        Count a failure, if it is a refusal of the credentials.
        """
        if isinstance(failure, (AuthError, PermissionDenied)):
            self._refusals += 1
            self._last = failure
            if self._refusals == self._MAX_REFUSALS:
                _log.warning(
                    "WeChat refused the credentials %d times in a row (errcode %d); no calls are made for %d seconds",
                    *(self._refusals, failure.errcode, self._PAUSE_SECONDS),
                )
            if self.is_open:
                self._open_until = self._clock.monotonic() + self._PAUSE_SECONDS
