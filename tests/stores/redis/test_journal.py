"""
The journal of a broadcast in a real Redis.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import anyio
import pytest
from redis import asyncio as redis

from wechat_kf import AsyncKfClient, JournalError, Outcome, Outcomes, Text
from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.stores.redis import RedisJournal, RedisRefused
from wechat_kf.testing import Delay, Errcode, FakeWeChat

from ...conftest import Connect
from ...redis_server import RedisServer

OPENIDS = [f"o{number:027}" for number in range(40)]
PAIRS = [(openid, Text("你好")) for openid in OPENIDS]
KEY = "wechat_kf:{sale}:journal"


@pytest.fixture
def anyio_backend() -> str:
    """
    Run on asyncio, which is what the engine's client is for.
    """
    return "asyncio"


@pytest.fixture
def fake() -> FakeWeChat:
    """
    Make a stand-in with customers who have just written.
    """
    fake = FakeWeChat()
    for openid in OPENIDS:
        fake.user_says(openid, "在吗")
    return fake


@pytest.fixture
def kf(fake: FakeWeChat, connect: Connect) -> AsyncKfClient:
    """
    Make a client for it.
    """
    return connect(fake)


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncGenerator[Any]:
    """
    Give a client of the engine, parts of whose types are unknown, which does not try again.
    """
    async with redis.from_url(redis_server.url) as client:
        yield client


async def gather(kf: AsyncKfClient, journal: RedisJournal, count: int, concurrency: int = 5) -> list[Outcome]:
    """
    Send to so many customers.
    """
    return [outcome async for outcome in kf.send_each(PAIRS[:count], journal=journal, concurrency=concurrency)]


async def follow(outcomes: Outcomes, told: list[Outcome], then: Callable[[], Awaitable[object]]) -> None:
    """
    Take every outcome, and do something after the tenth.
    """
    async for outcome in outcomes:
        told.append(outcome)
        if len(told) == 10:
            await then()


def got(fake: FakeWeChat) -> list[str]:
    """
    List who got a message.
    """
    return sorted(shown.openid for shown in fake.sent)


@pytest.mark.parametrize("decode", [False, True])
async def test_goes_on(fake: FakeWeChat, kf: AsyncKfClient, redis_server: RedisServer, decode: bool) -> None:
    """
    A run goes on from the journal of another, with clients of either kind; for each row there is one line of JSON.
    """
    fake.fault(SEND_CUSTOM_MESSAGE, Errcode(45015, "out of time"), after=1)
    client: Any = redis.from_url(redis_server.url, decode_responses=decode)
    async with client:
        journal = RedisJournal(client, "sale", keep=60)
        await gather(kf, journal, 3, concurrency=1)
        head, row, life = await client.hget(KEY, "head"), await client.hget(KEY, "1"), await client.pttl(KEY)
        found = await gather(kf, RedisJournal(client, "sale"), 5)

    assert json.loads(head) == {"journal": "wechat_kf broadcast", "version": 1, "account": fake.appid}
    assert list(json.loads(row)) == ["index", "touser", "digest", "state", "error"]
    assert json.loads(row)["error"] == "45015 out of time"
    assert 50_000 < life <= 60_000
    assert got(fake) == OPENIDS[:5]
    assert sum(outcome.is_earlier for outcome in found) == 2
    assert repr(journal) == "RedisJournal('sale')"


async def test_later_run_takes_over(fake: FakeWeChat, kf: AsyncKfClient, client: Any) -> None:
    """
    Of two runs at once the earlier stops with an error; nobody gets two, and what it had on its way is told by both.
    """
    fake.fault(SEND_CUSTOM_MESSAGE, Delay(0.3), times=5)
    told: list[Outcome] = []
    outcomes = kf.send_each(PAIRS, journal=RedisJournal(client, "sale"), concurrency=5)

    async def earlier() -> None:
        with pytest.raises(JournalError, match=r"A later run has taken over the journal 'sale'\."):
            await follow(outcomes, told, anyio.sleep_forever)

    found: list[Outcome] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(earlier)
        while len(fake.calls) < 6:  # noqa: ASYNC110 - the stand-in tells nobody
            await anyio.sleep(0.005)
        found += await gather(kf, RedisJournal(client, "sale"), 40)
    uncertain = [outcome.touser for outcome in found if outcome.error is not None]

    assert got(fake) == OPENIDS
    assert sorted(uncertain) == sorted(outcome.touser for outcome in told)
    assert 0 < len(uncertain) <= 5


async def test_stopped_in_the_middle(fake: FakeWeChat, kf: AsyncKfClient, redis_server: RedisServer) -> None:
    """
    When Redis is gone nothing more is sent, what was sent is told, and neither this run nor the next goes on without.
    """
    told: list[Outcome] = []
    async with redis.from_url(redis_server.url) as client:
        journal = RedisJournal(client, "sale", timeout=0.5)

        async def stop() -> None:
            redis_server.stop()

        with pytest.raises(JournalError, match=r"The journal 'sale' cannot be used: .* Nothing more is sent"):
            await follow(kf.send_each(PAIRS, journal=journal, concurrency=1), told, stop)
        with pytest.raises(JournalError, match="The journal 'sale' cannot be used"):
            await gather(kf, journal, 40)

    assert 10 <= len(told) <= 11
    assert sorted(outcome.touser for outcome in told) == got(fake)


async def test_emptied_in_the_middle(fake: FakeWeChat, kf: AsyncKfClient, client: Any) -> None:
    """
    When Redis has lost the journal the run stops, and no other takes what is left for the whole.
    """
    told: list[Outcome] = []
    with pytest.raises(JournalError, match="Redis has lost entries of the journal 'sale'"):
        await follow(kf.send_each(PAIRS, journal=RedisJournal(client, "sale"), concurrency=3), told, client.flushall)
    with pytest.raises(JournalError, match="Redis has lost entries of the journal 'sale'"):
        await gather(kf, RedisJournal(client, "sale"), 40)

    assert len(told) < 20
    assert sorted(outcome.touser for outcome in told) == got(fake)


async def test_pause_is_waited_out(fake: FakeWeChat, kf: AsyncKfClient, redis_server: RedisServer) -> None:
    """
    A Redis that does not answer for a while holds the sending up, and all is sent once.
    """
    told = 0
    async with redis.from_url(redis_server.url) as client, anyio.create_task_group() as tasks:

        async def resume() -> None:
            await anyio.sleep(0.3)
            redis_server.resume()

        async for _ in kf.send_each(PAIRS, journal=RedisJournal(client, "sale"), concurrency=5):
            told += 1
            if told == 10:
                redis_server.pause()
                tasks.start_soon(resume)

    assert told == 40
    assert got(fake) == OPENIDS


async def test_silence_ends_the_run(fake: FakeWeChat, kf: AsyncKfClient, redis_server: RedisServer) -> None:
    """
    A Redis that does not answer within the time is named in the error.
    """
    async with redis.from_url(redis_server.url) as client:
        redis_server.pause()
        with pytest.raises(JournalError, match=r"'sale' cannot be used: Redis did not answer for 0.2 s. Nothing more"):
            await gather(kf, RedisJournal(client, "sale", timeout=0.2), 3)

    assert fake.sent == []


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"color": "red"}, "The journal 'sale' is not a journal of a broadcast"),
        ({"head": '{"journal":"wechat_kf broadcast","version":2}'}, "is of a version that this library does not know"),
        (
            {"head": '{"journal":"wechat_kf broadcast","version":1,"account":"wx1"}'},
            "The journal 'sale' is of the account 'wx1', not 'wx",
        ),
    ],
)
async def test_foreign_journals(
    fake: FakeWeChat, kf: AsyncKfClient, client: Any, held: dict[str, str], said: str
) -> None:
    """
    What is not this account's journal is refused and left as it is.
    """
    await client.hset(KEY, mapping=held)
    with pytest.raises(JournalError, match=said):
        await gather(kf, RedisJournal(client, "sale"), 3)
    left = await client.hgetall(KEY)

    assert left == {name.encode(): value.encode() for name, value in held.items()}
    assert fake.sent == []


@pytest.mark.parametrize("row", [b"hello", b'{"index":2,"touser":"o","digest":"","state":"delivered"}'])
async def test_edited_entries(fake: FakeWeChat, kf: AsyncKfClient, client: Any, row: bytes) -> None:
    """
    An entry that cannot be read, or is another row's, ends the run before anything is sent.
    """
    await gather(kf, RedisJournal(client, "sale"), 1)
    await client.hset(KEY, "1", row)
    with pytest.raises(JournalError, match=r"The field 1 of wechat_kf:\{sale\}:journal is not an entry of a journal"):
        await gather(kf, RedisJournal(client, "sale"), 3)

    assert len(fake.sent) == 1


async def test_other_list(fake: FakeWeChat, kf: AsyncKfClient, client: Any) -> None:
    """
    The journal of another list is refused.
    """
    await gather(kf, RedisJournal(client, "sale"), 2)
    with pytest.raises(JournalError, match="The journal is of another list: row 0 differs"):
        await anext(kf.send_each([(OPENIDS[0], "再见")], journal=RedisJournal(client, "sale")))

    assert len(fake.sent) == 2


async def test_refusal_is_the_cause(kf: AsyncKfClient, client: Any) -> None:
    """
    What Redis will refuse the next time, too, is a `RedisRefused` as the error's cause.
    """
    await client.set(KEY, "a string")
    with pytest.raises(JournalError, match=r"Redis does not allow journal_open: .*WRONGTYPE") as caught:
        await gather(kf, RedisJournal(client, "sale"), 1)

    assert isinstance(caught.value.__cause__, RedisRefused)


async def test_memory(kf: AsyncKfClient, client: Any) -> None:
    """
    A row takes at most 300 bytes.
    """
    await gather(kf, RedisJournal(client, "sale"), 40)

    assert await client.memory_usage(KEY, samples=0) < 40 * 300 + 500


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [("", {}, "name must not be empty"), ("a", {"keep": 0}, "keep and timeout must be more than 0")],
)
def test_wrong_arguments(name: str, options: dict[str, Any], said: str) -> None:
    """
    A name that is empty, or a time that is none, is refused.
    """
    with pytest.raises(ValueError, match=said):
        RedisJournal(redis.Redis(), name, **options)


async def test_long_journal(fake: FakeWeChat, kf: AsyncKfClient, client: Any) -> None:
    """
    A journal that is too long for one command is read whole.
    """
    await gather(kf, RedisJournal(client, "sale"), 1)
    row = json.loads(await client.hget(KEY, "0"))
    rows = {str(index): json.dumps({**row, "index": index}) for index in range(3000)}
    await client.hset(KEY, mapping=rows)
    again = [PAIRS[0]] * 3000
    told = [outcome.is_earlier async for outcome in kf.send_each(again, journal=RedisJournal(client, "sale"))]

    assert told == [True] * 3000
    assert len(fake.sent) == 1
