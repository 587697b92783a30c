"""
The bot: an ASGI app that answers pushes with handlers, and keeps WeChat's rules for them.

It stands on `wechat_kf.webhook` and on a client.
"""

from __future__ import annotations

from ._answers import Answer
from ._bot import Bot
from ._inbox import Allowance, Arrival, Arrived, Inbox, InboxWorker, Interrupt, Lost, News, Orphan, Place, Turn
from ._memory import MemoryInbox
from ._order import Order
from ._seen import MemorySeen, Seen

__all__ = [
    "Allowance",
    "Answer",
    "Arrival",
    "Arrived",
    "Bot",
    "Inbox",
    "InboxWorker",
    "Interrupt",
    "Lost",
    "MemoryInbox",
    "MemorySeen",
    "News",
    "Order",
    "Orphan",
    "Place",
    "Seen",
    "Turn",
]
