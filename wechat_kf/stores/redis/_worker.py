"""
One worker as the others see it through Redis: by what it has under way, renewed while it lives.

Strategy. What a worker has under way is marked with its name, and listed under a key of that name that lives only while
the worker renews it; a mark that the list does not bear out is nobody's. So what a worker left behind, because it died
or because Redis took its word too late, clears up by itself. Every command is bounded. If Redis fails, a worker goes on
with what it knows itself, says so once, and returns to Redis when it answers again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import anyio

from ..._concurrency import FreeTask
from ..._redact import get_logger

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["Worker"]

_log = get_logger("wechat_kf.stores.redis")

# When the time for a command is over, this is left to take an answer that came while the event loop stood still.
_GRACE: Final = 0.1

# A worker's sorted set says what it has under way: pushes and places, by serial numbers. It lives while it is renewed.
# A hash says of every push that is under way who has it, so that of the dead it can be told what they leave.

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


class Worker:
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
