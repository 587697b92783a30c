"""
A broadcast that goes on where another was cut off: what is told, what is sent, and which lists are refused.
"""

from __future__ import annotations

from typing import Any

import pytest

from wechat_kf import AsyncKfClient, JournalError, Outcome, Raw, Text
from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.testing import DropAfter, Errcode, FakeWeChat

from .stage import OPENIDS, Notebook, gather, got, greetings


@pytest.fixture
async def journal(fake: FakeWeChat, kf: AsyncKfClient) -> Notebook:
    """
    Make the journal of a run of six that was cut off.

    Rows 0 and 5 were delivered, 2 was refused, 3 is uncertain, 4 was on its way, and 1 was never begun.
    """
    notebook = Notebook()
    fake.fault(SEND_CUSTOM_MESSAGE, Errcode(45015), after=2)
    fake.fault(SEND_CUSTOM_MESSAGE, DropAfter())
    await gather(kf.send_each(greetings(6), journal=notebook, concurrency=1), [])
    notebook.written = [entry for entry in notebook.written if entry.index != 1]
    notebook.written.remove(notebook.entries[4])
    fake.sent.clear()
    fake.calls.clear()
    return notebook


def told(outcomes: list[Outcome]) -> dict[int, tuple[str, bool]]:
    """
    Say of each row what may have arrived, and whether an earlier run is what tells it.
    """
    return {each.index: (each.error.effect if each.error else "all", each.is_earlier) for each in outcomes}


async def test_what_is_noted(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    Each row is noted before it is sent, and what became of it after; nothing of the message is in it.
    """
    notebook = Notebook()
    before: list[tuple[str, int]] = []
    notebook.before = lambda entry: before.append((entry.state, len(fake.sent)))
    fake.fault(SEND_CUSTOM_MESSAGE, Errcode(45015, "out of time"), after=1)
    fake.fault(SEND_CUSTOM_MESSAGE, DropAfter())
    pairs: list[Any] = [*greetings(3), (OPENIDS[4], 5)]
    await gather(kf.send_each(pairs, journal=notebook, concurrency=1), [])
    states = [(entry.index, entry.touser, entry.state, entry.error[:17]) for entry in notebook.written]

    assert notebook.account == fake.appid
    assert before == [
        *[("sending", 0), ("delivered", 1), ("sending", 1), ("failed", 1), ("sending", 1), ("uncertain", 2)],
    ]
    assert states == [
        (0, OPENIDS[0], "sending", ""),
        (0, OPENIDS[0], "delivered", ""),
        (1, OPENIDS[1], "sending", ""),
        (1, OPENIDS[1], "failed", "45015 out of time"),
        (2, OPENIDS[2], "sending", ""),
        (2, OPENIDS[2], "uncertain", "DeliveryUncertain"),
    ]
    assert "你好" not in str(notebook.written)


async def test_goes_on(fake: FakeWeChat, kf: AsyncKfClient, journal: Notebook) -> None:
    """
    What was delivered, or may have been, is told and not sent; the rest is sent, and what is added to the list.
    """
    outcomes = kf.send_each(greetings(8), journal=journal)
    found: list[Outcome] = []
    await gather(outcomes, found)
    errors = {outcome.index: str(outcome.error) for outcome in found}
    again: list[Outcome] = []
    await gather(kf.send_each(greetings(8), journal=journal), again)

    assert sorted(got(fake)) == [OPENIDS[each] for each in (1, 2, 6, 7)]
    assert told(found) == {
        0: ("all", True),
        1: ("all", False),
        2: ("all", False),
        3: ("unknown", True),
        4: ("unknown", True),
        5: ("all", True),
        6: ("all", False),
        7: ("all", False),
    }
    assert "An earlier run failed: DeliveryUncertain:" in errors[3]
    assert errors[4].startswith("An earlier run ended while this message was on its way. The message may have arrived")
    assert (outcomes.counts.delivered, outcomes.counts.uncertain, outcomes.counts.total) == (6, 2, 8)
    assert len(again) == 8
    assert all(outcome.is_earlier for outcome in again)
    assert len(fake.sent) == 4


OTHER_LISTS = {
    "another text": [(openid, Text("您好")) for openid in OPENIDS[:6]],
    "another kind": [(openid, Raw("text", {"content": "你好", "more": 1})) for openid in OPENIDS[:6]],
    "another order": greetings(6)[::-1],
    "one more before the others": [(OPENIDS[9], Text("你好")), *greetings(6)],
    "one less, which was not begun": [*greetings(6)[:1], *greetings(6)[2:]],
    "too short": greetings(5),
    "nobody": [],
    "the last one is wrong": [*greetings(5), (OPENIDS[5], 5)],
    "the one that was refused is another": [*greetings(2), (OPENIDS[9], Text("你好")), *greetings(6)[3:]],
}


@pytest.mark.parametrize("pairs", OTHER_LISTS.values(), ids=OTHER_LISTS)
async def test_other_lists(fake: FakeWeChat, kf: AsyncKfClient, journal: Notebook, pairs: Any) -> None:
    """
    A list that is not the journal's is refused before anything of it is sent, and the journal stays as it is.
    """
    before = list(journal.written)
    found: list[Outcome] = []
    with pytest.raises(JournalError, match=r"The journal is of another list: row \d.*Nothing of this list was sent"):
        await gather(kf.send_each(pairs, journal=journal), found)

    assert fake.sent == []
    assert journal.written == before
    assert all(outcome.is_earlier or outcome.index == 5 for outcome in found)


async def test_wrong_rows_may_be_mended(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A pair that was wrong was never begun, so another may stand in its place when the list is sent again.
    """
    notebook = Notebook()
    await gather(kf.send_each([*greetings(2), ("", "你好"), greetings(4)[3]], journal=notebook), [])
    found: list[Outcome] = []
    await gather(kf.send_each(greetings(4), journal=notebook), found)

    assert sorted(got(fake)) == OPENIDS[:4]
    assert told(found) == {0: ("all", True), 1: ("all", True), 2: ("all", False), 3: ("all", True)}


async def test_how_a_text_is_given_does_not_matter(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A ``str`` is the same row as its `Text`, and half an emoji does no harm.
    """
    notebook = Notebook()
    await gather(kf.send_each([(OPENIDS[0], "你好\ud83d")], journal=notebook), [])
    await gather(kf.send_each([(OPENIDS[0], Text("你好"))], journal=notebook), [])

    assert got(fake) == OPENIDS[:1]


async def test_everything_refused_is_sent_again(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A run that came to nothing is made again from the first row to the last.
    """
    notebook = Notebook()
    fake.fault(SEND_CUSTOM_MESSAGE, Errcode(48001), times=6)
    first, second = kf.send_each(greetings(6), journal=notebook), kf.send_each(greetings(6), journal=notebook)
    await gather(first, [])
    await gather(second, [])

    assert (first.counts.refused, first.counts.total) == ({48001: 6}, 6)
    assert (second.counts.delivered, second.counts.total) == (6, 6)
    assert sorted(got(fake)) == OPENIDS[:6]
