"""
The access token: one fetch however many callers wait, renewed ahead of time, shared through a store, never forced.

Strategy. A valid token in hand is returned at once. Otherwise one caller of each event loop fetches while the others
wait for its result; if it is cancelled, one of those takes over. Under the store's lock the store is read again, so
that of several workers one fetches and the others adopt. In front of it all stands a gate that counts refusals and,
after three in a row, stops calls for a while, since the token endpoint has a daily quota that other services share.
"""

from __future__ import annotations

import copy
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, runtime_checkable
from weakref import WeakKeyDictionary

import anyio
import attrs
from anyio.lowlevel import current_token

from .._clock import Clock
from .._errors import ApiError, AuthError, KfError, NotSent, PermissionDenied
from .._redact import get_logger
from .._wire.endpoint import Endpoint
from .._wire.fields import MaybeNumeric

__all__ = [
    "CLASSIC_TOKEN",
    "STABLE_TOKEN",
    "STALE",
    "Lease",
    "MemoryTokenStore",
    "RenewingToken",
    "StaticToken",
    "Token",
    "TokenAnswer",
    "TokenGate",
    "TokenProvider",
    "TokenStore",
]

_log = get_logger("wechat_kf.token")

STALE: Final = frozenset({40001, 40014, 42001})
"""
The errcodes that a renewed token can cure. (42007 concerns web logins.)
"""


@attrs.frozen
class TokenAnswer:
    """
    What both token endpoints answer.
    """

    access_token: str = attrs.field(repr=False)
    expires_in: MaybeNumeric


_MANUAL: Final = "https://developers.weixin.qq.com/doc/service/api/base/"

STABLE_TOKEN: Final = Endpoint(
    "POST",
    "/cgi-bin/stable_token",
    TokenAnswer,
    manual=f"{_MANUAL}api_getstableaccesstoken.html",
    repeatable=True,
)
CLASSIC_TOKEN: Final = Endpoint(
    "GET", "/cgi-bin/token", TokenAnswer, manual=f"{_MANUAL}api_getaccesstoken.html", repeatable=True
)


def _hidden(_: str) -> str:
    return "'***'"


@attrs.frozen
class Token:
    """
    An access token; its repr hides the value.

    Attributes:
        value: The token, up to 512 characters.

        expires_at: When it ends, aware.
    """

    value: str = attrs.field(repr=_hidden)
    expires_at: datetime


@runtime_checkable
class TokenProvider(Protocol):
    """
    Where a client gets its token: your central token service, a third-party platform's authorizer token.
    """

    async def get(self) -> str:
        """
        Return the token to use now.
        """
        ...

    async def invalidate(self, value: str) -> None:
        """
        Take note that WeChat refused this token; forget it only if it is still the one you would return.
        """
        ...


def _check_token(_: Any, __: Any, value: Any) -> None:
    if not isinstance(value, str) or not value:
        raise ValueError("a token must be a str that is not empty")


@attrs.frozen
class StaticToken:
    """
    A token that is given and never renewed.
    """

    value: str = attrs.field(repr=_hidden, validator=_check_token)

    async def get(self) -> str:
        """
        Return the token.
        """
        return self.value

    async def invalidate(self, value: str) -> None:
        """
        Do nothing: there is no other.
        """


class TokenStore(Protocol):
    """
    Where tokens are kept, one record for each appid, so that clients and workers share one.

    Any exception from a store is logged once and the client goes on without it until it works again.
    """

    async def load(self, appid: str) -> Token | None:
        """
        Return what was saved, or None.
        """
        ...

    async def save(self, appid: str, token: Token) -> None:
        """
        Keep a token, value and expiry in one record.
        """
        ...

    def lock(self, appid: str) -> AbstractAsyncContextManager[None]:
        """
        Hold off the other workers while one fetches: a lease that ends by itself if its holder dies.

        Who has waited 15 seconds for it goes on without it.
        """
        ...


class MemoryTokenStore:
    """
    Tokens kept in memory; may be shared by clients of one process.
    """

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        # A lock belongs to the event loop it is used in.
        self._locks: WeakKeyDictionary[Any, dict[str, anyio.Lock]] = WeakKeyDictionary()

    async def load(self, appid: str) -> Token | None:
        """
        Return what was saved, or None.
        """
        return self._tokens.get(appid)

    async def save(self, appid: str, token: Token) -> None:
        """
        Keep a token.
        """
        self._tokens[appid] = token

    @asynccontextmanager
    async def lock(self, appid: str) -> AsyncGenerator[None]:
        """
        Hold off other clients of this event loop.
        """
        locks = self._locks.setdefault(current_token().native_token, {})
        async with locks.setdefault(appid, anyio.Lock()):
            yield


class _Flight:
    """
    One fetch that several callers wait for.
    """

    def __init__(self) -> None:
        self.landed = anyio.Event()
        self.token: Token | None = None
        self.error: Exception | None = None


def _again(error: KfError) -> KfError:
    """
    Copy an error for another caller: an exception raised twice would gather both tracebacks.
    """
    twin = copy.copy(error)
    twin.__cause__ = error.__cause__
    return twin


class RenewingToken:
    """
    The default provider.

    Args:
        appid: The account.

        fetch: Calls the token endpoint once, with its own bounded retries.

        store: Where the token is kept.

        clock: The clock.

        patience: The longest that `get` may take, in seconds, the store and its lock included.
    """

    # WeChat's stable endpoint gives a new token from 300 s before the end of the old one; both work from then on.
    _AHEAD: Final = timedelta(seconds=240)
    # When renewing ahead of time failed or gave nothing newer: how long to be content with what there is.
    _CONTENT: Final = timedelta(seconds=30)
    # A token with less to live than this may end on the way.
    _LEAST: Final = timedelta(seconds=5)
    # How long renewing ahead of time may hold up the one caller who does it, and the store any caller.
    _AHEAD_SECONDS: Final = 5.0
    _STORE_SECONDS: Final = 5.0
    # The store's lock may be held by another worker that fetches.
    _LOCK_SECONDS: Final = 15.0

    def __init__(
        self,
        appid: str,
        fetch: Callable[[], Awaitable[Token]],
        *,
        store: TokenStore,
        clock: Clock,
        patience: float,
    ) -> None:
        self._appid = appid
        self._fetch = fetch
        self._store = store
        self._clock = clock
        self._patience = patience
        self._token: Token | None = None
        self._content_until: datetime | None = None
        self._refused: Token | None = None
        self._flights: WeakKeyDictionary[Any, _Flight] = WeakKeyDictionary()
        self._store_works = True

    async def get(self) -> str:
        """
        Return the token to use now, fetching or renewing it if need be.

        Raises:
            NotSent: It could not be had.

            ApiError: The token endpoint refused.
        """
        token, now = self._token, self._clock.now()
        if token is not None:
            if now < token.expires_at - self._AHEAD or (self._content_until is not None and now < self._content_until):
                return token.value
            if now < token.expires_at - self._LEAST:
                return await self._renew_ahead(token, now)
        return (await self._renew()).value

    async def invalidate(self, value: str) -> None:
        """
        Forget this token if it is still the one in hand; the next `get` looks into the store first.
        """
        if self._token is not None and self._token.value == value:
            self._refused, self._token = self._token, None

    async def _renew_ahead(self, token: Token, now: datetime) -> str:
        # The others go on with the old token meanwhile, and so does this caller if renewing fails.
        self._content_until = min(now + self._CONTENT, token.expires_at - self._LEAST)
        try:
            with anyio.fail_after(self._AHEAD_SECONDS):
                return (await self._renew()).value
        except (KfError, TimeoutError) as error:
            reason = error if isinstance(error, KfError) else "it takes too long"
            _log.warning("The token could not be renewed ahead of time; the old one is used on: %s", reason)
            return token.value

    async def _renew(self) -> Token:
        loop = current_token().native_token
        while (flight := self._flights.get(loop)) is not None:
            await flight.landed.wait()
            if flight.token is not None:
                return flight.token
            if isinstance(flight.error, KfError):
                raise _again(flight.error) from flight.error.__cause__
            # The one who fetched was cancelled (or hit a defect): somebody else takes over.
        flight = self._flights[loop] = _Flight()
        try:
            with anyio.fail_after(self._patience):
                flight.token = await self._load_or_fetch()
        except TimeoutError:
            flight.error = NotSent(f"It took longer than {self._patience:g} seconds.")
            raise flight.error from None
        except Exception as error:
            flight.error = error
            raise
        finally:
            del self._flights[loop]
            flight.landed.set()
        return flight.token

    async def _load_or_fetch(self) -> Token:
        token = await self._load()
        failure: Exception | None = None
        if token is None and self._store_works:
            with anyio.move_on_after(self._LOCK_SECONDS) as scope:
                try:
                    async with self._store.lock(self._appid):
                        scope.deadline = math.inf
                        try:
                            token = await self._load() or await self._fetch_and_save()
                        except Exception as error:  # noqa: BLE001 - raised below; it is none of the store's
                            failure = error
                        scope.deadline = anyio.current_time() + self._STORE_SECONDS
                except Exception as error:  # noqa: BLE001 - whatever a store may raise
                    self._store_failed(error)
            if scope.cancelled_caught:
                self._store_failed(TimeoutError())
        if failure is not None:
            raise failure
        return self._adopt(token or await self._fetch_and_save())

    async def _fetch_and_save(self) -> Token:
        token = await self._fetch()
        # Before anything else can go wrong: it counts against a daily quota.
        self._adopt(token)
        if self._store_works:
            try:
                with anyio.fail_after(self._STORE_SECONDS):
                    await self._store.save(self._appid, token)
            except Exception as error:  # noqa: BLE001 - whatever a store may raise
                self._store_failed(error)
        return token

    def _adopt(self, token: Token) -> Token:
        if self._token is None or self._token.value != token.value:
            self._content_until = None
        self._token = token
        return token

    async def _load(self) -> Token | None:
        """
        Load what the store holds, if it is of use: not the one refused, and with enough to live.
        """
        try:
            with anyio.fail_after(self._STORE_SECONDS):
                token = await self._store.load(self._appid)
            of_use = token is not None and self._is_of_use(token)
        except Exception as error:  # noqa: BLE001 - whatever a store may raise, or hold
            self._store_failed(error)
            return None
        if not self._store_works:
            self._store_works = True
            _log.warning("The token store works again.")
        return token if of_use else None

    def _is_of_use(self, token: Token) -> bool:
        refused = self._refused
        # A store that was away for a while may come back with what is older still.
        if refused is not None and (token.value == refused.value or token.expires_at < refused.expires_at):
            return False
        return self._clock.now() < token.expires_at - self._AHEAD

    def _store_failed(self, error: Exception) -> None:
        if self._store_works:
            self._store_works = False
            # Its text could hold what was to be saved.
            _log.warning("The token store fails (%s); going on without it.", type(error).__name__)


@attrs.frozen
class Lease:
    """
    A token as handed to one call.

    Attributes:
        value: The token.

        serial: Counts the tokens handed out; the same value returned again after a refusal counts anew.

        probe: Whether this call is the one that tries after the breaker's pause.
    """

    value: str = attrs.field(repr=_hidden)
    serial: int
    probe: bool = False


class TokenGate:
    """
    What the client sees of a provider: it knows which token a call used, and stops calls after three refusals.

    Args:
        provider: Where the tokens come from.

        clock: The clock.

        patience: The longest to wait for the provider, in seconds; None for one that sees to that itself.
    """

    _MOST: Final = 3
    _PAUSE: Final = 30.0
    _YOUNG: Final = 60.0

    def __init__(self, provider: TokenProvider, clock: Clock, *, patience: float | None) -> None:
        self._provider = provider
        self._clock = clock
        self._patience = patience
        self._value: str | None = None
        self._serial = 0
        self._since = 0.0
        self._returned = True
        self._counted = 0
        self._refusals = 0
        self._last: ApiError | None = None
        self._closed_until = 0.0
        self._probing = False

    async def get(self) -> Lease:
        """
        Hand a token to a call, which tells afterwards how it fared.

        Raises:
            AuthError: The last refusals are recent; nothing was asked.

            NotSent: The provider gave no token.

            Exception: Whatever else the provider raises.
        """
        probe = False
        if self._last is not None and self._refusals >= self._MOST:
            if self._probing or self._clock.monotonic() < self._closed_until:
                raise self._refusal(self._last)
            probe = self._probing = True
        try:
            value = await self._provided()
        except BaseException:
            if probe:
                self._probing = False
            raise
        if value != self._value or self._returned:
            self._value, self._returned = value, False
            self._serial += 1
            self._since = self._clock.monotonic()
        return Lease(value, self._serial, probe)

    def done(self, lease: Lease) -> None:
        """
        Take note that a call has ended, however it did.
        """
        if lease.probe:
            self._probing = False

    def accepted(self) -> None:
        """
        Take note that WeChat took a token.
        """
        if self._refusals:
            self._refusals = 0
            self._last = None

    async def refused(self, lease: Lease, error: ApiError) -> bool:
        """
        Take note that WeChat refused a call's token, and have the provider forget it.

        Returns:
            Whether renewing is worth trying.
        """
        if lease.serial != self._serial and lease.value == self._value:
            # The provider was told already, and gave the same token anew.
            return self._refusals < self._MOST
        young = self._clock.monotonic() - self._since <= self._YOUNG
        if lease.serial == self._serial != self._counted and young:
            self._counted = lease.serial
            self.count(error)
        try:
            with anyio.fail_after(self._patience):
                await self._provider.invalidate(lease.value)
        except Exception as failure:  # noqa: BLE001 - the refusal matters, not what somebody else's code says to it
            _log.warning("The token provider did not take note of a refused token (%s).", type(failure).__name__)
        if lease.serial == self._serial:
            self._returned = True
        return self._refusals < self._MOST

    def count(self, error: KfError) -> None:
        """
        Count a refusal, if the error is one.
        """
        if isinstance(error, (AuthError, PermissionDenied)):
            self._refusals += 1
            self._last = error
            if self._refusals >= self._MOST:
                self._closed_until = self._clock.monotonic() + self._PAUSE

    async def _provided(self) -> str:
        if self._patience is None:
            value: object = await self._provider.get()
        else:
            with anyio.fail_after(self._patience):
                value = await self._provider.get()
        if not isinstance(value, str) or not value:
            raise NotSent("The provider gave none.")
        return value

    @staticmethod
    def _refusal(last: ApiError) -> AuthError:
        return AuthError(
            last.errcode,
            last.errmsg,
            hint=last.hint,
            rid=last.rid,
            manual=last.manual,
            endpoint=last.endpoint,
        )
