"""
Tokens shared through a real Redis.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from redis import asyncio as redis

from wechat_kf import AsyncKfClient, Token
from wechat_kf.stores.redis import RedisTokenStore
from wechat_kf.testing import FakeWeChat, ManualClock

from ...arrivals import QuickClock
from ...redis_server import RedisServer, keys_in

TOKEN_PATH = "/cgi-bin/stable_token"


@pytest.fixture
def anyio_backend() -> str:
    """
    Run on asyncio, which is what the engine's client is for.
    """
    return "asyncio"


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncGenerator[redis.Redis]:
    """
    Give a client of the engine.
    """
    async with redis.from_url(redis_server.url) as client:
        yield client


def token(value: str = "T", seconds: float = 7200) -> Token:
    """
    Make a token that lives so long.
    """
    return Token(value, datetime.now(UTC) + timedelta(seconds=seconds))


def token_calls(fake: FakeWeChat) -> int:
    """
    Count the fetches.
    """
    return sum(call.path == TOKEN_PATH for call in fake.calls)


@pytest.mark.parametrize("decode", [False, True])
async def test_token_comes_back(redis_server: RedisServer, decode: bool) -> None:
    """
    What was saved is loaded, by clients of either kind, with its expiry to the second.
    """
    async with redis.from_url(redis_server.url, decode_responses=decode) as client:
        store = RedisTokenStore(client)
        saved = token()
        await store.save("wx1", saved)
        loaded = await store.load("wx1")
        other = await store.load("wx2")

    assert loaded is not None
    assert loaded.value == "T"
    assert abs(loaded.expires_at - saved.expires_at) < timedelta(seconds=1)
    assert other is None


async def test_keys_hold_no_secret(client: redis.Redis) -> None:
    """
    A key names the appid only, and what is kept ends with the token.
    """
    await RedisTokenStore(client, prefix="app:").save("wx1", token("SECRET_TOKEN"))
    keys = await keys_in(client)
    life = await client.pttl("app:{wx1}:token")

    assert keys == [b"app:{wx1}:token"]
    assert 0 < life <= 7_200_000


async def test_older_token_does_not_replace_a_newer_one(client: redis.Redis) -> None:
    """
    A worker that comes late with a token that ends sooner changes nothing.
    """
    store = RedisTokenStore(client)
    await store.save("wx1", token("new", 7200))
    await store.save("wx1", token("old", 7000))
    await store.save("wx1", token("over", -1))
    loaded = await store.load("wx1")

    assert loaded is not None
    assert loaded.value == "new"


async def test_holder_of_the_lease_replaces_any_token(client: redis.Redis) -> None:
    """
    Where a clock has jumped, a token that WeChat refuses may seem to live on: who holds the lease replaces it.
    """
    store = RedisTokenStore(client)
    await store.save("wx1", token("refused", 9000))
    async with store.lock("wx1"):
        await store.save("wx1", token("new", 7200))
    await store.save("wx1", token("late", 7000))
    loaded = await store.load("wx1")

    assert loaded is not None
    assert loaded.value == "new"


async def test_lost_lease_gives_no_right_to_replace(client: redis.Redis) -> None:
    """
    A holder that was paused for longer than its lease, and comes late with its token, does not replace the next one's.
    """
    store = RedisTokenStore(client)
    async with store.lock("wx1"):
        await client.delete("wechat_kf:{wx1}:lease")
        async with RedisTokenStore(client).lock("wx1"):
            await RedisTokenStore(client).save("wx1", token("next", 7200))
            await store.save("wx1", token("late", 7000))
    loaded = await store.load("wx1")

    assert loaded is not None
    assert loaded.value == "next"


async def test_clocks_may_differ(client: redis.Redis) -> None:
    """
    A worker whose clock is a minute ahead reads the same span of life.
    """
    behind, ahead = ManualClock(), ManualClock()
    ahead.advance(60)
    await RedisTokenStore(client, clock=behind).save("wx1", Token("T", behind.now() + timedelta(seconds=300)))
    loaded = await RedisTokenStore(client, clock=ahead).load("wx1")

    assert loaded is not None
    assert timedelta(seconds=299) < loaded.expires_at - ahead.now() <= timedelta(seconds=300)


async def test_lease_keeps_others_out(client: redis.Redis) -> None:
    """
    While one holds the lease the other waits, and gets it when it is released.
    """
    store = RedisTokenStore(client)
    order: list[str] = []
    held = anyio.Event()

    async def first() -> None:
        async with store.lock("wx1"):
            held.set()
            await anyio.sleep(0.2)
            order.append("first")

    async def second() -> None:
        await held.wait()
        async with store.lock("wx1"):
            order.append("second")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first)
        tasks.start_soon(second)
    left = await keys_in(client)

    assert order == ["first", "second"]
    assert left == []


async def test_lease_of_the_dead_ends(client: redis.Redis) -> None:
    """
    A lease whose holder died ends by itself.
    """
    store = RedisTokenStore(client, lease=0.3)
    await client.set("wechat_kf:{wx1}:lease", "dead", px=300)

    with anyio.fail_after(5):
        async with store.lock("wx1"):
            mark = await client.get("wechat_kf:{wx1}:lease")

    assert mark != b"dead"


async def test_cancelled_wait_leaves_no_lease(redis_server: RedisServer) -> None:
    """
    Who is cancelled before it hears that it has the lease holds nobody up.
    """
    async with redis.from_url(redis_server.url) as client:
        await keys_in(client)
        store = RedisTokenStore(client, timeout=10)
        async with anyio.create_task_group() as tasks:

            async def hold() -> None:
                async with store.lock("wx1"):
                    raise AssertionError("not reached")

            redis_server.pause()
            tasks.start_soon(hold)
            await anyio.sleep(0.1)
            tasks.cancel_scope.cancel()
            # What is sent now comes to Redis after the lease was got.
            redis_server.resume()
        left = await keys_in(client)

    assert left == []


async def test_lease_is_waited_for_within_bounds(client: redis.Redis) -> None:
    """
    A lease that others hold for ever is given up on after two leases.
    """
    await client.set("wechat_kf:{wx1}:lease", "other")
    clock = QuickClock()
    begin = clock.monotonic()

    with pytest.raises(TimeoutError):
        async with RedisTokenStore(client, lease=10, clock=clock).lock("wx1"):
            raise AssertionError("not reached")
    assert 20 <= clock.monotonic() - begin < 20.2
    assert all(0.05 <= pause < 0.1 for pause in clock.slept)


async def test_lost_lease_is_not_released(client: redis.Redis) -> None:
    """
    Who comes late does not release the lease of the next.
    """
    async with RedisTokenStore(client).lock("wx1"):
        await client.set("wechat_kf:{wx1}:lease", "next")
    mark = await client.get("wechat_kf:{wx1}:lease")

    assert mark == b"next"


@pytest.mark.parametrize(("lease", "timeout"), [(0, 1), (1, 0)])
def test_bounds_are_checked(lease: float, timeout: float) -> None:
    """
    A lease and a timeout are more than nothing.
    """
    with pytest.raises(ValueError, match="more than 0"):
        RedisTokenStore(redis.Redis(), lease=lease, timeout=timeout)


async def test_workers_share_one_token(redis_server: RedisServer) -> None:
    """
    Of four clients with connections of their own that start together, one fetches; a refusal makes one more fetch.
    """
    fake = FakeWeChat()
    engines = [redis.from_url(redis_server.url) for _ in range(4)]
    kfs = [
        AsyncKfClient(fake.appid, fake.secret, http=fake.client(), token_store=RedisTokenStore(engine))
        for engine in engines
    ]

    async def ask_all() -> None:
        async with anyio.create_task_group() as tasks:
            for kf in kfs:
                tasks.start_soon(kf.get_kf_list)

    await ask_all()
    cold = token_calls(fake)
    fake.revoke_tokens()
    await ask_all()
    for engine in engines:
        await engine.aclose()

    assert cold == 1
    assert token_calls(fake) == 2


async def test_redis_down_is_survived(redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """
    With Redis down or silent calls go on, with one warning for each outage, and return to it when it is back.
    """
    fake = FakeWeChat()
    async with redis.from_url(redis_server.url) as engine:
        store = RedisTokenStore(engine)
        kf = AsyncKfClient(fake.appid, fake.secret, http=fake.client(), token_store=store)
        await kf.get_kf_list()
        redis_server.stop()
        for _ in range(3):
            fake.revoke_tokens()
            await kf.get_kf_list()
        redis_server.start()
        fake.revoke_tokens()
        await kf.get_kf_list()
        redis_server.pause()
        fake.revoke_tokens()
        await kf.get_kf_list()
        redis_server.resume()
        fake.revoke_tokens()
        await kf.get_kf_list()
        kept = await store.load(fake.appid)
    ours = [record for record in caplog.records if record.name == "wechat_kf.token" and record.levelname != "DEBUG"]
    said = [record.getMessage() for record in ours]

    assert [text.split("(")[0] for text in said] == 2 * ["The token store fails ", "The token store works again."]
    assert kept is not None
