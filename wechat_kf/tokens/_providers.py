"""
A token, and where a client gets one from: a provider of the user's own, or one token that is given.
"""

from __future__ import annotations

import inspect
import re
from datetime import datetime
from typing import Protocol, TypeGuard, runtime_checkable

import attrs

from .._redact import hides_arguments
from ._single_flight import SingleFlight

__all__ = ["NoToken", "SharedProvider", "StaticToken", "Token", "TokenProvider", "is_sound", "is_token"]


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


def is_sound(token: object) -> TypeGuard[Token]:
    """
    Whether this can be a token at all, with an end in aware time.
    """
    if not isinstance(token, Token):
        return False
    # Anybody's store may have put anything into its fields.
    value: object = token.value
    expires_at: object = token.expires_at
    return is_token(value) and isinstance(expires_at, datetime) and expires_at.utcoffset() is not None


def is_token(value: object) -> TypeGuard[str]:
    """
    Whether this can be the value of a token: 1 to 512 characters of ASCII without blanks.
    """
    return isinstance(value, str) and re.fullmatch("[!-~]{1,512}", value) is not None


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
        Forget this token, which WeChat refused, if it is still the one you would return.
        """
        ...


@attrs.frozen(init=False)
class StaticToken:
    """
    A token that is given and never renewed.
    """

    value: str = attrs.field(repr=_hidden)

    @hides_arguments
    def __init__(self, value: str) -> None:
        given: object = value
        if not isinstance(given, str) or not given:
            raise ValueError("a token must be a str that is not empty")
        if given != given.strip():
            raise ValueError("token must not begin or end with a blank or a line feed")
        object.__setattr__(self, "value", given)

    def current(self) -> str:
        """
        Return the token.
        """
        return self.value

    async def get(self) -> str:
        """
        Return the token.
        """
        return self.value

    async def invalidate(self, value: str) -> None:
        """
        Do nothing: there is no other.
        """


@attrs.frozen
class NoToken:
    """
    No token at all: for WeChat's cloud-run (微信云托管), and for a client that only lends its connections.

    ::

        kf = AsyncKfClient(token=NoToken(), base_url="http://api.weixin.qq.com")
    """

    async def get(self) -> str:
        """
        Return an empty text; the client does not ask.
        """
        return ""

    async def invalidate(self, value: str) -> None:
        """
        Do nothing.
        """


class SharedProvider:
    """
    A provider of the user's own, asked once however many callers wait.

    Args:
        provider: The provider.

    Raises:
        TypeError: It is none.
    """

    def __init__(self, provider: TokenProvider) -> None:
        if not isinstance(provider, TokenProvider):
            raise TypeError("token must be a str or have the methods get and invalidate")
        for method in (provider.get, provider.invalidate):
            if inspect.isroutine(method) and not inspect.iscoroutinefunction(method):
                raise TypeError(f"the token provider's {method.__name__} must be an async def")
        self._provider = provider
        self._flight = SingleFlight(provider.get)

    def current(self) -> None:
        """
        Return None: the provider alone knows whether its token is still good.
        """

    async def get(self) -> str:
        """
        Ask the provider, or wait for the answer to whoever asks it already.
        """
        return await self._flight.result()

    async def invalidate(self, value: str) -> None:
        """
        Tell the provider that WeChat refused this token.
        """
        await self._provider.invalidate(value)
