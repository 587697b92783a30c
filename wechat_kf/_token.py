"""
The access token: one fetch however many callers wait, renewed ahead of time, shared through a store, never forced.

Strategy. A valid token in hand is returned at once. Otherwise one caller of each event loop fetches while the others
wait for its result; if it is cancelled, one of those takes over. Under the store's lock the store is read again, so that
of several workers one fetches and the others adopt. In front of it all stands a gate that counts refusals and, after
three in a row, stops calls for a while, since the token endpoint has a daily quota that other services share.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, runtime_checkable
from weakref import WeakKeyDictionary

import anyio
import attrs
from anyio.lowlevel import current_token

from ._clock import Clock
from ._errors import ApiError, AuthError, KfError, NotSent, PermissionDenied
from ._wire import Endpoint, MaybeNumeric

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

_log = logging.getLogger("wechat_kf.token")

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


@attrs.frozen
class StaticToken:
    """
    A token that is given and never renewed.
    """

    value: str = attrs.field(repr=_hidden)

    @value.validator
    def _check(self, _: object, value: object) -> None:
        if not isinstance(value, str) or not value:
            raise ValueError("a token must be a str that is not empty")

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
        Hold off the other workers while one fetches: a lease that ends by itself if its holder dies. The wait must be
        bounded.
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
    _STORE_SECONDS: Final = 5.0

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
            return (await self._renew()).value
        except KfError as error:
            _log.warning("The token could not be renewed ahead of time; the old one is used on: %s", error)
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
            flight.error = NotSent(f"No token could be had within {self._patience:g} seconds.")
            raise flight.error from None
        except Exception as error:
            flight.error = error
            raise
        finally:
            del self._flights[loop]
            flight.landed.set()
        return flight.token

    async def _load_or_fetch(self) -> Token:
        stored = await self._load()
        if stored is not None:
            return self._adopt(stored)
        async with AsyncExitStack() as stack:
            if self._store_works:
                try:
                    await stack.enter_async_context(self._store.lock(self._appid))
                except Exception as error:
                    self._store_failed(error)
                else:
                    stored = await self._load()
                    if stored is not None:
                        return self._adopt(stored)
            token = self._adopt(await self._fetch())
            await self._save(token)
        return token

    def _adopt(self, token: Token) -> Token:
        if self._token is None or self._token.value != token.value:
            self._content_until = None
        self._token = token
        return token

    async def _load(self) -> Token | None:
        """
        Load what the store holds, if it is of use: not the one refused, and newer than the one in hand.
        """
        token: Token | None = None
        try:
            with anyio.fail_after(self._STORE_SECONDS):
                token = await self._store.load(self._appid)
        except Exception as error:
            self._store_failed(error)
            return None
        if not self._store_works:
            self._store_works = True
            _log.warning("The token store works again.")
        refused = self._refused
        # A store that was away for a while may come back with what is older still.
        if token is None or (
            refused is not None and (token.value == refused.value or token.expires_at < refused.expires_at)
        ):
            return None
        return token if self._clock.now() < token.expires_at - self._AHEAD else None

    async def _save(self, token: Token) -> None:
        if not self._store_works:
            return
        try:
            with anyio.fail_after(self._STORE_SECONDS):
                await self._store.save(self._appid, token)
        except Exception as error:
            self._store_failed(error)

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
    """

    _MOST: Final = 3
    _PAUSE: Final = 30.0
    _YOUNG: Final = 60.0

    def __init__(self, provider: TokenProvider, clock: Clock) -> None:
        self._provider = provider
        self._clock = clock
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
        """
        probe = False
        if self._last is not None and self._refusals >= self._MOST:
            if self._probing or self._clock.monotonic() < self._closed_until:
                raise self._refusal(self._last)
            probe = self._probing = True
        try:
            value = await self._provider.get()
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
        young = self._clock.monotonic() - self._since <= self._YOUNG
        if lease.serial == self._serial != self._counted and young:
            self._counted = lease.serial
            self.count(error)
        await self._provider.invalidate(lease.value)
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
