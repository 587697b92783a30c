"""
`send_each`: every message once, each outcome as it is known, and nothing left behind however the loop is left.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from contextvars import ContextVar
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx
import pytest
from anyio import wait_all_tasks_blocked

from wechat_kf import AsyncKfClient, KfError, Message, Outcome, Outcomes, Text
from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.testing import (
    Delay,
    DropAfter,
    DropBefore,
    Errcode,
    FakeWeChat,
    ManualClock,
    Status,
)

from ..conftest import Connect
from .stage import OPENIDS, gather, got, greetings, under_way


async def first_then(
    first: tuple[str, Message], go: anyio.Event, others: list[tuple[str, Message]]
) -> AsyncGenerator[tuple[str, Message]]:
    """
    Give one pair, and later the others.
    """
    yield first
    await go.wait()
    for pair in others:
        yield pair


async def several(count: int) -> AsyncGenerator[tuple[str, Message]]:
    """
    Give so many pairs asynchronously.
    """
    for pair in greetings(count):
        await anyio.lowlevel.checkpoint()
        yield pair


def one_by_one(count: int) -> Iterator[tuple[str, Message]]:
    """
    Give so many pairs one after the other.
    """
    yield from greetings(count)


@pytest.mark.parametrize("make", [greetings, several, one_by_one])
async def test_each_is_sent_and_told_once(fake: FakeWeChat, kf: AsyncKfClient, make: Callable[[int], Any]) -> None:
    """
    Every pair of an iterable, an iterator or an async generator is sent, and its outcome names it.
    """
    outcomes = [outcome async for outcome in kf.send_each(make(60), concurrency=7)]

    assert sorted(got(fake)) == OPENIDS
    assert {(outcome.index, outcome.touser) for outcome in outcomes} == set(enumerate(OPENIDS))
    assert len(outcomes) == 60
    assert all(outcome.error is None for outcome in outcomes)


async def test_nothing_to_send(kf: AsyncKfClient) -> None:
    """
    Without pairs there are no outcomes.
    """
    assert [outcome async for outcome in kf.send_each([])] == []


async def test_fast_ones_do_not_wait_for_slow_ones(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    The outcome of a fast send comes while a slow one is still under way.
    """
    fake.fault(SEND_CUSTOM_MESSAGE, Delay(5))
    outcomes = kf.send_each(greetings(3))
    told = [(await anext(outcomes)).index, (await anext(outcomes)).index]
    still = under_way(fake)
    fake.advance(5)
    told.append((await anext(outcomes)).index)

    assert still == 1
    assert sorted(told) == [0, 1, 2]
    with pytest.raises(StopAsyncIteration):
        await anext(outcomes)


async def test_concurrency_bounds_the_sends_under_way(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    So many sends are under way at once, and no more.
    """
    fake.fault(SEND_CUSTOM_MESSAGE, Delay(1), times=12)
    outcomes: list[Outcome] = []
    seen: list[int] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gather, kf.send_each(greetings(12), concurrency=5), outcomes)
        for _ in range(3):
            await wait_all_tasks_blocked()
            seen.append(under_way(fake))
            fake.advance(1)

    assert seen == [5, 5, 2]
    assert len(outcomes) == 12


async def test_messages_of_one_customer_go_in_order(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A customer's messages go out one after the other, although the first is answered last, beside those of others.
    """
    first, second = OPENIDS[:2]
    fake.limits.message = type(fake.limits.message)(100, 3600.0)
    fake.user_says(first, "在吗")
    fake.fault(SEND_CUSTOM_MESSAGE, Delay(5))
    pairs: list[tuple[str, Message]] = [(first, Text(str(number))) for number in range(8)]
    pairs.insert(4, (second, Text("other")))
    outcomes: list[Outcome] = []
    before: list[str] = []
    go = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gather, kf.send_each(first_then(pairs[0], go, pairs[1:])), outcomes)
        await wait_all_tasks_blocked()
        go.set()
        await wait_all_tasks_blocked()
        before += [shown.text for shown in fake.sent]
        fake.advance(5)

    assert before == ["0", "other"]
    assert [shown.text for shown in fake.sent if shown.openid == first] == [str(number) for number in range(8)]
    assert [outcome.index for outcome in outcomes if outcome.touser == first] == [0, 1, 2, 3, 5, 6, 7, 8]


async def test_order_outlives_failures(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A failed message of a customer does not hold up the next ones.
    """
    fake.fault(SEND_CUSTOM_MESSAGE, Errcode(45002), after=1)
    outcomes = [outcome async for outcome in kf.send_each([(OPENIDS[0], Text(text)) for text in "abc"])]

    assert [shown.text for shown in fake.sent] == ["a", "c"]
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]


async def test_slow_caller_slows_the_sending(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    While outcomes are not taken, no more pairs are.
    """
    taken: list[int] = []

    def pairs() -> Iterator[tuple[str, Message]]:
        for number, pair in enumerate(greetings(60)):
            taken.append(number)
            yield pair

    outcomes = kf.send_each(pairs(), concurrency=4)
    before = len(taken)
    await anext(outcomes)
    await wait_all_tasks_blocked()
    after_one = len(taken)
    await anext(outcomes)
    await wait_all_tasks_blocked()

    assert before == 0
    assert (after_one, len(taken)) == (5, 6)
    assert len(fake.sent) == 6


async def test_memory_stays_flat(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    Of an endless source a bounded number of messages is held, also of those that wait for others of their customer.
    """
    fake.limits.message = type(fake.limits.message)(10_000, 3600.0)
    fake.user_says(OPENIDS[0], "在吗")
    taken = told = most = 0

    async def endless() -> AsyncGenerator[tuple[str, Message]]:
        nonlocal taken, most
        while True:
            taken += 1
            most = max(most, taken - told)
            yield OPENIDS[0], Text("你好")

    async with aclosing(kf.send_each(endless(), concurrency=3)) as outcomes:
        async for _ in outcomes:
            told += 1
            if told == 1200:
                break

    assert 900 < most < 1010


@pytest.mark.parametrize("seed", range(5))
async def test_nothing_is_lost_or_doubled(fake: FakeWeChat, kf: AsyncKfClient, seed: int) -> None:
    """
    Whatever goes wrong on the way, what customers got is what succeeded and part of what is uncertain, each once.
    """
    random = Random(seed)  # noqa: S311 - repeatable
    for _ in range(60):
        fault = random.choice([None, Errcode(45015), Errcode(-1), DropBefore(), DropAfter(), Status(502)])
        if fault is None:
            fake.fault(SEND_CUSTOM_MESSAGE, Delay(0))
        else:
            fake.fault(SEND_CUSTOM_MESSAGE, fault)
    outcomes = [outcome async for outcome in kf.send_each(greetings(60), concurrency=8)]
    errors = {outcome.touser: outcome.error for outcome in outcomes}
    succeeded = {touser for touser, error in errors.items() if error is None}
    uncertain = {touser for touser, error in errors.items() if error is not None and error.effect == "unknown"}

    assert len(outcomes) == len(errors) == 60
    assert len(got(fake)) == len(set(got(fake)))
    assert succeeded <= set(got(fake)) <= succeeded | uncertain
    assert {call.json["touser"] for call in fake.calls if call.path == SEND_CUSTOM_MESSAGE.path} == set(OPENIDS)
    assert sum(call.path == SEND_CUSTOM_MESSAGE.path for call in fake.calls) == 60


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ((OPENIDS[30], 5), TypeError),
        ((7, Text("你好")), TypeError),
        ((["o"], Text("你好")), TypeError),
        (("", Text("你好")), ValueError),
        (OPENIDS[30], ValueError),
        (None, TypeError),
    ],
)
async def test_wrong_pair_is_its_own_outcome(
    fake: FakeWeChat, kf: AsyncKfClient, wrong: Any, kind: type[Exception]
) -> None:
    """
    A wrong pair has an outcome with its index; the others are sent.
    """
    pairs: list[Any] = greetings(20)
    pairs[5] = wrong
    outcomes: list[Outcome] = []
    await gather(kf.send_each(pairs, concurrency=3), outcomes)
    failed = [outcome for outcome in outcomes if outcome.error is not None]

    assert sorted(outcome.index for outcome in outcomes) == list(range(20))
    assert [(each.index, each.error and each.error.effect) for each in failed] == [(5, "none")]
    assert isinstance(failed[0].error and failed[0].error.__cause__, kind)
    assert sorted(got(fake)) == sorted(OPENIDS[:5] + OPENIDS[6:20])


async def test_failure_that_is_no_delivery(fake: FakeWeChat) -> None:
    """
    What is no failure of a delivery stops the sending, and comes out after what was taken already was sent.
    """

    class Client(AsyncKfClient):
        async def send_custom_message(self, touser: str, message: Message | str, **options: Any) -> Any:
            if message == Text("2"):
                raise LookupError("a bug")
            return await super().send_custom_message(touser, message, **options)

    kf = Client(fake.appid, fake.secret, http=fake.client())
    outcomes: list[Outcome] = []
    with pytest.raises(LookupError, match="a bug"):
        await gather(kf.send_each([(OPENIDS[0], Text(str(number))) for number in range(5)]), outcomes)

    assert [outcome.index for outcome in outcomes] == [0, 1, 3, 4]


async def test_too_many_calls_slow_all(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    After 45011 all sends wait a minute, then go on; nobody is left out.
    """
    fake.fault(SEND_CUSTOM_MESSAGE, Errcode(45011), times=10)
    outcomes: list[Outcome] = []
    calls: list[int] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gather, kf.send_each(greetings(60), concurrency=10), outcomes)
        for _ in range(2):
            await wait_all_tasks_blocked()
            calls.append(len([call for call in fake.calls if call.path == SEND_CUSTOM_MESSAGE.path]))
            fake.advance(60)

    assert calls[0] <= 10
    assert sorted(got(fake)) == OPENIDS[:60]
    assert [outcome.error for outcome in outcomes] == [None] * 60


async def test_too_many_calls_for_ever(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    What is refused ten times for there being too many calls has that outcome.
    """
    fake.fault(SEND_CUSTOM_MESSAGE, Errcode(45011), times=10)
    outcomes: list[Outcome] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gather, kf.send_each(greetings(1)), outcomes)
        for _ in range(10):
            await wait_all_tasks_blocked()
            fake.advance(60)

    assert [type(outcome.error).__name__ for outcome in outcomes] == ["RateLimited"]


async def test_day_used_up(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    After 45009 nothing more is sent, and each pair left is told as not sent.
    """
    fake.fault(SEND_CUSTOM_MESSAGE, Errcode(45009), times=60)
    outcomes: list[Outcome] = []
    await gather(kf.send_each(greetings(60), concurrency=1), outcomes)

    assert len([call for call in fake.calls if call.path == SEND_CUSTOM_MESSAGE.path]) == 1
    assert sorted(outcome.index for outcome in outcomes) == list(range(60))
    assert [type(outcome.error).__name__ for outcome in outcomes] == ["QuotaExceeded"] + ["NotSent"] * 59
    assert {outcome.error and outcome.error.effect for outcome in outcomes} == {"none"}


async def test_label_and_agent(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    The label and the agent's name go on each message.
    """
    fake.agent_online("kf1@test")
    await gather(kf.send_each(greetings(2), kf_account="kf1@test", is_ai_msg=True), [])

    assert [(shown.kf_account, shown.payload["aimsgcontext"]) for shown in fake.sent] == [
        ("kf1@test", {"is_ai_msg": 1})
    ] * 2


async def test_iterated_after_it_was_closed(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    Outcomes that were closed before they were iterated send nothing, and end at once.
    """
    outcomes = kf.send_each(greetings(3))
    await outcomes.aclose()
    told = [outcome async for outcome in outcomes]

    assert told == []
    assert fake.sent == []


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_pairs_that_fail(fake: FakeWeChat, kf: AsyncKfClient, *, asynchronous: bool) -> None:
    """
    An exception from the pairs comes out as it is, after every pair before it was sent and told of.
    """

    def pairs() -> Iterator[tuple[str, Message]]:
        yield from greetings(5)
        raise LookupError("the cursor is gone")

    async def async_pairs() -> AsyncGenerator[tuple[str, Message]]:
        for pair in pairs():
            yield pair

    outcomes: list[Outcome] = []
    iterator = kf.send_each(async_pairs() if asynchronous else pairs())
    with pytest.raises(LookupError, match="the cursor is gone"):
        await gather(iterator, outcomes)

    assert sorted(got(fake)) == sorted(outcome.touser for outcome in outcomes) == OPENIDS[:5]
    with pytest.raises(StopAsyncIteration):
        await anext(iterator)


@pytest.mark.parametrize("concurrency", [0, -1])
def test_concurrency_is_checked_at_the_call(concurrency: int) -> None:
    """
    A concurrency below 1 is refused before the loop begins, also outside an event loop.
    """
    kf = AsyncKfClient(token="token")

    with pytest.raises(ValueError, match="concurrency must be at least 1"):
        kf.send_each([], concurrency=concurrency)


def test_never_iterated(recwarn: pytest.WarningsRecorder) -> None:
    """
    Making the iterator does nothing yet, also outside an event loop.
    """
    kf = AsyncKfClient(token="token")
    outcomes = kf.send_each(several(3))
    del outcomes
    gc.collect()

    assert not recwarn.list


async def test_break_stops_what_has_not_begun(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    After a break nothing more begins, what is on its way settles, and nothing warns.
    """
    fake.fault(SEND_CUSTOM_MESSAGE, Delay(1), times=60, after=1)
    async for _ in kf.send_each(greetings(60), concurrency=4):
        break
    await wait_all_tasks_blocked()
    on_their_way = under_way(fake)
    fake.advance(1)
    await wait_all_tasks_blocked()

    assert 3 <= on_their_way <= 4
    assert len(fake.sent) == 1 + on_their_way
    assert under_way(fake) == 0


async def test_break_drops_what_waits_its_turn(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    After a break, a customer's next message, taken but not begun, is not sent.
    """
    fake.fault(SEND_CUSTOM_MESSAGE, Delay(1))
    others: list[tuple[str, Message]] = [(OPENIDS[0], Text("b")), *greetings(3)[1:]]
    go = anyio.Event()

    async def consume() -> None:
        async for _ in kf.send_each(first_then((OPENIDS[0], Text("a")), go, others)):
            break

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(consume)
        await wait_all_tasks_blocked()
        go.set()
    await wait_all_tasks_blocked()
    fake.advance(1)
    await wait_all_tasks_blocked()

    texts = [shown.text for shown in fake.sent]

    assert "a" in texts
    assert "b" not in texts


async def test_aclosing_waits_for_what_is_on_its_way(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    Closing waits until what is on its way has settled; those outcomes can still be taken.
    """
    fake.fault(SEND_CUSTOM_MESSAGE, Delay(1), times=60, after=1)
    seen: list[object] = []
    rest: list[Outcome] = []
    has_left = anyio.Event()

    async def consume() -> None:
        async with aclosing(kf.send_each(greetings(60), concurrency=4)) as outcomes:
            async for _ in outcomes:
                break
            seen.append("left")
            has_left.set()
        seen.append("closed")
        await gather(outcomes, rest)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(consume)
        await has_left.wait()
        await wait_all_tasks_blocked()
        seen.append(under_way(fake))
        fake.advance(1)

    assert seen == ["left", len(rest), "closed"]
    assert len(rest) >= 3
    assert len(fake.sent) == 1 + len(rest)


async def test_closing_an_endless_source(kf: AsyncKfClient) -> None:
    """
    Closing does not wait for a source that has nothing to give just now; the source is closed too.
    """
    closed = False

    async def endless() -> AsyncGenerator[tuple[str, Message]]:
        nonlocal closed
        try:
            yield OPENIDS[0], Text("你好")
            await anyio.sleep_forever()
        finally:
            closed = True

    async with aclosing(kf.send_each(endless())) as outcomes:
        await anext(outcomes)

    assert closed


async def test_source_is_closed_when_left_in_the_middle(kf: AsyncKfClient) -> None:
    """
    An async generator given as pairs is closed as soon as no more is taken from it, and may wait while it closes.
    """
    closed = False

    async def endless() -> AsyncGenerator[tuple[str, Message]]:
        nonlocal closed
        try:
            while True:
                yield OPENIDS[0], Text("你好")
        finally:
            await anyio.sleep(0.01)
            closed = True

    async with aclosing(kf.send_each(endless(), concurrency=2)) as outcomes:
        await anext(outcomes)

    assert closed


async def test_source_that_is_only_iterable(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    Pairs may come from any async iterator, also one that cannot be closed.
    """

    class Source:
        def __init__(self) -> None:
            self._pairs = iter(greetings(3))

        def __aiter__(self) -> Source:
            return self

        async def __anext__(self) -> tuple[str, Message]:
            for pair in self._pairs:
                return pair
            raise StopAsyncIteration

    assert len([outcome async for outcome in kf.send_each(Source())]) == 3
    assert sorted(got(fake)) == OPENIDS[:3]


async def test_closing_before_the_start_and_after_the_end(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    Closing is harmless at any time; what was closed before its start sends nothing.
    """
    unused = kf.send_each(greetings(3))
    await unused.aclose()
    used = kf.send_each(greetings(3))
    told = [outcome async for outcome in used]
    await used.aclose()
    await used.aclose()

    assert [outcome async for outcome in unused] == []
    assert len(told) == 3
    assert len(fake.sent) == 3


class Interruption(Exception):
    """
    Something that goes wrong in the caller's loop.
    """


async def test_exception_in_the_loop_inside_other_scopes(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    An exception leaves the loop as it is, and scopes and task groups around it stay in order.
    """

    async def interrupted() -> None:
        async for _ in kf.send_each(greetings(20), concurrency=2):
            raise Interruption

    with anyio.fail_after(30) as outer:
        with anyio.move_on_after(30) as inner, pytest.raises(Interruption):
            await interrupted()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait_all_tasks_blocked)
            with pytest.raises(Interruption):
                await interrupted()
        await anyio.lowlevel.checkpoint()

    assert not outer.cancelled_caught
    assert not inner.cancelled_caught
    assert len(fake.sent) < 20


async def test_scope_cancelled_in_the_loop(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A cancellation in the body of the loop leaves like a break: what is on its way settles.
    """
    fake.fault(SEND_CUSTOM_MESSAGE, Delay(1), times=60, after=1)
    with anyio.CancelScope() as scope:
        async for _ in kf.send_each(greetings(60), concurrency=4):
            await wait_all_tasks_blocked()
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    on_their_way = under_way(fake)
    fake.advance(1)
    await wait_all_tasks_blocked()

    assert scope.cancelled_caught
    assert on_their_way == 4
    assert under_way(fake) == 0
    assert len(fake.sent) == 5


async def test_cancelled_while_waiting(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A caller cancelled while it waits has cancelled everything, and waited for that, when the cancellation gets through.
    """
    fake.fault(SEND_CUSTOM_MESSAGE, Delay(1), times=60)
    outcomes = kf.send_each(greetings(60), concurrency=4)
    seen: list[int] = []
    async with anyio.create_task_group() as tasks:

        async def consume() -> None:
            try:
                await anext(outcomes)
            finally:
                seen.append(under_way(fake))

        tasks.start_soon(consume)
        await wait_all_tasks_blocked()
        seen.append(under_way(fake))
        tasks.cancel_scope.cancel()

    assert seen == [4, 0]
    with pytest.raises(RuntimeError, match="cancelled before its end"):
        await anext(outcomes)
    with pytest.raises(StopAsyncIteration):
        await anext(outcomes)


async def test_closing_cancelled(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    Who does not want to wait for what is on its way cancels the closing, and with it all of that.
    """
    fake.fault(SEND_CUSTOM_MESSAGE, Delay(1), times=60, after=1)
    outcomes = kf.send_each(greetings(60), concurrency=4)
    with anyio.CancelScope() as scope:
        async with aclosing(outcomes):
            await anext(outcomes)
            await wait_all_tasks_blocked()
            scope.cancel()

    assert scope.cancelled_caught
    assert under_way(fake) == 0
    assert [outcome async for outcome in outcomes] == []


async def test_garbage_collected_in_another_thread(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    An iterator that another thread's garbage collection finds stops what has not begun, without a warning.
    """
    fake.fault(SEND_CUSTOM_MESSAGE, Delay(1), times=60, after=1)
    outcomes: list[Outcomes] = [kf.send_each(greetings(60), concurrency=4)]
    await anext(outcomes[0])
    await anyio.to_thread.run_sync(outcomes.clear)
    await wait_all_tasks_blocked()
    before = len(fake.sent)
    fake.advance(1)
    await wait_all_tasks_blocked()

    assert len(fake.sent) == before
    assert under_way(fake) == 0


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("hold", [False, True])
def test_loop_ends_with_sends_under_way(backend: str, *, hold: bool) -> None:
    """
    An event loop that ends while sends are under way cancels them, without a warning and without waiting.
    """
    fake = FakeWeChat(clock=ManualClock())
    held: list[object] = []

    async def main() -> None:
        fake.user_says(OPENIDS[0], "在吗")
        fake.fault(SEND_CUSTOM_MESSAGE, Delay(1), times=60, after=1)
        async with AsyncKfClient(fake.appid, fake.secret, http=fake.client(), clock=fake.clock) as kf:
            outcomes = kf.send_each(greetings(60), concurrency=4)
            await anext(outcomes)
            await wait_all_tasks_blocked()
            if hold:
                held.append(outcomes)

    anyio.run(main, backend=backend)
    held.clear()
    gc.collect()

    assert under_way(fake) == 0


def test_loop_ends_before_the_first_step() -> None:
    """
    A caller cancelled together with the sends before these have begun does not wait for them for ever.
    """

    async def main() -> None:
        kf = AsyncKfClient(token="token")
        caller = asyncio.ensure_future(anext(kf.send_each(greetings(3))))
        await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(caller, 10)

    asyncio.run(main())


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_cancelled_by_somebody_else() -> None:
    """
    Sends that something else cancels, as a hook that waits for a cancelled future, are told of, not lost silently.
    """

    async def hook(_: httpx.Request) -> None:
        raise asyncio.CancelledError

    async with httpx.AsyncClient(event_hooks={"request": [hook]}) as http:
        kf = AsyncKfClient(token="any", http=http)
        with pytest.raises(RuntimeError, match="cancelled before its end"):
            await anext(kf.send_each(greetings(3)))


who: ContextVar[str] = ContextVar("who", default="nobody")


async def test_context_of_the_caller(fake: FakeWeChat) -> None:
    """
    The sends run in the context of who iterates.
    """
    seen: set[str] = set()

    class Provider:
        async def get(self) -> str:
            seen.add(who.get())
            return "token"

        async def invalidate(self, value: str) -> None: ...

    who.set("me")
    async with AsyncKfClient(token=Provider(), http=fake.client()) as kf:
        outcomes = [outcome async for outcome in kf.send_each(greetings(3))]

    assert seen == {"me"}
    assert all(isinstance(outcome.error, KfError) for outcome in outcomes)


async def test_on_a_real_socket(connect: Connect) -> None:
    """
    Many messages go through a socket on fewer connections, each once.
    """
    fake = FakeWeChat()
    for openid in OPENIDS:
        fake.user_says(openid, "在吗")
    async with fake.serve() as base_url:
        kf = connect(base_url, max_connections=4)
        outcomes = [outcome async for outcome in kf.send_each(greetings(60), concurrency=20)]

        assert [outcome.error for outcome in outcomes] == [None] * 60
        assert sorted(got(fake)) == OPENIDS
