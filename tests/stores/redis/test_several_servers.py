"""
The stores on a Redis Cluster of three nodes, and on a server that fails over under Sentinels.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import attrs
import pytest
from redis import asyncio as redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.sentinel import Sentinel

from wechat_kf import Token
from wechat_kf.bot import Arrived, News, Orphan, Place, Turn
from wechat_kf.stores.redis import RedisInbox, RedisRefused, RedisTokenStore

from ...redis_cluster import Watched, running_cluster, running_sentinels
from ...redis_server import keys_in
from .members import LEASE, LONG, A, B, arrival, held


@pytest.fixture
def anyio_backend() -> str:
    """
    Run on asyncio, which is what the engine's client is for.
    """
    return "asyncio"


@pytest.fixture(scope="module")
def cluster() -> Generator[list[int]]:
    """
    Start a cluster once.
    """
    with running_cluster() as ports:
        yield ports


@pytest.fixture(autouse=True)
def closed_connections() -> Generator[None]:
    """
    Close the connections that redis-py's client for a cluster leaves open when it is closed.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def watched() -> Generator[Watched]:
    """
    Start a server, its replica and Sentinels.
    """
    with running_sentinels() as watched:
        yield watched


@asynccontextmanager
async def primary_of(watched: Watched) -> AsyncGenerator[Any]:
    """
    Make a client, parts of whose types are unknown, for whichever server is the first now.
    """
    make: Any = Sentinel
    sentinel = make([("127.0.0.1", port) for port in watched.sentinels], socket_timeout=1.0)
    async with sentinel.master_for("shared", socket_timeout=1.0) as client:
        yield client
    for each in sentinel.sentinels:
        await each.aclose()


async def until_heard(news: list[News], expected: News) -> None:
    """
    Wait until a worker was told this.
    """
    with anyio.fail_after(LONG):
        while True:
            if expected in news:
                return
            await anyio.sleep(0.01)


async def test_inbox_in_a_cluster(cluster: list[int]) -> None:
    """
    Each account lives in one slot, and accounts spread over the nodes; turns pass and the dead are inherited.
    """
    news: list[News] = []
    accounts = [f"gh_{number}" for number in range(6)]
    async with (
        RedisCluster(host="127.0.0.1", port=cluster[0]) as one,
        RedisCluster(host="127.0.0.1", port=cluster[1]) as two,
        RedisInbox(two, lease=LEASE).join(news.append, stale=900, appid="wx") as heir,
    ):
        async with RedisInbox(one, lease=LEASE).join(print, stale=900, appid="wx") as dies:
            for account in accounts:
                first, second = attrs.evolve(A, account=account), attrs.evolve(B, account=account)
                await held(dies, first)
                known, behind = await heir.arrive(arrival(first)), await heir.arrive(arrival(second))
                assert (known, behind.is_turn) == (Arrived(2), False)
                if account != accounts[-1]:
                    await dies.send(first, 1)
                    await dies.done(first)
                    await until_heard(news, Turn(second))
        orphan = Place(accounts[-1], "oA", "oA:1", attempt=2)
        await until_heard(news, Orphan(orphan, b"oA:1", is_turn=True))
        await heir.done(orphan)
        await until_heard(news, Turn(attrs.evolve(B, account=accounts[-1])))
    used: list[int] = []
    for port in cluster:
        async with redis.Redis(port=port) as node:
            used.append(len(await keys_in(node)))

    assert all(used)


async def test_tokens_in_a_cluster(cluster: list[int]) -> None:
    """
    A token and its lease are in one slot.
    """
    token = Token("T", datetime.now(UTC) + timedelta(seconds=7200))
    async with RedisCluster(host="127.0.0.1", port=cluster[0]) as client:
        store = RedisTokenStore(client)
        async with store.lock("wx1"):
            await store.save("wx1", token)
        loaded = await store.load("wx1")

    assert loaded is not None
    assert loaded.value == "T"


async def test_client_for_one_server_in_a_cluster(cluster: list[int]) -> None:
    """
    A client that knows one node only is told that it is the wrong one, unless the keys happen to be there.
    """
    refused = 0
    async with redis.Redis(port=cluster[0]) as client:
        for number in range(20):
            with suppress(RedisRefused):
                await RedisTokenStore(client).load(f"wx{number}")
                refused -= 1
            refused += 1

    assert 0 < refused < 20


async def test_failover(watched: Watched) -> None:
    """
    What is under way when the server dies goes on, and is known to the replica that takes its place.
    """
    news: list[News] = []
    async with (
        primary_of(watched) as client,
        primary_of(watched) as another,
        RedisInbox(another, lease=3).join(news.append, stale=900) as other,
        RedisInbox(client, lease=3).join(print, stale=900) as worker,
    ):
        for place in (A, B):
            await held(worker, place)
        behind = Place("gh_1", "oA", "oA:3")
        await other.arrive(arrival(behind))
        watched.kill_primary()
        sent = [await worker.send(A, 1)]
        await worker.done(A)
        with anyio.fail_after(60):
            while True:
                if worker.works and other.works:
                    break
                await anyio.sleep(0.05)
        known = [await other.arrive(arrival(place)) for place in (A, B)]
        sent.append(await worker.send(B, 1))
        await worker.done(B)

    assert sent == [True, True]
    assert [each.place for each in known] == [None, None]
