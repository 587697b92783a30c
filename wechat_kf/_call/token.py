"""
The token fetched from WeChat itself: one call like any other, watched by the breaker.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Literal

import attrs

from .._errors import KfError, ReplyError, SystemBusy
from .._wire.endpoint import Call
from ..tokens import CLASSIC_TOKEN, STABLE_TOKEN, Token, TokenAnswer
from ..tokens.breaker import Breaker
from .attempts import Attempts

__all__ = ["token_fetch"]


def token_fetch(
    attempts: Attempts, breaker: Breaker, api: Literal["stable", "classic"], appid: str, secret: str
) -> Callable[[], Awaitable[Token]]:
    """
    Make the function that fetches an account's token.

    The secret lives in what it closes over only, out of reach of vars() and reprs.
    """
    about = {"grant_type": "client_credential", "appid": appid, "secret": secret}
    call: Call[TokenAnswer]
    if api == "classic":
        call = Call(CLASSIC_TOKEN, about, secrets=(secret,))
    else:
        call = Call(STABLE_TOKEN, json={**about, "force_refresh": False}, secrets=(secret,))
    # Only what certainly did nothing, or what WeChat says it could not do, is asked again: there is a daily quota.
    own = attrs.evolve(attempts, repeatable=(SystemBusy,))

    async def fetch() -> Token:
        # The life is counted from before the answer was on its way.
        asked = own.clock.now()
        try:
            answer = await own.make(call)
        except KfError as error:
            if isinstance(error, ReplyError) and b"token" in error.body:
                # Perhaps there is one in it after all.
                error.body = b""
            breaker.count(error)
            raise
        if not answer.access_token or answer.expires_in <= 0:
            raise ReplyError("The token endpoint returned no usable token.", endpoint=call.endpoint.path)
        return Token(answer.access_token, asked + timedelta(seconds=min(answer.expires_in, 10**8)))

    return fetch
