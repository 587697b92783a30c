"""
What workers share through Redis (extra ``redis``, asyncio only): tokens, and a bot's inbox.

A class a file; the Lua scripts stand in ``scripts``.
"""

from __future__ import annotations

from ._commands import RedisRefused
from ._inbox import RedisInbox
from ._tokens import RedisTokenStore

__all__ = ["RedisInbox", "RedisRefused", "RedisTokenStore"]
