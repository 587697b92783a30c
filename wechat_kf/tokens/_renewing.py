"""
The provider that renews: one fetch however many callers wait, ahead of time, shared through a store, never forced.

Strategy. A valid token in hand is returned at once. Otherwise it is fetched in a task of its own, for which all callers
of an event loop wait. Under the store's lock the store is read again, so that of several workers one fetches and the
others adopt.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final, TypeGuard

import anyio

from .._clock import Clock, SystemClock
from .._errors import KfError, NotSent
from .._redact import get_logger
from ._providers import Token, is_sound
from ._single_flight import SingleFlight
from ._stores import MemoryTokenStore, TokenStore

__all__ = ["RenewingToken"]

_log = get_logger("wechat_kf.token")


class RenewingToken:
    """
    A provider that fetches when it must, renews ahead of time, and shares its token through a store.

    ::

        async def fetch() -> Token:
            answer = await central.get("/token")
            return Token(answer["value"], datetime.fromtimestamp(answer["expires_at"], UTC))

        kf = AsyncKfClient(token=RenewingToken(fetch))

    Args:
        fetch: Gets a new token, or the present one if it has long to live; it sees to its own retries.

        store: Where the token is kept; in memory by default.

        key: The name under which the store keeps it: the appid, or what else tells it from others. Needed with a store.

        timeout: Seconds that a fetch may take, the store and its lock included.

        clock: The clock.

    Raises:
        TypeError: A store is given without a key.
    """

    # WeChat's stable endpoint gives a new token from 300 s before the end of the old one; both work from then on.
    _RENEW_BEFORE: ClassVar = timedelta(seconds=240)
    # When renewing ahead of time failed or gave nothing newer: how long to use what there is.
    _RENEWAL_PAUSE: Final = timedelta(seconds=30)
    # WeChat's tokens live for two hours.
    _LONGEST_LIFE: Final = timedelta(hours=2, minutes=10)
    # A token with less to live than this may end on the way.
    _LEAST_LIFE: Final = timedelta(seconds=5)
    # How long renewing ahead of time may hold up the one caller who does it, and the store any caller.
    _AHEAD_SECONDS: Final = 5.0
    _STORE_SECONDS: Final = 5.0
    # The store's lock may be held by another worker that fetches.
    _LOCK_SECONDS: Final = 15.0

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Token]],
        *,
        store: TokenStore | None = None,
        key: str | None = None,
        timeout: float = 60.0,
        clock: Clock | None = None,
    ) -> None:
        if store is not None and key is None:
            raise TypeError("with a store a key is needed: the name under which the token is kept there")
        self._fetch = fetch
        self._store = MemoryTokenStore() if store is None else store
        self._key = key or ""
        self._timeout = timeout
        self._clock = SystemClock() if clock is None else clock
        self._token: Token | None = None
        self._refused: Token | None = None
        self._renewal_paused_until = datetime.min.replace(tzinfo=UTC)
        self._flight = SingleFlight(self._renew)
        self._store_works = True

    def current(self) -> str | None:
        """
        Return the token in hand; None if there is none, or if it is time to renew it.
        """
        token = self._token
        return None if token is None or self._clock.now() >= self._renewal_paused_until else token.value

    async def get(self) -> str:
        """
        Return the token to use now, fetching or renewing it if need be.

        Raises:
            NotSent: It takes too long.

            Exception: What `fetch` raised.
        """
        value = self.current()
        if value is not None:
            return value
        token, now = self._token, self._clock.now()
        if token is not None and now < token.expires_at - self._LEAST_LIFE:
            return await self._renew_ahead(token, now)
        return (await self._flight.result()).value

    async def invalidate(self, value: str) -> None:
        """
        Forget this token if it is still the one in hand; the next `get` looks into the store first.
        """
        if self._token is not None and self._token.value == value:
            self._refused, self._token = self._token, None

    async def _renew_ahead(self, token: Token, now: datetime) -> str:
        # The others go on with the old token meanwhile, and so does this caller if renewing fails.
        self._renewal_paused_until = min(now + self._RENEWAL_PAUSE, token.expires_at - self._LEAST_LIFE)
        reason = "it takes too long"
        with anyio.move_on_after(self._AHEAD_SECONDS):
            try:
                return (await self._flight.result()).value
            except KfError as error:
                reason = str(error)
            except Exception as error:  # noqa: BLE001 - the old token is as good; the text might hold the new one
                reason = type(error).__name__
        _log.warning("Could not renew the access token ahead of time; going on with the old one: %s", reason)
        return token.value

    async def _renew(self) -> Token:
        with anyio.move_on_after(self._timeout):
            return await self._load_or_fetch()
        raise NotSent(f"It took longer than {self._timeout:g} seconds.")

    async def _load_or_fetch(self) -> Token:
        token = await self._load()
        failure: Exception | None = None
        if token is None and self._store_works:
            with anyio.move_on_after(self._LOCK_SECONDS) as scope:
                try:
                    async with self._store.lock(self._key):
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
        token: object = await self._fetch()
        if not is_sound(token):
            raise NotSent("The fetch returned no usable token.")
        # What is said to live longer, a store that is asked for it would not be believed.
        longest = self._clock.now() + self._LONGEST_LIFE
        if token.expires_at > longest:
            token = Token(token.value, longest)
        # Before anything else can go wrong: it counts against a daily quota.
        self._adopt(token)
        if self._store_works:
            try:
                with anyio.fail_after(self._STORE_SECONDS):
                    await self._store.save(self._key, token)
            except Exception as error:  # noqa: BLE001 - whatever a store may raise
                self._store_failed(error)
        return token

    def _adopt(self, token: Token) -> Token:
        good_until = token.expires_at - self._RENEW_BEFORE
        if self._token is not None and self._token.value == token.value:
            # The same once more: what was decided for it stands.
            good_until = max(good_until, self._renewal_paused_until)
        self._token, self._renewal_paused_until = token, good_until
        return token

    async def _load(self) -> Token | None:
        """
        Load what the store holds, if it is of use: not the one refused, and with enough to live.
        """
        try:
            with anyio.fail_after(self._STORE_SECONDS):
                token: object = await self._store.load(self._key)
        except Exception as error:  # noqa: BLE001 - whatever a store may raise
            self._store_failed(error)
            return None
        if not self._store_works:
            self._store_works = True
            _log.info("The token store works again.")
        return token if self._is_of_use(token) else None

    def _is_of_use(self, token: object) -> TypeGuard[Token]:
        if not is_sound(token):
            return False
        refused = self._refused
        # A store that was away for a while may come back with what is older still.
        if refused is not None and (token.value == refused.value or token.expires_at < refused.expires_at):
            return False
        return self._RENEW_BEFORE < token.expires_at - self._clock.now() <= self._LONGEST_LIFE

    def _store_failed(self, error: Exception) -> None:
        if self._store_works:
            self._store_works = False
            # Its text could hold what was to be saved.
            _log.warning("The token store fails (%s); going on without it.", type(error).__name__)
