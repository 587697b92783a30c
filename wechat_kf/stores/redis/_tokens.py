"""
Tokens in Redis, one record for each account, so that all workers use one.

Strategy. Times in Redis are spans, never moments: a record says how long it still lives, and each worker adds that to
its own clock, so clocks that differ do no harm. The token and the lease of an account are in one slot of a Cluster.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Final

import anyio

from ..._clock import Clock, SystemClock
from ...tokens import Token
from ._commands import Client, Script, check_bounds, to_text, within

__all__ = ["RedisTokenStore"]

_LOAD: Final = Script("value_and_life")
_SAVE: Final = Script("token_save")
_ACQUIRE: Final = Script("lease_acquire")
_RELEASE: Final = Script("lease_release")


class RedisTokenStore:
    """
    Keep tokens in Redis, one record for each appid, so that all workers use one.

    ::

        store = RedisTokenStore(redis.asyncio.from_url("redis://localhost"))
        kf = AsyncKfClient(appid, secret, token_store=store)

    Neither the secret nor the token is part of a key. If Redis fails or stalls, the client goes on with the token it
    has or fetches one by itself, says so once, and returns to Redis when it answers again.

    Args:
        client: A ``redis.asyncio.Redis`` or ``RedisCluster``; used, never closed.

        prefix: What every key begins with; the appid follows.

        lease: Seconds that a worker may take to fetch a token. If it dies meanwhile the others wait this long at most;
            the client itself waits for 15.

        timeout: Seconds for one command.

        clock: The clock.
    """

    def __init__(
        self,
        client: Client,
        *,
        prefix: str = "wechat_kf:",
        lease: float = 10.0,
        timeout: float = 1.0,
        clock: Clock | None = None,
    ) -> None:
        check_bounds(lease=lease, timeout=timeout)
        self._client: Any = client
        self._prefix = prefix
        self._lease = lease
        self._timeout = timeout
        self._clock = SystemClock() if clock is None else clock
        # Of the leases held here, by appid.
        self._marks: dict[str, str] = {}

    async def load(self, appid: str) -> Token | None:
        """
        Return the token kept for this appid, or None.
        """
        value, life = await self._run(_LOAD, [self._key(appid, "token")])
        if value is None or life <= 0:
            return None
        return Token(to_text(value), self._clock.now() + timedelta(milliseconds=life))

    async def save(self, appid: str, token: Token) -> None:
        """
        Keep a token for as long as it lives, unless one is there that lives longer and the lease is not held here.
        """
        life = int((token.expires_at - self._clock.now()) / timedelta(milliseconds=1))
        if life > 0:
            keys = [self._key(appid, "token"), self._key(appid, "lease")]
            await self._run(_SAVE, keys, token.value, life, self._marks.get(appid, ""))

    @asynccontextmanager
    async def lock(self, appid: str) -> AsyncGenerator[None]:
        """
        Hold the lease for this appid.

        Raises:
            TimeoutError: Others held it for longer than two leases.
        """
        key, mark = self._key(appid, "lease"), secrets.token_hex(8)
        until = self._clock.monotonic() + 2 * self._lease
        try:
            while not await self._acquire(key, mark):
                if self._clock.monotonic() >= until:
                    raise TimeoutError("the lease was not free in time")
                await self._clock.sleep(0.05 + secrets.randbelow(50) / 1000)
            self._marks[appid] = mark
            yield
        finally:
            # Also if it was not heard that the lease was got.
            self._marks.pop(appid, None)
            with anyio.CancelScope(shield=True):
                await self._release(key, mark)

    async def _acquire(self, key: str, mark: str) -> bool:
        return bool(await self._run(_ACQUIRE, [key], mark, int(self._lease * 1000)))

    async def _release(self, key: str, mark: str) -> None:
        # If it fails the lease ends by itself; the fetch has succeeded or failed on its own account.
        with suppress(Exception):
            await self._run(_RELEASE, [key], mark)

    async def _run(self, script: Script, keys: list[str], *arguments: str | float) -> Any:
        return await within(self._timeout, script.run(self._client, keys, *arguments))

    def _key(self, appid: str, kind: str) -> str:
        # The braces put an account's keys into one slot of a Cluster.
        return f"{self._prefix}{{{appid}}}:{kind}"
