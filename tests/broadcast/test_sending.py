"""
What holds a slot, what all sends wait for, what is counted, and how a journal that fails stops everything.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from wechat_kf import AsyncKfClient, Counts, JournalError, Message, NotSent, Outcome, Outcomes, Text
from wechat_kf._errors import api_error
from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.broadcast import Entry
from wechat_kf.testing import Delay, DropAfter, Errcode, FakeWeChat, ManualClock

from .stage import OPENIDS, Notebook, gather, got, greetings, under_way


@pytest.fixture
def backlog(fake: FakeWeChat) -> list[tuple[str, Message]]:
    """
    Make 30 messages to one customer, then one for each of three others.
    """
    fake.limits.message = type(fake.limits.message)(100, 3600.0)
    fake.user_says(OPENIDS[0], "在吗")
    return [*[(OPENIDS[0], Text(str(number))) for number in range(30)], *greetings(4)[1:]]


@pytest.mark.parametrize("concurrency", [2, 3])
async def test_backlog_holds_one_slot(
    fake: FakeWeChat, kf: AsyncKfClient, backlog: list[tuple[str, Message]], concurrency: int
) -> None:
    """
    A customer with many messages holds one slot: the others are served while the first of them is under way.
    """
    fake.fault(SEND_CUSTOM_MESSAGE, Delay(5))
    outcomes: list[Outcome] = []
    before: list[str] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gather, kf.send_each(backlog, concurrency=concurrency), outcomes)
        await wait_all_tasks_blocked()
        before += got(fake)
        fake.advance(5)

    assert before == OPENIDS[:4]
    assert [shown.text for shown in fake.sent if shown.openid == OPENIDS[0]] == [str(number) for number in range(30)]
    assert sorted(outcome.index for outcome in outcomes) == list(range(33))


async def test_backlog_with_one_slot(fake: FakeWeChat, kf: AsyncKfClient, backlog: list[tuple[str, Message]]) -> None:
    """
    With one slot everything goes in the order of the list.
    """
    outcomes: list[Outcome] = []
    await gather(kf.send_each(backlog, concurrency=1), outcomes)

    assert [outcome.index for outcome in outcomes] == list(range(33))
    assert len(fake.sent) == 33


async def test_slow_caller_slows_a_backlog(
    fake: FakeWeChat, kf: AsyncKfClient, backlog: list[tuple[str, Message]]
) -> None:
    """
    While outcomes are not taken, no more of one customer's messages are sent either, and closing does not wait for it.
    """
    async with aclosing(kf.send_each(backlog[:30], concurrency=3)) as outcomes:
        await anext(outcomes)
        await wait_all_tasks_blocked()
        sent = len(fake.sent)

    assert sent == 4
    assert len(fake.sent) == 4


async def test_pairs_that_fail_after_a_backlog(
    fake: FakeWeChat, kf: AsyncKfClient, backlog: list[tuple[str, Message]]
) -> None:
    """
    What was taken before the pairs failed is sent, also what waits for another of its customer.
    """

    async def pairs() -> AsyncGenerator[tuple[str, Message]]:
        for pair in backlog[:5]:
            yield pair
        raise LookupError("no more")

    fake.fault(SEND_CUSTOM_MESSAGE, Delay(5))
    outcomes: list[Outcome] = []
    async with anyio.create_task_group() as tasks:

        async def take() -> None:
            with pytest.raises(LookupError, match="no more"):
                await gather(kf.send_each(pairs(), concurrency=2), outcomes)

        tasks.start_soon(take)
        await wait_all_tasks_blocked()
        fake.advance(5)

    assert [outcome.index for outcome in outcomes] == list(range(5))


class Wire:
    """
    A way to send on a clock that stands still: each attempt takes its seconds, and is then refused or not.
    """

    def __init__(self, *attempts: tuple[float, int]) -> None:
        self.clock = ManualClock()
        self.times: list[float] = []
        self._attempts = list(attempts)
        self._start = self.clock.monotonic()

    async def send(self, touser: str, message: Message | str) -> None:
        """
        Send one message.
        """
        self.times.append(self.clock.monotonic() - self._start)
        seconds, errcode = self._attempts.pop(0) if self._attempts else (0, 0)
        await self.clock.sleep(seconds)
        if errcode:
            raise api_error(errcode, "refused")

    def outcomes(self, count: int, notebook: Notebook | None = None) -> Outcomes:
        """
        Send so many messages.
        """
        return Outcomes(greetings(count), self.send, 10, self.clock, journal=notebook)

    async def advance(self, *seconds: float) -> None:
        """
        Let time pass in steps.
        """
        for step in seconds:
            await wait_all_tasks_blocked()
            self.clock.advance(step)
        await wait_all_tasks_blocked()


async def test_late_refusals_do_not_make_the_pause_longer() -> None:
    """
    When WeChat refuses several that are under way one after the other (45011), all wait for one minute, from the first.
    """
    wire = Wire((1, 45011), (20, 45011), (40, 45011), (50, 0))
    outcomes: list[Outcome] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gather, wire.outcomes(4), outcomes)
        await wire.advance(1, 19, 20, 10, 12)

    assert wire.times == [0, 0, 0, 0, 62, 62, 62]
    assert [outcome.error for outcome in outcomes] == [None] * 4


async def test_pause_is_no_doubt() -> None:
    """
    What waits since there were too many calls is noted as not sent: a run that is killed meanwhile sends it next time.
    """
    wire, notebook = Wire((1, 45011), (20, 0)), Notebook()
    outcomes: list[Outcome] = []
    meanwhile: list[list[str]] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gather, wire.outcomes(2, notebook), outcomes)
        await wire.advance(1, 19, 10)
        meanwhile += [notebook.states(0), notebook.states(1)]
        await wire.advance(32)

    assert meanwhile == [["sending", "failed"], ["sending", "delivered"]]
    assert notebook.states(0) == ["sending", "failed", "sending", "delivered"]


async def test_leaving_in_a_pause() -> None:
    """
    Closing does not wait for WeChat to take calls again; what has waited for that is not sent.
    """
    wire = Wire((1, 45011), (20, 0))
    outcomes = wire.outcomes(2)
    told: list[int] = []
    async with anyio.create_task_group() as tasks:

        async def take() -> None:
            async with aclosing(outcomes):
                told.append((await anext(outcomes)).index)

        tasks.start_soon(take)
        await wire.advance(1, 19)

    assert told == [1]
    assert wire.times == [0, 0]
    assert [outcome async for outcome in outcomes] == []


async def test_day_used_up_in_a_pause() -> None:
    """
    When the day's quota is used up (45009), what waits for a minute to pass is told at once.
    """
    wire = Wire((1, 45011), (20, 45009), (30, 0))
    outcomes = wire.outcomes(3)
    told: list[Outcome] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gather, outcomes, told)
        await wire.advance(1, 19, 10)
    errors = {each.index: each.error for each in told}

    assert wire.times == [0] * 3
    assert outcomes.counts == Counts(delivered=1, refused={45009: 1}, uncertain=0, not_sent=1)
    assert isinstance(errors[0], NotSent)
    assert errors[0].is_lasting
    assert errors[0].__cause__ is errors[1]
    assert "the day's quota (45009)" in str(errors[0])


async def test_counts(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    At any time the counts tell how many have fared how; a copy that was taken before does not change.
    """
    fake.fault(SEND_CUSTOM_MESSAGE, Errcode(45015), times=2)
    fake.fault(SEND_CUSTOM_MESSAGE, Errcode(45002))
    fake.fault(SEND_CUSTOM_MESSAGE, DropAfter())
    pairs: list[Any] = [*greetings(7), (OPENIDS[8], 5)]
    outcomes = kf.send_each(pairs, concurrency=1)
    before = outcomes.counts
    totals = [outcomes.counts.total async for _ in outcomes]

    assert before == Counts()
    assert totals == [1, 2, 3, 4, 5, 6, 7, 8]
    assert outcomes.counts == Counts(delivered=3, refused={45015: 2, 45002: 1}, uncertain=1, not_sent=1)


@pytest.mark.parametrize("state", ["sending", "delivered"])
async def test_journal_that_fails(fake: FakeWeChat, kf: AsyncKfClient, state: str) -> None:
    """
    When an entry cannot be written nothing more is sent; what was is told, then the journal's error comes out.
    """
    notebook = Notebook()

    def fail(entry: Entry) -> None:
        if (entry.index, entry.state) == (4, state):
            raise LookupError("the journal is gone")

    notebook.before = fail
    told: list[Outcome] = []
    with pytest.raises(LookupError, match="the journal is gone"):
        await gather(kf.send_each(greetings(60), journal=notebook, concurrency=3), told)

    assert sorted(outcome.touser for outcome in told) == sorted(got(fake))
    assert len(fake.sent) < 10
    assert notebook.states(4) == (["sending"] if state == "delivered" else [])
    assert (OPENIDS[4] in got(fake)) == (state == "delivered")


async def test_cancelled_before_it_was_sent(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    What is cancelled while it is being noted is noted as not sent; what is cancelled on its way stays as it is.
    """
    scope = anyio.CancelScope()

    class Slow(Notebook):
        async def write(self, entry: Entry) -> None:
            if (entry.index, entry.state) == (2, "sending"):
                scope.cancel()
                await anyio.sleep_forever()
            await super().write(entry)

    notebook = Slow()
    fake.fault(SEND_CUSTOM_MESSAGE, Delay(5), after=1)
    with scope:
        await gather(kf.send_each(greetings(3), journal=notebook, concurrency=2), [])
    last = {index: entry.state for index, entry in notebook.entries.items()}

    assert scope.cancelled_caught
    # Which of the first two is sent first is the event loop's choice.
    assert (last[2], sorted([last[0], last[1]])) == ("failed", ["delivered", "sending"])
    assert under_way(fake) == 0


async def test_journal_that_does_not_open(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A journal that cannot be opened is an error of the loop, and nothing is sent or taken.
    """

    class Missing(Notebook):
        def open(self, account: str) -> Any:
            raise JournalError("no such journal")

    taken: list[int] = []

    def pairs() -> Iterator[tuple[str, Message]]:
        taken.append(1)
        yield from greetings(3)

    outcomes = kf.send_each(pairs(), journal=Missing())
    with pytest.raises(JournalError, match=r"no such journal\.$"):
        await anext(outcomes)

    assert [outcome async for outcome in outcomes] == []
    assert (fake.sent, taken) == ([], [])


async def test_fields_of_each_message(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A sub-merchant and further fields go with each message, as they do with a single one.
    """
    await gather(kf.send_each(greetings(2), businessid="100", extra={"tomorrow": 1}), [])
    sent = [call.json for call in fake.calls if call.path == SEND_CUSTOM_MESSAGE.path]

    assert [(each["businessid"], each["tomorrow"]) for each in sent] == [("100", 1)] * 2
