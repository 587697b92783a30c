"""
What workers share through Redis (extra ``redis``, asyncio only): tokens, the memory of pushes, each customer's order.

A class a file; the Lua scripts stand in ``scripts``.
"""

from __future__ import annotations

from ._commands import RedisRefused
from ._inbox import RedisInbox
from ._order import RedisOrder
from ._seen import RedisSeen
from ._tokens import RedisTokenStore

__all__ = ["RedisInbox", "RedisOrder", "RedisRefused", "RedisSeen", "RedisTokenStore"]
