"""
What workers share through Redis (extra ``redis``, asyncio only): tokens, the memory of pushes, each customer's order.

Strategy. Times in Redis are spans, never moments: a record says how long it still lives, and each worker adds that to
its own clock, so clocks that differ do no harm. What a worker holds is marked with the worker's name, and a key of that
name lives only while the worker renews it; whoever finds a mark without its key takes over. Every command is bounded.
If Redis fails, a worker goes on with what it knows itself, says so once, and returns to Redis when it answers again.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import anyio

from .._clock import Clock, SystemClock
from .._task import FreeTask
from .._token import Token

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["RedisOrder", "RedisSeen", "RedisTokenStore"]

_log = logging.getLogger("wechat_kf.stores.redis")

# How many pushes a worker remembers by itself while Redis fails.
_UNTOLD: Final = 10_000

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

# Done, or held by another worker that lives: no. Else it is the caller's, also what it claimed and did not hear of.
_CLAIM: Final = """
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] and (held == 'done' or redis.call('EXISTS', ARGV[3] .. held) == 1) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SET', ARGV[3] .. ARGV[1], '1', 'PX', ARGV[4])
return 1
"""

_DONE: Final = "redis.call('SET', KEYS[1], 'done', 'PX', ARGV[1])"

_PRESENT: Final = "redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])"

_LEAVE: Final = "redis.call('LREM', KEYS[1], 1, ARGV[1])"

_JOIN: Final = """
redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SET', ARGV[3], '1', 'PX', ARGV[4])
"""

# Those in front whose worker has died are passed over. An empty line means that Redis has forgotten it.
_IS_NEXT: Final = """
while true do
    local first = redis.call('LINDEX', KEYS[1], 0)
    if not first or first == ARGV[1] then return 1 end
    if redis.call('EXISTS', ARGV[2] .. string.match(first, '^[^:]+')) == 1 then return 0 end
    redis.call('LPOP', KEYS[1])
end
"""


class RedisTokenStore:
    """
    Keep tokens in Redis, one record for each appid, so that all workers use one.

    ::

        store = RedisTokenStore(redis.asyncio.from_url("redis://localhost"))
        kf = AsyncKfClient(appid, secret, token_store=store)

    Neither the secret nor the token is part of a key. If Redis fails or stalls, the client goes on with the token it
    has or fetches one by itself, says so once, and returns to Redis when it answers again.

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
        # If it fails the lease ends by itself; the fetch has succeeded or failed on its own account.
        with suppress(Exception):
            await self._bounded(self._client.eval(_RELEASE, 1, key, mark))

    async def _bounded(self, command: Awaitable[Any]) -> Any:
        with anyio.fail_after(self._timeout):
            return await command

    def _key(self, kind: str, appid: str) -> str:
        return f"{self._prefix}{kind}:{appid}"


class _Worker:
    """
    This process as the others see it: by a key that lives while it has work under way.
    """

    def __init__(self, client: Redis, prefix: str, lease: float, timeout: float) -> None:
        if lease <= 0 or timeout <= 0:
            raise ValueError("lease and timeout must be more than 0")
        self._client = client
        self._timeout = timeout
        self._under_way = 0
        self._keeper: FreeTask | None = None
        self._works = True
        self.name = secrets.token_hex(8)
        self.presence = f"{prefix}worker:"
        self.lease = int(lease * 1000)

    async def ask(self, *command: Any) -> Any:
        """
        Run a script; None if Redis fails.
        """
        try:
            with anyio.fail_after(self._timeout):
                answer = await self._client.eval(*command)
        except Exception as error:  # noqa: BLE001 - survived, and said
            if self._works:
                self._works = False
                _log.warning("Redis fails (%s); this worker goes on by itself.", type(error).__name__)
            return None
        if not self._works:
            self._works = True
            _log.warning("Redis answers again.")
        # Lua's nil is None, too.
        return 0 if answer is None else answer

    def begin(self) -> None:
        """
        Take something on.

        The command that does so says that this worker lives; from then on it is said again and again.
        """
        self._under_way += 1
        if self._keeper is None or self._keeper.has_ended:
            self._keeper = FreeTask(self._keep)

    def end(self) -> None:
        """
        Put something off.
        """
        self._under_way -= 1
        if not self._under_way and self._keeper is not None:
            self._keeper.cancel()
            self._keeper = None

    async def _keep(self) -> None:
        while True:
            await anyio.sleep(self.lease / 3000)
            await self.ask(_PRESENT, 1, self.presence + self.name, self.lease)


class RedisSeen:
    """
    The memory of pushes for a bot of several workers: what one handles, the others do not.

    ::

        bot = Bot(webhook, kf, seen=RedisSeen(redis.asyncio.from_url("redis://localhost")))

    If a worker dies while it handles a push, WeChat's repetition is taken on by another. If Redis fails, each worker
    knows its own pushes only.

    Args:
        client: A ``redis.asyncio.Redis``; used, never closed.

        prefix: What every key begins with; different for each account.

        keep: Seconds that a push is remembered.

        lease: Seconds after which a worker that says nothing counts as dead; WeChat repeats after five.

        timeout: Seconds for one command.
    """

    def __init__(
        self,
        client: Redis,
        *,
        prefix: str = "wechat_kf:",
        keep: float = 600.0,
        lease: float = 4.0,
        timeout: float = 1.0,
    ) -> None:
        self._worker = _Worker(client, prefix, lease, timeout)
        self._prefix = f"{prefix}seen:"
        self._keep = int(keep * 1000)
        # What this worker has under way, and what it has done without being able to tell Redis, oldest first.
        self._under_way: set[str] = set()
        self._untold: dict[str, None] = {}

    async def claim(self, key: str) -> bool:
        """
        Take a push on; False if it was taken on before, by a worker that lives, or is done.
        """
        if key in self._under_way or key in self._untold:
            return False
        self._under_way.add(key)
        worker = self._worker
        try:
            worker.begin()
            told = (worker.name, self._keep, worker.presence, worker.lease)
            if await worker.ask(_CLAIM, 1, self._prefix + key, *told) != 0:
                return True
        except BaseException:
            self._put_off(key)
            raise
        self._put_off(key)
        return False

    async def done(self, key: str) -> None:
        """
        Remember that the push was handled.
        """
        try:
            if await self._worker.ask(_DONE, 1, self._prefix + key, self._keep) is None:
                self._untold[key] = None
                if len(self._untold) > _UNTOLD:
                    del self._untold[next(iter(self._untold))]
        finally:
            self._put_off(key)

    async def release(self, key: str) -> None:
        """
        Forget the push: it was not handled, and nothing was sent.
        """
        try:
            await self._worker.ask(_RELEASE, 1, self._prefix + key, self._worker.name)
        finally:
            self._put_off(key)

    def _put_off(self, key: str) -> None:
        if key in self._under_way:
            self._under_way.remove(key)
            self._worker.end()


class RedisOrder:
    """
    Each customer's pushes in the order of their arrival, whichever worker they come to.

    A line for each customer, a list in Redis, rather than a lock, since a lock says who is next by chance; and rather
    than a stream, since the worker that took a push has to answer its request itself.

    If a worker dies, its places in the lines are passed over after its lease. If Redis fails, each worker keeps the
    order of its own pushes only.

    Args:
        client: A ``redis.asyncio.Redis``; used, never closed.

        prefix: What every key begins with; different for each account.

        lease: Seconds after which a worker that says nothing counts as dead.

        patience: Seconds that a push waits for those before it at most; then it is handled all the same.

        timeout: Seconds for one command.
    """

    def __init__(
        self,
        client: Redis,
        *,
        prefix: str = "wechat_kf:",
        lease: float = 4.0,
        patience: float = 300.0,
        timeout: float = 1.0,
    ) -> None:
        self._worker = _Worker(client, prefix, lease, timeout)
        self._prefix = f"{prefix}order:"
        self._patience = patience
        self._serial = 0

    async def join(self, openid: str) -> str:
        """
        Join the customer's line.

        Returns:
            The place in it, to wait for and to leave by.
        """
        worker = self._worker
        self._serial += 1
        place = f"{worker.name}:{self._serial}"
        worker.begin()
        told = (place, int(self._patience * 2000), worker.presence + worker.name, worker.lease)
        try:
            await worker.ask(_JOIN, 1, self._prefix + openid, *told)
        except BaseException:
            worker.end()
            raise
        return place

    async def wait(self, openid: str, place: str) -> None:
        """
        Wait until the place is the first.
        """
        with anyio.move_on_after(self._patience):
            while True:
                worker = self._worker
                # None: nobody knows, so nobody waits.
                if await worker.ask(_IS_NEXT, 1, self._prefix + openid, place, worker.presence) != 0:
                    return
                await anyio.sleep(0.03 + secrets.randbelow(40) / 1000)
        _log.warning("A push is handled out of turn: those before it took longer than %g s.", self._patience)

    async def leave(self, openid: str, place: str) -> None:
        """
        Leave the line.
        """
        try:
            await self._worker.ask(_LEAVE, 1, self._prefix + openid, place)
        finally:
            self._worker.end()
