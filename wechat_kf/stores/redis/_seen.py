"""
The memory of pushes that workers share through Redis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..._redact import get_logger
from ._worker import Worker

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["RedisSeen"]

_log = get_logger("wechat_kf.stores.redis")

# How many pushes a worker remembers by itself while Redis fails.
_UNTOLD: Final = 10_000

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
        self._worker = Worker(client, prefix, lease, timeout, self._look_for_lost)
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
