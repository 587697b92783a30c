"""
Faults that cannot be.
"""

from __future__ import annotations

from typing import Any

import pytest

from wechat_kf.testing import (
    ClockSkew,
    Delay,
    Drip,
    DropBefore,
    Errcode,
    FakeWeChat,
    Garble,
    Status,
    Truncate,
)

IPS = "/cgi-bin/getcallbackip"


@pytest.mark.parametrize(("times", "after"), [(0, 0), (1, -1)])
def test_impossible_faults(times: int, after: int) -> None:
    """
    A fault happens at least once, after no fewer than no calls.
    """
    with pytest.raises(ValueError, match="at least"):
        FakeWeChat().fault(IPS, DropBefore(), times, after=after)


@pytest.mark.parametrize(
    ("kind", "arguments", "error"),
    [
        (Drip, (0,), ValueError),
        (Delay, (-1,), ValueError),
        (Delay, ("1",), TypeError),
        (Truncate, (-1,), ValueError),
        (Status, (99,), ValueError),
        (Status, (600,), ValueError),
        (Status, (502, "text"), TypeError),
        (Garble, ("text",), TypeError),
        (ClockSkew, ("1",), TypeError),
        (Errcode, ("45009",), TypeError),
    ],
)
def test_faults_that_cannot_be(kind: Any, arguments: tuple[object, ...], error: type[Exception]) -> None:
    """
    A fault is refused where it is made.
    """
    with pytest.raises(error):
        kind(*arguments)
