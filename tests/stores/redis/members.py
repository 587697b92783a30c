"""
Workers that share an inbox in Redis, and what they are told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import anyio
import attrs
from anyio.abc import TaskGroup, TaskStatus
from redis import asyncio as redis

from wechat_kf.bot import Arrival, InboxWorker, News, Place
from wechat_kf.stores.redis import RedisInbox

__all__ = ["LEASE", "LONG", "A", "B", "C", "Fleet", "Member", "arrival", "held", "kill"]

A, B, C = (Place("gh_1", "oA", f"oA:{number}") for number in (1, 2, 3))

# For what takes a few milliseconds where nothing else runs.
LONG: Final = 20.0

# Short, so that the tests are; a machine that is too busy for it makes a worker look dead.
LEASE: Final = 0.9


def arrival(place: Place = A, **options: Any) -> Arrival:
    """
    Write the delivery of a push.
    """
    return Arrival(place.account, place.openid, place.key, place.key.encode(), **options)


async def held(worker: InboxWorker, place: Place = A, **options: Any) -> Place:
    """
    Let a push arrive, and return its place.
    """
    arrived = await worker.arrive(arrival(place, **options))
    assert arrived.place is not None
    return arrived.place


@attrs.define
class Member:
    """
    A worker, and what it was told.
    """

    worker: InboxWorker
    news: list[News]
    leaves: anyio.Event = attrs.field(factory=anyio.Event)
    left: anyio.Event = attrs.field(factory=anyio.Event)

    async def leave(self) -> None:
        """
        End it.
        """
        self.leaves.set()
        await self.left.wait()

    async def until(self, holds: Callable[[list[News]], bool]) -> list[News]:
        """
        Wait until it was told enough.
        """
        with anyio.fail_after(LONG):
            while True:
                if holds(self.news):
                    return self.news
                await anyio.sleep(0.01)

    async def has_heard(self, news: News) -> None:
        """
        Wait until it was told this.
        """
        await self.until(lambda heard: news in heard)


class Fleet:
    """
    Workers of one Redis, each with connections of its own.
    """

    def __init__(self, url: str, tasks: TaskGroup) -> None:
        self._url = url
        self._tasks = tasks
        self._members: list[Member] = []

    async def join(self, *, stale: float = 900, appid: str | None = "wx1", **options: Any) -> Member:
        """
        Add a worker, in a task of its own, so that it may leave when it will.
        """
        options.setdefault("lease", LEASE)

        async def live(*, task_status: TaskStatus[Member]) -> None:
            news: list[News] = []
            async with redis.from_url(self._url, decode_responses=len(self._members) % 2 == 1) as client:
                inbox = RedisInbox(client, **options)
                async with inbox.join(news.append, stale=stale, appid=appid) as worker:
                    member = Member(worker, news)
                    task_status.started(member)
                    await member.leaves.wait()
            member.left.set()

        member: Member = await self._tasks.start(live)
        self._members.append(member)
        return member

    async def leave(self) -> None:
        """
        End all workers.
        """
        for member in self._members:
            await member.leave()


async def kill(client: Any, account: str = "gh_1") -> None:
    """
    Have every worker count as dead, for ever.
    """
    for worker in await client.hkeys(f"wechat_kf:{{{account}}}:workers"):
        await client.hset(f"wechat_kf:{{{account}}}:workers", worker, 0)
