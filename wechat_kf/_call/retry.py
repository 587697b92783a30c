"""
Whether to try again, as a pure decision: a failure in, seconds to wait or None out.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from .._errors import DeliveryUncertain, KfError, NotSent, SystemBusy

__all__ = ["retry_delay"]

_FIRST: Final = 0.25
_LONGEST: Final = 4.0


def retry_delay(
    failure: KfError,
    attempt: int,
    *,
    max_retries: int,
    repeatable: bool,
    jitter: Callable[[], float] = random.random,
) -> float | None:
    """
    Decide whether a call that failed may be tried again.

    Args:
        failure: What happened.

        attempt: How many times it was tried again already.

        max_retries: How many times at most.

        repeatable: Whether doing the call twice is the same as doing it once.

        jitter: A source of numbers in [0, 1), so that many callers do not come back at the same moment.

    Returns:
        Seconds to wait, at most 4, or None to give up.
    """
    if attempt >= max_retries:
        return None
    if not isinstance(failure, NotSent) and not (repeatable and isinstance(failure, (DeliveryUncertain, SystemBusy))):
        return None
    return min(_LONGEST, _FIRST * 2.0 ** min(attempt, 10)) * (0.5 + 0.5 * jitter())
