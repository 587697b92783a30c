"""
Programs that are killed while they send, with a journal in a file and in Redis.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.testing import Delay

from ..redis_server import RedisServer
from .programs import CONCURRENCY, CUSTOMERS, Town


@pytest.fixture
def anyio_backend() -> str:
    """
    Run on asyncio; the programs are what is tested.
    """
    return "asyncio"


@pytest.fixture(params=["file", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """
    Say where the journal is.
    """
    if request.param == "file":
        return str(tmp_path / "broadcast.jsonl")
    server: RedisServer = request.getfixturevalue("redis_server")
    return server.url


async def test_killed_in_the_middle(place: str) -> None:
    """
    A run that is killed at 40 % and started again sends to nobody twice and forgets nobody; of few it is uncertain.
    """
    async with Town.open() as town:
        async with town.start(place) as first:
            await town.arrived(len(CUSTOMERS) * 4 // 10)
            first.process.kill()
        before = len(town.fake.sent)
        second = await town.run(place)
        third = await town.run(place)

    assert before < len(CUSTOMERS) * 6 // 10
    assert first.openids("all") <= {outcome[1] for outcome in second.outcomes if outcome[2:] == ["all", True]}
    town.check_end(second)
    assert second.openids("unknown")
    assert sorted(third.outcomes) == sorted([*outcome[:3], True] for outcome in second.outcomes)


async def test_killed_before_it_is_sent(place: str) -> None:
    """
    A row whose run died between noting and sending is told as uncertain, and not sent.
    """
    async with Town.open() as town:
        await town.run(place, DIES_AT="50")
        run = await town.run(place)

    town.check_end(run)
    assert CUSTOMERS[50] in run.openids("unknown") - town.got()


async def test_killed_before_the_answer(place: str) -> None:
    """
    Rows whose run died before WeChat's answers came are told as uncertain, and not sent again.
    """
    async with Town.open() as town:
        town.fake.fault(SEND_CUSTOM_MESSAGE, Delay(30), times=CONCURRENCY, after=30)
        async with town.start(place) as first:
            await town.asked(30 + CONCURRENCY)
            first.process.kill()
        run = await town.run(place)

    town.check_end(run)
    assert len(run.openids("unknown")) == CONCURRENCY
