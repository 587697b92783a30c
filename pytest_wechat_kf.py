"""
The pytest plugin of wechat_kf.

A module beside the package, because pytest imports it in every run: nothing else is imported until a test asks for a
fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from wechat_kf import AsyncKfClient
    from wechat_kf.testing import FakeWeChat

__all__ = ["fake_wechat", "kf"]


@pytest.fixture
def fake_wechat() -> FakeWeChat:
    """
    Give a stand-in for WeChat, fresh for each test.
    """
    from wechat_kf.testing import FakeWeChat  # noqa: PLC0415 - a test run that does not use it does not pay for it

    return FakeWeChat()


@pytest.fixture
def kf(fake_wechat: FakeWeChat) -> AsyncKfClient:
    """
    Give a client of the stand-in; it need not be closed.
    """
    from wechat_kf import AsyncKfClient  # noqa: PLC0415 - as above

    return AsyncKfClient(fake_wechat.appid, fake_wechat.secret, http=fake_wechat.client(), clock=fake_wechat.clock)
