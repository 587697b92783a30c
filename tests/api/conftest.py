"""
A stand-in that knows one customer, and a client of it.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wechat_kf import (
    AsyncKfClient,
)
from wechat_kf.testing import (
    FakeWeChat,
    ManualClock,
)

from ..conftest import Connect

AMR = b"#!AMR\n"
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def fake() -> FakeWeChat:
    """
    Make a stand-in whose clock stands still.
    """
    return FakeWeChat(clock=ManualClock(START))


@pytest.fixture
def kf(fake: FakeWeChat, connect: Connect) -> AsyncKfClient:
    """
    Make a client for it.
    """
    return connect(fake)
