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
    LocationSelectEvent,
    PicEvent,
    ScanCodeEvent,
    ScanEvent,
    SubscribeEvent,
    UnsubscribeEvent,
    UserDataEvent,
    UserEnterTempsessionEvent,
    ViewEvent,
    ViewMiniProgramEvent,
)
from ._messages import (
    FileMessage,
    ImageMessage,
    LinkMessage,
    LocationMessage,
    MiniProgramPageMessage,
    ShortVideoMessage,
    TextMessage,
    VideoMessage,
    VoiceMessage,
)
from ._platform import (
    AuthorizedPush,
    ComponentVerifyTicketPush,
    PlatformPush,
    UnauthorizedPush,
)
from ._push import (
    CheckContainerPathPush,
    Event,
    Push,
    UnknownMessage,
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
    "AuthorizedPush",
    "CheckContainerPathPush",
    "ClickEvent",
    "ComponentVerifyTicketPush",
    "Event",
    "FileMessage",
    "ImageMessage",
    "ImageReply",
    "KfCloseSessionEvent",
    "KfCreateSessionEvent",
    "KfSwitchSessionEvent",
    "LinkMessage",
    "LocationEvent",
    "LocationMessage",
    "LocationSelectEvent",
    "MiniProgramPageMessage",
    "MusicReply",
    "NewsReply",
    "PicEvent",
    "PlatformPush",
    "Push",
    "Reply",
    "ScanCodeEvent",
    "ScanEvent",
    "ShortVideoMessage",
    "SubscribeEvent",
    "TextMessage",
    "TextReply",
    "TransferReply",
    "UnauthorizedPush",
    "UnknownMessage",
    "UnknownPush",
    "UnsubscribeEvent",
    "UserDataEvent",
    "UserEnterTempsessionEvent",
    "UserMessage",
    "VideoMessage",
    "VideoReply",
    "ViewEvent",
    "ViewMiniProgramEvent",
    "VoiceMessage",
    "VoiceReply",
    "Webhook",
    "read_push",
]
