"""
The history: one page, and any span in windows and pages, each record once however borders are counted.
"""

from __future__ import annotations

import gc
import json
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from hypothesis import given, settings
from hypothesis import strategies as st

from wechat_kf import (
    AsyncKfClient,
    InvalidArgument,
    MsgList,
    MsgRecord,
    OperCode,
    QuotaExceeded,
    ReplyError,
)
from wechat_kf.api.records import GET_MSG_LIST
from wechat_kf.testing import Delay, Errcode, FakeWeChat, Garble, ManualClock

from ..conftest import Connect

OPENID = "oDF3iY9WMaswOPWjCIp_f3Bnpljk"
KF_ACCOUNT = "test1@test"
START = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = int(START.timestamp())
DAY = 24 * 60 * 60


@pytest.fixture
def fake() -> FakeWeChat:
    """
    Make a stand-in whose clock stands still, with a session open.
    """
    return make_fake()


def make_fake() -> FakeWeChat:
    """
    Make a stand-in on which whatever the customer says is history.
    """
    fake = FakeWeChat(clock=ManualClock(START))
    fake.agent_online(KF_ACCOUNT, auto_accept=1)
    fake.user_says(OPENID, "在吗")
    fake.user_waits(OPENID)
    return fake


@pytest.fixture
def kf(fake: FakeWeChat, connect: Connect) -> AsyncKfClient:
    """
    Make a client for it.
    """
    return connect(fake)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> int:
    """
    Let a page have three records at most.
    """
    monkeypatch.setattr("wechat_kf.api.records._PAGE", 3)
    return 3


def pages_asked(fake: FakeWeChat) -> list[tuple[int, int, int, int]]:
    """
    List the pages that were asked for: the window from the first second on, the cursor, the number.
    """
    asked = [call.json for call in fake.calls if call.path == GET_MSG_LIST.path]
    return [(each["starttime"] - FIRST, each["endtime"] - FIRST, each["msgid"], each["number"]) for each in asked]


def say_at(fake: FakeWeChat, seconds: float, *texts: str) -> None:
    """
    Let the customer write, so many seconds after the start.
    """
    ahead = FIRST + seconds - fake.clock.now().timestamp()
    # A session in which nothing passes ends after half an hour.
    fake.limits.session = 1e9
    fake.advance(ahead)
    for text in texts:
        fake.user_says(OPENID, text)


async def read(kf: AsyncKfClient, start: datetime | int, end: datetime | int) -> list[str]:
    """
    Read the texts of a span.
    """
    return [record.text async for record in kf.iter_msg_records(start, end)]


def record(text: str, second: int) -> dict[str, Any]:
    """
    Write a record as WeChat does.
    """
    return {"openid": OPENID, "opercode": 2003, "text": text, "time": FIRST + second, "worker": KF_ACCOUNT}


def answer(fake: FakeWeChat, *pages: dict[str, Any]) -> None:
    """
    Let the next pages be these, whatever is asked.
    """
    for page in pages:
        fake.fault(GET_MSG_LIST, Garble(json.dumps(page).encode()))


async def test_one_page(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A page is asked for in Unix seconds and comes as values, with the place to go on from.
    """
    fake.agent_says(OPENID, "您好，请问有什么可以帮您？")
    fake.advance(1)
    fake.user_says(OPENID, "我的订单呢")
    page = await kf.get_msg_list(START, START + timedelta(hours=1), number=10)
    rest = await kf.get_msg_list(FIRST, FIRST + 3600, msgid=page.msgid)

    assert page.recordlist == (
        MsgRecord(OPENID, OperCode(2002), "您好，请问有什么可以帮您？", START, KF_ACCOUNT),
        MsgRecord(OPENID, OperCode(2003), "我的订单呢", START + timedelta(seconds=1), KF_ACCOUNT),
    )
    assert page.number == 2
    assert rest == MsgList()
    assert pages_asked(fake) == [(0, 3600, 1, 10), (0, 3600, page.msgid, 10_000)]


@pytest.mark.parametrize(
    ("start", "end", "cursor", "problem"),
    [
        (datetime(2026, 1, 1), FIRST, {}, "starttime must be an aware datetime"),  # noqa: DTZ001
        (FIRST, datetime(2026, 1, 1), {}, "endtime must be an aware datetime"),  # noqa: DTZ001
        (FIRST * 1000, FIRST * 1000, {}, "milliseconds"),
        (-1, FIRST, {}, "starttime"),
        (FIRST, FIRST - 1, {}, "endtime must be at or up to 24 hours after starttime"),
        (FIRST, FIRST + DAY + 1, {}, "endtime must be at or up to 24 hours after starttime"),
        (FIRST, FIRST, {"msgid": 0}, "msgid must be at least 1"),
        (FIRST, FIRST, {"number": 0}, "number must be 1 to 10000"),
        (FIRST, FIRST, {"number": 10_001}, "number must be 1 to 10000"),
    ],
)
async def test_wrong_page(
    fake: FakeWeChat, kf: AsyncKfClient, start: Any, end: Any, *, cursor: dict[str, int], problem: str
) -> None:
    """
    A page that WeChat would refuse, or answer with nothing, is not asked for.
    """
    with pytest.raises(ValueError, match=problem):
        await kf.get_msg_list(start, end, **cursor)

    assert fake.calls == []


async def test_bounds_of_a_page(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    The smallest and the largest page pass.
    """
    await kf.get_msg_list(FIRST, FIRST, msgid=1, number=1)
    await kf.get_msg_list(FIRST, FIRST + DAY, number=10_000)

    assert len(pages_asked(fake)) == 2


async def test_refused_page(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A refusal of WeChat's is told as what it is.
    """
    fake.fault(GET_MSG_LIST, Errcode(65417))
    with pytest.raises(InvalidArgument) as caught:
        await kf.get_msg_list(FIRST, FIRST)

    assert caught.value.errcode == 65417


async def test_more_records_than_a_page_has(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A day with more than 10,000 records is read in two pages.
    """
    texts = [str(number) for number in range(10_005)]
    say_at(fake, 10, *texts)

    assert await read(kf, START, START + timedelta(hours=1)) == texts
    assert [asked[3] for asked in pages_asked(fake)] == [10_000, 10_000]


@pytest.mark.parametrize(
    ("span", "windows"),
    [
        (0, [(0, 0)]),
        (1, [(0, 1)]),
        (DAY - 1, [(0, DAY - 1)]),
        (DAY, [(0, DAY)]),
        (DAY + 1, [(0, DAY), (DAY, DAY + 1)]),
        (2 * DAY, [(0, DAY), (DAY, 2 * DAY)]),
        (2 * DAY + 1, [(0, DAY), (DAY, 2 * DAY), (2 * DAY, 2 * DAY + 1)]),
    ],
)
async def test_windows(fake: FakeWeChat, kf: AsyncKfClient, span: int, windows: list[tuple[int, int]]) -> None:
    """
    A span is read in windows of at most a day, also where there is nothing.
    """
    assert await read(kf, FIRST, FIRST + span) == []
    assert [asked[:3] for asked in pages_asked(fake)] == [(*window, 1) for window in windows]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("repeats", [False, True])
async def test_records_at_the_borders_of_windows(fake: FakeWeChat, kf: AsyncKfClient, *, repeats: bool) -> None:
    """
    A second in which two windows meet is given once, also if it takes several pages, and equal records in it are kept.
    """
    fake.limits.records_cursor_repeats = repeats
    say_at(fake, 5, "a", "b")
    say_at(fake, DAY, "c", "d", "d", "e", "f", "d", "d", "g")
    say_at(fake, 2 * DAY, "h")
    say_at(fake, 2 * DAY + 5, "i")

    assert await read(kf, FIRST, FIRST + 3 * DAY) == list("abcddefddghi")


@pytest.mark.usefixtures("small_pages")
async def test_first_record_of_a_page_again(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    If the cursor is inclusive, the record it names is given once.
    """
    fake.limits.records_cursor_repeats = True
    say_at(fake, 5, *"abcdefg")

    assert await read(kf, FIRST, FIRST + 10) == list("abcdefg")
    assert len(pages_asked(fake)) == 4


async def test_window_whose_end_is_not_part_of_it(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    If the end of a window is exclusive, nothing at the border is lost.
    """
    answer(
        fake,
        {"recordlist": [record("a", DAY - 1)], "number": 1, "msgid": 5},
        {"recordlist": [record("b", DAY), record("b", DAY)], "number": 2, "msgid": 7},
    )

    assert await read(kf, FIRST, FIRST + DAY + 5) == ["a", "b", "b"]


@pytest.mark.usefixtures("small_pages")
async def test_numbers_that_are_off(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A page is full if either its number or its list says so: a number may be missing, and records may be left out.
    """
    answer(
        fake,
        {"recordlist": [record("a", 1), record("b", 2), record("c", 3)], "msgid": 3},
        {"recordlist": [record("d", 4)], "number": 3, "msgid": 6},
        {"recordlist": [], "number": 3, "msgid": 9},
        {"recordlist": [record("d", 4), record("e", 5)], "number": 2, "msgid": 11},
    )

    assert await read(kf, FIRST, FIRST + 10) == list("abcde")
    assert [asked[2] for asked in pages_asked(fake)] == [1, 3, 6, 9]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("cursor", [0, 2, 3])
async def test_cursor_that_stands_still(fake: FakeWeChat, kf: AsyncKfClient, cursor: int) -> None:
    """
    When the cursor of a full page does not move on, its records are given, then an error says that there may be more.
    """
    full = [record("a", 1), record("b", 2), record("c", 3)]
    answer(
        fake,
        {"recordlist": full, "number": 3, "msgid": 3},
        {"recordlist": [record("d", 4), record("e", 5), record("f", 6)], "number": 3, "msgid": cursor},
    )
    records = kf.iter_msg_records(FIRST, FIRST + 10)
    texts = [(await anext(records)).text for _ in range(6)]

    assert texts == list("abcdef")
    for _ in range(2):
        with pytest.raises(ReplyError, match="stands still") as caught:
            await anext(records)
        assert caught.value.where == "$.msgid"
        assert caught.value.endpoint == GET_MSG_LIST.path
    assert len(pages_asked(fake)) == 2


@settings(deadline=None)  # an event loop each time; how long that takes says nothing
@given(
    gaps=st.lists(st.sampled_from([0, 0, 0, 1, DAY // 2, DAY]), max_size=25),
    repeats=st.booleans(),
    inclusive=st.booleans(),
)
def test_every_record_once(gaps: list[int], *, repeats: bool, inclusive: bool) -> None:
    """
    Any history is given whole and once, true duplicates too, whether cursors repeat a record or not.

    Where the cursor repeats none, two equal records of one second on either side of a page's border count as one:
    nobody can tell.
    """
    fake = make_fake()
    fake.limits.records_cursor_repeats = inclusive
    second = 0
    said: list[str] = []
    for number, gap in enumerate(gaps):
        second += gap
        said.append("重复" if repeats and inclusive else str(number))
        say_at(fake, second, said[-1])

    async def main() -> list[str]:
        async with AsyncKfClient(fake.appid, fake.secret, http=fake.client(), clock=fake.clock) as kf:
            return await read(kf, FIRST, FIRST + second)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wechat_kf.api.records._PAGE", 3)
        texts = anyio.run(main)

    assert texts == said


class Summer(tzinfo):
    """
    A zone that goes from UTC+1 to UTC+2 at the start.
    """

    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(hours=2 if moment is not None and moment.replace(tzinfo=UTC) >= START else 1)

    def dst(self, moment: datetime | None) -> timedelta:
        return self.utcoffset(moment) - timedelta(hours=1)

    def tzname(self, moment: datetime | None) -> str:
        return "summer"


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [
        (FIRST, FIRST + 10, 10),
        (START, START + timedelta(seconds=10.9), 10),
        (START.astimezone(timezone(timedelta(hours=8))), START + timedelta(seconds=10), 10),
        # A day that is an hour shorter.
        (datetime(2025, 12, 31, 12, tzinfo=Summer()), datetime(2026, 1, 1, 12, tzinfo=Summer()), 23 * 3600),
    ],
)
async def test_times(
    fake: FakeWeChat, kf: AsyncKfClient, start: datetime | int, end: datetime | int, seconds: int
) -> None:
    """
    A span is given in Unix seconds or aware datetimes of any zone, also one whose clocks are moved.
    """
    await read(kf, start, end)
    [asked] = pages_asked(fake)

    assert asked[1] - asked[0] == seconds


@pytest.mark.parametrize(
    ("start", "end", "kind"),
    [
        (datetime(2026, 1, 1), START, ValueError),  # noqa: DTZ001
        (START, datetime(2026, 1, 1), ValueError),  # noqa: DTZ001
        (FIRST * 1000, FIRST * 1000, ValueError),
        (FIRST, FIRST - 1, ValueError),
        ("2026-01-01", FIRST, TypeError),
        (float(FIRST), FIRST, TypeError),
        (True, FIRST, TypeError),
    ],
)
def test_wrong_span(start: Any, end: Any, kind: type[Exception]) -> None:
    """
    A wrong span is refused at the call, before the loop begins.
    """
    kf = AsyncKfClient(token="token")

    with pytest.raises(kind):
        kf.iter_msg_records(start, end)


@pytest.mark.usefixtures("small_pages")
async def test_page_that_fails(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    After a failure the iterator goes on where it was.
    """
    say_at(fake, 5, *"abcdefg")
    fake.fault(GET_MSG_LIST, Errcode(45009), after=1)
    texts: list[str] = []
    records = kf.iter_msg_records(FIRST, FIRST + 10)
    with pytest.raises(QuotaExceeded):
        texts += [record.text async for record in records]
    before = list(texts)
    rest = [record.text async for record in records]

    assert before == []
    assert rest == list("defg")


@pytest.mark.usefixtures("small_pages")
async def test_cancelled_while_a_page_is_on_its_way(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    After a cancellation too.
    """
    say_at(fake, 5, *"abcdefg")
    fake.fault(GET_MSG_LIST, Delay(5), after=1)
    texts: list[str] = []
    records = kf.iter_msg_records(FIRST, FIRST + 10)

    async def consume() -> None:
        async for record in records:
            texts.append(record.text)  # noqa: PERF401 - one by one, so that those before an exception are there

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(consume)
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    await consume()

    assert texts == list("abcdefg")


@pytest.mark.usefixtures("small_pages")
async def test_several_tasks_take_records(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    Tasks that share an iterator get each record once, also when the one that asks for a page is cancelled.
    """
    say_at(fake, 5, *"abcdefghij")
    fake.fault(GET_MSG_LIST, Delay(5), times=9)
    texts: list[str] = []
    records = kf.iter_msg_records(FIRST, FIRST + 10)

    async def consume() -> None:
        async for record in records:
            texts.append(record.text)  # noqa: PERF401 - one by one, as they come

    async with anyio.create_task_group() as tasks:
        async with anyio.create_task_group() as given_up:
            given_up.start_soon(consume)
            await wait_all_tasks_blocked()
            tasks.start_soon(consume)
            tasks.start_soon(consume)
            await wait_all_tasks_blocked()
            given_up.cancel_scope.cancel()
        for _ in range(5):
            await wait_all_tasks_blocked()
            fake.advance(5)

    assert sorted(texts) == list("abcdefghij")
    # The first page twice, since who asked for it gave up.
    assert len(pages_asked(fake)) == 5


@pytest.mark.usefixtures("small_pages")
async def test_left_in_the_middle(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A loop that is left early leaves nothing that warns, and asks for no more pages.
    """
    say_at(fake, 5, *"abcdefg")
    async for _ in kf.iter_msg_records(FIRST, FIRST + 10):
        break
    gc.collect()
    await wait_all_tasks_blocked()

    assert len(pages_asked(fake)) == 1


async def test_on_a_real_socket(connect: Connect) -> None:
    """
    A page large enough to be read in a worker thread comes through a socket.
    """
    fake = make_fake()
    texts = [f"{number}，在吗？" for number in range(3000)]
    say_at(fake, 5, *texts)
    async with fake.serve() as base_url:
        assert await read(connect(base_url), FIRST, FIRST + 10) == texts
