"""
The inbox while Redis is away, silent, full, a replica, or has lost what it knew; and calls that are cancelled.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import attrs
import pytest
from redis import asyncio as redis

from wechat_kf.bot import Arrived, Interrupt, Orphan, Place, Turn
from wechat_kf.stores.redis import RedisInbox

from ...redis_server import RedisServer
from .members import LEASE, LONG, A, B, C, Fleet, Member, arrival, held, kill


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


@pytest.fixture
async def fleet(redis_server: RedisServer) -> AsyncGenerator[Fleet]:
    """
    Give workers.
    """
    async with anyio.create_task_group() as tasks:
        fleet = Fleet(redis_server.url, tasks)
        yield fleet
        await fleet.leave()


async def until_it_works(*members: Member) -> None:
    """
    Wait until Redis is in use again.
    """
    with anyio.fail_after(LONG):
        for member in members:
            while True:
                if member.worker.works:
                    break
                await anyio.sleep(0.01)


def said_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """
    Return what the workers have said of Redis, and warned of.
    """
    said = [
        record
        for record in caplog.records
        if record.levelname == "WARNING" or (record.name, record.levelname) == ("wechat_kf.stores.redis", "INFO")
    ]
    return [record.getMessage().partition(" (")[0] for record in said]


async def test_worker_goes_on_by_itself(
    redis_server: RedisServer, fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Without Redis a worker knows its own pushes and their order, says so once, and tells Redis of them when it is back.
    """
    one, two = await fleet.join(), await fleet.join()
    worker = one.worker
    redis_server.stop()
    arrived = [await worker.arrive(arrival(place)) for place in (A, A, B, C)]
    works = worker.works
    asked = [await worker.reply(A, 1, b"no"), await worker.reply(A, 2, b"yes"), await worker.send(A, 1)]
    await worker.done(A)
    arrived.append(await worker.arrive(arrival(A)))
    turns = list(one.news)
    asked.append(await worker.reply(B, 1, b"reply"))
    repeated = await worker.arrive(arrival(B))
    asked.append(await worker.send(B, 1))
    await worker.done(B)
    again = await worker.arrive(arrival(B))
    allowance = await worker.allowance("gh_1", "oA")
    redis_server.start()
    await until_it_works(one, two)
    elsewhere = [await two.worker.arrive(arrival(place)) for place in (A, B, C)]
    await worker.done(C)

    assert arrived == [Arrived(1, A, is_turn=True), Arrived(2), Arrived(1, B), Arrived(1, C), Arrived(3)]
    assert not works
    assert asked == [False, True, True, True, False]
    assert turns == [Turn(B)]
    assert repeated == Arrived(2, reply=b"reply")
    assert again == Arrived(3, reply=b"reply")
    assert allowance is None
    assert [each.place for each in elsewhere] == [None, None, None]
    said = set(said_in(caplog))
    assert said == {"Could not look for the accounts of the bot", "Redis fails", "Redis answers again."}


@pytest.mark.parametrize("replied", [True, False])
async def test_repeated_before_the_outage(redis_server: RedisServer, fleet: Fleet, replied: bool) -> None:
    """
    A repetition that was given a reply's bytes keeps a message off, though Redis cannot be asked then.
    """
    worker = (await fleet.join()).worker
    place = await held(worker)
    if replied:
        await worker.reply(place, 1, b"reply")
    repeated = await worker.arrive(arrival())
    redis_server.stop()
    may = await worker.send(place, 1)

    assert repeated == Arrived(2, reply=b"reply" if replied else None)
    assert may is not replied


async def test_at_once_without_redis(redis_server: RedisServer, fleet: Fleet) -> None:
    """
    What comes at once does not queue without Redis either, and interrupts what this worker has.
    """
    one = await fleet.join()
    redis_server.stop()
    await one.worker.arrive(arrival())
    arrived = await one.worker.arrive(arrival(B, at_once=True, interrupt=True))
    await one.worker.done(B)
    await one.worker.done(A)

    assert arrived == Arrived(1, B, is_turn=True)
    assert one.news == [Interrupt(A)]


async def test_nobody_to_hand_over_to(redis_server: RedisServer, fleet: Fleet) -> None:
    """
    Without Redis nothing is kept for others, and a repetition is new.
    """
    one = await fleet.join()
    redis_server.stop()
    place = await held(one.worker)
    kept = await one.worker.hand_over([place])
    arrived = await one.worker.arrive(arrival())

    assert not kept
    assert arrived == Arrived(1, A, is_turn=True)


async def test_silent_redis_is_left_alone(
    redis_server: RedisServer, fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    """
    While Redis says nothing, the commands under way find that out, and those after them do not wait.
    """
    one = await fleet.join(timeout=0.4, lease=60)
    await held(one.worker)
    redis_server.pause()
    arrived: list[Arrived] = []

    async def arrive(number: int) -> None:
        arrived.append(await one.worker.arrive(arrival(Place("gh_1", f"o{number}", f"o{number}:1"))))

    with anyio.fail_after(6):
        # Fifty waits of 0.4 seconds would not fit in.
        async with anyio.create_task_group() as tasks:
            for number in range(2):
                tasks.start_soon(arrive, number)
        for number in range(2, 50):
            await arrive(number)
    redis_server.resume()
    await until_it_works(one)

    assert all(each.is_turn for each in arrived)
    assert said_in(caplog) == ["Redis fails", "Redis answers again."]


async def test_waiting_for_nobody(redis_server: RedisServer, fleet: Fleet) -> None:
    """
    What waits for another worker's push goes on when Redis fails, since nobody knows of the others.
    """
    one, two = await fleet.join(), await fleet.join()
    await one.worker.arrive(arrival(A))
    arrived = await two.worker.arrive(arrival(B))
    redis_server.stop()
    news = await two.until(bool)

    assert not arrived.is_turn
    assert news == [Turn(B)]


async def test_outage_is_no_death(redis_server: RedisServer, fleet: Fleet) -> None:
    """
    When Redis comes back after longer than a lease, no worker is taken for dead before it had the time to come back.
    """
    one, two = await fleet.join(timeout=0.2), await fleet.join(timeout=0.2)
    place = await held(one.worker)
    redis_server.pause()
    await anyio.sleep(1.5 * LEASE)
    redis_server.resume()
    await until_it_works(one, two)
    await anyio.sleep(1.5 * LEASE)
    may_send = await one.worker.send(place, 1)

    assert two.news == []
    assert may_send


@pytest.mark.parametrize("timeout", [0.3, 5.0], ids=["an outage", "a pause"])
async def test_short_silence_is_no_death(redis_server: RedisServer, fleet: Fleet, timeout: float) -> None:
    """
    A silence in which one worker's lease ends, and another's does not, makes nobody dead.
    """
    one, two = await fleet.join(timeout=timeout, lease=1.5), await fleet.join(timeout=timeout, lease=1.5)
    place = await held(one.worker)
    # Both are in touch for long enough to look for the dead.
    await anyio.sleep(2)
    for silence in (1.0, 1.1, 1.2, 1.3, 1.4):
        redis_server.pause()
        await anyio.sleep(silence)
        redis_server.resume()
        await until_it_works(one, two)
        await anyio.sleep(0.1)
    may_send = await one.worker.send(place, 1)

    assert two.news == []
    assert may_send


async def test_redis_is_told_what_was_sent(redis_server: RedisServer, fleet: Fleet) -> None:
    """
    What was sent while Redis was silent is told to it, so that a death after that is known for what it is.
    """
    one, two = await fleet.join(timeout=0.2), await fleet.join()
    place = await held(one.worker)
    redis_server.pause()
    await one.worker.send(place, 1)
    redis_server.resume()
    await until_it_works(one, two)
    await one.leave()
    news = await two.until(bool)

    assert [type(each).__name__ for each in news] == ["Lost"]


async def test_redis_restarts_empty(redis_server: RedisServer, fleet: Fleet) -> None:
    """
    A Redis that has lost everything is told anew what each worker holds.
    """
    one, two = await fleet.join(), await fleet.join()
    await held(one.worker)
    await held(one.worker, B)
    redis_server.stop()
    redis_server.start()
    await until_it_works(one, two)
    # Should both not have noticed that it was away, their heartbeats find out.
    await anyio.sleep(LEASE)
    known = [await two.worker.arrive(arrival(place)) for place in (A, B)]
    may_send = await one.worker.send(A, 1)

    assert [each.place for each in known] == [None, None]
    assert may_send


async def test_arrival_shows_that_redis_was_emptied(fleet: Fleet, client: Any) -> None:
    """
    A worker that Redis does not know any more tells it at once what it holds.
    """
    one, two = await fleet.join(lease=60), await fleet.join(lease=60)
    await held(one.worker)
    await client.flushall()
    await held(one.worker, B)
    with anyio.fail_after(LONG):
        while True:
            if await client.hexists("wechat_kf:{gh_1}:owners", "oA:1"):
                break
            await anyio.sleep(0.01)
    known = await two.worker.arrive(arrival(A))

    assert known.place is None


async def test_two_accounts_without_redis(
    redis_server: RedisServer, fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    """
    An outage is said once, however many accounts a worker has.
    """
    one = await fleet.join()
    places = [A, Place("gh_2", "oB", "oB:1")]
    for place in places:
        await held(one.worker, place)
    redis_server.stop()
    asked = [await one.worker.send(place, 1) for place in places]
    redis_server.start()
    await until_it_works(one)

    assert asked == [True, True]
    # A Redis that is just starting may be taken for one that fails anew; what counts is that accounts do not add up.
    said = said_in(caplog)
    assert said == ["Redis fails", "Redis answers again."] * (len(said) // 2)


async def test_push_that_redis_lost(fleet: Fleet, client: Any) -> None:
    """
    What a failover has lost is told anew when it is asked of, and is remembered when it is done.
    """
    one, two = await fleet.join(lease=60), await fleet.join(lease=60)
    for place in (A, B):
        await held(one.worker, place)
    for place in (A, B):
        await client.delete(f"wechat_kf:{{gh_1}}:push:{place.key}")
        await client.hdel("wechat_kf:{gh_1}:owners", place.key)
    asked = [await one.worker.reply(A, 1, b"reply"), await one.worker.send(A, 1)]
    for place in (A, B):
        await one.worker.done(place)
    known = [await two.worker.arrive(arrival(place)) for place in (A, B)]

    assert asked == [True, True]
    assert [each.place for each in known] == [None, None]


async def test_turn_after_redis_was_emptied(fleet: Fleet, client: Any) -> None:
    """
    What waited behind a push that Redis has lost, and was itself lost, has its turn all the same.
    """
    one = await fleet.join()
    for place in (A, B):
        await held(one.worker, place)
    await client.flushall()
    may_send = await one.worker.send(A, 1)
    await one.worker.done(A)
    news = await one.until(bool)

    assert may_send
    assert news == [Turn(B)]


async def test_push_that_was_lost_with_its_payload(fleet: Fleet, client: Any) -> None:
    """
    What was left for longer than Redis keeps it blocks nobody.
    """
    dead = await fleet.join()
    await held(dead.worker)
    await dead.leave()
    await client.delete("wechat_kf:{gh_1}:push:oA:1")
    alive = await fleet.join()
    arrived = await alive.worker.arrive(arrival(B))
    news = await alive.until(bool)
    owners = await client.hkeys("wechat_kf:{gh_1}:owners")

    assert not arrived.is_turn
    assert news == [Turn(B)]
    assert owners == [b"oA:2"]


async def test_worker_that_was_taken_for_dead(fleet: Fleet, client: Any) -> None:
    """
    A worker that was silent for too long lets go of what another has, and keeps the rest.
    """
    one = await fleet.join()
    place = await held(one.worker)
    # Another has taken it, and forgotten this worker.
    await client.hset("wechat_kf:{gh_1}:owners", "oA:1", "another oA")
    await client.hset("wechat_kf:{gh_1}:workers", "another", 10**15)
    mine = await held(one.worker, Place("gh_1", "oB", "oB:1"))
    for worker in await client.hkeys("wechat_kf:{gh_1}:workers"):
        if worker != b"another":
            await client.hdel("wechat_kf:{gh_1}:workers", worker)
    await anyio.sleep(LEASE)
    asked = [await one.worker.send(each, 1) for each in (place, mine)]

    assert asked == [False, True]


async def test_done_and_held_again(fleet: Fleet, client: Any) -> None:
    """
    A push that Redis takes for held, though it is done, does not stop its customer's queue.

    Redis was told of it as held, as done, and, after it had restarted empty, as held once more by a client that repeats
    commands.
    """
    one = await fleet.join()
    await one.worker.done(await held(one.worker))
    [name] = await client.hkeys("wechat_kf:{gh_1}:workers")
    await client.hset("wechat_kf:{gh_1}:push:oA:1", mapping={"state": "handling", "payload": "", "attempt": 1})
    await client.hset("wechat_kf:{gh_1}:owners", "oA:1", name + b" oA")
    await client.rpush("wechat_kf:{gh_1}:queue:oA", "oA:1")
    await held(one.worker, B)
    # The next arrival shows that Redis was emptied, after which a worker looks at what it is said to hold.
    await client.hdel("wechat_kf:{gh_1}:workers", name)
    await held(one.worker, C)
    await one.has_heard(Turn(B))
    owners = await client.hkeys("wechat_kf:{gh_1}:owners")

    assert owners == [b"oA:2", b"oA:3"]


async def test_cancelled_arrival(redis_server: RedisServer, fleet: Fleet) -> None:
    """
    A push whose arrival was cancelled after Redis knew is handled all the same.
    """
    one = await fleet.join(timeout=5)
    # So many connections are open then.
    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(held, one.worker, Place("gh_1", f"o{number}", f"o{number}:1"))
    redis_server.pause()
    with anyio.move_on_after(0.1) as scope:
        await one.worker.arrive(arrival(B))
    redis_server.resume()
    news = await one.until(bool)

    assert scope.cancelled_caught
    assert news == [Orphan(attrs.evolve(B, attempt=2), b"oA:2", is_turn=True)]


async def test_cancelled_arrival_that_is_repeated(redis_server: RedisServer, fleet: Fleet, client: Any) -> None:
    """
    A push whose arrival was cancelled is given to the repetition that comes before it is found.
    """
    one = await fleet.join(lease=60)
    await held(one.worker)
    [worker] = await client.hkeys("wechat_kf:{gh_1}:workers")
    await client.hset("wechat_kf:{gh_1}:owners", "oB:1", worker + b" oB")
    await client.hset("wechat_kf:{gh_1}:push:oB:1", mapping={"state": "handling", "requests": 1, "attempt": 1})
    await client.rpush("wechat_kf:{gh_1}:queue:oB", "oB:1")
    arrived = await one.worker.arrive(arrival(Place("gh_1", "oB", "oB:1")))

    assert arrived == Arrived(2, Place("gh_1", "oB", "oB:1"), is_turn=True)


class LateClient(redis.Redis):
    """
    A client whose answers come when the test says so.
    """

    gate: anyio.Event | None = None
    waits: anyio.Event

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """
        Run a command.
        """
        gate = self.gate
        # Parts of its types are unknown.
        engine: Any = super()
        answer = await engine.execute_command(*args, **options)
        if gate is not None:
            self.waits.set()
            await gate.wait()
        return answer


async def test_done_before_a_repetition_was_answered(redis_server: RedisServer) -> None:
    """
    A push of which two deliveries were noted at once is given once, though it was done before the second is answered.
    """
    arrived: list[Arrived] = []
    gates = [anyio.Event(), anyio.Event()]
    async with LateClient(unix_socket_path=redis_server.url.removeprefix("unix://")) as client:
        inbox = RedisInbox(client, timeout=LONG, lease=60)
        async with inbox.join(print, stale=900) as worker:

            async def arrive(done: anyio.Event) -> None:
                arrived.append(await worker.arrive(arrival()))
                done.set()

            await worker.done(await held(worker, B))
            async with anyio.create_task_group() as tasks:
                answered = [anyio.Event(), anyio.Event()]
                for gate, done in zip(gates, answered, strict=True):
                    client.gate, client.waits = gate, anyio.Event()
                    tasks.start_soon(arrive, done)
                    await client.waits.wait()
                client.gate = None
                gates[0].set()
                await answered[0].wait()
                await worker.done(A)
                gates[1].set()

    assert arrived == [Arrived(1, A, is_turn=True), Arrived(2)]


async def test_cancelled_done(redis_server: RedisServer, fleet: Fleet) -> None:
    """
    That a push is done is told again if telling was cancelled.
    """
    one, two = await fleet.join(timeout=5, lease=60), await fleet.join(timeout=5, lease=60)
    await held(one.worker)
    arrived = await two.worker.arrive(arrival(B))
    redis_server.pause()
    with anyio.move_on_after(0.1) as scope:
        await one.worker.done(A)
    redis_server.resume()
    again = await one.worker.arrive(arrival(A))
    news = await two.until(bool)

    assert scope.cancelled_caught
    assert again.place is None
    assert not arrived.is_turn
    assert news == [Turn(B)]


@pytest.mark.parametrize("outage", ["full", "read only"])
async def test_half_an_outage_is_one(outage: str, fleet: Fleet, client: Any, caplog: pytest.LogCaptureFixture) -> None:
    """
    A Redis that refuses some commands and takes others, since it is full or was made a replica, counts as down.
    """
    begin: list[tuple[str, ...]]
    end: tuple[str, ...]
    if outage == "full":
        begin = [
            ("CONFIG", "SET", "maxmemory-policy", "noeviction"),
            ("CONFIG", "SET", "maxmemory", "1"),
        ]
        end = ("CONFIG", "SET", "maxmemory", "0")
    else:
        begin, end = [("REPLICAOF", "127.0.0.1", "1")], ("REPLICAOF", "NO", "ONE")
    one = await fleet.join()
    await held(one.worker)
    for command in begin:
        await client.execute_command(*command)
    arrived = [await one.worker.arrive(arrival(place)) for place in (B, C)]
    asked = [await one.worker.send(A, 1)]
    for place in (A, B, C):
        await one.worker.done(place)
    await anyio.sleep(LEASE)
    while_out = said_in(caplog)
    await client.execute_command(*end)
    await until_it_works(one)
    two = await fleet.join()
    known = [await two.worker.arrive(arrival(place)) for place in (A, B, C)]

    assert [each.place for each in arrived] == [B, C]
    assert asked == [True]
    assert while_out == ["Redis fails"]
    assert [each.place for each in known] == [None] * 3
    assert said_in(caplog) == ["Redis fails", "Redis answers again."]


@pytest.mark.parametrize("connections", [3, 10, 100])
async def test_more_pushes_than_connections(
    connections: int, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """
    However many come at once, the engine's pool is enough, though it refuses what exceeds its connections.
    """
    async with (
        redis.from_url(redis_server.url, max_connections=connections) as client,
        RedisInbox(client).join(print, stale=900) as worker,
    ):

        async def handle(number: int) -> None:
            place = await held(worker, Place("gh_1", f"o{number}", f"o{number}:1"))
            asked.append(await worker.send(place, 1))
            await worker.done(place)

        asked: list[bool] = []
        async with anyio.create_task_group() as tasks:
            for number in range(500):
                tasks.start_soon(handle, number)

    assert asked == [True] * 500
    assert said_in(caplog) == []


async def test_event_loop_that_stood_still_is_no_outage(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    """
    An answer that came while something blocked the event loop for longer than the timeout is taken.
    """
    one, two = await fleet.join(lease=60), await fleet.join(timeout=0.2, lease=60)
    await held(one.worker)

    async def block() -> None:
        time.sleep(0.5)  # noqa: ASYNC251 - that is the point

    arrived: list[Arrived] = []

    async def arrive() -> None:
        arrived.append(await two.worker.arrive(arrival()))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(arrive)
        tasks.start_soon(block)

    assert arrived == [Arrived(2)]
    assert said_in(caplog) == []


async def test_what_is_remembered_is_bounded(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What a worker remembers by itself does not grow without end, and goes when it is old.
    """
    monkeypatch.setattr("wechat_kf.stores.redis._knowledge._MAX_DONE", 2)
    one = await fleet.join(lease=60, keep=0.2)
    places = [await held(one.worker, place) for place in (A, B, C)]
    for place in places:
        await one.worker.done(place)
    arrived = [await one.worker.arrive(arrival(place)) for place in (A, B, C)]
    await anyio.sleep(0.25)
    again = [(await one.worker.arrive(arrival(place))).place for place in (A, B, C)]

    assert arrived == [Arrived(2)] * 3
    assert again == [A, B, C]


async def test_unknown_places(fleet: Fleet) -> None:
    """
    What a worker does not hold it may not settle.
    """
    one = await fleet.join(lease=60)
    place = await held(one.worker)
    other = attrs.evolve(place, attempt=2)
    asked = [await one.worker.reply(other, 1, b""), await one.worker.send(other, 1)]
    await one.worker.done(other)
    kept = await one.worker.hand_over([other])
    asked.append(await one.worker.send(place, 1))

    assert asked == [False, False, True]
    assert kept


@pytest.mark.parametrize("protocol", [2, 3])
async def test_news_in_both_protocols(protocol: int, redis_server: RedisServer, client: Any) -> None:
    """
    News are read whatever the client's protocol is.
    """
    news: list[Any] = []
    async with (
        redis.from_url(redis_server.url, protocol=protocol) as engine,
        RedisInbox(engine, lease=60).join(news.append, stale=900) as one,
        RedisInbox(client, lease=60).join(print, stale=900) as two,
    ):
        await one.arrive(arrival(A))
        await anyio.sleep(0.1)
        await two.arrive(arrival(B, at_once=True, interrupt=True))
        with anyio.fail_after(LONG):
            while True:
                if news:
                    break
                await anyio.sleep(0.01)
        await kill(client)

    assert news == [Interrupt(A)]
