"""
The bot: an ASGI app that answers pushes with handlers, and keeps WeChat's rules for them.

It stands on `wechat_kf.webhook` and on a client.
"""

from __future__ import annotations

from ._bot import Answer, Bot, MemorySeen, Order, Seen

__all__ = ["Answer", "Bot", "MemorySeen", "Order", "Seen"]
