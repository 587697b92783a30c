"""
The loop that settles a call: a token, a host, an attempt, and what its failure means for the next.

It serves business calls and the fetching of the token alike. Every attempt and every call passes here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, Protocol, TypeVar, cast

import attrs
from anyio import to_thread

from .._clock import Clock
from .._errors import DeliveryUncertain, KfError, NotSent, SystemBusy
from .._http.response import HttpClient
from .._redact import get_logger
from .._wire.download import Download
from .._wire.endpoint import Call
from .._wire.reply import read_reply
from .._wire.request import Request, build_request
from ..instrumentation.observers import Observers
from ..tokens.breaker import BreakerState
from ..tokens.gate import TokenInUse
from .downloads import json_or_file, open_url
from .hosts import Hosts
from .retry import is_stale_token, retry_delay, settled, shows_valid_token
from .seen import SeenCall, Unseen

__all__ = ["Attempts", "NoTokens", "Tokens"]

T = TypeVar("T")

_log = get_logger("wechat_kf.call")

_UNSEEN: Final = Unseen()

# An answer larger than this is read into values in a worker thread: it would hold the event loop up.
_LARGE: Final = 64 * 1024


class Tokens(Protocol):
    """
    Where the token of a call comes from, and who is told how it fared.
    """

    async def get(self, seconds: float) -> TokenInUse: ...
    async def refused(self, token: TokenInUse, failure: KfError) -> bool: ...
    def accepted(self) -> None: ...
    def done(self, token: TokenInUse) -> None: ...
    def state(self) -> tuple[float | None, BreakerState]: ...


class NoTokens:
    """
    For calls that need no token.
    """

    _NONE: Final = TokenInUse("", 0)

    async def get(self, seconds: float) -> TokenInUse:  # noqa: ARG002
        """
        Return what stands for no token.
        """
        return self._NONE

    async def refused(self, token: TokenInUse, failure: KfError) -> bool:  # noqa: ARG002
        """
        Renew nothing.
        """
        return False

    def accepted(self) -> None:
        """
        Do nothing.
        """

    def done(self, token: TokenInUse) -> None:
        """
        Do nothing.
        """

    def state(self) -> tuple[float | None, BreakerState]:
        """
        Return that there is no token, and nothing wrong with it.
        """
        return None, "closed"


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Attempts:
    """
    Makes calls, each within so many attempts.

    Attributes:
        http: What they are made over.

        hosts: Where they go.

        clock: The clock.

        tokens: Where their tokens come from.

        timeout: Seconds for an attempt.

        max_retries: Extra attempts of a call; a renewal of its token is not counted.

        public_only: Whether to refuse an address that WeChat named if it is in a private network.

        repeatable: The failures after which a repeatable call is made again, besides `NotSent`.

        observers: The hooks and the log, which are told of each call.
    """

    http: HttpClient
    hosts: Hosts
    clock: Clock
    tokens: Tokens
    timeout: float
    max_retries: int
    public_only: bool = False
    repeatable: tuple[type[KfError], ...] = (DeliveryUncertain, SystemBusy)
    observers: Observers = attrs.field(factory=Observers)

    async def make(self, call: Call[T]) -> T:
        """
        Make a call and read its answer; that of a download is left to be read and closed.
        """
        if call.url is None and call.endpoint.token is None and not isinstance(self.tokens, NoTokens):
            return await attrs.evolve(self, tokens=NoTokens()).make(call)
        observing = self.observers.at(_log)
        seen = SeenCall(observing, self.clock, call) if observing else _UNSEEN
        try:
            if call.url is not None:
                answer = await self._open(call, call.url, seen)
            elif call.endpoint.reply is Download:
                answer = await self._settle(call, self._download, seen)
            else:
                answer = await self._settle(call, self._ask, seen)
        except BaseException as error:
            seen.ended(error)
            raise
        seen.ended(None)
        return answer

    async def _open(self, call: Call[T], url: str, seen: Unseen) -> T:
        # The address is somebody else's: no token, no host of ours, one attempt.
        seen.attempt(url)
        opened = await open_url(self.http, call.endpoint, url, self.timeout, public_only=self.public_only)
        return cast("T", opened)

    async def _settle(
        self, call: Call[Any], once: Callable[[Call[Any], Request, Unseen], Awaitable[T]], seen: Unseen
    ) -> T:
        """
        Make attempts until one settles the call; renew the token at most once.
        """
        attempt = 0
        tried: list[str] = []
        doubt: KfError | None = None
        has_renewed = False
        while True:
            if self.http.is_closed:
                raise RuntimeError("this client is closed")
            token = await self._token(doubt)
            base = self.hosts.pick(tried)
            try:
                request = build_request(call, base, token.value)
                seen.attempt(base, request)
                answer = await once(call, request, seen)
            except KfError as error:
                failure = _without_frames(error)
                seen.attempt_ended(failure)
                if is_stale_token(failure) and await self.tokens.refused(token, failure) and not has_renewed:
                    has_renewed = True
                    seen.retried(failure, 0, token=True)
                    continue
            else:
                self.hosts.mark_reached(base)
                self.tokens.accepted()
                return answer
            finally:
                self.tokens.done(token)
            self._learn(failure, call, base)
            tried.append(base)
            repeatable = self.repeatable if call.endpoint.repeatable else ()
            delay = retry_delay(failure, attempt, max_retries=self.max_retries, repeatable=repeatable)
            if delay is None:
                failure = settled(failure, doubt)
                raise failure from failure.__cause__
            if failure.effect == "unknown":
                doubt = failure
            attempt += 1
            # Another host can be asked at once.
            is_elsewhere = self.hosts.has_untried(tried)
            pause = 0 if is_elsewhere else delay
            seen.retried(failure, pause, other_host=is_elsewhere)
            await self.clock.sleep(pause)

    async def _token(self, doubt: KfError | None) -> TokenInUse:
        try:
            return await self.tokens.get((1 + self.max_retries) * self.timeout)
        except KfError as error:
            failure = settled(error, doubt)
            raise failure from failure.__cause__

    def _learn(self, failure: KfError, call: Call[Any], base: str) -> None:
        """
        Record what a failure says of the host and of the token.
        """
        if failure.endpoint is None:
            # It comes from the file of an upload, which does not know where it goes.
            failure.endpoint = call.endpoint.path
        if call.endpoint.reads:
            failure.effect = "none"
        if shows_valid_token(failure):
            self.tokens.accepted()
        if not isinstance(failure, NotSent):
            self.hosts.mark_reached(base)
        elif failure.host_unreachable:
            self.hosts.mark_unreachable(base)

    async def _ask(self, call: Call[T], request: Request, seen: Unseen) -> T:
        response = await self.http.send(request, self.timeout)
        seen.answered(response.status, len(response.body))
        if len(response.body) > _LARGE:
            read = partial(read_reply, call.endpoint, response.status, response.body, secrets=request.secrets)
            return await to_thread.run_sync(read, abandon_on_cancel=True)
        return read_reply(call.endpoint, response.status, response.body, secrets=request.secrets)

    async def _download(self, call: Call[T], request: Request, seen: Unseen) -> T:
        response = await self.http.open(request, self.timeout)
        seen.answered(response.status)
        return cast("T", await json_or_file(call.endpoint, response, secrets=request.secrets))


def _without_frames(error: KfError) -> KfError:
    """
    Take out of an error the frames below and what it came up beside: both hold the request, or the raw answer.
    """
    error.__traceback__ = error.__context__ = None
    return error
