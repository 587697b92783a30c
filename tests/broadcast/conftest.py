"""
A stand-in and a client for the tests of broadcasts.
"""

from __future__ import annotations

import pytest

from wechat_kf import AsyncKfClient
from wechat_kf.testing import FakeWeChat, ManualClock

from ..conftest import Connect
from .stage import OPENIDS


@pytest.fixture
def fake() -> FakeWeChat:
    """
    Make a stand-in whose clock stands still, with customers who have just written.
    """
    fake = FakeWeChat(clock=ManualClock())
    for openid in OPENIDS:
        fake.user_says(openid, "在吗")
    return fake


@pytest.fixture
def kf(fake: FakeWeChat, connect: Connect) -> AsyncKfClient:
    """
    Make a client for it.
    """
    return connect(fake)
