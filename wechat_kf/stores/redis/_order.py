"""
Each customer's order, which workers share through Redis.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

import anyio

from ..._redact import get_logger
from ._worker import Worker

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["RedisOrder"]

_log = get_logger("wechat_kf.stores.redis")

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
        self._worker = Worker(client, prefix, lease, timeout)
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
