"""
What the tests of tokens share: a stand-in whose time is moved by hand, and clients that go by the same time.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial

import pytest

from wechat_kf import (
    AsyncKfClient,
)
from wechat_kf.testing import (
    FakeWeChat,
    ManualClock,
)

from ..conftest import Connect


@pytest.fixture
def fake() -> FakeWeChat:
    """
    Make a stand-in whose time is moved by hand.
    """
    return FakeWeChat(clock=ManualClock())


@pytest.fixture
async def base(fake: FakeWeChat) -> AsyncGenerator[str]:
    """
    Serve it.
    """
    async with fake.serve() as url:
        yield url


@pytest.fixture
def make(fake: FakeWeChat, base: str, connect: Connect) -> Connect:
    """
    Make clients for it that go by the same time, and wait long for a busy machine: nobody moves the clock for a pause.
    """
    return partial(connect, base, clock=fake.clock, timeout=100.0)


@pytest.fixture
def kf(make: Connect) -> AsyncKfClient:
    """
    Make one.
    """
    return make()
