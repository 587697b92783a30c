"""
The bot: an ASGI app that answers pushes with handlers, and keeps WeChat's rules for them.

It stands on `wechat_kf.webhook` and on a client.
"""

from __future__ import annotations

from ._answers import Answer, Answerable
from ._bot import Bot
from ._failures import AnswerTooLong, Failure, NoAgentOnline
from ._inbox import Allowance, Arrival, Arrived, Inbox, InboxWorker, Interrupt, Lost, News, Orphan, Place, Turn
from ._memory import MemoryInbox
from ._status import BotStatus

__all__ = [
    "Allowance",
    "Answer",
    "AnswerTooLong",
    "Answerable",
    "Arrival",
    "Arrived",
    "Bot",
    "BotStatus",
    "Failure",
    "Inbox",
    "InboxWorker",
    "Interrupt",
    "Lost",
    "MemoryInbox",
    "News",
    "NoAgentOnline",
    "Orphan",
    "Place",
    "Turn",
]
