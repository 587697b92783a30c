"""
Four worker processes and one token.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from wechat_kf.testing import Delay, FakeWeChat

from ..redis_server import RedisServer
from .serving import WORKERS, until

ROOT: Final = Path(__file__).parents[2]
TOKEN: Final = "/cgi-bin/stable_token"

# The workers are processes of their own, so that one event loop here is enough.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


class Caller:
    """
    A worker process.
    """

    def __init__(self, process: Process) -> None:
        assert process.stdout is not None
        assert process.stdin is not None
        self._process = process
        self._heard = BufferedByteReceiveStream(process.stdout)
        self._told = process.stdin

    async def hear(self) -> str:
        """
        Take its next line.
        """
        with anyio.fail_after(120):
            return (await self._heard.receive_until(b"\n", 10_000)).decode()

    async def tell(self) -> None:
        """
        Have it call.
        """
        await self._told.send(b"call\n")

    def kill(self) -> None:
        """
        End it as the kernel does.
        """
        self._process.kill()


@asynccontextmanager
async def callers(
    fake: FakeWeChat, redis_server: RedisServer, *, lease: float = 60.0, ahead: tuple[float, ...] = (0.0,) * WORKERS
) -> AsyncGenerator[list[Caller]]:
    """
    Start the workers, and end them.
    """
    async with fake.serve() as base_url, AsyncExitStack() as stack:
        environment = {
            **os.environ,
            "LEASE": str(lease),
            "REDIS_URL": redis_server.url,
            "WECHAT_APPID": fake.appid,
            "WECHAT_BASE_URL": base_url,
            "WECHAT_SECRET": fake.secret,
        }
        command = [sys.executable, "-m", "tests.fleet.caller"]
        workers: list[Caller] = []
        for seconds in ahead:
            process = await stack.enter_async_context(
                await anyio.open_process(
                    command, cwd=ROOT, stderr=subprocess.DEVNULL, env={**environment, "AHEAD": str(seconds)}
                )
            )
            # At the end of their input they end by themselves.
            workers.append(Caller(process))
        for worker in workers:
            await worker.hear()
        yield workers


async def call_all(workers: list[Caller]) -> list[dict[str, Any]]:
    """
    Have all call at once, and hear what became of it.
    """
    for worker in workers:
        await worker.tell()
    return [json.loads(await worker.hear()) for worker in workers]


def fetches(fake: FakeWeChat) -> int:
    """
    Count the fetches of tokens.
    """
    return sum(call.path == TOKEN for call in fake.calls)


async def test_one_fetch_whatever_the_clocks_say(redis_server: RedisServer) -> None:
    """
    Four workers, whose clocks are up to a minute apart, make one fetch when they start cold, and one when refused.
    """
    fake = FakeWeChat()
    async with callers(fake, redis_server, ahead=(-30.0, 0.0, 15.0, 30.0)) as workers:
        # Long enough for all to come.
        fake.fault(TOKEN, Delay(1))
        said = await call_all(workers)
        cold = fetches(fake)
        fake.revoke_tokens()
        fake.fault(TOKEN, Delay(1))
        said += await call_all(workers)
        refused = fetches(fake)
        fake.expire_tokens()
        said += await call_all(workers)

    assert [each["said"] for each in said] == 3 * WORKERS * ["ok"]
    assert (cold, refused, fetches(fake)) == (1, 2, 3)


async def test_killed_holder_delays_the_others_by_its_lease(redis_server: RedisServer) -> None:
    """
    If the worker that fetches is killed, another fetches when its lease is over, and the rest take its token.

    Who could not have the lease within two of its lengths would fetch alone: that there is one fetch for the three
    shows that they did not wait for longer.
    """
    fake, lease = FakeWeChat(), 2.0
    async with callers(fake, redis_server, lease=lease) as workers:
        fake.fault(TOKEN, Delay(600))
        await workers[0].tell()
        await until(lambda: fetches(fake) == 1)
        for worker in workers[1:]:
            await worker.tell()
        workers[0].kill()
        said = [json.loads(await worker.hear()) for worker in workers[1:]]

    assert [each["said"] for each in said] == ["ok"] * 3
    assert fetches(fake) == 2
    # What a busy machine takes for itself comes on top.
    assert max(each["seconds"] for each in said) < lease + 15


async def test_redis_restarts_and_stays_away(redis_server: RedisServer) -> None:
    """
    Redis may lose everything in the middle of a fetch, or be down altogether: every call is answered.
    """
    fake = FakeWeChat()
    async with callers(fake, redis_server) as workers:
        fake.fault(TOKEN, Delay(1))
        for worker in workers:
            await worker.tell()
        await until(lambda: fetches(fake) == 1)
        redis_server.stop()
        redis_server.start()
        said = [json.loads(await worker.hear()) for worker in workers]
        in_the_middle = fetches(fake)
        redis_server.stop()
        said += await call_all(workers)
        with_tokens = fetches(fake)
        fake.revoke_tokens()
        said += await call_all(workers)
        without = fetches(fake)
        redis_server.start()
        fake.revoke_tokens()
        said += await call_all(workers)

    assert [each["said"] for each in said] == 4 * WORKERS * ["ok"]
    # Without Redis each fetches for itself: that is the most that an outage costs.
    assert in_the_middle <= WORKERS
    assert with_tokens == in_the_middle
    assert without == with_tokens + WORKERS
    assert fetches(fake) <= without + WORKERS
