"""
What tests of the client stand on: a stand-in that tells of calls as they arrive, and a clock on which no time is lost.
"""

from __future__ import annotations

import socket
from typing import Any, TypeVar

import anyio
import anyio.lowlevel

from wechat_kf import Endpoint
from wechat_kf.testing import FakeAccount, FakeWeChat, ManualClock, ReceivedCall

__all__ = ["Arrivals", "QuickClock", "count", "refusing", "tokens_used"]

T = TypeVar("T")

# For what must never happen: a test that waits for ever.
_LONG = 30.0


class Arrivals(list[ReceivedCall]):
    """
    The calls of a stand-in, which can be waited for.
    """

    def __init__(self, fake: FakeWeChat) -> None:
        super().__init__()
        self._news = anyio.Event()
        fake.calls = self

    def append(self, call: ReceivedCall) -> None:
        """
        Keep a call, and tell of it.
        """
        super().append(call)
        self._news.set()
        self._news = anyio.Event()

    async def until(self, endpoint: Endpoint[Any], calls: int = 1) -> None:
        """
        Wait until so many calls of an endpoint have arrived.
        """
        with anyio.fail_after(_LONG):
            while sum(call.path == endpoint.path for call in self) < calls:
                await self._news.wait()


class QuickClock(ManualClock):
    """
    A clock on which who sleeps wakes at once, and the time has passed.

    Attributes:
        slept: The sleeps, in seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """
        Let the time pass.
        """
        if seconds > 0:
            self.slept.append(seconds)
            self.advance(seconds)
        await anyio.lowlevel.checkpoint()


def count(fake: FakeAccount, endpoint: Endpoint[Any]) -> int:
    """
    Count the calls of an endpoint that arrived.
    """
    return sum(call.path == endpoint.path for call in fake.calls)


def refusing() -> str:
    """
    Find an address at which nobody listens.
    """
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def tokens_used(fake: FakeAccount, endpoint: Endpoint[Any]) -> list[str]:
    """
    List the tokens with which an endpoint was called.
    """
    return [call.query["access_token"] for call in fake.calls if call.path == endpoint.path]
