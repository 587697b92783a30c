"""
The inbox in memory: repetitions, order, marks, and what becomes of the pushes of a worker that leaves.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest

from wechat_kf.bot import (
    Allowance,
    Arrival,
    Arrived,
    Inbox,
    InboxWorker,
    Interrupt,
    Lost,
    MemoryInbox,
    News,
    Orphan,
    Place,
    Turn,
)
from wechat_kf.testing import ManualClock

A, B = Place("gh_1", "oA", "oA:1"), Place("gh_1", "oA", "oA:2")


def ignore(_: News) -> None:
    """
    Hear nothing.
    """


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


async def test_repetitions_are_known() -> None:
    """
    A push is the first's who noted it; each repetition has the next number, also after it was done.
    """
    inbox: Inbox = MemoryInbox()
    async with inbox.join(ignore, stale=900) as one, inbox.join(ignore, stale=900) as two:
        arrived = [await worker.arrive(arrival()) for worker in (one, two, one)]
        await one.done(A)
        arrived.append(await two.arrive(arrival()))

    assert arrived == [Arrived(1, A, is_turn=True), Arrived(2), Arrived(3), Arrived(4)]
    assert [one.works, two.works] == [True, True]


async def test_accounts_are_apart() -> None:
    """
    A push of another account with the same key is another push, in another queue.
    """
    inbox = MemoryInbox()
    async with inbox.join(ignore, stale=900) as worker:
        places = [await worker.arrive(arrival(Place(account, "oA", "oA:1"))) for account in ("gh_1", "gh_2")]

    assert [(each.place is not None, each.is_turn) for each in places] == [(True, True)] * 2


async def test_turns_pass_on() -> None:
    """
    The turn passes to the next of the queue, whoever holds it, and to nobody if the one that leaves was not the first.
    """
    inbox = MemoryInbox()
    news: list[News] = []
    third = Place("gh_1", "oA", "oA:3")
    async with inbox.join(ignore, stale=900) as one, inbox.join(news.append, stale=900) as two:
        arrived = [await one.arrive(arrival()), await one.arrive(arrival(B)), await two.arrive(arrival(third))]
        await one.done(B)
        before = list(news)
        await one.done(A)

    assert [each.is_turn for each in arrived] == [True, False, False]
    assert before == []
    assert news == [Turn(third)]


async def test_at_once() -> None:
    """
    What comes at once does not queue, and holders of the queue hear of what interrupts them.
    """
    inbox = MemoryInbox()
    news: list[News] = []
    async with inbox.join(news.append, stale=900) as worker:
        await worker.arrive(arrival())
        arrived = await worker.arrive(arrival(B, at_once=True, interrupt=True))
        await worker.done(B)

    assert arrived == Arrived(1, B, is_turn=True)
    assert news == [Interrupt(A)]


async def test_reply_is_kept_for_a_repetition() -> None:
    """
    A repetition after the passive reply is given its bytes, for 20 seconds; then nothing may be sent.
    """
    clock = ManualClock()
    inbox = MemoryInbox(clock=clock)
    async with inbox.join(ignore, stale=900) as worker:
        place = await held(worker)
        marked = await worker.reply(place, 1, b"reply")
        clock.advance(19)
        again = await worker.arrive(arrival())
        sent = await worker.send(place, 1)
        await worker.done(place)
        clock.advance(1)
        later = await worker.arrive(arrival())

    assert (marked, sent) == (True, False)
    assert [again.reply, later.reply] == [b"reply", None]


async def test_reply_to_a_request_that_was_given_up() -> None:
    """
    After a repetition only the latest request may be replied to; a message may be sent all the same.
    """
    inbox = MemoryInbox()
    async with inbox.join(ignore, stale=900) as worker:
        place = await held(worker)
        await worker.arrive(arrival())
        marked = [await worker.reply(place, 1, b""), await worker.reply(place, 2, b"")]
        sent = await worker.send(place, 1)

    assert marked == [False, True]
    assert sent


async def test_allowance() -> None:
    """
    An allowance grows to the larger number and the later end, is used up by messages, and ends with its time.
    """
    clock = ManualClock()
    inbox = MemoryInbox(clock=clock)
    seen: list[Allowance | None] = []
    async with inbox.join(ignore, stale=900) as worker:
        seen.append(await worker.allowance("gh_1", "oA"))
        place = await held(worker, allowance=Allowance(5, 60))
        await worker.send(place, 1)
        seen.append(await worker.allowance("gh_1", "oA"))
        clock.advance(50)
        await worker.arrive(arrival(B, allowance=Allowance(3, 20)))
        seen.append(await worker.allowance("gh_1", "oA"))
        clock.advance(20)
        seen.append(await worker.allowance("gh_1", "oA"))
        await worker.arrive(arrival(Place("gh_1", "oA", "oA:3"), allowance=Allowance(1, 9)))
        seen.append(await worker.allowance("gh_1", "oA"))

    assert seen == [None, Allowance(4, 60), Allowance(4, 20), None, Allowance(1, 9)]


async def test_handed_over() -> None:
    """
    What is handed over keeps its place: another worker hears it with its payload, and the former can do nothing more.
    """
    inbox = MemoryInbox()
    news: list[News] = []
    async with inbox.join(ignore, stale=900) as one, inbox.join(news.append, stale=900) as two:
        places = [await held(one), await held(one, B)]
        kept = await one.hand_over(places)
        refused = [await one.send(A, 1), await one.reply(A, 1, b"")]
        await one.done(A)
        unknown = await one.hand_over(places)
        second = Place("gh_1", "oA", "oA:1", attempt=2)
        sent = await two.send(second, 1)
        await two.done(second)

    assert (kept, unknown) == (True, True)
    assert refused == [False, False]
    assert sent
    assert news == [Orphan(second, b"oA:1", is_turn=True), Orphan(B, b"oA:2", is_turn=False), Turn(B)]


async def test_handed_over_to_nobody() -> None:
    """
    Without another worker what is handed over is forgotten, so that a repetition is handled as new.
    """
    inbox = MemoryInbox()
    async with inbox.join(ignore, stale=900) as worker:
        kept = await worker.hand_over([await held(worker)])
        again = await worker.arrive(arrival())

    assert not kept
    assert again.place == A


async def test_left_behind() -> None:
    """
    What a worker leaves goes to another if nothing was sent for it, and is told as lost if something may have been.
    """
    inbox = MemoryInbox()
    news: list[News] = []
    replied, stream = Place("gh_1", "oB", "oB:1"), Place("gh_1", "oC", "oC:1")
    async with inbox.join(news.append, stale=900) as two:
        async with inbox.join(ignore, stale=900) as one:
            await held(one)
            await one.reply(await held(one, replied), 1, b"reply")
            await held(one, stream)
            for number in (1, 2, 3):
                await one.send(stream, number)
        again = await two.arrive(arrival(replied))

    assert news == [
        Orphan(Place("gh_1", "oA", "oA:1", attempt=2), b"oA:1", is_turn=True),
        Lost(stream, b"oC:1", sent=2, uncertain=True),
    ]
    assert again.reply == b"reply"


async def test_three_attempts() -> None:
    """
    A push whose workers die one after the other is told as lost after the third.
    """
    inbox = MemoryInbox()
    news: list[News] = []
    stacks = [AsyncExitStack() for _ in range(4)]
    first = await stacks[0].enter_async_context(inbox.join(ignore, stale=900))
    await held(first)
    for stack in stacks[1:]:
        await stack.enter_async_context(inbox.join(news.append, stale=900))
    for stack in stacks:
        await stack.aclose()

    assert news == [
        Orphan(Place("gh_1", "oA", "oA:1", attempt=2), b"oA:1", is_turn=True),
        Orphan(Place("gh_1", "oA", "oA:1", attempt=3), b"oA:1", is_turn=True),
        Lost(Place("gh_1", "oA", "oA:1", attempt=3), b"oA:1", sent=0, uncertain=False),
    ]


async def test_too_old_for_another() -> None:
    """
    A push that is older than may be is told as lost, not handled by another.
    """
    clock = ManualClock()
    inbox = MemoryInbox(clock=clock)
    news: list[News] = []
    async with inbox.join(news.append, stale=900), inbox.join(ignore, stale=900) as one:
        await held(one)
        clock.advance(900)

    assert news == [Lost(A, b"oA:1", sent=0, uncertain=False)]


async def test_is_bounded() -> None:
    """
    Beyond its size the memory forgets the oldest; what has expired makes room by itself.
    """
    clock = ManualClock()
    inbox = MemoryInbox(max_size=2, seconds=60, clock=clock)
    async with inbox.join(ignore, stale=900) as worker:
        for number in range(4):
            place = Place("gh_1", f"o{number}", f"o{number}:1")
            await worker.done(await held(worker, place, allowance=Allowance(5, 600)))
        known = [await worker.allowance("gh_1", f"o{number}") is not None for number in range(4)]
        before = len(inbox)
        clock.advance(60)
        await worker.arrive(arrival())
        after = len(inbox)

    assert known == [False, False, True, True]
    assert (before, after) == (3, 1)
    assert len(MemoryInbox(max_size=1)) == 0
    with pytest.raises(ValueError, match="max_size"):
        MemoryInbox(max_size=0)
