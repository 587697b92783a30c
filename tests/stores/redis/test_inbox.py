"""
The inbox in a real Redis: repetitions, order, fences, and what becomes of the pushes of dead workers.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import anyio
import attrs
import pytest
from redis import asyncio as redis

from wechat_kf.bot import Allowance, Arrived, Inbox, Interrupt, Lost, Orphan, Place, Turn
from wechat_kf.stores.redis import RedisInbox, RedisRefused

from ...redis_server import RedisServer, keys_in
from .members import LONG, A, B, C, Fleet, arrival, held, kill


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


async def test_repetitions_are_known(fleet: Fleet) -> None:
    """
    A push is the first's who noted it; each repetition has the next number, also after it was done.
    """
    one, two = [(await fleet.join()).worker for _ in range(2)]
    arrived = [await worker.arrive(arrival()) for worker in (one, two, one)]
    await one.done(A)
    arrived.append(await two.arrive(arrival()))

    assert arrived == [Arrived(1, A, is_turn=True), Arrived(2), Arrived(3), Arrived(4)]
    assert [one.works, two.works] == [True, True]


async def test_accounts_are_apart(fleet: Fleet, client: Any) -> None:
    """
    A push of another account with the same key is another push, in another queue; every key names its account.
    """
    worker = (await fleet.join()).worker
    places = [await worker.arrive(arrival(Place(account, "oA", "oA:1"))) for account in ("gh_1", "gh_2")]
    keys = await keys_in(client)

    assert [(each.place is not None, each.is_turn) for each in places] == [(True, True)] * 2
    assert {key.split(b":")[1] for key in keys} == {b"{gh_1}", b"{gh_2}", b"{wx1}"}


@pytest.mark.parametrize("other", [False, True], ids=["own", "another's"])
async def test_turns_pass_on(fleet: Fleet, other: bool) -> None:
    """
    The turn passes to the next of the queue, whoever holds it, and to nobody if the one that leaves was not the first.
    """
    one, two = await fleet.join(lease=60), await fleet.join(lease=60)
    waiting = two if other else one
    arrived = [await one.worker.arrive(arrival(A)), await one.worker.arrive(arrival(B))]
    arrived.append(await waiting.worker.arrive(arrival(C)))
    await one.worker.done(B)
    before = list(waiting.news)
    await one.worker.done(A)
    news = await waiting.until(bool)

    assert [each.is_turn for each in arrived] == [True, False, False]
    assert before == []
    assert news == [Turn(C)]


async def test_turn_that_was_not_heard(fleet: Fleet, client: Any) -> None:
    """
    The heartbeat tells of a turn that was missed.
    """
    one, two = await fleet.join(), await fleet.join()
    await one.worker.arrive(arrival(A))
    await two.worker.arrive(arrival(B))
    await client.delete("wechat_kf:{gh_1}:push:oA:1")
    await client.hdel("wechat_kf:{gh_1}:owners", "oA:1")
    news = await two.until(bool)

    assert news == [Turn(B)]


@pytest.mark.parametrize("other", [False, True], ids=["own", "another's"])
async def test_at_once(fleet: Fleet, other: bool) -> None:
    """
    What comes at once does not queue, and holders of the queue hear of what interrupts them.
    """
    one, two = await fleet.join(lease=60), await fleet.join(lease=60)
    await one.worker.arrive(arrival())
    # Their news are read from now on.
    await anyio.sleep(0.1)
    worker = (two if other else one).worker
    arrived = await worker.arrive(arrival(B, at_once=True, interrupt=True))
    await worker.done(B)
    news = await one.until(bool)

    assert arrived == Arrived(1, B, is_turn=True)
    assert news == [Interrupt(A)]


async def test_reply_is_kept_for_a_repetition(fleet: Fleet) -> None:
    """
    A repetition after the passive reply is given its bytes, wherever it comes; then nothing may be sent.
    """
    one, two = [(await fleet.join()).worker for _ in range(2)]
    place = await held(one)
    marked = await one.reply(place, 1, b"\xff reply")
    repeated = await two.arrive(arrival())
    may_send = await one.send(place, 1)
    await one.done(place)
    here, there = await one.arrive(arrival()), await two.arrive(arrival())

    assert marked
    assert repeated == Arrived(2, reply=b"\xff reply")
    assert not may_send
    assert here.reply == there.reply == b"\xff reply"


async def test_reply_that_was_not_written(fleet: Fleet) -> None:
    """
    What was marked for a passive reply may be sent instead, if nobody was given the bytes.
    """
    one, two = [(await fleet.join()).worker for _ in range(2)]
    place = await held(one)
    await one.reply(place, 1, b"reply")
    may_send = await one.send(place, 1)
    repeated = await two.arrive(arrival())

    assert may_send
    assert repeated == Arrived(2)


async def test_repetition_voids_the_request(fleet: Fleet) -> None:
    """
    Only the last delivery's request may carry the reply.
    """
    one, two = [(await fleet.join()).worker for _ in range(2)]
    place = await held(one)
    await two.arrive(arrival())
    first = await one.reply(place, 1, b"reply")
    may_send = await one.send(place, 1)

    assert not first
    assert may_send


async def test_allowance(fleet: Fleet) -> None:
    """
    The allowance grows with what a customer does, is less by each message, and is known to all.
    """
    one, two = [(await fleet.join()).worker for _ in range(2)]
    unknown = await one.allowance("gh_1", "oA")
    place = await held(one, allowance=Allowance(3, 60))
    await one.send(place, 1)
    await one.send(place, 1)
    await one.arrive(arrival(B, allowance=Allowance(1, 3600)))
    left = await two.allowance("gh_1", "oA")

    assert unknown is None
    assert left is not None
    assert left.messages == 2
    assert 3590 < left.seconds <= 3600


async def test_fence(fleet: Fleet, client: Any) -> None:
    """
    What was taken over is not its former holder's any more.
    """
    one, two = await fleet.join(lease=60), await fleet.join()
    place = await held(one.worker)
    await kill(client)
    news = await two.until(bool)
    asked = [await one.worker.send(place, 1), await one.worker.reply(place, 1, b"reply")]
    await one.worker.done(place)
    orphan = Place("gh_1", "oA", "oA:1", attempt=2)
    may_send = await two.worker.send(orphan, 1)

    assert news == [Orphan(orphan, b"oA:1", is_turn=True)]
    assert asked == [False, False]
    assert may_send


async def test_orphans_keep_their_places(fleet: Fleet, client: Any) -> None:
    """
    What waits behind a dead worker's push goes on waiting; what was not begun is no attempt.
    """
    dead, alive = await fleet.join(lease=60), await fleet.join(lease=60)
    for place in (A, B):
        await dead.worker.arrive(arrival(place))
    await alive.worker.arrive(arrival(C))
    await kill(client)
    heir = await fleet.join()
    news = await heir.until(lambda news: len(news) == 3)
    again = attrs.evolve(A, attempt=2)
    await heir.worker.done(again)
    turn = (await heir.until(lambda news: len(news) == 4))[-1]

    assert sorted(news[:3], key=str) == sorted(
        [Orphan(again, b"oA:1", is_turn=True), Orphan(B, b"oA:2", is_turn=False), Orphan(C, b"oA:3", is_turn=False)],
        key=str,
    )
    assert turn == Turn(B)


@pytest.mark.parametrize("messages", [0, 1, 3])
async def test_lost(fleet: Fleet, client: Any, messages: int) -> None:
    """
    Of what was being sent one worker is told what was left, once, and the turn passes on.
    """
    dead = await fleet.join(lease=60)
    place = await held(dead.worker)
    if messages:
        await dead.worker.send(place, messages)
    else:
        await dead.worker.reply(place, 1, b"reply")
    await kill(client)
    heirs = [await fleet.join() for _ in range(2)]
    behind = await heirs[0].worker.arrive(arrival(B))
    await heirs[0].has_heard(Turn(B))
    repeated = await heirs[1].worker.arrive(arrival(A))
    told = [each for heir in heirs for each in heir.news if isinstance(each, Lost)]

    assert not behind.is_turn
    assert repeated.place is None
    assert told == ([Lost(A, b"oA:1", messages - 1, uncertain=True)] if messages else [])


async def test_reply_of_the_dead(fleet: Fleet, client: Any) -> None:
    """
    The bytes of a dead worker's reply are given to each repetition: before, while and after another settles the push.
    """
    dead, heir = await fleet.join(), await fleet.join()
    place = await held(dead.worker)
    await dead.worker.reply(place, 1, b"reply")
    await dead.leave()
    repeated: list[Arrived] = []
    with anyio.fail_after(LONG):
        while await client.exists("wechat_kf:{gh_1}:owners"):
            repeated.append(await heir.worker.arrive(arrival()))
    repeated.append(await heir.worker.arrive(arrival()))

    assert repeated == [Arrived(request, reply=b"reply") for request in range(2, 2 + len(repeated))]


async def test_last_attempt(fleet: Fleet) -> None:
    """
    After the third worker that died with it a push is told of.
    """
    heir = await fleet.join()
    place = await held(heir.worker)
    for attempt in (2, 3):
        await heir.leave()
        heir = await fleet.join()
        await heir.has_heard(Orphan(attrs.evolve(place, attempt=attempt), b"oA:1", is_turn=True))
    await heir.leave()
    heir = await fleet.join()
    news = await heir.until(bool)

    assert news == [Lost(attrs.evolve(place, attempt=3), b"oA:1", 0, uncertain=False)]


async def test_stale(fleet: Fleet, client: Any) -> None:
    """
    What is too old is not handled, but told of.
    """
    await held((await fleet.join(lease=60)).worker)
    await kill(client)
    heir = await fleet.join(stale=0)
    news = await heir.until(bool)

    assert news == [Lost(A, b"oA:1", 0, uncertain=False)]


async def test_leaving(fleet: Fleet) -> None:
    """
    What a worker holds when it leaves is at once a dead worker's.
    """
    one, two = await fleet.join(lease=60), await fleet.join()
    await held(one.worker)
    await one.leave()
    news = await two.until(bool)

    assert news == [Orphan(attrs.evolve(A, attempt=2), b"oA:1", is_turn=True)]


async def test_hand_over(fleet: Fleet) -> None:
    """
    What is handed over goes on elsewhere, whatever it was marked for and however often it was tried.
    """
    one, two = await fleet.join(lease=60), await fleet.join()
    first = await held(one.worker)
    second = await held(one.worker, B)
    await one.worker.send(first, 1)
    kept = await one.worker.hand_over([first, second])
    news = await two.until(lambda news: len(news) == 2)
    may_send = await two.worker.send(attrs.evolve(A, attempt=2), 1)
    asked = await one.worker.send(first, 2)
    nothing = await one.worker.hand_over([])

    assert kept
    assert nothing
    assert sorted(news, key=str) == sorted(
        [Orphan(attrs.evolve(A, attempt=2), b"oA:1", is_turn=True), Orphan(B, b"oA:2", is_turn=False)], key=str
    )
    assert may_send
    assert not asked


async def test_handed_over_at_once(fleet: Fleet) -> None:
    """
    A worker that holds something hears at once what another hands over; one that starts finds it at its first beat.
    """
    one, busy = await fleet.join(lease=90), await fleet.join(lease=90)
    await held(busy.worker, Place("gh_1", "oB", "oB:1"))
    first, second = await held(one.worker), await held(one.worker, Place("gh_1", "oC", "oC:1"))
    await one.worker.hand_over([first])
    told = await busy.until(bool)
    await busy.leave()
    await one.worker.hand_over([second])
    found = await (await fleet.join(lease=90)).until(bool)

    assert told == [Orphan(attrs.evolve(first, attempt=2), b"oA:1", is_turn=True)]
    assert found == [Orphan(attrs.evolve(second, attempt=2), b"oC:1", is_turn=True)]


async def test_all_die_then_one_starts(fleet: Fleet, client: Any) -> None:
    """
    A worker that nobody writes to finds what was left of the bot's accounts, and not what is of another bot.
    """
    await held((await fleet.join(lease=60)).worker)
    await kill(client)
    stranger, heir = await fleet.join(appid="wx2"), await fleet.join()
    news = await heir.until(bool)

    assert news == [Orphan(attrs.evolve(A, attempt=2), b"oA:1", is_turn=True)]
    assert stranger.news == []


async def test_nothing_is_left(fleet: Fleet, client: Any) -> None:
    """
    Of what is done no payload is left, and no queue; the rest ends by itself.
    """
    one = await fleet.join(lease=60)
    for place in (A, B):
        await held(one.worker, place, allowance=Allowance(5, 60))
    for place in (A, B):
        await one.worker.done(place)
    kept = {key: await client.pttl(key) for key in await keys_in(client)}
    fields = await client.hgetall("wechat_kf:{gh_1}:push:oA:1")

    assert set(kept) == {
        b"wechat_kf:{gh_1}:allowance:oA",
        b"wechat_kf:{gh_1}:push:oA:1",
        b"wechat_kf:{gh_1}:push:oA:2",
        b"wechat_kf:{gh_1}:workers",
        b"wechat_kf:{wx1}:accounts",
    }
    assert all(life > 0 for life in kept.values())
    assert fields == {b"state": b"done", b"requests": b"1"}


async def test_cost(fleet: Fleet, client: Any) -> None:
    """
    A push costs three scripts, and one more for each message after the first; a repetition one.
    """
    one = await fleet.join(lease=60)
    await one.worker.done(await held(one.worker, C))
    # The first heartbeat is the account's, not the pushes'.
    with anyio.fail_after(LONG):
        while await client.pttl("wechat_kf:{gh_1}:workers") < 0:  # noqa: ASYNC110 - another process sets it
            await anyio.sleep(0.01)
    await client.config_resetstat()
    place = await held(one.worker, A)
    await one.worker.arrive(arrival(A))
    await one.worker.reply(place, 2, b"reply")
    await one.worker.done(place)
    place = await held(one.worker, B)
    for number in (1, 2, 3):
        await one.worker.send(place, number)
    await one.worker.done(place)
    stats = await client.info("commandstats")

    assert stats["cmdstat_evalsha"]["calls"] == (3 + 1) + (3 + 2)


async def test_refusal_is_an_error(redis_server: RedisServer, client: Any) -> None:
    """
    What Redis does not allow is raised, when the worker joins, or when a push comes.
    """
    await client.execute_command("ACL", "SETUSER", "reader", "on", "nopass", "~*", "+@read")
    async with redis.from_url(redis_server.url, username="reader", password="none") as reader:
        inbox: Inbox = RedisInbox(reader, lease=0.3)
        async with inbox.join(print, stale=900) as worker:
            for _ in range(2):
                with pytest.raises(RedisRefused, match="this user has no permissions"):
                    await worker.arrive(arrival())
                # The heart has tried again.
                await anyio.sleep(0.3)
        with pytest.raises(RedisRefused):
            async with RedisInbox(reader).join(print, stale=900, appid="wx1"):
                raise AssertionError("not reached")


@pytest.mark.parametrize("option", ["keep", "lease", "timeout"])
def test_bounds_are_checked(option: str) -> None:
    """
    Times are more than nothing.
    """
    with pytest.raises(ValueError, match="more than 0"):
        RedisInbox(redis.Redis(), **dict[str, Any]({option: 0}))
