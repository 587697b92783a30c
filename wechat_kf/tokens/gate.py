"""
What a call sees of a provider: the token it uses, whose refusal is told to the provider and counted by the breaker.
"""

from __future__ import annotations

from typing import Final, Literal, Protocol

import anyio
import attrs

from .._clock import Clock
from .._errors import DeliveryUncertain, KfError, NotSent
from .._redact import get_logger
from ..instrumentation import TokenChange
from ..instrumentation.observers import Observers
from ._providers import SharedProvider, StaticToken, TokenProvider, is_token
from ._renewing import RenewingToken
from .breaker import Breaker, BreakerState

__all__ = ["TokenGate", "TokenInUse"]

_log = get_logger("wechat_kf.token")


def _hidden(_: str) -> str:
    return "'***'"


@attrs.frozen
class TokenInUse:
    """
    A token as handed to one call.

    Attributes:
        value: The token.

        serial: Counts the tokens handed out; the same value returned again after a refusal counts anew.

        is_probe: Whether this call is the one that tries after the breaker's pause.
    """

    value: str = attrs.field(repr=_hidden)
    serial: int
    is_probe: bool = False


class _Source(Protocol):
    """
    A provider that can tell at once what it has in hand.
    """

    def current(self) -> str | None: ...
    async def get(self) -> str: ...
    async def invalidate(self, value: str) -> None: ...


class TokenGate:
    """
    Hands tokens to calls.

    Args:
        provider: Where the tokens come from; it is asked once however many calls wait.

        breaker: What counts refusals.

        clock: The clock.

        observers: Who is told that another token is used.

    Raises:
        TypeError: The provider is none.
    """

    # A token refused sooner than this after it was handed out first is one that should have worked.
    _FRESH_SECONDS: Final = 60.0
    # How long a provider may take to forget a token.
    _INVALIDATE_SECONDS: Final = 10.0

    def __init__(self, provider: TokenProvider, breaker: Breaker, clock: Clock, observers: Observers) -> None:
        self._source: _Source = (
            provider if isinstance(provider, (RenewingToken, StaticToken)) else SharedProvider(provider)
        )
        self._breaker = breaker
        self._observers = observers
        self._clock = clock
        self._value: str | None = None
        self._serial = 0
        self._first_used = 0.0
        self._is_returned = True
        self._counted = 0

    async def get(self, seconds: float) -> TokenInUse:
        """
        Hand a token to a call, which tells afterwards how it fared.

        Whatever goes wrong here, the call itself had no effect.

        Args:
            seconds: How long to wait for the provider.

        Raises:
            AuthError: The last refusals are recent; nothing was asked.

            NotSent: The provider gave no token, or not in time.

            KfError: What else the provider raises of this library's errors.
        """
        is_probe = self._breaker.admit()
        value = self._source.current()
        if value is None:
            try:
                value = await self._wait(seconds)
            except BaseException:
                if is_probe:
                    self._breaker.end_probe()
                raise
        if value != self._value or self._is_returned:
            self._change(value)
        return TokenInUse(value, self._serial, is_probe)

    def state(self) -> tuple[float | None, BreakerState]:
        """
        Return for how many seconds the present token has been used, None if there is none; and whether calls pass.
        """
        age = None if self._is_returned else self._clock.monotonic() - self._first_used
        return age, self._breaker.state

    def done(self, token: TokenInUse) -> None:
        """
        Record that a call has ended, however it fared.
        """
        if token.is_probe:
            self._breaker.end_probe()

    def accepted(self) -> None:
        """
        Record that WeChat accepted a token.
        """
        self._breaker.reset()

    async def refused(self, token: TokenInUse, failure: KfError) -> bool:
        """
        Record that WeChat refused a call's token, and have the provider forget it.

        Returns:
            Whether renewing is worth trying.
        """
        if token.serial != self._serial and token.value == self._value:
            # The provider was told already, and gave the same token anew.
            return not self._breaker.is_open
        is_fresh = self._clock.monotonic() - self._first_used <= self._FRESH_SECONDS
        if token.serial == self._serial != self._counted and is_fresh:
            self._counted = token.serial
            self._breaker.count(failure)
        try:
            with anyio.fail_after(self._INVALIDATE_SECONDS):
                await self._source.invalidate(token.value)
        except Exception as error:  # noqa: BLE001 - the refusal matters, not what somebody else's code says to it
            _log.warning("The token provider could not be told of a refused token (%s).", type(error).__name__)
        if token.serial == self._serial:
            self._is_returned = True
        return not self._breaker.is_open

    def _change(self, value: str) -> None:
        reason: Literal["first", "refused", "due"] = "refused" if self._is_returned else "due"
        if self._value is None:
            reason = "first"
        self._value, self._is_returned = value, False
        self._serial += 1
        self._first_used = self._clock.monotonic()
        self._observers.at(_log).tell("token", TokenChange(reason=reason))

    async def _wait(self, seconds: float) -> str:
        value: object = None
        try:
            with anyio.move_on_after(seconds) as scope:
                value = await self._source.get()
        except (DeliveryUncertain, NotSent) as error:
            said = error.args[0]
            raise NotSent(f"Could not obtain an access token. {said}", endpoint=error.endpoint) from error.__cause__
        except KfError as error:
            error.effect = "none"
            raise
        except Exception as error:
            # Its text is somebody else's and might hold the token.
            raise NotSent(f"Could not obtain an access token: the provider raised {type(error).__name__}.") from error
        if scope.cancelled_caught:
            raise NotSent(f"Could not obtain an access token within {seconds:g} seconds.")
        if not is_token(value):
            raise NotSent("Could not obtain an access token: the provider returned none that can be one.")
        return value
