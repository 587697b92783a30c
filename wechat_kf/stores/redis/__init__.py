"""
What workers share through Redis (extra ``redis``, asyncio only).

Tokens, the memory of pushes, and each customer's order.
"""

from __future__ import annotations

from ._redis import RedisOrder, RedisSeen, RedisTokenStore

__all__ = ["RedisOrder", "RedisSeen", "RedisTokenStore"]
