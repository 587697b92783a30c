"""
The pytest plugin: a stand-in for WeChat and a client of it, as fixtures.

pytest imports this module in every run, so it imports nothing else until a test asks for a fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ._client import AsyncKfClient
    from .testing import FakeWeChat

__all__ = ["fake_wechat", "kf"]


@pytest.fixture
def fake_wechat() -> FakeWeChat:
    """
    Give a stand-in for WeChat, fresh for each test.
    """
    from .testing import FakeWeChat  # noqa: PLC0415 - a test run that does not use it does not pay for it

    return FakeWeChat()


@pytest.fixture
def kf(fake_wechat: FakeWeChat) -> AsyncKfClient:
    """
    Give a client of the stand-in; it need not be closed.
    """
    from ._client import AsyncKfClient  # noqa: PLC0415 - as above

    return AsyncKfClient(fake_wechat.appid, fake_wechat.secret, http=fake_wechat.client(), clock=fake_wechat.clock)
