"""
The client: the chapters of the manual, over one exchange, with the token and the decision to try again.
"""

from __future__ import annotations

import copy
import math
import os
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar, cast

from anyio import to_thread

from ._call.retry import retry_delay
from ._clock import Clock, SystemClock
from ._errors import ApiError, AuthError, DeliveryUncertain, KfError, NotSent, ReplyError, SystemBusy, TransportError
from ._http.exchange import Exchange, Hosts, HttpClient, OpenReply
from ._http.pool import DirectClient, StackTransport
from ._redact import guard_loggers
from ._wire.arguments import required
from ._wire.download import Download
from ._wire.endpoint import Call, Endpoint
from ._wire.json import read_json
from ._wire.reply import read_reply
from .api.accounts import AccountCalls
from .api.maintenance import MaintenanceCalls
from .api.media import MediaCalls
from .api.messages import MessageCalls
from .api.records import RecordCalls
from .api.sessions import SessionCalls
from .api.typing_indicator import keep_typing
from .broadcast import Outcomes, Pair
from .tokens import (
    CLASSIC_TOKEN,
    STABLE_TOKEN,
    STALE,
    Lease,
    MemoryTokenStore,
    RenewingToken,
    StaticToken,
    Token,
    TokenAnswer,
    TokenGate,
    TokenProvider,
    TokenStore,
)

__all__ = ["AsyncKfClient"]

T = TypeVar("T")

# An answer larger than this is read into values in a worker thread: it would hold the event loop up.
_LARGE: Final = 64 * 1024

# An answer to a download that is not larger than this may be JSON.
_NOTE: Final = 64 * 1024

# What JSON may begin with before its first sign: blanks, and the bytes of a byte order mark.
_BEFORE_JSON: Final = b" \t\r\n\xef\xbb\xbf"

_API: Final = "https://api.weixin.qq.com"


class AsyncKfClient(AccountCalls, SessionCalls, MessageCalls, RecordCalls, MediaCalls, MaintenanceCalls):
    """
    The customer-service API of one service account.

    ::

        async with AsyncKfClient(appid, secret) as kf:
            await kf.send_custom_message(openid, Text("你好"))

    One client serves any number of tasks. Close it with `aclose` or ``async with``.

    Args:
        appid: The account's appid.

        secret: Its secret.

        token: A provider or a token, instead of the secret. (An appid beside it is used by `clear_quota` only.)

        token_api: ``"stable"`` for ``/cgi-bin/stable_token``, where workers do not disturb each other; ``"classic"``
            for ``/cgi-bin/token``, where each fetch retires the token before.

        token_store: Where the token is kept; in memory by default.

        http: Your own ``httpx.AsyncClient`` or ``httpx2.AsyncClient``: used, never closed. At most `max_connections`
            requests are put to it at once; give the number its pool has (its limits cannot be read).

        base_url: The API's address; of several, the first that can be reached is used.

        timeout: Seconds for a whole attempt, however slowly the answer drips; for uploads and downloads, for each
            stall.

        max_retries: Extra attempts of a call; a renewal of the token is not counted.

        max_connections: Connections at once.

        clock: The clock.

    Raises:
        TypeError: Neither `appid` and `secret` nor `token`, or both; or an argument is of a wrong type.

        ValueError: An argument is out of bounds.
    """

    def __init__(
        self,
        appid: str | None = None,
        secret: str | None = None,
        *,
        token: TokenProvider | str | None = None,
        token_api: Literal["stable", "classic"] = "stable",  # noqa: S107 - a name, not a token
        token_store: TokenStore | None = None,
        http: HttpClient | None = None,
        base_url: str | Sequence[str] = _API,
        timeout: float = 10.0,
        max_retries: int = 2,
        max_connections: int = 64,
        clock: Clock | None = None,
    ) -> None:
        if token is not None and secret is not None:
            raise TypeError("give appid and secret, or token, not both")
        if token is not None and token_store is not None:
            raise TypeError("token_store is for tokens that the client fetches; with token it would not be used")
        if token_api not in ("stable", "classic"):
            raise ValueError(f"token_api must be 'stable' or 'classic', not {token_api!r}")
        self._clock = SystemClock() if clock is None else clock
        self._appid = None if appid is None else required("appid", appid)
        self._timeout = _seconds(timeout)
        self._max_retries = _count("max_retries", max_retries, least=0)
        self._hosts = Hosts(base_url, self._clock)
        # As long as a token endpoint that fails in every way may take, and a store besides.
        patience = (1 + self._max_retries) * self._timeout + 30.0
        if isinstance(token, str):
            self._gate = TokenGate(StaticToken(token), self._clock, patience=None)
        elif token is not None:
            if not isinstance(token, TokenProvider):
                raise TypeError("token must be a str or have the methods get and invalidate")
            self._gate = TokenGate(token, self._clock, patience=patience)
        elif appid is None or secret is None:
            raise TypeError("give appid and secret, or token")
        else:
            call = _token_call(token_api, appid, required("secret", secret))
            provider = RenewingToken(
                appid,
                # The secret lives in this closure only, out of reach of vars() and reprs.
                lambda: self._fetch_token(call, secret),
                store=MemoryTokenStore() if token_store is None else token_store,
                clock=self._clock,
                patience=patience,
            )
            self._gate = TokenGate(provider, self._clock, patience=None)
        most = _count("max_connections", max_connections, least=1)
        self._owns_http = http is None
        if http is None:
            http = DirectClient(StackTransport(max_connections=most))
            self._exchange = Exchange(http, self._hosts, guard=None)
        else:
            self._exchange = Exchange(http, self._hosts, guard=most)
        guard_loggers()

    @classmethod
    def from_env(cls, **options: Any) -> Self:
        """
        Make a client from ``WECHAT_APPID``, ``WECHAT_SECRET`` and, if set, ``WECHAT_BASE_URL`` (several, by commas).

        Args:
            options: Further arguments of the client; they win over the environment.

        Raises:
            ValueError: A variable is missing.
        """
        if "token" not in options:
            for name, variable in (("appid", "WECHAT_APPID"), ("secret", "WECHAT_SECRET")):
                if name not in options:
                    if not os.environ.get(variable):
                        raise ValueError(f"the environment variable {variable} is not set")
                    options[name] = os.environ[variable]
        if os.environ.get("WECHAT_BASE_URL"):
            options.setdefault("base_url", tuple(url.strip() for url in os.environ["WECHAT_BASE_URL"].split(",")))
        return cls(**options)

    def with_options(self, *, timeout: float | None = None, max_retries: int | None = None) -> Self:
        """
        Make a client with other limits that shares this one's connections and token; closing it closes nothing.

        ::

            await kf.with_options(timeout=3, max_retries=0).get_wait_case()
        """
        other = copy.copy(self)
        other._owns_http = False
        if timeout is not None:
            other._timeout = _seconds(timeout)
        if max_retries is not None:
            other._max_retries = _count("max_retries", max_retries, least=0)
        return other

    async def aclose(self) -> None:
        """
        Close the connections, unless the HTTP client is yours.
        """
        if self._owns_http:
            await self._exchange.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} appid={self._appid!r}>"

    async def request(self, call: Call[T]) -> T:
        """
        Make any call, also to an endpoint this library does not know.

        ::

            await kf.request(Call(Endpoint("GET", "/cgi-bin/user/info", dict), {"openid": openid}))

        Args:
            call: The endpoint with its query and body; the token is added.

        Raises:
            NotSent: Nothing was sent.

            DeliveryUncertain: It may have taken effect.

            ReplyError: The answer is not in the documented shape.

            ApiError: WeChat refused.

            RuntimeError: The client is closed.

        Manual: https://developers.weixin.qq.com/doc/service/guide/dev/api/
        """
        if call.url is not None:
            reply = await self._exchange.open_url(call.url, self._timeout)
            return cast("T", await _note_or_file(call.endpoint, reply))

        async def once(token: str, base: str) -> T:
            if call.endpoint.reply is Download:
                reply = await self._exchange.open(call, base, token, self._timeout)
                return cast("T", await _note_or_file(call.endpoint, reply, token))
            return await self._ask(call, base, token, token)

        return await self._persist(call.endpoint, once)

    def typing_indicator(self, openid: str) -> AbstractAsyncContextManager[None]:
        """
        Show the customer "typing" while the body runs, for up to about 30 seconds after the last message.

        ::

            async with kf.typing_indicator(openid):
                answer = await think()

        Its failures are logged, never raised. Entering waits for at most a second, leaving for at most three.

        Args:
            openid: The customer.
        """
        return keep_typing(self.typing, required("openid", openid), self._clock)

    def send_each(self, pairs: Iterable[Pair] | AsyncIterable[Pair], *, concurrency: int = 50) -> Outcomes:
        """
        Send many messages and give an `Outcome` for each as it settles; those of one customer go in order.

        ::

            async for outcome in kf.send_each([(openid, Text("你好")), …]):
                if outcome.error is not None: ...

        Who leaves the loop early stops what has not begun; what is on its way settles (``contextlib.aclosing`` waits
        for that). Who is cancelled while waiting for an outcome cancels it all.

        Args:
            pairs: Openids and messages; may be long, and async. Taken one by one as slots come free.

            concurrency: How many may be under way, or settled and not yet taken from the loop.

        Raises:
            ValueError: `concurrency` is below 1, at once; or a pair is wrong, after what was under way has settled.
                Pairs without an outcome were not sent then.

            TypeError: A pair is not one; likewise.
        """
        return Outcomes(pairs, self.send_custom_message, concurrency)

    # ---- one call ----------------------------------------------------------------------------------------------------

    async def _persist(self, endpoint: Endpoint[Any], once: Callable[[str, str], Awaitable[T]]) -> T:
        """
        Make attempts until one settles the call: renew the token at most once, try again what may be tried again.
        """
        doubts: list[KfError] = []
        try:
            return await self._attempts(endpoint, once, doubts)
        except KfError as error:
            if not doubts or error.effect == "unknown":
                raise
            # This attempt had no effect, but one before it may have had.
            if isinstance(error, NotSent):
                raise doubts[-1] from doubts[-1].__cause__
            error.effect = "unknown"
            raise

    async def _attempts(
        self, endpoint: Endpoint[Any], once: Callable[[str, str], Awaitable[T]], doubts: list[KfError]
    ) -> T:
        attempt = 0
        renewed = False
        tried: list[str] = []
        while True:
            if self._exchange.is_closed:
                raise RuntimeError("this client is closed")
            lease = await self._lease()
            base = self._hosts.pick(tried)
            failure: KfError
            try:
                reply = await once(lease.value, base)
            except ApiError as error:
                if error.errcode in STALE:
                    if await self._gate.refused(lease, error) and not renewed:
                        renewed = True
                        continue
                    raise
                # One that is busy may not have looked at the token yet.
                if not isinstance(error, (AuthError, SystemBusy)):
                    self._gate.accepted()
                failure = error
            except TransportError as error:
                failure = error
            else:
                self._gate.accepted()
                return reply
            finally:
                self._gate.done(lease)
            tried.append(base)
            await self._pause(failure, attempt, tried, repeatable=endpoint.repeatable)
            if failure.effect == "unknown":
                doubts.append(failure)
            attempt += 1

    async def _pause(self, failure: KfError, attempt: int, tried: list[str], *, repeatable: bool) -> None:
        """
        Wait before the next attempt, or raise the failure if there is to be none.
        """
        delay = retry_delay(failure, attempt, max_retries=self._max_retries, repeatable=repeatable)
        if delay is None:
            raise failure
        # Another host can be asked at once.
        await self._clock.sleep(0 if self._hosts.untried(tried) else delay)

    async def _ask(self, call: Call[T], base: str, token: str | None, *secrets: str) -> T:
        status, body = await self._exchange.ask(call, base, token, self._timeout)
        if len(body) > _LARGE:
            read = partial(read_reply, call.endpoint, status, body, secrets=secrets)
            return await to_thread.run_sync(read, abandon_on_cancel=True)
        return read_reply(call.endpoint, status, body, secrets=secrets)

    # ---- the token ---------------------------------------------------------------------------------------------------

    async def _lease(self) -> Lease:
        """
        Get a token for a call. Whatever goes wrong here, the call itself had no effect.
        """
        try:
            return await self._gate.get()
        except (DeliveryUncertain, NotSent) as error:
            raise NotSent(f"No token could be had. {error.args[0]}", endpoint=error.endpoint) from error.__cause__
        except KfError as error:
            error.effect = "none"
            raise
        except Exception as error:
            # Its text is somebody else's and might hold the token.
            raise NotSent(f"The token provider failed with {type(error).__name__}.") from error

    async def _fetch_token(self, call: Call[TokenAnswer], secret: str) -> Token:
        attempt = 0
        tried: list[str] = []
        while True:
            base = self._hosts.pick(tried)
            asked = self._clock.now()
            try:
                answer = await self._ask(call, base, None, secret)
            except KfError as error:
                if isinstance(error, ReplyError) and b"token" in error.body:
                    # Perhaps there is one in it after all.
                    error.body = b""
                self._gate.count(error)
                tried.append(base)
                # Only what certainly did nothing, or what WeChat says it could not do, is asked again.
                await self._pause(error, attempt, tried, repeatable=isinstance(error, SystemBusy))
                attempt += 1
                continue
            if not answer.access_token or answer.expires_in <= 0:
                raise ReplyError("The answer holds no token that lives.", endpoint=call.endpoint.path)
            # The life is counted from before the answer was on its way.
            return Token(answer.access_token, asked + timedelta(seconds=min(answer.expires_in, 10**8)))


def _token_call(api: str, appid: str, secret: str) -> Call[TokenAnswer]:
    about = {"grant_type": "client_credential", "appid": appid, "secret": secret}
    if api == "classic":
        return Call(CLASSIC_TOKEN, about)
    return Call(STABLE_TOKEN, json={**about, "force_refresh": False})


async def _note_or_file(endpoint: Endpoint[Any], reply: OpenReply, *secrets: str) -> Download:
    """
    Tell an answer in JSON (an error, a video's address) from a file, whatever its content type says.
    """
    try:
        kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        said_to_be_text = kind.startswith("text/") or kind.endswith(("json", "xml"))
        if reply.status != 200 or said_to_be_text or (await reply.peek(0)).lstrip(_BEFORE_JSON)[:1] in (b"", b"{"):
            body = await reply.peek(_NOTE)
            # A page of some gateway is no file either, but bytes that are no text are one.
            if reply.status != 200 or not body or _is_object(body) or (said_to_be_text and _is_text(body)):
                as_it_came = Endpoint(endpoint.method, endpoint.path, manual=endpoint.manual)
                note = read_reply(as_it_came, reply.status, body, secrets=secrets)
                await reply.aclose()
                return Download(reply.headers, reply, note)
    except BaseException:
        await reply.aclose()
        raise
    return Download(reply.headers, reply)


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(read_json(body), dict)
    except ValueError:
        return False


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _seconds(timeout: float) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError("timeout must be a number of seconds: every wait is bounded")
    if not 0 < timeout < math.inf:
        raise ValueError("timeout must be more than 0 and finite: every wait is bounded")
    return float(timeout)


def _count(name: str, value: int, *, least: int) -> int:
    if type(value) is not int:
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}")
    return value
