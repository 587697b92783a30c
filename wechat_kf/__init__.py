"""
The customer-service (客服, KF) API of WeChat service accounts: asyncio-native, typed, honest about delivery.

A name is imported when it is first asked for: who receives pushes only, or catches errors only, does not wait for an
HTTP library. So the names stand here twice: for type checkers, and for the run time.
"""
# ruff: isort: skip_file

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._call.status import ClientStatus as ClientStatus
    from ._client import AsyncKfClient as AsyncKfClient
    from ._clock import (
        Clock as Clock,
        SystemClock as SystemClock,
    )
    from ._errors import (
        ApiError as ApiError,
        AuthError as AuthError,
        Conflict as Conflict,
        ContentRejected as ContentRejected,
        DecryptError as DecryptError,
        DeliveryUncertain as DeliveryUncertain,
        DeliveryWindowClosed as DeliveryWindowClosed,
        InvalidArgument as InvalidArgument,
        JournalError as JournalError,
        KfError as KfError,
        NotFound as NotFound,
        NotSent as NotSent,
        ParseError as ParseError,
        PermissionDenied as PermissionDenied,
        QuotaExceeded as QuotaExceeded,
        RateLimited as RateLimited,
        ReplyError as ReplyError,
        ReplyLimitReached as ReplyLimitReached,
        SignatureError as SignatureError,
        SystemBusy as SystemBusy,
        TransportError as TransportError,
        WebhookError as WebhookError,
    )
    from ._redact import RedactingFilter as RedactingFilter
    from ._wire.endpoint import (
        Call as Call,
        Endpoint as Endpoint,
    )
    from ._wire.tolerant import Ack as Ack
    from .api.accounts import (
        KfAccount as KfAccount,
        KfList as KfList,
        KfStatus as KfStatus,
        OnlineKf as OnlineKf,
        OnlineKfList as OnlineKfList,
    )
    from .api.download import MediaDownload as MediaDownload
    from .api.maintenance import (
        DailyQuota as DailyQuota,
        Quota as Quota,
        RateLimit as RateLimit,
        RidInfo as RidInfo,
    )
    from .api.media import TempMedia as TempMedia
    from .api.message_kinds import (
        Article as Article,
        Image as Image,
        Link as Link,
        MenuItem as MenuItem,
        Message as Message,
        MiniProgramPage as MiniProgramPage,
        MpNews as MpNews,
        MpNewsArticle as MpNewsArticle,
        MsgMenu as MsgMenu,
        Music as Music,
        News as News,
        Raw as Raw,
        Text as Text,
        Video as Video,
        Voice as Voice,
        WxCard as WxCard,
    )
    from .api.records import (
        MsgList as MsgList,
        MsgRecord as MsgRecord,
        OperCode as OperCode,
    )
    from .api.sessions import (
        KfSession as KfSession,
        KfSessionList as KfSessionList,
        OpenSession as OpenSession,
        WaitCase as WaitCase,
        WaitCaseList as WaitCaseList,
    )
    from .broadcast import (
        Counts as Counts,
        FileJournal as FileJournal,
        Journal as Journal,
        Outcome as Outcome,
        Outcomes as Outcomes,
    )
    from .text import split_text as split_text
    from .tokens import (
        MemoryTokenStore as MemoryTokenStore,
        NoToken as NoToken,
        RenewingToken as RenewingToken,
        StaticToken as StaticToken,
        Token as Token,
        TokenProvider as TokenProvider,
        TokenStore as TokenStore,
    )
else:
    _HOMES = {
        "_call.status": "ClientStatus",
        "_client": "AsyncKfClient",
        "_clock": "Clock SystemClock",
        "_errors": (
            "ApiError AuthError Conflict ContentRejected DecryptError DeliveryUncertain DeliveryWindowClosed "
            "InvalidArgument JournalError KfError NotFound NotSent ParseError PermissionDenied QuotaExceeded "
            "RateLimited ReplyError ReplyLimitReached SignatureError SystemBusy TransportError WebhookError"
        ),
        "_redact": "RedactingFilter",
        "_wire.endpoint": "Call Endpoint",
        "_wire.tolerant": "Ack",
        "api.accounts": "KfAccount KfList KfStatus OnlineKf OnlineKfList",
        "api.download": "MediaDownload",
        "api.maintenance": "DailyQuota Quota RateLimit RidInfo",
        "api.media": "TempMedia",
        "api.message_kinds": (
            "Article Image Link MenuItem Message MiniProgramPage MpNews MpNewsArticle MsgMenu Music News Raw "
            "Text Video Voice WxCard"
        ),
        "api.records": "MsgList MsgRecord OperCode",
        "api.sessions": "KfSession KfSessionList OpenSession WaitCase WaitCaseList",
        "broadcast": "Counts FileJournal Journal Outcome Outcomes",
        "text": "split_text",
        "tokens": "MemoryTokenStore NoToken RenewingToken StaticToken Token TokenProvider TokenStore",
    }
    _HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}
    __all__ = sorted(_HOME_OF)  # noqa: PLE0605 - what reads sources reads the other half

    def __getattr__(name: str) -> object:
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value = getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
        return value

    def __dir__() -> list[str]:
        return __all__
