"""
The memory of pushes and the order of customers, shared through a real Redis.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from redis import asyncio as redis

from wechat_kf.stores.redis import RedisOrder, RedisSeen

from ...redis_server import RedisServer, keys_in

ROOT: Final = Path(__file__).parents[3]

# One app, two processes forked from it; each says whether the push is its own.
FORKING: Final = """
import asyncio, os, sys
from redis import asyncio as redis
from wechat_kf.stores.redis import RedisSeen

seen = RedisSeen(redis.from_url(sys.argv[1]), lease=60)
for _ in range(2):
    child = os.fork()
    if not child:
        print(asyncio.run(seen.claim("k")), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


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


async def forget_workers(client: redis.Redis) -> None:
    """
    Have every worker count as dead.
    """
    for key in await keys_in(client, "wechat_kf:worker:*"):
        await client.delete(key)


async def tell(client: Any, *command: str) -> None:
    """
    Give a command whose type is unknown.
    """
    await client.execute_command(*command)


async def until_it_answers(seen: RedisSeen, caplog: pytest.LogCaptureFixture) -> None:
    """
    Ask until Redis is in use again.
    """
    with anyio.fail_after(20):
        while "Redis answers again" not in caplog.text:
            await seen.release("nothing")
            await anyio.sleep(0.02)


def said_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """
    Return what the memory and the order have warned of.
    """
    return [record.getMessage() for record in caplog.records if record.name == "wechat_kf.stores.redis"]


async def test_push_is_claimed_once(client: redis.Redis) -> None:
    """
    Of two workers one gets a push, while it is under way and after it is done.
    """
    one, two = RedisSeen(client), RedisSeen(client)
    claims = [await one.claim("k"), await one.claim("k"), await two.claim("k")]
    await one.done("k")
    later = [await one.claim("k"), await two.claim("k")]

    assert claims == [True, False, False]
    assert later == [False, False]


@pytest.mark.parametrize("other", ["works", "is done", "died"])
async def test_worker_that_was_taken_for_dead(client: redis.Redis, other: str) -> None:
    """
    A worker that stood still for too long is told that another has its push, unless that one died as well.
    """
    late, second, third = RedisSeen(client), RedisSeen(client), RedisSeen(client)
    await late.claim("k")
    await forget_workers(client)
    claimed = await second.claim("k")
    if other == "is done":
        await second.done("k")
    if other == "died":
        await forget_workers(client)
    may_send = await late.done("k")
    others = [await second.done("k"), await third.claim("k")]

    assert claimed
    assert may_send == (other == "died")
    assert others == [other == "works", False]


async def test_released_push_may_be_claimed(client: redis.Redis) -> None:
    """
    A push that was not handled may be taken on again, by any worker.
    """
    one, two = RedisSeen(client), RedisSeen(client)
    await one.claim("k")
    await one.release("k")
    again = await two.claim("k")
    await two.release("k")

    assert again


async def test_push_of_a_dead_worker_is_taken_over(client: redis.Redis) -> None:
    """
    What a worker that died had under way goes to the next that asks, once.
    """
    one, two, three = RedisSeen(client), RedisSeen(client), RedisSeen(client)
    await one.claim("k")
    await forget_workers(client)
    claims = [await two.claim("k"), await three.claim("k")]
    for seen in (one, two):
        await seen.done("k")

    assert claims == [True, False]


@pytest.mark.parametrize("decode", [False, True])
async def test_what_the_dead_leave_is_told(
    redis_server: RedisServer, decode: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """
    The pushes that a worker had under way when it died are told once, by another; what was taken over, or done, is not.
    """
    async with redis.from_url(redis_server.url, decode_responses=decode) as client:
        dead, *alive = (RedisSeen(client, lease=lease) for lease in (60, 0.3, 0.3))
        for key in ("lost", "left", "taken over", "done", "released"):
            await dead.claim(key)
        await dead.done("done")
        await dead.release("released")
        await forget_workers(client)
        for number, seen in enumerate(alive):
            await seen.claim(f"other {number}")
        await alive[0].claim("taken over")
        with anyio.fail_after(10):
            while "died" not in caplog.text:
                await anyio.sleep(0.02)
                await alive[0].release("nothing")
        await anyio.sleep(0.5)
        for number, seen in enumerate(alive):
            await seen.done(f"other {number}")
        await alive[0].done("taken over")
        left = [key for key in await keys_in(client) if "pushes" in str(key)]
    told = [record.getMessage().partition(": ")[2] for record in caplog.records if "died" in record.getMessage()]

    assert told == ["left, lost."]
    assert left == []


async def test_worker_lives_while_it_works(client: redis.Redis) -> None:
    """
    A worker's sign of life outlasts its lease while it has work, and is renewed for the next.
    """
    one, two = RedisSeen(client, lease=0.3), RedisSeen(client, lease=0.3)
    await one.claim("k")
    await anyio.sleep(0.7)
    while_it_works = await two.claim("k")
    await one.done("k")
    await one.claim("l")
    anew = await two.claim("l")
    await one.done("l")

    assert not while_it_works
    assert not anew


async def test_pushes_are_forgotten(client: redis.Redis) -> None:
    """
    After `keep` seconds a push is forgotten.
    """
    seen = RedisSeen(client, keep=0.1)
    await seen.claim("k")
    await seen.done("k")
    await anyio.sleep(0.2)
    again = await seen.claim("k")
    await seen.done("k")

    assert again


async def test_seen_survives_an_outage(redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """
    Without Redis a worker knows its own pushes, done ones too, and says so once; then it goes back.
    """
    async with redis.from_url(redis_server.url) as client:
        seen = RedisSeen(client)
        redis_server.stop()
        claims = [await seen.claim("k"), await seen.claim("k")]
        await seen.done("k")
        claims.append(await seen.claim("k"))
        claims.append(await seen.claim("l"))
        await seen.release("l")
        claims.append(await seen.claim("l"))
        redis_server.start()
        await until_it_answers(seen, caplog)
        await seen.done("l")
        claims.append(await seen.claim("m"))
        await seen.done("m")
    said = said_in(caplog)

    assert claims == [True, False, False, True, True, True]
    assert [text.split(" (")[0] for text in said] == ["Redis fails", "Redis answers again."]


async def test_silent_redis_is_left_alone(redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """
    While Redis says nothing, the commands under way find that out, and those after them do not wait.
    """
    async with redis.from_url(redis_server.url) as client:
        seen = RedisSeen(client, timeout=0.6)
        await keys_in(client)
        redis_server.pause()
        async with anyio.create_task_group() as tasks:
            for key in ("a", "b"):
                tasks.start_soon(seen.claim, key)
        # Fifty waits of 0.6 seconds would not fit in.
        with anyio.fail_after(12):
            claims = [await seen.claim(f"b{number}") for number in range(50)]
        redis_server.resume()
        await until_it_answers(seen, caplog)
        for key in ("a", "b"):
            await seen.release(key)
        for number in range(50):
            await seen.release(f"b{number}")
    said = said_in(caplog)

    assert claims == [True] * 50
    assert said == ["Redis fails (TimeoutError); this worker goes on by itself.", "Redis answers again."]


async def test_what_could_not_be_released_is_free(redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """
    A push that was let go of without Redis hearing it may be claimed, although its worker lives and works.
    """
    async with redis.from_url(redis_server.url) as client:
        one, two = RedisSeen(client, lease=0.6, timeout=0.2), RedisSeen(client, timeout=5)
        claims = [await one.claim("k"), await one.claim("other")]
        redis_server.pause()
        await one.release("k")
        redis_server.resume()
        await until_it_answers(one, caplog)
        again = False
        with anyio.fail_after(10):
            while not again:
                await anyio.sleep(0.05)
                again = await two.claim("k")
        for seen in (one, two):
            await seen.release("k")
            await seen.release("other")

    assert claims == [True, True]


@pytest.mark.parametrize("connections", [3, 10, 100])
async def test_more_pushes_than_connections(
    connections: int, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """
    However many ask at once, the engine's pool is enough, though it refuses what exceeds its connections.
    """
    async with redis.from_url(redis_server.url, max_connections=connections) as client:
        seen, order = RedisSeen(client, timeout=20), RedisOrder(client, timeout=20)

        async def handle(key: str) -> None:
            place = await order.join(key)
            await order.wait(key, place)
            claims.append(await seen.claim(key))
            await seen.done(key)
            await order.leave(key, place)

        claims: list[bool] = []
        async with anyio.create_task_group() as tasks:
            for number in range(200):
                tasks.start_soon(handle, f"o{number}")

    assert claims == [True] * 200
    assert said_in(caplog) == []


@pytest.mark.parametrize("outage", ["full", "read only"])
async def test_half_an_outage_is_said_once(
    outage: str, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A Redis that refuses some commands and takes others, since it is full or was made a replica, counts as down.
    """
    begin: list[tuple[str, ...]]
    end: tuple[str, ...]
    if outage == "full":
        begin = [("CONFIG", "SET", "maxmemory-policy", "noeviction"), ("CONFIG", "SET", "maxmemory", "1")]
        end = ("CONFIG", "SET", "maxmemory", "0")
    else:
        begin, end = [("REPLICAOF", "127.0.0.1", "1")], ("REPLICAOF", "NO", "ONE")
    async with redis.from_url(redis_server.url) as client:
        seen, order = RedisSeen(client, timeout=0.3), RedisOrder(client, timeout=0.3)
        held = await order.join("o")
        places = [held]
        for command in begin:
            await tell(client, *command)
        claims: list[bool] = []
        for number in range(4):
            claims.append(await seen.claim(f"k{number}"))
            places.append(await order.join("o"))
            await anyio.sleep(0.35)
            # These change nothing, or take nothing in.
            await seen.release(f"k{number}")
            await order.wait("o", held)
        while_out = said_in(caplog)
        await tell(client, *end)
        with anyio.fail_after(20):
            while caplog.text.count("Redis answers again") < 2:
                await seen.release("nothing")
                await order.leave("o", "no place")
                await anyio.sleep(0.02)
        for place in places:
            await order.leave("o", place)
    said = said_in(caplog)

    assert claims == [True] * 4
    assert [text.split(" (")[0] for text in while_out] == ["Redis fails"] * 2
    assert said == [*while_out, *["Redis answers again."] * 2]


async def test_answer_to_an_earlier_command_is_no_recovery(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """
    What had been asked before Redis failed, and is answered afterwards, does not say that it works.
    """
    async with redis.from_url(redis_server.url) as client:
        seen = RedisSeen(client)
        await seen.claim("k")
        await tell(client, "CONFIG", "SET", "maxmemory-policy", "noeviction")
        await tell(client, "CONFIG", "SET", "maxmemory", "1")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(seen.claim, "l")
            tasks.start_soon(seen.release, "k")
        await tell(client, "CONFIG", "SET", "maxmemory", "0")
        await seen.release("l")
    said = said_in(caplog)

    # The exception is another one when a script notices that the memory is full.
    assert [text.partition(" (")[0] for text in said] == ["Redis fails"]


async def test_worker_is_known_again_before_it_acts(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """
    After an outage that was longer than its lease, a worker's first word is what it still has under way.
    """
    async with redis.from_url(redis_server.url) as client, redis.from_url(redis_server.url) as another:
        one, two = RedisSeen(client, lease=30, timeout=0.2), RedisSeen(another)
        await one.claim("k")
        redis_server.pause()
        await one.release("nothing")
        redis_server.resume()
        await forget_workers(another)
        await until_it_answers(one, caplog)
        taken = await two.claim("k")
        await one.done("k")

    assert not taken


async def test_event_loop_that_stood_still_is_no_outage(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    An answer that came while something blocked the event loop for longer than the timeout is taken.
    """
    # Enough for a busy machine.
    monkeypatch.setattr("wechat_kf.stores.redis._worker._GRACE", 10.0)
    async with redis.from_url(redis_server.url) as client:
        one, two = RedisSeen(client), RedisSeen(client, timeout=0.2)
        await one.claim("k")

        async def block() -> None:
            time.sleep(0.5)  # noqa: ASYNC251 - that is the point

        claims: list[bool] = []

        async def claim() -> None:
            claims.append(await two.claim("k"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(claim)
            tasks.start_soon(block)
        await one.done("k")

    assert claims == [False]
    assert said_in(caplog) == []


async def test_forked_processes_are_two(redis_server: RedisServer) -> None:
    """
    Processes forked from one that had made the memory are workers of their own.
    """
    process = await anyio.run_process(
        [sys.executable, "-W", "error", "-c", FORKING, redis_server.url], cwd=ROOT, stderr=subprocess.STDOUT
    )

    assert process.stdout.decode().split() == ["True", "False"]


async def test_cancelled_done_is_not_forgotten(redis_server: RedisServer) -> None:
    """
    A push is known as done to its worker although telling so was cancelled.
    """
    async with redis.from_url(redis_server.url) as client:
        seen = RedisSeen(client, timeout=5)
        await seen.claim("k")
        redis_server.pause()
        with anyio.move_on_after(0.1) as scope:
            await seen.done("k")
        redis_server.resume()
        again = await seen.claim("k")

    assert scope.cancelled_caught
    assert not again


async def test_what_was_not_told_is_bounded(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What a worker remembers by itself does not grow without end.
    """
    monkeypatch.setattr("wechat_kf.stores.redis._seen._UNTOLD", 2)
    async with redis.from_url(redis_server.url) as client:
        seen = RedisSeen(client, timeout=1.0)
        redis_server.stop()
        for key in ("a", "b", "c"):
            await seen.claim(key)
            await seen.done(key)
        claims = [await seen.claim(key) for key in ("a", "b", "c")]
        await seen.release("a")

    assert claims == [True, False, False]


async def test_cancelled_claim_holds_nothing(redis_server: RedisServer) -> None:
    """
    A claim that is cancelled can be made again.
    """
    async with redis.from_url(redis_server.url) as client:
        seen = RedisSeen(client, timeout=5)
        await seen.claim("other")
        redis_server.pause()
        with anyio.move_on_after(0.1) as scope:
            await seen.claim("k")
        redis_server.resume()
        await seen.done("other")
        again = await seen.claim("k")
        await seen.done("k")

    assert scope.cancelled_caught
    assert again


async def test_forgetting_what_is_not_held_is_harmless(client: redis.Redis) -> None:
    """
    A push that was never claimed may be released and done.
    """
    seen = RedisSeen(client)
    await seen.release("k")
    await seen.done("k")
    again = await seen.claim("k")

    assert not again


async def test_cancelled_join_holds_nothing(redis_server: RedisServer) -> None:
    """
    A place that was taken by a call that was cancelled is passed over, although its worker lives and works.
    """
    async with redis.from_url(redis_server.url) as client:
        order = RedisOrder(client, timeout=5, lease=0.3)
        elsewhere = await order.join("elsewhere")
        redis_server.pause()
        with anyio.move_on_after(0.1) as scope:
            await order.join("o")
        redis_server.resume()
        other = RedisOrder(client)
        place = await other.join("o")
        with anyio.fail_after(10):
            await other.wait("o", place)
        await other.leave("o", place)
        await order.leave("elsewhere", elsewhere)

    assert scope.cancelled_caught


async def test_place_that_could_not_be_left_is_passed_over(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A place that was left without Redis hearing it holds nobody up, although its worker lives and works.
    """
    async with redis.from_url(redis_server.url) as client:
        one, two = RedisOrder(client, lease=0.6, timeout=0.2), RedisOrder(client, timeout=5)
        elsewhere, place = await one.join("elsewhere"), await one.join("o")
        redis_server.pause()
        await one.leave("o", place)
        redis_server.resume()
        with anyio.fail_after(10):
            while "Redis answers again" not in caplog.text:
                await one.leave("o", "no place")
                await anyio.sleep(0.02)
            second = await two.join("o")
            await two.wait("o", second)
        await two.leave("o", second)
        await one.leave("elsewhere", elsewhere)
        left = await keys_in(client)

    assert left == []


async def test_order_is_that_of_arrival(client: redis.Redis) -> None:
    """
    Places taken at different workers come up in the order in which they were taken; other customers do not wait.
    """
    workers = [RedisOrder(client), RedisOrder(client)]
    places = [(workers[n % 2], await workers[n % 2].join("o1")) for n in range(6)]
    elsewhere = await workers[0].join("o2")
    order: list[int] = []

    async def take_turn(number: int) -> None:
        worker, place = places[number]
        await worker.wait("o1", place)
        order.append(number)
        await anyio.sleep(0.02)
        await worker.leave("o1", place)

    with anyio.fail_after(10):
        await workers[0].wait("o2", elsewhere)
        async with anyio.create_task_group() as tasks:
            for number in reversed(range(6)):
                tasks.start_soon(take_turn, number)
        await workers[0].leave("o2", elsewhere)
    left = await keys_in(client, "wechat_kf:order:*")

    assert order == [0, 1, 2, 3, 4, 5]
    assert left == []


async def test_places_of_the_dead_are_passed_over(client: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
    """
    A worker that died holds nobody up, and that it did not finish is said.
    """
    dead, alive = RedisOrder(client), RedisOrder(client, lease=0.3)
    first = await dead.join("o")
    await forget_workers(client)
    second = await alive.join("o")
    with anyio.fail_after(5):
        await alive.wait("o", second)
    await alive.leave("o", second)
    await dead.leave("o", first)

    assert "1 pushes that it may not have answered" in caplog.text


async def test_order_waits_within_bounds(client: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
    """
    Who is in front for too long is overtaken, and that is said.
    """
    order = RedisOrder(client, patience=0.2)
    first, second = await order.join("o"), await order.join("o")
    await order.wait("o", second)
    for place in (first, second):
        await order.leave("o", place)

    assert "out of turn" in caplog.text


async def test_order_survives_an_outage(redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """
    Without Redis nobody waits; nor do those whom Redis has forgotten for those who came after.
    """
    async with redis.from_url(redis_server.url) as client:
        order = RedisOrder(client, timeout=1.0)
        first, second = await order.join("o"), await order.join("o")
        redis_server.stop()
        with anyio.fail_after(5):
            await order.wait("o", second)
        redis_server.start()
        with anyio.fail_after(20):
            while "Redis answers again" not in caplog.text:
                await order.leave("o", "no place")
                await anyio.sleep(0.02)
            third = await order.join("o")
            await order.wait("o", second)
        for place in (first, second, third):
            await order.leave("o", place)


@pytest.mark.parametrize(("lease", "timeout"), [(0, 1), (1, 0)])
def test_bounds_are_checked(lease: float, timeout: float) -> None:
    """
    A lease and a timeout are more than nothing.
    """
    with pytest.raises(ValueError, match="more than 0"):
        RedisSeen(redis.Redis(), lease=lease, timeout=timeout)
