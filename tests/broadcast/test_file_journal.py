"""
A journal in a file: disks that are full, files that are torn, foreign or taken.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import anyio
import pytest

from wechat_kf import AsyncKfClient, FileJournal, JournalError, Outcome
from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.broadcast import Entry
from wechat_kf.testing import Delay, Errcode, FakeWeChat

from .programs import CONCURRENCY, CUSTOMERS, Town
from .stage import OPENIDS, gather, got, greetings

one_loop = pytest.mark.parametrize("anyio_backend", ["asyncio"])


def lines(path: Path) -> list[dict[str, Any]]:
    """
    Read a journal as anybody can.
    """
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read(path: Path) -> bytes:
    """
    Read a file.
    """
    return path.read_bytes()


def write(path: Path, content: bytes) -> None:
    """
    Make a file.
    """
    path.write_bytes(content)


def mode(path: Path) -> int:
    """
    Return who may do what with a file.
    """
    return stat.S_IMODE(path.stat().st_mode)


def size_of(path: Path) -> int:
    """
    Return a file's size.
    """
    return path.stat().st_size


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    Say where the journal is.
    """
    return tmp_path / "broadcast.jsonl"


async def test_format(fake: FakeWeChat, kf: AsyncKfClient, path: Path) -> None:
    """
    A journal is lines of JSON: which account it is of, then the steps of each row. Nobody else can read it.
    """
    fake.fault(SEND_CUSTOM_MESSAGE, Errcode(45015, "out of time"))
    await gather(kf.send_each(greetings(2), journal=FileJournal(path), concurrency=1), [])
    header, *steps = lines(path)

    assert header == {"journal": "wechat_kf broadcast", "version": 1, "account": fake.appid}
    assert [list(step) for step in steps[:2]] == [
        ["index", "touser", "digest", "state"],
        ["index", "touser", "digest", "state", "error"],
    ]
    assert [(step["index"], step["touser"], step["state"], step.get("error")) for step in steps] == [
        (0, OPENIDS[0], "sending", None),
        (0, OPENIDS[0], "failed", "45015 out of time"),
        (1, OPENIDS[1], "sending", None),
        (1, OPENIDS[1], "delivered", None),
    ]
    assert steps[0]["digest"] == steps[1]["digest"] != steps[2]["digest"]
    assert mode(path) == 0o600


async def test_goes_on(fake: FakeWeChat, kf: AsyncKfClient, path: Path) -> None:
    """
    A run goes on from the file of another, whether its path is a str or a `Path`, and many runs from one journal.
    """
    journal = FileJournal(str(path))
    fake.fault(SEND_CUSTOM_MESSAGE, Errcode(45015), after=1)
    await gather(kf.send_each(greetings(3), journal=FileJournal(path)), [])
    found: list[Outcome] = []
    await gather(kf.send_each(greetings(4), journal=journal), found)
    await gather(kf.send_each(greetings(5), journal=journal), [])

    assert sorted(got(fake)) == OPENIDS[:5]
    assert sum(outcome.is_earlier for outcome in found) == 2
    assert repr(journal) == f"FileJournal({str(path)!r})"


@one_loop
async def test_no_space_left(path: Path) -> None:
    """
    A run whose journal cannot grow any more stops with an error that says so, and goes on when it can.
    """
    async with Town.open() as town:
        first = await town.run(path, LIMIT="10000")
        size, before = size_of(path), len(town.fake.sent)
        second = await town.run(path, LIMIT=str(size))
        after = len(town.fake.sent)
        third = await town.run(path)

    assert first.error == f"The journal {path} cannot be used: File too large. Nothing more is sent."
    assert size <= 10000
    assert read(path)[:size].endswith(b"\n")
    assert 0 < before == after < 100
    assert len(first.outcomes) == before
    assert second.error == first.error
    town.check_end(third)


async def test_disk_that_fails(
    fake: FakeWeChat, kf: AsyncKfClient, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What is not on the disk is not sent; the error says why, and the rows are sent when the disk is well.
    """
    await gather(kf.send_each(greetings(2), journal=FileJournal(path)), [])
    works = os.fsync

    def fail(number: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    found: list[Outcome] = []
    with pytest.raises(JournalError, match=r"cannot be used: Input/output error. Nothing more is sent"):
        await gather(kf.send_each(greetings(9), journal=FileJournal(path), concurrency=3), found)
    sent = len(fake.sent)
    monkeypatch.setattr(os, "fsync", works)
    await gather(kf.send_each(greetings(9), journal=FileJournal(path)), [])

    assert [outcome.is_earlier for outcome in found] == [True, True]
    assert sent == 2
    assert sorted(got(fake)) == OPENIDS[:9]


@pytest.mark.parametrize(
    ("torn", "uncertain"),
    [
        # A step of row 1 that was noted, of row 2 that was not, and of a row that cannot be told.
        (b'{"index":1,"touser":"o0000000', {1}),
        (b'{"index":2,', {2}),
        (b'{"index":2', set[int]()),
        (b"\0\0\0\0", set[int]()),
        # Of a row that was delivered, and one that is whole but for its end.
        (b'{"index":0,"touser":"o0000000', set[int]()),
        (b'{"index":2,"touser":"%b","digest":"","state":"sending"}' % OPENIDS[2].encode(), {2}),
    ],
)
async def test_torn_last_line(
    fake: FakeWeChat, kf: AsyncKfClient, path: Path, torn: bytes, uncertain: set[int]
) -> None:
    """
    The row of a last line that is torn counts as uncertain, if it can be told; what it tells is put down in its place.
    """
    fake.fault(SEND_CUSTOM_MESSAGE, Errcode(45015), after=1)
    await gather(kf.send_each(greetings(2), journal=FileJournal(path), concurrency=1), [])
    with path.open("ab") as file:
        file.write(torn)
    found: list[Outcome] = []
    await gather(kf.send_each(greetings(4), journal=FileJournal(path)), found)
    steps = lines(path)
    again: list[Outcome] = []
    await gather(kf.send_each(greetings(4), journal=FileJournal(path)), again)

    assert {each.index for each in found if each.error} == {each.index for each in again if each.error} == uncertain
    assert {each.error.effect for each in found if each.error} <= {"unknown"}
    assert sorted(got(fake)) == [OPENIDS[index] for index in range(4) if index not in uncertain]
    assert {step["index"] for step in steps[1:]} == {0, 1, 2, 3}


@pytest.mark.parametrize("beginning", [b"", b'{"journal":"wechat_kf broadcast","version":1,"acc'])
async def test_torn_first_line(fake: FakeWeChat, kf: AsyncKfClient, path: Path, beginning: bytes) -> None:
    """
    A file that is empty, or whose making was cut off, is a new journal.
    """
    write(path, beginning)
    await gather(kf.send_each(greetings(2), journal=FileJournal(path)), [])

    assert sorted(got(fake)) == OPENIDS[:2]
    assert lines(path)[0]["account"] == fake.appid


HEADER = b'{"journal":"wechat_kf broadcast","version":1,"account":"wx5afe0ca11ab1e000"}\n'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"openid,text\no1,hello\n", "is not a journal of a broadcast"),
        (b'["journal"]\n', "is not a journal of a broadcast"),
        (b"[" * 3000 + b"\n", "is not a journal of a broadcast"),
        (b"x" * 10_000, "is not a journal of a broadcast"),
        (HEADER.replace(b"1,", b"2,"), "is of a version that this library does not know"),
        (HEADER.replace(b"wx5a", b"wx5b"), "is of the account 'wx5bfe0ca11ab1e000', not 'wx5afe0ca11ab1e000'"),
        (HEADER + b"hello\n", "Line 2 of .* is not one of a journal"),
        (HEADER + b'{"index":1}\n', "Line 2 of .* is not one of a journal"),
        (HEADER + b'{"index":true,"touser":"o","digest":"","state":"sending"}\n', "Line 2 of .* is not one of a"),
        (HEADER + b'{"index":-1,"touser":"o","digest":"","state":"sending"}\n', "Line 2 of .* is not one of a"),
        (HEADER + b'{"index":1,"touser":1,"digest":"","state":"sending"}\n', "Line 2 of .* is not one of a journal"),
        (HEADER + b'{"index":1,"touser":"o","digest":"","state":"sent"}\n', "Line 2 of .* is not one of a journal"),
        (HEADER + b'{"index":1,"touser":"o","digest":"","state":[]}\n', "Line 2 of .* is not one of a journal"),
    ],
)
async def test_foreign_files(fake: FakeWeChat, kf: AsyncKfClient, path: Path, content: bytes, said: str) -> None:
    """
    A file that is not this account's journal is refused and left as it is.
    """
    write(path, content)
    with pytest.raises(JournalError, match=said):
        await gather(kf.send_each(greetings(2), journal=FileJournal(path)), [])

    assert read(path) == content
    assert fake.sent == []


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("/dev/full", "is not a file"),
        (".", "cannot be used: Is a directory"),
        ("missing/broadcast.jsonl", "cannot be used: No such file or directory"),
    ],
)
async def test_places_for_no_file(fake: FakeWeChat, kf: AsyncKfClient, place: str, said: str, tmp_path: Path) -> None:
    """
    Where no file can be, the error says so before anything is sent.
    """
    with pytest.raises(JournalError, match=said):
        await gather(kf.send_each(greetings(2), journal=FileJournal(tmp_path / place)), [])

    assert fake.sent == []


async def test_taken_by_another_run(fake: FakeWeChat, kf: AsyncKfClient, path: Path) -> None:
    """
    While a run has the journal another is refused, in this process; when it has ended the journal is free.
    """
    first = kf.send_each(greetings(3), journal=FileJournal(path), concurrency=1)
    await anext(first)
    with pytest.raises(JournalError, match=r"Another run has the journal .* Nothing was sent"):
        await gather(kf.send_each(greetings(3), journal=FileJournal(path)), [])
    await first.aclose()
    await gather(kf.send_each(greetings(3), journal=FileJournal(path)), [])

    assert sorted(got(fake)) == OPENIDS[:3]


@one_loop
async def test_taken_by_another_process(path: Path) -> None:
    """
    Of two programs that are started with one journal the second is refused; the first goes on.
    """
    async with Town.open() as town:
        town.fake.fault(SEND_CUSTOM_MESSAGE, Delay(60), times=CONCURRENCY)
        async with town.start(path) as first:
            await town.asked(CONCURRENCY)
            second = await town.run(path)
            asked = town.fake.calls[-1].json["touser"]
            first.process.kill()
        third = await town.run(path)

    assert second.error == f"Another run has the journal {path}. Nothing was sent."
    assert second.outcomes == []
    assert asked in CUSTOMERS[:CONCURRENCY]
    town.check_end(third)


async def test_many_writes_at_once(path: Path) -> None:
    """
    Every write returns when its line is there, whatever the order in which they are served.
    """
    seen: list[bool] = []

    async def note(index: int) -> None:
        await opened.write(Entry(index, "o", "d", "sending"))
        seen.append(b'"index":%d,' % index in read(path))

    async with FileJournal(path).open("wx1") as opened, anyio.create_task_group() as tasks:
        for index in range(50):
            tasks.start_soon(note, index)
    async with FileJournal(path).open("wx1") as opened:
        entries = dict(opened.entries)

    assert seen == [True] * 50
    assert sorted(entries) == list(range(50))
