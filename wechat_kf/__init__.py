"""
The customer-service (客服, KF) API of WeChat service accounts: asyncio-native, typed, honest about delivery.

The names are imported when they are first asked for: who receives pushes only, or catches errors only, does not wait
for an HTTP library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ._client import AsyncKfClient
    from ._clock import Clock, SystemClock
    from ._errors import (
        ApiError,
        AuthError,
        Conflict,
        ContentRejected,
        DecryptError,
        DeliveryUncertain,
        DeliveryWindowClosed,
        InvalidArgument,
        KfError,
        NotFound,
        NotSent,
        ParseError,
        PermissionDenied,
        QuotaExceeded,
        RateLimited,
        ReplyError,
        ReplyLimitReached,
        SignatureError,
        SystemBusy,
        TransportError,
        WebhookError,
    )
    from ._redact import RedactingFilter
    from ._wire.endpoint import Ack, Call, Endpoint
    from .api.accounts import KfAccount, KfList, OnlineKf, OnlineKfList
    from .api.download import MediaDownload
    from .api.maintenance import DailyQuota, Quota, RateLimit, RidInfo
    from .api.media import TempMedia
    from .api.message_kinds import (
        Article,
        Image,
        Link,
        MenuItem,
        Message,
        MiniProgramPage,
        MpNews,
        MpNewsArticle,
        MsgMenu,
        Music,
        News,
        Raw,
        Text,
        Video,
        Voice,
        WxCard,
    )
    from .api.records import MsgList, MsgRecord
    from .api.sessions import (
        KfSession,
        KfSessionList,
        OpenSession,
        WaitCase,
        WaitCaseList,
    )
    from .broadcast import Outcome, Outcomes
    from .text import split_text
    from .tokens import (
        MemoryTokenStore,
        StaticToken,
        Token,
        TokenProvider,
        TokenStore,
    )

__all__ = [
    "Ack",
    "ApiError",
    "Article",
    "AsyncKfClient",
    "AuthError",
    "Call",
    "Clock",
    "Conflict",
    "ContentRejected",
    "DailyQuota",
    "DecryptError",
    "DeliveryUncertain",
    "DeliveryWindowClosed",
    "Endpoint",
    "Image",
    "InvalidArgument",
    "KfAccount",
    "KfError",
    "KfList",
    "KfSession",
    "KfSessionList",
    "Link",
    "MediaDownload",
    "MemoryTokenStore",
    "MenuItem",
    "Message",
    "MiniProgramPage",
    "MpNews",
    "MpNewsArticle",
    "MsgList",
    "MsgMenu",
    "MsgRecord",
    "Music",
    "News",
    "NotFound",
    "NotSent",
    "OnlineKf",
    "OnlineKfList",
    "OpenSession",
    "Outcome",
    "Outcomes",
    "ParseError",
    "PermissionDenied",
    "Quota",
    "QuotaExceeded",
    "RateLimit",
    "RateLimited",
    "Raw",
    "RedactingFilter",
    "ReplyError",
    "ReplyLimitReached",
    "RidInfo",
    "SignatureError",
    "StaticToken",
    "SystemBusy",
    "SystemClock",
    "TempMedia",
    "Text",
    "Token",
    "TokenProvider",
    "TokenStore",
    "TransportError",
    "Video",
    "Voice",
    "WaitCase",
    "WaitCaseList",
    "WebhookError",
    "WxCard",
    "split_text",
]

# Where the names are, the lowest floor first.
_HOMES: Final = (
    *("_clock", "_errors", "_redact"),
    *("_wire.endpoint", "text", "tokens"),
    *(
        f"api.{part}"
        for part in ("message_kinds", "accounts", "media", "download", "maintenance", "records", "sessions")
    ),
    *("broadcast", "_client"),
)


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    modules = (import_module(f".{home}", __name__) for home in _HOMES)
    globals()[name] = value = next(getattr(module, name) for module in modules if name in module.__all__)
    return value


def __dir__() -> list[str]:
    return __all__
