"""
Where tokens are kept: what a store does, and the one in memory.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import anyio
from anyio.lowlevel import current_token

from ._providers import Token

__all__ = ["MemoryTokenStore", "TokenStore"]


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
