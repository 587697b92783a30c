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
from .._wire.download import Download
from .._wire.endpoint import Call
from .._wire.reply import read_reply
from .._wire.request import Request, build_request
from ..tokens.gate import TokenInUse
from .downloads import json_or_file, open_url
from .hosts import Hosts
from .retry import is_stale_token, retry_delay, settled, shows_valid_token

__all__ = ["Attempts", "NoTokens", "Tokens"]

T = TypeVar("T")

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
    """

    http: HttpClient
    hosts: Hosts
    clock: Clock
    tokens: Tokens
    timeout: float
    max_retries: int
    public_only: bool = False
    repeatable: tuple[type[KfError], ...] = (DeliveryUncertain, SystemBusy)

    async def make(self, call: Call[T]) -> T:
        """
        Make a call and read its answer; that of a download is left to be read and closed.
        """
        if call.url is not None:
            # The address is somebody else's: no token, no host of ours, one attempt.
            opened = await open_url(self.http, call.endpoint, call.url, self.timeout, public_only=self.public_only)
            return cast("T", opened)
        if call.endpoint.token is None and not isinstance(self.tokens, NoTokens):
            return await attrs.evolve(self, tokens=NoTokens()).make(call)
        return await self._settle(call, self._download if call.endpoint.reply is Download else self._ask)

    async def _settle(self, call: Call[Any], once: Callable[[Call[Any], Request], Awaitable[T]]) -> T:
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
                answer = await once(call, build_request(call, base, token.value))
            except KfError as error:
                failure = _without_frames(error)
                if is_stale_token(failure) and await self.tokens.refused(token, failure) and not has_renewed:
                    has_renewed = True
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
            await self.clock.sleep(0 if self.hosts.has_untried(tried) else delay)

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

    async def _ask(self, call: Call[T], request: Request) -> T:
        response = await self.http.send(request, self.timeout)
        if len(response.body) > _LARGE:
            read = partial(read_reply, call.endpoint, response.status, response.body, secrets=request.secrets)
            return await to_thread.run_sync(read, abandon_on_cancel=True)
        return read_reply(call.endpoint, response.status, response.body, secrets=request.secrets)

    async def _download(self, call: Call[T], request: Request) -> T:
        response = await self.http.open(request, self.timeout)
        return cast("T", await json_or_file(call.endpoint, response, secrets=request.secrets))


def _without_frames(error: KfError) -> KfError:
    """
    Take out of an error the frames below and what it came up beside: both hold the request, or the raw answer.
    """
    error.__traceback__ = error.__context__ = None
    return error
