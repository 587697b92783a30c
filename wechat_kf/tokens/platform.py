"""
The tokens of third-party platforms (第三方平台): the platform's own, and those of the accounts that authorised it.

Strategy. A ticket, which WeChat pushes, gives the platform's token; that and an account's refresh token give the
account's. WeChat may give a new refresh token with each token, and the one before may end when the new one is used. So
a refresh token is stored before it is used, and what follows WeChat's answer up to there cannot be cancelled. Who is
killed in between leaves the one before in the store.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol, TypeVar

import anyio

from .._clock import Clock, SystemClock
from .._concurrency import shielded
from .._errors import KfError, NotSent, ReplyError
from .._redact import hides_arguments
from .._wire.arguments import credential, required
from .._wire.endpoint import Call, Endpoint
from ._kept import Kept
from ._providers import Token, TokenProvider
from ._renewing import RenewingToken
from ._stores import TokenStore
from .breaker import Breaker
from .endpoints import (
    AUTHORIZER_TOKEN,
    COMPONENT_TOKEN,
    PRE_AUTH_CODE,
    QUERY_AUTH,
    START_PUSH_TICKET,
    AuthorizationAnswer,
    AuthorizationInfo,
    AuthorizerTokenAnswer,
    ComponentTokenAnswer,
    PreAuthCode,
)

__all__ = ["AuthorizerToken", "ComponentToken", "PlatformClient"]

T = TypeVar("T")

_TICKET_LIFE: Final = timedelta(hours=12)
# It lives until another takes its place; a store wants an end.
_REFRESH_LIFE: Final = timedelta(days=3650)
_STORE_SECONDS: Final = 5.0


class PlatformClient(Protocol):
    """
    What makes a platform's calls: an `AsyncKfClient`.
    """

    async def request(self, call: Call[T]) -> T:
        """
        Make a call.
        """
        ...

    def for_account(
        self, appid: str | None = None, secret: str | None = None, *, token: TokenProvider | str | None = None
    ) -> PlatformClient:
        """
        Make a client for another account over the same connections.
        """
        ...


class ComponentToken(RenewingToken):
    """
    A platform's own token (``component_access_token``), and the calls that a platform makes with it.

    ::

        pool = AsyncKfClient(token=NoToken())
        component = ComponentToken(pool, component_appid, component_secret, store=RedisTokenStore(engine))
        kf = pool.for_account(appid, token=AuthorizerToken(component, appid))

    Hand it each ticket that WeChat pushes (`keep_ticket`), and the code of each authorisation
    (`get_authorizer_refresh_token`).

    Args:
        kf: A client, whose connections are used.

        appid: The platform's appid.

        secret: The platform's secret.

        store: Where tickets, refresh tokens and tokens are kept. It must outlive the process: an account whose refresh
            token is lost has to be authorised anew by its owner.

        clock: The clock.

    Attributes:
        appid: The platform's appid.

        store: The store.

        clock: The clock.
    """

    # The manual's advice is an hour and fifty minutes after it was made.
    _RENEW_BEFORE = timedelta(minutes=10)

    @hides_arguments
    def __init__(
        self, kf: PlatformClient, appid: str, secret: str, *, store: TokenStore, clock: Clock | None = None
    ) -> None:
        self.appid: str = credential("appid", appid)
        self.store: TokenStore = store
        self.clock: Clock = SystemClock() if clock is None else clock
        self._tickets = Kept(store, _TICKET_LIFE, self.clock)
        self._refresh_tokens = Kept(store, _REFRESH_LIFE, self.clock)
        fetch, self._start = self._with_secret(credential("secret", secret))
        super().__init__(_watched(fetch, self.clock), store=store, key=f"{appid}:component", clock=self.clock)
        self._kf = kf.for_account(appid, token=self)

    async def keep_ticket(self, ticket: str, made: datetime | None = None) -> None:
        """
        Keep a ticket that WeChat pushed, unless a younger one is kept.

        Args:
            ticket: The push's ``component_verify_ticket``.

            made: The push's ``create_time``; None: now.

        Raises:
            ValueError: It cannot be one.
        """
        keeping = self._tickets.keep(self._ticket_key, ticket, self.clock.now() if made is None else made)
        del ticket
        await keeping

    async def start_push_ticket(self) -> None:
        """
        Have WeChat push tickets, if none comes.

        Manual: https://developers.weixin.qq.com/doc/oplatform/openApi/ticket-token/api_startpushticket.html
        """
        await self._start()

    async def get_pre_auth_code(self) -> PreAuthCode:
        """
        Get a code with which an account's owner can be led to WeChat's page for authorisations.

        Manual: https://developers.weixin.qq.com/doc/oplatform/openApi/ticket-token/api_getpreauthcode.html
        """
        return await self.request(Call(PRE_AUTH_CODE, json={"component_appid": self.appid}))

    async def get_authorizer_refresh_token(self, authorization_code: str) -> AuthorizationInfo:
        """
        Exchange the code of an authorisation for the account's tokens, and keep these; the account's former ones end.

        A code works once: being cancelled does not stop the exchange.

        Args:
            authorization_code: Of an `AuthorizedPush`, or of the page that WeChat led the account's owner to.

        Manual: https://developers.weixin.qq.com/doc/oplatform/openApi/ticket-token/api_getauthorizerrefreshtoken.html
        """
        call = self._exchange(required("authorization_code", authorization_code))
        del authorization_code
        return await shielded(partial(self._authorize, call))

    async def _authorize(self, call: Call[AuthorizationAnswer]) -> AuthorizationInfo:
        asked = self.clock.now()
        info = (await self.request(call)).authorization_info
        appid = info.authorizer_appid
        if info.authorizer_refresh_token:
            await self._refresh_tokens.keep(self._refresh_key(appid), info.authorizer_refresh_token)
        if info.authorizer_access_token and info.expires_in > 0:
            token = _token_of(info.authorizer_access_token, info.expires_in, asked, QUERY_AUTH)
            # If that fails, the account's token is fetched when it is needed.
            with suppress(Exception), anyio.fail_after(_STORE_SECONDS):
                await self.store.save(self.key_of(appid), token)
        return info

    async def get_authorizer_access_token(self, appid: str) -> Token:
        """
        Get a new token for an account, and keep the refresh token that comes with it. `AuthorizerToken` sees to that.

        Args:
            appid: The account's appid.

        Raises:
            NotSent: No refresh token is known, or the last one could not be stored.

            AuthError: The refresh token is not the account's last (61023): ask its owner for the authorisation anew.

            PermissionDenied: The account withdrew its authorisation (61003).

        Manual: https://developers.weixin.qq.com/doc/oplatform/openApi/ticket-token/api_getauthorizeraccesstoken.html
        """
        key = self._refresh_key(appid)
        refresh_token = await self._refresh_tokens.get(key)
        if refresh_token is None:
            raise _lasting(f"No refresh token of {appid} is known: ask the account's owner to authorise the platform.")
        if not self._refresh_tokens.is_stored(key):
            raise NotSent(f"The refresh token of {appid} could not be stored, and is not used before it is.")
        return await shielded(partial(self._renew_of, key, self._refresh(appid, refresh_token.value)))

    async def _renew_of(self, key: str, call: Call[AuthorizerTokenAnswer]) -> Token:
        asked = self.clock.now()
        answer = await self.request(call)
        if answer.authorizer_refresh_token:
            await self._refresh_tokens.keep(key, answer.authorizer_refresh_token)
        return _token_of(answer.authorizer_access_token, answer.expires_in, asked, AUTHORIZER_TOKEN)

    async def is_authorized(self, appid: str) -> bool:
        """
        Whether a refresh token of an account is kept; it may have withdrawn its authorisation since.

        Args:
            appid: The account's appid.
        """
        return await self._refresh_tokens.get(self._refresh_key(appid)) is not None

    async def request(self, call: Call[T]) -> T:
        """
        Make a platform's call.

        Args:
            call: The call; if its endpoint takes a ``component_access_token``, that is added.
        """
        try:
            return await self._kf.request(call)
        except ReplyError as error:
            if b"token" in error.body:
                # Perhaps there is one in it after all.
                error.body = b""
            raise

    def key_of(self, appid: str) -> str:
        """
        Return the key under which the store has an account's token.
        """
        return f"{self.appid}:{appid}"

    @property
    def _ticket_key(self) -> str:
        return f"{self.appid}:ticket"

    def _refresh_key(self, appid: str) -> str:
        return f"{self.key_of(appid)}:refresh"

    def _with_secret(self, secret: str) -> tuple[Callable[[], Awaitable[Token]], Callable[[], Awaitable[Any]]]:
        """
        Make what fetches and what starts the tickets.

        The secret lives in what they close over only, out of reach of vars() and reprs.
        """

        def call_with(ticket: str) -> Call[ComponentTokenAnswer]:
            body = {"component_appid": self.appid, "component_appsecret": secret, "component_verify_ticket": ticket}
            return Call(COMPONENT_TOKEN, json=body, secrets=(secret, ticket))

        async def fetch() -> Token:
            ticket = await self._tickets.get(self._ticket_key)
            if ticket is None:
                raise _lasting(f"WeChat has pushed no ticket to {self.appid} for 12 hours; start_push_ticket may help.")
            asked = self.clock.now()
            answer = await self.request(call_with(ticket.value))
            return _token_of(answer.component_access_token, answer.expires_in, asked, COMPONENT_TOKEN)

        body = {"component_appid": self.appid, "component_secret": secret}
        return fetch, partial(self.request, Call(START_PUSH_TICKET, json=body, secrets=(secret,)))

    def _exchange(self, code: str) -> Call[AuthorizationAnswer]:
        body = {"component_appid": self.appid, "authorization_code": code}
        return Call(QUERY_AUTH, json=body, secrets=(code,))

    def _refresh(self, appid: str, refresh_token: str) -> Call[AuthorizerTokenAnswer]:
        body = {
            "component_appid": self.appid,
            "authorizer_appid": appid,
            "authorizer_refresh_token": refresh_token,
        }
        return Call(AUTHORIZER_TOKEN, json=body, secrets=(refresh_token,))


class AuthorizerToken(RenewingToken):
    """
    The token of an account that authorised a platform (``authorizer_access_token``).

    Workers that share the platform's store share it, and one of them renews it.

    Args:
        component: The platform's token.

        appid: The account's appid.
    """

    def __init__(self, component: ComponentToken, appid: str) -> None:
        appid = credential("appid", appid)
        fetch = partial(component.get_authorizer_access_token, appid)
        super().__init__(
            _watched(fetch, component.clock), store=component.store, key=component.key_of(appid), clock=component.clock
        )

    async def _fetch_and_save(self) -> Token:
        # With all that waited for it gone it goes on: a refresh token may work once.
        return await shielded(super()._fetch_and_save)


def _watched(fetch: Callable[[], Awaitable[Token]], clock: Clock) -> Callable[[], Awaitable[Token]]:
    """
    Make a fetch that is not made again and again if it is refused.
    """
    breaker = Breaker(clock)

    async def watched() -> Token:
        is_probe = breaker.admit()
        try:
            token = await fetch()
        except KfError as error:
            breaker.count(error)
            raise
        finally:
            if is_probe:
                breaker.end_probe()
        breaker.reset()
        return token

    return watched


def _lasting(text: str) -> NotSent:
    error = NotSent(text)
    error.is_lasting = True
    return error


def _token_of(value: str, expires_in: int, asked: datetime, endpoint: Endpoint[Any]) -> Token:
    """
    Make a token, whose life is counted from before the answer was on its way.
    """
    if not value or expires_in <= 0:
        raise ReplyError("The answer holds no usable token.", endpoint=endpoint.path)
    return Token(value, asked + timedelta(seconds=min(expires_in, 10**8)))
