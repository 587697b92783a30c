"""
The decision whether a call that failed is made again, and after what pause.
"""

from __future__ import annotations

from functools import partial

import pytest

from wechat_kf import (
    NotSent,
)
from wechat_kf._call.retry import retry_delay


@pytest.mark.parametrize("attempt", [0, 1, 2, 3, 10, 10**6])
def test_pauses_grow_within_bounds(attempt: int) -> None:
    """
    A pause is half of what it may be at least, and never longer than four seconds.
    """
    most = min(4.0, 0.25 * 2.0 ** min(attempt, 20))
    decide = partial(retry_delay, NotSent("no"), attempt, max_retries=attempt + 1, repeatable=())
    shortest, longest = decide(jitter=lambda: 0.0), decide(jitter=lambda: 1.0)

    assert shortest == most / 2
    assert longest == most


def test_pauses_differ() -> None:
    """
    Two callers do not come back at the same moment.
    """
    pauses = {retry_delay(NotSent("no"), 0, max_retries=1, repeatable=()) for _ in range(20)}

    assert len(pauses) > 1


def test_what_will_not_pass() -> None:
    """
    What a setting causes is not tried again.
    """
    failure = NotSent("no")
    failure.is_lasting = True

    assert retry_delay(failure, 0, max_retries=9, repeatable=()) is None
