"""
The options of a bot, as its parts are given them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from .._client import AsyncKfClient
from .._clock import Clock
from ..webhook import Webhook
from ._seen import Seen

__all__ = ["Options"]


def _positive(_: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not value > 0:
        raise ValueError(f"{attribute.name} must be more than 0")


def _not_negative(_: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{attribute.name} must not be negative")


@attrs.frozen(kw_only=True)
class Options:
    """
    What `Bot` was made with; see there.
    """

    webhook: Webhook
    kf: AsyncKfClient
    clock: Clock
    is_ai_msg: bool | None
    kf_account: str | None
    patience: float = attrs.field(validator=_not_negative)
    typing: bool
    concurrency: int = attrs.field(validator=attrs.validators.ge(1))
    handler_timeout: float = attrs.field(validator=_positive)
    resend: float = attrs.field(validator=_not_negative)
    stale: float = attrs.field(validator=_positive)
    drain: float = attrs.field(validator=_not_negative)
    on_error: Callable[..., Any] | None
    on_lost: Callable[..., Any] | None
    seen: Seen
