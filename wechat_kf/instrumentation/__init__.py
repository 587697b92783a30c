"""
What the library does, told to hooks as it happens: calls, attempts, retries, tokens, pushes.

A hook never gets a token, a secret, an openid or a text. `wechat_kf.instrumentation.opentelemetry` has one ready
(extra ``otel``).
"""

from __future__ import annotations

from ._details import (
    AttemptEnd,
    AttemptStart,
    CallEffect,
    CallEnd,
    CallStart,
    HandlerEnd,
    HandlerStart,
    PushEnd,
    PushOutcome,
    PushStart,
    RequestEnd,
    RequestStart,
    Retry,
    TokenChange,
)
from ._hook import Hook

__all__ = [
    "AttemptEnd",
    "AttemptStart",
    "CallEffect",
    "CallEnd",
    "CallStart",
    "HandlerEnd",
    "HandlerStart",
    "Hook",
    "PushEnd",
    "PushOutcome",
    "PushStart",
    "RequestEnd",
    "RequestStart",
    "Retry",
    "TokenChange",
]
