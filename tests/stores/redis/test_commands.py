"""
How commands are given to Redis: cancellation, refusals, forgotten scripts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest
from redis import asyncio as redis

from wechat_kf.stores.redis import RedisRefused, RedisTokenStore
from wechat_kf.stores.redis._commands import within

from ...redis_server import RedisServer


@pytest.fixture
def anyio_backend() -> str:
    """
    Run on asyncio, which is what the engine's client is for.
    """
    return "asyncio"


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncGenerator[Any]:
    """
    Give a client of the engine, parts of whose types are unknown.
    """
    async with redis.from_url(redis_server.url) as client:
        yield client


async def test_cancelled_command_ends(client: Any) -> None:
    """
    A task that is cancelled while it reads from Redis is cancelled, whatever redis-py makes of it.

    redis-py writes under `asyncio.wait_for`, which on Python 3.11 may swallow a cancellation (python/cpython#86296).
    """
    store = RedisTokenStore(client)
    await store.load("wx1")
    went_on = 0
    for ticks in range(40):
        loads = [asyncio.create_task(store.load("wx1")) for _ in range(5)]
        for _ in range(ticks):
            await asyncio.sleep(0)
        under_way = [load for load in loads if load.cancel()]
        await asyncio.wait(loads)
        went_on += sum(not load.cancelled() for load in under_way)

    assert went_on == 0


async def test_script_that_redis_forgot(client: Any) -> None:
    """
    A Redis that was restarted, or flushed, is told the script anew.
    """
    store = RedisTokenStore(client)
    before = await store.load("wx1")
    await client.script_flush()
    after = await store.load("wx1")

    assert before is after is None


async def test_refusal_that_lasts(redis_server: RedisServer, client: Any) -> None:
    """
    A user that may not run scripts is told so, as something else than an outage.
    """
    await client.execute_command("ACL", "SETUSER", "reader", "on", "nopass", "~*", "+@read")
    async with redis.from_url(redis_server.url, username="reader", password="none") as reader:
        with pytest.raises(RedisRefused, match="Redis does not allow value_and_life: this user has no permissions"):
            await RedisTokenStore(reader).load("wx1")


async def test_cancelled_command_is_waited_for() -> None:
    """
    A command that is cancelled may still clean up: the connection is given back before its caller goes on.
    """
    steps: list[str] = []

    async def command() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.05)
            steps.append("given back")

    with pytest.raises(TimeoutError):
        await within(0.01, command())
    steps.append("went on")

    assert steps == ["given back", "went on"]


async def test_failure_after_the_time_is_over(redis_server: RedisServer, client: Any) -> None:
    """
    A command that outlasts its time raises a TimeoutError, and its own end is nobody's concern.
    """
    await client.ping()
    store = RedisTokenStore(client, timeout=0.05)
    redis_server.pause()
    with pytest.raises(TimeoutError):
        await store.load("wx1")
    redis_server.resume()
    with anyio.fail_after(5):
        loaded = await store.load("wx1")

    assert loaded is None
