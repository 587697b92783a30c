"""
A stand-in that stands still in time, and the bare API on it.
"""

from __future__ import annotations

import pytest

from wechat_kf.testing import FakeWeChat, ManualClock

from .account_server import AccountServer
from .bare_api import Wire


@pytest.fixture
def fake() -> FakeWeChat:
    """
    Give a stand-in whose time is moved by hand.
    """
    return FakeWeChat(clock=ManualClock())


@pytest.fixture
def wire(fake: FakeWeChat) -> Wire:
    """
    Give the bare API on it.
    """
    return Wire(fake)


@pytest.fixture
def server(fake: FakeWeChat) -> AccountServer:
    """
    Give a server that hears the stand-in, in plain XML.
    """
    return AccountServer(fake)
