"""
What the tests of broadcasts share: customers, messages to them, and what became of these.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager

from anyio.lowlevel import checkpoint

from wechat_kf import Message, Outcome, Outcomes, Text
from wechat_kf.broadcast import Entry, OpenJournal
from wechat_kf.testing import FakeWeChat, ManualClock

__all__ = ["OPENIDS", "Notebook", "gather", "got", "greetings", "under_way"]

OPENIDS = [f"o{number:027}" for number in range(60)]


def greetings(count: int) -> list[tuple[str, Message]]:
    """
    Make one message for each of so many customers.
    """
    return [(openid, Text("你好")) for openid in OPENIDS[:count]]


def got(fake: FakeWeChat) -> list[str]:
    """
    List who got a message, in order.
    """
    return [shown.openid for shown in fake.sent]


def under_way(fake: FakeWeChat) -> int:
    """
    Count the sends that the stand-in has not answered yet.
    """
    assert isinstance(fake.clock, ManualClock)
    return len(fake.clock.sleepers)


async def gather(outcomes: Outcomes, into: list[Outcome]) -> None:
    """
    Take every outcome.
    """
    async for outcome in outcomes:
        # One by one, so that those before an exception are there.
        into.append(outcome)  # noqa: PERF401


class Notebook:
    """
    A journal in memory.
    """

    def __init__(self) -> None:
        self.account = ""
        self.written: list[Entry] = []
        # Called before each entry is written.
        self.before: Callable[[Entry], object] = lambda entry: None

    @asynccontextmanager
    async def open(self, account: str) -> AsyncGenerator[OpenJournal]:
        self.account = account
        yield self

    @property
    def entries(self) -> Mapping[int, Entry]:
        return {entry.index: entry for entry in self.written}

    async def write(self, entry: Entry) -> None:
        self.before(entry)
        await checkpoint()
        self.written.append(entry)

    def states(self, index: int) -> list[str]:
        """
        List what a row has gone through.
        """
        return [entry.state for entry in self.written if entry.index == index]
