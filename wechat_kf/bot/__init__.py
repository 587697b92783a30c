"""
The bot: an ASGI app that answers pushes with handlers, and keeps WeChat's rules for them.

It stands on `wechat_kf.webhook` and on a client.
"""

from __future__ import annotations

from ._answers import Answer
from ._bot import Bot
from ._order import Order
from ._seen import MemorySeen, Seen

__all__ = ["Answer", "Bot", "MemorySeen", "Order", "Seen"]
