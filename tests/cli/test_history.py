"""
``wechat-kf history``.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal

from wechat_kf.testing import Delay, Errcode, FakeWeChat, ManualClock

from .conftest import Ended

Interrupt = Callable[..., None]

GET_MSG_LIST = "/customservice/msgrecord/getmsglist"
HOUR = 3600.0
SPAN = ("--from", "2026-01-01T00:00Z", "--to", "2026-01-05T00:00Z")

# What is said at each sixth hour of four days. The border of the first two has a record twice, and two that differ.
TEXTS = [
    ["=1+1"],
    ['a,"b"\nc'],
    ["\x1b[2J"],
    ["二\u2028三"],
    ["同一句", "同一句", "另一句"],
    *([f"第{number}"] for number in range(5, 17)),
]


@pytest.fixture
def fake(portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch) -> Generator[FakeWeChat]:
    """
    Serve a stand-in with a history of four days.
    """
    fake = FakeWeChat(clock=ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))
    with portal.wrap_async_context_manager(fake.serve()) as base_url:
        monkeypatch.setenv("WECHAT_APPID", fake.appid)
        monkeypatch.setenv("WECHAT_SECRET", fake.secret)
        monkeypatch.setenv("WECHAT_BASE_URL", base_url)
        fake.agent_online("lin@shop")
        for texts in TEXTS:
            fake.user_says("o1", "在吗")
            fake.user_waits("o1")
            fake.agent_accepts("lin@shop")
            for text in texts:
                fake.agent_says("o1", text)
            fake.agent_closes("o1")
            portal.call(fake.advance, 6 * HOUR)
        yield fake


def texts_of(content: bytes) -> list[str]:
    """
    Read the texts of an export in JSON.
    """
    return [json.loads(line)["text"] for line in content.decode().split("\n")[:-1]]


def test_json_lines(fake: FakeWeChat, run: Callable[..., Ended], tmp_path: Path) -> None:
    """
    Each record is a line of JSON, in order and once, with the time in Beijing; nothing else is left behind.
    """
    ended = run("history", "export", tmp_path / "a.jsonl", *SPAN)
    content = (tmp_path / "a.jsonl").read_bytes()

    assert ended == Ended(0, f"Saved 19 records in {tmp_path / 'a.jsonl'}.\n", "")
    assert texts_of(content) == [text for texts in TEXTS for text in texts]
    assert json.loads(content.split(b"\n")[0]) == {
        "time": "2026-01-01T08:00:00+08:00",
        "openid": "o1",
        "opercode": 2002,
        "worker": "lin@shop",
        "text": "=1+1",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
    assert fake.calls


def test_csv(fake: FakeWeChat, run: Callable[..., Ended], tmp_path: Path) -> None:
    """
    CSV can be opened by a spreadsheet, which takes no customer's text for a formula.
    """
    ended = run("history", "export", tmp_path / "a.CSV", *SPAN, "--json")
    content = (tmp_path / "a.CSV").read_bytes()
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))

    assert ended.json == {"file": str(tmp_path / "a.CSV"), "records": 19}
    assert content.startswith(b"\xef\xbb\xbf")
    assert rows[0] == ["time", "openid", "opercode", "worker", "text"]
    assert [row[4] for row in rows[1:4]] == ["'=1+1", 'a,"b"\nc', "\x1b[2J"]
    assert len(rows) == 20
    assert fake.calls


def test_stopped_and_taken_up(
    fake: FakeWeChat, run: Callable[..., Ended], tmp_path: Path, interrupt: Interrupt
) -> None:
    """
    Stopped by Ctrl-C, what there is ends with a whole day; the same command goes on, and the file is the same.
    """
    whole, parts = tmp_path / "whole.jsonl", tmp_path / "parts.jsonl"
    run("history", "export", whole, *SPAN)
    fake.fault(GET_MSG_LIST, Delay(60.0), after=1)
    asked = len(fake.calls)
    interrupt(lambda: sum(call.path == GET_MSG_LIST for call in fake.calls[asked:]) == 2)
    stopped = run("history", "export", parts, *SPAN)
    so_far = (tmp_path / "parts.jsonl.part").read_bytes()
    # As if the machine had stopped in the middle of a write.
    (tmp_path / "parts.jsonl.part").write_bytes(so_far + b'{"time":"20')
    ended = run("history", "export", parts, *SPAN)

    assert (stopped.code, stopped.out) == (130, "")
    assert stopped.err == "wechat-kf: 7 records so far; the same command goes on.\nwechat-kf: Stopped.\n"
    assert texts_of(so_far) == [text for texts in TEXTS[:5] for text in texts]
    assert (ended.code, ended.err) == (0, "wechat-kf: Going on after 7 records.\n")
    assert parts.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts.jsonl", "whole.jsonl"]


def test_failed_and_taken_up(fake: FakeWeChat, run: Callable[..., Ended], tmp_path: Path) -> None:
    """
    After a refusal, too, the same command goes on; without an end it goes to the time at which it was begun.
    """
    fake.fault(GET_MSG_LIST, Errcode(45009), after=2)
    start = (datetime.now(UTC) - timedelta(days=4, hours=12)).isoformat()
    arguments = ("history", "export", tmp_path / "a", "--from", start, "--format", "csv")
    refused = run(*arguments)
    begun = json.loads((tmp_path / "a.state").read_bytes())["last"]
    ended = run(*arguments)
    asked = [call.json["endtime"] for call in fake.calls if call.path == GET_MSG_LIST]

    assert refused.code == 4
    assert refused.err.startswith("wechat-kf: 0 records so far; the same command goes on.\n")
    assert ended.out == f"Saved 0 records in {tmp_path / 'a'}.\n"
    assert (len(asked), asked[-1]) == (6, begun)


def test_dates(fake: FakeWeChat, run: Callable[..., Ended], tmp_path: Path) -> None:
    """
    A date is a whole day in Beijing.
    """
    run("history", "export", tmp_path / "a.jsonl", "--from", "2026-01-02", "--to", "2026-01-02")
    [call] = [call.json for call in fake.calls if call.path == GET_MSG_LIST]

    assert (call["starttime"], call["endtime"]) == (1767283200, 1767283200 + 86399)


def state(**changed: Any) -> bytes:
    """
    Write a state as it stands at the beginning.
    """
    about = {"appid": FakeWeChat().appid, "first": 1767225600, "until": 1767571200, "format": "jsonl"}
    return json.dumps(
        {**about, "last": 1767571200, "next": 1767225600, "bytes": 0, "records": 0, "border": [], **changed}
    ).encode()


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"a.jsonl": b""}, "a.jsonl is there already; it is left as it is."),
        ({"a.jsonl.part": b""}, "a.jsonl.part is there, but no a.jsonl.state that says what it is."),
        ({"a.jsonl.state": b"{", "a.jsonl.part": b""}, "cannot be taken up; remove them."),
        ({"a.jsonl.state": state(border=[[1]]), "a.jsonl.part": b""}, "cannot be taken up; remove them."),
        ({"a.jsonl.state": state()}, "cannot be taken up; remove them."),
        (
            {"a.jsonl.state": state(format="csv"), "a.jsonl.part": b""},
            "a.jsonl.part is of another export",
        ),
        (
            {"a.jsonl.state": state(appid="wx1"), "a.jsonl.part": b""},
            "a.jsonl.part is of another export",
        ),
        ({"a.jsonl.state": state(bytes=9), "a.jsonl.part": b""}, "a.jsonl.part is shorter than a.jsonl.state says"),
    ],
    ids=["file", "part", "no JSON", "wrong JSON", "state", "format", "account", "short"],
)
def test_what_is_in_the_way(
    fake: FakeWeChat, run: Callable[..., Ended], tmp_path: Path, files: dict[str, bytes], told: str
) -> None:
    """
    What is there and is not this export's is left as it is.
    """
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    ended = run("history", "export", tmp_path / "a.jsonl", *SPAN)

    assert ended.code == 7
    assert told in ended.err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
    assert not fake.calls


def test_no_folder(fake: FakeWeChat, run: Callable[..., Ended], tmp_path: Path) -> None:
    """
    A file that cannot be made is told before anything is asked for.
    """
    ended = run("history", "export", tmp_path / "nowhere" / "a.jsonl", *SPAN)

    assert ended.code == 7
    assert ended.err.endswith("a.jsonl.part cannot be used: No such file or directory.\n")
    assert not fake.calls


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a.txt", "--from", "2026-01-01"], "Say --format jsonl or --format csv"),
        (["a.csv"], "--from"),
        (["a.csv", "--from", "yesterday"], "--from must be such as 2026-01-31"),
        (["a.csv", "--from", "2026-01-01", "--to", "31.1.2026"], "--to must be such as 2026-01-31"),
        (["a.csv", "--from", "2026-01-02", "--to", "2026-01-01"], "--to must not be before --from"),
        (["a.csv", "--from", "2999-01-01"], "nor --from in the future"),
    ],
)
def test_usage(fake: FakeWeChat, run: Callable[..., Ended], arguments: list[str], told: str) -> None:
    """
    What cannot be meant is told before anything is asked for.
    """
    ended = run("history", "export", *arguments)

    assert ended.code == 2
    assert told in ended.err
    assert not fake.calls
