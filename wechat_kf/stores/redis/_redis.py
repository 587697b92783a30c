"""
What workers share through Redis (extra ``redis``, asyncio only): tokens, the memory of pushes, each customer's order.

Strategy. Times in Redis are spans, never moments: a record says how long it still lives, and each worker adds that to
its own clock, so clocks that differ do no harm. What a worker has under way is marked with its name, and listed under a
key of that name that lives only while the worker renews it; a mark that the list does not bear out is nobody's. So what
a worker left behind, because it died or because Redis took its word too late, clears up by itself. Every command is
bounded. If Redis fails, a worker goes on with what it knows itself, says so once, and returns to Redis when it answers
again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import anyio

from ..._clock import Clock, SystemClock
from ..._concurrency import FreeTask
from ...tokens import Token

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["RedisOrder", "RedisSeen", "RedisTokenStore"]

_log = logging.getLogger("wechat_kf.stores.redis")

# How many pushes a worker remembers by itself while Redis fails.
_UNTOLD: Final = 10_000

# When the time for a command is over, this is left to take an answer that came while the event loop stood still.
_GRACE: Final = 0.1

# Both at once, so that the token and its life belong together.
_LOAD: Final = """
return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
"""

# A holder whose lease ran out may come late with an older token; what ends later stays. But the holder has found that
# what is there is of no use, however long it is said to live.
_SAVE: Final = """
if redis.call('GET', KEYS[2]) ~= ARGV[3] and redis.call('PTTL', KEYS[1]) > tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

# Only the holder may release: the lease may have passed to another meanwhile.
_RELEASE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""

# A worker's sorted set says what it has under way: pushes and places, by serial numbers. It lives while it is renewed.
# A hash says of every push that is under way who has it, so that of the dead it can be told what they leave.

# Done, or another worker has it under way: no. Else it is the caller's, also what it claimed and did not hear of.
_CLAIM: Final = """
local held = redis.call('GET', KEYS[1])
if held == 'done' then return 0 end
if held and held ~= ARGV[1] and redis.call('ZSCORE', ARGV[5] .. held, ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[4])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[1])
redis.call('ZADD', ARGV[5] .. ARGV[1], ARGV[3], ARGV[2])
redis.call('PEXPIRE', ARGV[5] .. ARGV[1], ARGV[6])
return 1
"""

# Unless another worker has taken it on meanwhile, or done it.
_DONE: Final = """
redis.call('ZREM', ARGV[5] .. ARGV[1], ARGV[2])
local held = redis.call('GET', KEYS[1])
if held == 'done' then return 0 end
if held and held ~= ARGV[1] and redis.call('ZSCORE', ARGV[5] .. held, ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], 'done', 'PX', ARGV[4])
redis.call('HDEL', KEYS[2], ARGV[2])
return 1
"""

_FORGET: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('DEL', KEYS[1])
    redis.call('HDEL', KEYS[2], ARGV[2])
end
redis.call('ZREM', ARGV[5] .. ARGV[1], ARGV[2])
"""

# What nobody has under way any more although it is not done; each is told to one worker only.
_LOST: Final = """
local lost = {}
local held = redis.call('HGETALL', KEYS[2])
for at = 1, #held, 2 do
    if not redis.call('ZSCORE', ARGV[5] .. held[at + 1], held[at]) then
        redis.call('HDEL', KEYS[2], held[at])
        if redis.call('GET', KEYS[1] .. held[at]) == held[at + 1] then lost[#lost + 1] = held[at] end
    end
end
return lost
"""

_JOIN: Final = """
redis.call('RPUSH', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('ZADD', ARGV[5] .. ARGV[1], ARGV[3], ARGV[2])
redis.call('PEXPIRE', ARGV[5] .. ARGV[1], ARGV[6])
"""

_LEAVE: Final = """
redis.call('LREM', KEYS[1], 1, ARGV[2])
redis.call('ZREM', ARGV[5] .. ARGV[1], ARGV[2])
"""

# What is before the place, if its worker has it under way; else it is passed over. Who is not in the line any more,
# because Redis has forgotten it or the others took this worker for dead, need not wait.
_BEFORE: Final = """
local passed = {}
while true do
    local first = redis.call('LINDEX', KEYS[1], 0)
    if not first or first == ARGV[2] or not redis.call('LPOS', KEYS[1], ARGV[2]) then return {0, #passed} end
    if redis.call('ZSCORE', ARGV[5] .. string.match(first, '^[^:]+'), first) then return {1, #passed} end
    passed[#passed + 1] = redis.call('LPOP', KEYS[1])
end
"""

# What a command that came late has left here is taken out; what was added since (a higher serial) stays. One entry is
# only to be taken out again: a Redis that is full, or a replica, refuses it even if nothing is held.
_RENEW: Final = """
redis.call('ZADD', KEYS[1], ARGV[2], '')
local held = {}
for at = 3, #ARGV, 2 do
    redis.call('ZADD', KEYS[1], ARGV[at], ARGV[at + 1])
    held[ARGV[at + 1]] = true
end
for _, each in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])) do
    if not held[each] then redis.call('ZREM', KEYS[1], each) end
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
"""


@contextmanager
def _within(seconds: float) -> Generator[None]:
    """
    Fail after so many seconds.

    Unlike ``anyio.fail_after`` this does not take an event loop that stood still for a Redis that does.
    """
    loop = asyncio.get_running_loop()
    with anyio.CancelScope() as scope:

        def end_soon() -> None:
            scope.deadline = loop.time() + _GRACE

        timer = loop.call_later(seconds, end_soon)
        try:
            yield
        finally:
            timer.cancel()
    if scope.cancelled_caught:
        raise TimeoutError


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

        lease: Seconds that a worker may take to fetch a token. If it dies meanwhile the others wait this long at most;
            the client itself waits for 15.

        timeout: Seconds for one command.

        clock: The clock.
    """

    def __init__(
        self,
        client: Redis,
        *,
        prefix: str = "wechat_kf:",
        lease: float = 10.0,
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
        # Of the leases held here, by appid.
        self._marks: dict[str, str] = {}

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
        Keep a token for as long as it lives, unless one is there that lives longer and the lease is not held here.
        """
        life = int((token.expires_at - self._clock.now()) / timedelta(milliseconds=1))
        if life > 0:
            key, lease, mark = self._key("token", appid), self._key("lease", appid), self._marks.get(appid, "")
            await self._bounded(self._client.eval(_SAVE, 2, key, lease, token.value, life, mark))

    @asynccontextmanager
    async def lock(self, appid: str) -> AsyncGenerator[None]:
        """
        Hold the lease for this appid.

        Raises:
            TimeoutError: Others held it for longer than two leases.
        """
        key, mark = self._key("lease", appid), secrets.token_hex(8)
        until = self._clock.monotonic() + 2 * self._lease
        try:
            while not await self._bounded(self._client.set(key, mark, nx=True, px=int(self._lease * 1000))):
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

    async def _release(self, key: str, mark: str) -> None:
        # If it fails the lease ends by itself; the fetch has succeeded or failed on its own account.
        with suppress(Exception):
            await self._bounded(self._client.eval(_RELEASE, 1, key, mark))

    async def _bounded(self, command: Awaitable[Any]) -> Any:
        with _within(self._timeout):
            return await command

    def _key(self, kind: str, appid: str) -> str:
        return f"{self._prefix}{kind}:{appid}"


class _Worker:
    """
    This process as the others see it: by what it has under way, which counts while this is said again and again.

    Args:
        client: A ``redis.asyncio.Redis``.

        prefix: What every key begins with.

        lease: Seconds after which a worker that says nothing counts as dead.

        timeout: Seconds for one command.

        look: Called after each time that it was said.
    """

    # redis-py's pool refuses what exceeds its connections, and `RedisSeen`, `RedisOrder` and the token may share one.
    _COMMANDS: Final = 16
    _SHARE: Final = 3

    def __init__(
        self,
        client: Redis,
        prefix: str,
        lease: float,
        timeout: float,
        look: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        if lease <= 0 or timeout <= 0:
            raise ValueError("lease and timeout must be more than 0")
        self._client = client
        self._lease = int(lease * 1000)
        self._timeout = timeout
        most = client.connection_pool.max_connections // self._SHARE
        self._guard = anyio.Semaphore(max(1, min(most, self._COMMANDS)))
        self._works = True
        self._left_alone_until = 0.0
        self._keeper: FreeTask | None = None
        self._serial = 0
        self._under_way: dict[str, int] = {}
        self._others = f"{prefix}worker:"
        self._pushes = f"{prefix}pushes"
        self._look = look

    @cached_property
    def _name(self) -> str:
        # Made when it is first used: a server may load the app and then fork.
        return secrets.token_hex(8)

    def __contains__(self, what: str) -> bool:
        return what in self._under_way

    def begin(self, what: str = "") -> str:
        """
        Take something on: a push by its key, or a place that is given a name.
        """
        self._serial += 1
        what = what or f"{self._name}:{self._serial}"
        self._under_way[what] = self._serial
        if self._keeper is None or self._keeper.has_ended:
            self._keeper = FreeTask(self._keep)
        return what

    def end(self, what: str) -> None:
        """
        Put it off.
        """
        self._under_way.pop(what, None)
        if not self._under_way and self._keeper is not None:
            self._keeper.cancel()
            self._keeper = None

    async def tell(self, script: str, key: str, what: str, keep: int = 0) -> Any:
        """
        Run a script about something; None if Redis fails.

        Args:
            script: The script.

            key: Its key.

            what: What it is about.

            keep: Milliseconds that the key is kept.
        """
        serial = self._under_way.get(what, 0)
        arguments = (self._name, what, serial, keep, self._others, self._lease)
        return await self._ask(lambda: self._client.eval(script, 2, key, self._pushes, *arguments))

    async def _ask(self, command: Callable[[], Awaitable[Any]]) -> Any:
        looks = not self._works
        if looks:
            # One looks whether it answers again; the others do not wait.
            now = anyio.current_time()
            if now < self._left_alone_until:
                return None
            self._left_alone_until = now + self._timeout
        try:
            with _within(self._timeout):
                async with self._guard:
                    if looks:
                        # The others may have taken this worker for dead.
                        await self._renew()
                    answer = await command()
        except Exception as error:  # noqa: BLE001 - survived, and said
            self._left_alone_until = anyio.current_time() + self._timeout
            if self._works:
                self._works = False
                _log.warning("Redis fails (%s); this worker goes on by itself.", type(error).__name__)
            return None
        # An answer to what was asked before it failed does not say that it works.
        if looks:
            self._works = True
            _log.warning("Redis answers again.")
        # Lua's nil is None, too.
        return 0 if answer is None else answer

    async def _renew(self) -> None:
        held = [part for what, serial in self._under_way.items() for part in (serial, what)]
        await self._client.eval(_RENEW, 1, self._others + self._name, self._lease, self._serial, *held)

    async def _keep(self) -> None:
        while True:
            await anyio.sleep(self._lease / 3000)
            await self._ask(self._renew)
            if self._look is not None:
                await self._look()


class RedisSeen:
    """
    The memory of pushes for a bot of several workers: what one handles, the others do not.

    ::

        bot = Bot(webhook, kf, seen=RedisSeen(redis.asyncio.from_url("redis://localhost")))

    If a worker dies while it handles a push, WeChat's repetition is taken on by another, once the lease is over; the
    keys of what it leaves otherwise are logged by one of the others. If Redis fails, each worker knows its own pushes
    only, says so once, and returns to Redis when it answers again.

    Args:
        client: A ``redis.asyncio.Redis``; used, never closed.

        prefix: What every key begins with; different for each account.

        keep: Seconds that a push is remembered.

        lease: Seconds after which a worker that says nothing counts as dead; WeChat repeats after five.

        timeout: Seconds for one command; for so long Redis is left alone after one failed.
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
        self._worker = _Worker(client, prefix, lease, timeout, self._look_for_lost)
        self._prefix = f"{prefix}seen:"
        self._keep = int(keep * 1000)
        # What this worker has done without being able to tell Redis, oldest first.
        self._untold: dict[str, None] = {}

    async def claim(self, key: str) -> bool:
        """
        Take a push on; False if it was taken on before, by a worker that lives, or is done.
        """
        worker = self._worker
        if key in worker or key in self._untold:
            return False
        worker.begin(key)
        is_ours = False
        try:
            is_ours = bool(await worker.tell(_CLAIM, self._prefix + key, key, self._keep) != 0)
        finally:
            if not is_ours:
                worker.end(key)
        return is_ours

    async def done(self, key: str) -> bool:
        """
        Remember that the push was handled; False if another worker took this one for dead, and took the push on.
        """
        # Until Redis is known to know, also if this is cancelled.
        self._untold[key] = None
        if len(self._untold) > _UNTOLD:
            del self._untold[next(iter(self._untold))]
        try:
            answer = await self._worker.tell(_DONE, self._prefix + key, key, self._keep)
            if answer is not None:
                self._untold.pop(key, None)
            return bool(answer != 0)
        finally:
            self._worker.end(key)

    async def release(self, key: str) -> None:
        """
        Forget the push: it was not handled, and nothing was sent.
        """
        # If Redis is not told, it learns at the next renewal that this worker does not have it any more.
        self._worker.end(key)
        await self._worker.tell(_FORGET, self._prefix + key, key)

    async def _look_for_lost(self) -> None:
        if lost := await self._worker.tell(_LOST, self._prefix, ""):
            keys = ", ".join(sorted(key.decode() if isinstance(key, bytes) else key for key in lost))
            _log.warning("Workers have died or lost Redis before these pushes were known to be answered: %s.", keys)


class RedisOrder:
    """
    Each customer's pushes in the order of their arrival, whichever worker they come to.

    ::

        bot = Bot(webhook, kf, seen=RedisSeen(client), order=RedisOrder(client))

    A line for each customer, a list in Redis, rather than a lock, since a lock says who is next by chance; and rather
    than a stream, since the worker that took a push has to answer its request itself.

    If a worker dies, its places in the lines are passed over after its lease, and that is logged. If Redis fails, each
    worker keeps the order of its own pushes only, says so once, and returns to Redis when it answers again.

    Args:
        client: A ``redis.asyncio.Redis``; used, never closed.

        prefix: What every key begins with; different for each account.

        lease: Seconds after which a worker that says nothing counts as dead.

        patience: Seconds that a push waits for those before it at most; then it is handled all the same.

        timeout: Seconds for one command; for so long Redis is left alone after one failed.
    """

    # Seconds between looks whether it is a place's turn, which grow with the wait.
    _SOONEST: Final = 0.02
    _LATEST: Final = 0.5

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

    async def join(self, openid: str) -> str:
        """
        Join the customer's line.

        Returns:
            The place in it, to wait for and to leave by.
        """
        place = self._worker.begin()
        try:
            await self._worker.tell(_JOIN, self._prefix + openid, place, int(self._patience * 2000))
        except BaseException:
            # Should Redis have it after all, it learns at the next renewal that it is nobody's.
            self._worker.end(place)
            raise
        return place

    async def wait(self, openid: str, place: str) -> None:
        """
        Wait until the place is the first.
        """
        pause = self._SOONEST
        with anyio.move_on_after(self._patience):
            while True:
                # None: nobody knows, so nobody waits.
                before, passed = await self._worker.tell(_BEFORE, self._prefix + openid, place) or (0, 0)
                if passed:
                    _log.warning(
                        "A worker has died or lost Redis: %d pushes that it may not have answered are passed over.",
                        passed,
                    )
                if not before:
                    return
                await anyio.sleep(pause * (0.75 + secrets.randbelow(50) / 100))
                pause = min(1.25 * pause, self._LATEST)
        _log.warning("A push is handled out of turn: those before it took longer than %g s.", self._patience)

    async def leave(self, openid: str, place: str) -> None:
        """
        Leave the line.
        """
        self._worker.end(place)
        await self._worker.tell(_LEAVE, self._prefix + openid, place)
