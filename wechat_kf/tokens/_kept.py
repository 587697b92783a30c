"""
What a third-party platform must not lose: its ticket and the refresh tokens of its accounts, kept in a token store.

The store is the truth, since another worker may have heard of something newer. What this process knows itself is for
the time when the store fails.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import anyio

from .._clock import Clock
from .._redact import get_logger
from ._providers import Token, is_sound
from ._stores import TokenStore

__all__ = ["Kept"]

_log = get_logger("wechat_kf.token")

# A store's lease may be that of a worker that died.
_STORE_SECONDS: Final = 15.0


class Kept:
    """
    Values kept in a store, each under its key.

    Args:
        store: The store.

        life: How long a value lives.

        clock: The clock.
    """

    def __init__(self, store: TokenStore, life: timedelta, clock: Clock) -> None:
        self._store = store
        self._life = life
        self._clock = clock
        self._known: dict[str, Token] = {}
        self._unsaved: set[str] = set()

    async def keep(self, key: str, value: str, since: datetime | None = None) -> None:
        """
        Keep a value in the place of the one before. Being cancelled does not stop it.

        If the store fails that is logged, and the next `get` tries again.

        Args:
            key: Its key.

            value: The value.

            since: When its life began, if values may come in another order than they were made: then the youngest is
                kept. None: now.

        Raises:
            ValueError: The value cannot be one.
        """
        token = Token(value, (self._clock.now() if since is None else since) + self._life)
        del value
        if not is_sound(token):
            raise ValueError("a ticket or a refresh token has 1 to 512 characters of ASCII without blanks")
        known = self._known.get(key)
        if since is not None and known is not None and known.expires_at > token.expires_at:
            return
        self._known[key] = token
        self._unsaved.add(key)
        with anyio.CancelScope(shield=True):
            await self._save(key, is_youngest=since is None)

    async def get(self, key: str) -> Token | None:
        """
        Return what came last, here or to another worker; None if there is none, or it has ended.
        """
        if key in self._unsaved:
            await self._save(key, is_youngest=False)
        if key not in self._unsaved:
            try:
                with anyio.fail_after(_STORE_SECONDS):
                    stored: object = await self._store.load(key)
                if is_sound(stored):
                    self._known[key] = stored
            except Exception as error:  # noqa: BLE001 - whatever a store may raise
                _log.warning("Could not load %s from the token store (%s).", key, type(error).__name__)
        known = self._known.get(key)
        return known if known is not None and known.expires_at > self._clock.now() else None

    def is_stored(self, key: str) -> bool:
        """
        Whether what came last is safe in the store.
        """
        return key not in self._unsaved

    async def _save(self, key: str, *, is_youngest: bool) -> None:
        """
        Bring what came last into the store, unless what is there may be younger and is.
        """
        token = self._known[key]
        try:
            with anyio.fail_after(_STORE_SECONDS):
                # Who holds the lock replaces what is there, however long that is said to live.
                async with self._store.lock(key):
                    stored: object = None if is_youngest else await self._store.load(key)
                    if not is_sound(stored) or stored.expires_at <= token.expires_at:
                        await self._store.save(key, token)
        except Exception as error:  # noqa: BLE001 - whatever a store may raise; its text could hold the value
            _log.warning("Could not store %s (%s); it is in memory only.", key, type(error).__name__)
        else:
            if self._known[key] is token:
                self._unsaved.discard(key)
