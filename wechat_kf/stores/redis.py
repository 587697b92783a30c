"""
Tokens shared by any number of workers through Redis (extra ``redis``, asyncio only).

Times in Redis are spans, never moments: a record says how long it still lives, and each worker adds that to its own
clock. So clocks that differ do no harm.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio

from .._clock import Clock, SystemClock
from .._token import Token

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["RedisTokenStore"]

T = TypeVar("T")

# Both at once, so that the token and its life belong together.
_LOAD: Final = """
return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
"""

# A holder whose lease ran out may come late with an older token; what ends later stays.
_SAVE: Final = """
if redis.call('PTTL', KEYS[1]) > tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

# Only the holder may release: the lease may have passed to another meanwhile.
_RELEASE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


class RedisTokenStore:
    """
    Keep tokens in Redis, one record for each appid, so that all workers use one.

    ::

        store = RedisTokenStore(redis.asyncio.from_url("redis://localhost"))
        kf = AsyncKfClient(appid, secret, token_store=store)

    Neither the secret nor the token is part of a key. If Redis fails or stalls, the client goes on with the token it has
    or fetches one by itself, says so once, and returns to Redis when it answers again.

    Args:
        client: A ``redis.asyncio.Redis``; used, never closed.

        prefix: What every key begins with.

        lease: Seconds that a worker may take to fetch a token. If it dies meanwhile the others wait this long at most.

        timeout: Seconds for one command.

        clock: The clock.
    """

    def __init__(
        self,
        client: Redis,
        *,
        prefix: str = "wechat_kf:",
        lease: float = 15.0,
        timeout: float = 1.0,
        clock: Clock | None = None,
    ) -> None:
        if lease <= 0 or timeout <= 0:
            raise ValueError("lease and timeout must be more than 0")
        self._client = client
        self._prefix = prefix
        self._lease = lease
        self._timeout = timeout
        self._clock = SystemClock() if clock is None else clock

    async def load(self, appid: str) -> Token | None:
        """
        Return the token kept for this appid, or None.
        """
        value, life = await self._bounded(self._client.eval(_LOAD, 1, self._key("token", appid)))
        if value is None or life <= 0:
            return None
        text = value.decode() if isinstance(value, bytes) else str(value)
        return Token(text, self._clock.now() + timedelta(milliseconds=life))

    async def save(self, appid: str, token: Token) -> None:
        """
        Keep a token for as long as it lives, unless one is there that lives longer.
        """
        life = int((token.expires_at - self._clock.now()) / timedelta(milliseconds=1))
        if life > 0:
            await self._bounded(self._client.eval(_SAVE, 1, self._key("token", appid), token.value, life))

    @asynccontextmanager
    async def lock(self, appid: str) -> AsyncGenerator[None]:
        """
        Hold the lease for this appid.

        Raises:
            TimeoutError: Others held it for longer than two leases.
        """
        key, mark = self._key("lease", appid), secrets.token_hex(8)
        until = self._clock.monotonic() + 2 * self._lease
        while not await self._bounded(self._client.set(key, mark, nx=True, px=int(self._lease * 1000))):
            if self._clock.monotonic() >= until:
                raise TimeoutError("the lease was not free in time")
            await self._clock.sleep(0.05 + secrets.randbelow(50) / 1000)
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await self._release(key, mark)

    async def _release(self, key: str, mark: str) -> None:
        try:
            await self._bounded(self._client.eval(_RELEASE, 1, key, mark))
        except Exception:
            # It ends by itself; the fetch that was protected has succeeded or failed on its own account.
            return

    async def _bounded(self, command: Awaitable[Any]) -> Any:
        with anyio.fail_after(self._timeout):
            return await command

    def _key(self, kind: str, appid: str) -> str:
        return f"{self._prefix}{kind}:{appid}"
