"""
Access tokens: where they come from, where they are kept, and the provider that renews them.

It knows neither hosts nor HTTP; who makes a provider gives it a function that fetches.
"""

from __future__ import annotations

from ._providers import NoToken, StaticToken, Token, TokenProvider
from ._renewing import RenewingToken
from ._stores import MemoryTokenStore, TokenStore
from .endpoints import CLASSIC_TOKEN, STABLE_TOKEN, TokenAnswer

__all__ = [
    "CLASSIC_TOKEN",
    "STABLE_TOKEN",
    "MemoryTokenStore",
    "NoToken",
    "RenewingToken",
    "StaticToken",
    "Token",
    "TokenAnswer",
    "TokenProvider",
    "TokenStore",
]
