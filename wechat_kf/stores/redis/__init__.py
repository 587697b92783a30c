"""
What workers share through Redis (extra ``redis``, asyncio only): tokens, a bot's inbox, and the journal of a broadcast.

A class a file; the Lua scripts stand in ``scripts``.
"""

from __future__ import annotations

from ._commands import RedisRefused
from ._inbox import RedisInbox
from ._journal import RedisJournal
from ._tokens import RedisTokenStore

__all__ = ["RedisInbox", "RedisJournal", "RedisRefused", "RedisTokenStore"]
