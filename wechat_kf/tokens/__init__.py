"""
Access tokens: where they come from, where they are kept, and the provider that renews them.

It knows neither hosts nor HTTP; who makes a provider gives it a function that fetches.
"""

from __future__ import annotations

from ._renewing import (
    CLASSIC_TOKEN,
    STABLE_TOKEN,
    STALE,
    Lease,
    MemoryTokenStore,
    RenewingToken,
    StaticToken,
    Token,
    TokenAnswer,
    TokenGate,
    TokenProvider,
    TokenStore,
)

__all__ = [
    "CLASSIC_TOKEN",
    "STABLE_TOKEN",
    "STALE",
    "Lease",
    "MemoryTokenStore",
    "RenewingToken",
    "StaticToken",
    "Token",
    "TokenAnswer",
    "TokenGate",
    "TokenProvider",
    "TokenStore",
]
