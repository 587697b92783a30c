"""
Receiving: verify, decrypt and read what WeChat pushes; write, encrypt and sign what is answered. No IO.
"""

from __future__ import annotations

from ..api.message_kinds import Article
from ._events import (
    ClickEvent,
    KfCloseSessionEvent,
    KfCreateSessionEvent,
    KfSwitchSessionEvent,
    LocationEvent,
    ScanCodeEvent,
    ScanEvent,
    SubscribeEvent,
    UnsubscribeEvent,
    UserEnterTempsessionEvent,
    ViewEvent,
)
from ._messages import (
    ImageMessage,
    LinkMessage,
    LocationMessage,
    MiniProgramPageMessage,
    ShortVideoMessage,
    TextMessage,
    VideoMessage,
    VoiceMessage,
)
from ._push import (
    Event,
    Push,
    UnknownPush,
    UserMessage,
)
from ._read import read_push
from ._replies import (
    MAX_TEXT,
    ImageReply,
    MusicReply,
    NewsReply,
    Reply,
    TextReply,
    TransferReply,
    VideoReply,
    VoiceReply,
)
from ._webhook import MAX_PUSH, Webhook

__all__ = [
    "MAX_PUSH",
    "MAX_TEXT",
    "Article",
    "ClickEvent",
    "Event",
    "ImageMessage",
    "ImageReply",
    "KfCloseSessionEvent",
    "KfCreateSessionEvent",
    "KfSwitchSessionEvent",
    "LinkMessage",
    "LocationEvent",
    "LocationMessage",
    "MiniProgramPageMessage",
    "MusicReply",
    "NewsReply",
    "Push",
    "Reply",
    "ScanCodeEvent",
    "ScanEvent",
    "ShortVideoMessage",
    "SubscribeEvent",
    "TextMessage",
    "TextReply",
    "TransferReply",
    "UnknownPush",
    "UnsubscribeEvent",
    "UserEnterTempsessionEvent",
    "UserMessage",
    "VideoMessage",
    "VideoReply",
    "ViewEvent",
    "VoiceMessage",
    "VoiceReply",
    "Webhook",
    "read_push",
]
