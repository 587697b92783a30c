"""
The client: its options, and the chapters of the manual.
"""

from __future__ import annotations

import copy
import os
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from types import TracebackType
from typing import Final, Literal, Self, TypedDict, TypeVar, Unpack

import attrs

from ._call.attempts import Attempts, NoTokens
from ._call.hosts import Hosts
from ._call.status import ClientStatus
from ._call.token import token_fetch
from ._clock import Clock, SystemClock
from ._http.borrowed import AsyncHttpxClient, BorrowedHttp
from ._http.owned import OwnedHttp
from ._redact import guard_loggers, hides_arguments
from ._wire.arguments import bounded_wait, credential, required, whole_number
from ._wire.endpoint import Call
from .api.accounts import AccountCalls
from .api.maintenance import MaintenanceCalls
from .api.media import MediaCalls
from .api.messages import MessageCalls
from .api.records import RecordCalls
from .api.sessions import SessionCalls
from .api.typing_indicator import keep_typing
from .broadcast import Journal, Outcomes, Pair
from .instrumentation import Hook
from .instrumentation.observers import Observers
from .tokens import MemoryTokenStore, NoToken, RenewingToken, StaticToken, TokenProvider, TokenStore
from .tokens.breaker import Breaker
from .tokens.gate import TokenGate

__all__ = ["AsyncKfClient", "ClientOptions"]

T = TypeVar("T")

_API: Final = "https://api.weixin.qq.com"


class ClientOptions(TypedDict, total=False):
    """
    The arguments of `AsyncKfClient`, for `AsyncKfClient.from_env`.
    """

    appid: str
    secret: str
    token: TokenProvider | str
    token_api: Literal["stable", "classic"]
    token_store: TokenStore | None
    http: AsyncHttpxClient | None
    base_url: str | Sequence[str]
    timeout: float
    max_retries: int
    max_connections: int
    refuse_private_addresses: bool
    hooks: Iterable[Hook]
    clock: Clock | None


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

        token: A provider or a token, instead of the secret; `NoToken` for cloud-run, and for a client whose connections
            are for those of `for_account` only. (An appid beside it is used by `clear_quota` only.)

        token_api: ``"stable"`` for ``/cgi-bin/stable_token``, where workers do not disturb each other; ``"classic"``
            for ``/cgi-bin/token``, where each fetch retires the token before.

        token_store: Where the tokens are kept that this client and those of `for_account` fetch; in memory by default.

        http: Your own ``httpx.AsyncClient`` or ``httpx2.AsyncClient``: used, never closed. At most `max_connections`
            requests are put to it at once; give the number its pool has (its limits cannot be read).

        base_url: The API's address; of several, the first that can be reached is used. WeChat's own without TLS is for
            cloud-run.

        timeout: Seconds for a whole attempt, however slowly the answer drips; for uploads and downloads, for each
            stall.

        max_retries: Extra attempts of a call; a renewal of the token is not counted.

        max_connections: Connections at once.

        refuse_private_addresses: Whether to refuse the download of a video whose address, which WeChat's answer names,
            lies in a private network. It is looked up before the connection is made, and what is connected is looked at
            again before anything is sent; a proxy, or a transport that tells nothing of its steps, looks up by itself.

        hooks: What is told of each call, attempt and token; a bot with this client tells them of its pushes, too.

        clock: The clock.

    Raises:
        TypeError: Neither `appid` and `secret` nor `token`, or both; or an argument is of a wrong type.

        ValueError: An argument is out of bounds, or a token would go to WeChat without TLS.
    """

    @hides_arguments
    def __init__(
        self,
        appid: str | None = None,
        secret: str | None = None,
        *,
        token: TokenProvider | str | None = None,
        token_api: Literal["stable", "classic"] = "stable",  # noqa: S107 - a name, not a token
        token_store: TokenStore | None = None,
        http: AsyncHttpxClient | None = None,
        base_url: str | Sequence[str] = _API,
        timeout: float = 10.0,
        max_retries: int = 2,
        max_connections: int = 64,
        refuse_private_addresses: bool = False,
        hooks: Iterable[Hook] = (),
        clock: Clock | None = None,
    ) -> None:
        if token_api not in ("stable", "classic"):
            raise ValueError(f"token_api must be 'stable' or 'classic', not {token_api!r}")
        clock = SystemClock() if clock is None else clock
        self._clock: Clock = clock
        most = whole_number("max_connections", max_connections, least=1)
        self._owns_http = http is None
        self._token_api: Literal["stable", "classic"] = token_api
        self._token_store = MemoryTokenStore() if token_store is None else token_store
        self._attempts = Attempts(
            http=OwnedHttp(most) if http is None else BorrowedHttp(http, most),
            hosts=Hosts(base_url, clock),
            clock=clock,
            tokens=NoTokens(),
            timeout=bounded_wait(timeout),
            max_retries=whole_number("max_retries", max_retries, least=0),
            public_only=refuse_private_addresses,
            observers=Observers(hooks),
        )
        self._serve(appid, secret, token)
        guard_loggers()

    @classmethod
    @hides_arguments
    def from_env(cls, **options: Unpack[ClientOptions]) -> Self:
        """
        Make a client from ``WECHAT_APPID``, ``WECHAT_SECRET`` and, if set, ``WECHAT_BASE_URL`` (several, by commas).

        Args:
            options: Further arguments of the client; they win over the environment.

        Raises:
            ValueError: A variable is missing.
        """
        found: ClientOptions = {}
        if "token" not in options:
            if "appid" not in options:
                found["appid"] = _variable("WECHAT_APPID")
            if "secret" not in options:
                found["secret"] = _variable("WECHAT_SECRET")
        if os.environ.get("WECHAT_BASE_URL"):
            found["base_url"] = tuple(url.strip() for url in os.environ["WECHAT_BASE_URL"].split(","))
        found.update(options)
        return cls(**found)

    def with_options(self, *, timeout: float | None = None, max_retries: int | None = None) -> Self:
        """
        Make a client with other limits that shares this one's connections and token; closing it closes nothing.

        ::

            await kf.with_options(timeout=3, max_retries=0).get_wait_case()
        """
        own, other = self._attempts, copy.copy(self)
        other._owns_http = False
        other._attempts = attrs.evolve(
            own,
            timeout=own.timeout if timeout is None else bounded_wait(timeout),
            max_retries=own.max_retries if max_retries is None else whole_number("max_retries", max_retries, least=0),
        )
        return other

    @hides_arguments
    def for_account(
        self, appid: str | None = None, secret: str | None = None, *, token: TokenProvider | str | None = None
    ) -> Self:
        """
        Make a client for another account that shares this one's connections, token store and options.

        ::

            async with AsyncKfClient(token=NoToken(), token_store=store, max_connections=200) as pool:
                clients = {appid: pool.for_account(appid, secret) for appid, secret in accounts}

        Make it once for each account: it has the token in hand, and its own breaker. To close it closes nothing; to
        close this one closes the connections of all.

        Args:
            appid: The account's appid.

            secret: Its secret.

            token: A provider or a token, instead of the secret, such as a third-party platform's `AuthorizerToken`.

        Raises:
            TypeError: Neither `appid` and `secret` nor `token`, or both; or an argument is of a wrong type.

            ValueError: An argument is empty, or a token would go to WeChat without TLS.
        """
        other = copy.copy(self)
        other._owns_http = False
        other._serve(appid, secret, token)
        return other

    def _serve(self, appid: str | None, secret: str | None, token: TokenProvider | str | None) -> None:
        """
        Make calls with an account's token from now on.
        """
        if token is not None and secret is not None:
            raise TypeError("give appid and secret, or token, not both")
        self._appid = None if appid is None else credential("appid", appid)
        attempts = self._attempts
        if isinstance(token, NoToken):
            self._attempts = attrs.evolve(attempts, tokens=NoTokens())
            return
        if not attempts.hosts.are_for_tokens:
            raise ValueError("base_url must be https for calls with a token; WeChat without TLS is for token=NoToken()")
        breaker = Breaker(self._clock)
        if isinstance(token, str):
            token = StaticToken(token)
        elif token is None:
            if appid is None or secret is None:
                raise TypeError("give appid and secret, or token")
            token = RenewingToken(
                token_fetch(attempts, breaker, self._token_api, appid, credential("secret", secret)),
                store=self._token_store,
                key=appid,
                # As long as a token endpoint that fails in every way may take, and a store besides.
                timeout=(1 + attempts.max_retries) * attempts.timeout + 30.0,
                clock=self._clock,
            )
        self._attempts = attrs.evolve(attempts, tokens=TokenGate(token, breaker, self._clock, attempts.observers))

    @property
    def appid(self) -> str | None:
        """
        The account's appid, if the client was given it.
        """
        return self._appid

    @property
    def hooks(self) -> tuple[Hook, ...]:
        """
        The hooks that the client was given.
        """
        return self._attempts.observers.hooks

    def status(self) -> ClientStatus:
        """
        Return in what state the client is, for a health check. Nothing is asked of anybody.

        ::

            @app.get("/healthz")
            def healthz() -> dict[str, object]:
                return attrs.asdict(kf.status())
        """
        attempts = self._attempts
        token_age, breaker = attempts.tokens.state()
        in_use, waiting = attempts.http.connections()
        return ClientStatus(
            is_closed=attempts.http.is_closed,
            token_age=token_age,
            breaker=breaker,
            hosts_down=attempts.hosts.down(),
            connections_in_use=in_use,
            connections_waiting=waiting,
        )

    async def aclose(self) -> None:
        """
        Close the connections, unless the HTTP client is yours.
        """
        if self._owns_http:
            await self._attempts.http.aclose()

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
        return await self._attempts.make(call)

    def typing_indicator(self, touser: str, *, businessid: str | None = None) -> AbstractAsyncContextManager[None]:
        """
        Show the customer "typing" while the body runs, for up to about 30 seconds after the last message.

        ::

            async with kf.typing_indicator(openid):
                answer = await think()

        Its failures are logged, never raised. Entering waits for at most a second, leaving for at most three.

        Args:
            touser: The customer's openid.

            businessid: The sub-merchant, where the account has some.
        """
        typing = partial(self.typing, businessid=None if businessid is None else required("businessid", businessid))
        return keep_typing(typing, required("touser", touser), self._clock)

    def send_each(
        self,
        pairs: Iterable[Pair] | AsyncIterable[Pair],
        *,
        concurrency: int = 50,
        journal: Journal | None = None,
        is_ai_msg: bool | None = None,
        kf_account: str | None = None,
        businessid: str | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> Outcomes:
        """
        Send many messages and give an `Outcome` for each as it settles; those of one customer go in order.

        ::

            async for outcome in kf.send_each([(openid, Text("你好")), …]):
                if outcome.error is not None: ...

        Leaving the loop early cancels sends not yet started; those in flight complete (``contextlib.aclosing`` waits
        for that). Being cancelled while waiting for an outcome cancels it all.

        A wrong pair is its own outcome. When WeChat says that there are too many calls (45011), all sends wait a minute
        and go on. When the day's quota is used up (45009), nothing more is sent, and each pair left is `NotSent`.

        With a journal, a run that was killed can be started again with the same pairs: what was delivered is told and
        not sent again, and so is what may have been, at most `concurrency` messages; the rest is sent.

        Args:
            pairs: Openids and messages; may be long, and async. Taken one by one as slots come free; up to 1,000 more
                that wait for an earlier message of their customer.

            concurrency: How many may be under way, or settled and not yet taken from the loop.

            journal: Where to note what became of each message, such as ``FileJournal("broadcast.jsonl")``, or a
                `RedisJournal` of `wechat_kf.stores.redis`.

            is_ai_msg: True adds the grey line that the content comes from an AI.

            kf_account: Speak as this agent, with their name and picture.

            businessid: The sub-merchant, as `send_custom_message` takes it.

            extra: Further fields of each message, as `send_custom_message` takes them.

        Raises:
            ValueError: `concurrency` is below 1.

            JournalError: In the loop: the journal cannot be used, or is of other pairs. Nothing more is sent.
        """
        send = partial(
            self.send_custom_message,
            kf_account=kf_account,
            is_ai_msg=is_ai_msg,
            businessid=businessid,
            extra=extra,
        )
        return Outcomes(pairs, send, concurrency, self._clock, journal=journal, account=self._appid or "")


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ValueError(f"the environment variable {name} is not set")
    return value
