"""
What a failure means for the next attempt, as pure decisions: a failure in, a value out.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from .._errors import ApiError, AuthError, KfError, NotSent, SystemBusy

__all__ = ["is_stale_token", "retry_delay", "settled", "shows_valid_token"]

_FIRST: Final = 0.25
_LONGEST: Final = 4.0

# The errcodes that a renewed token can cure. (42007 concerns web logins.)
_STALE_TOKEN: Final = frozenset({40001, 40014, 42001})


def is_stale_token(failure: KfError) -> bool:
    """
    Whether a renewed token can cure it.
    """
    return isinstance(failure, ApiError) and failure.errcode in _STALE_TOKEN


def shows_valid_token(failure: KfError) -> bool:
    """
    Whether WeChat took the token and refused for another reason.
    """
    # One that is busy may not have looked at the token yet.
    return isinstance(failure, ApiError) and not isinstance(failure, (AuthError, SystemBusy))


def retry_delay(
    failure: KfError,
    attempt: int,
    *,
    max_retries: int,
    repeatable: tuple[type[KfError], ...],
    jitter: Callable[[], float] = random.random,
) -> float | None:
    """
    Decide whether a call that failed may be tried again.

    Args:
        failure: What happened.

        attempt: How many times it was tried again already.

        max_retries: How many times at most.

        repeatable: The failures after which this call may be made again, besides `NotSent`.

        jitter: A source of numbers in [0, 1), so that many callers do not come back at the same moment.

    Returns:
        Seconds to wait, at most 4, or None to give up.
    """
    if attempt >= max_retries or not isinstance(failure, (NotSent, *repeatable)):
        return None
    if isinstance(failure, NotSent) and failure.is_lasting:
        return None
    return min(_LONGEST, _FIRST * 2.0 ** min(attempt, 10)) * (0.5 + 0.5 * jitter())


def settled(failure: KfError, doubt: KfError | None) -> KfError:
    """
    Decide which error ends a call whose earlier attempt may have taken effect.

    Args:
        failure: How the last attempt failed.

        doubt: How an earlier one failed that may have taken effect; None if there is none.
    """
    if doubt is None:
        return failure
    if isinstance(failure, NotSent):
        return doubt
    failure.effect = "unknown"
    return failure
