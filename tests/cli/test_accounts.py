"""
``wechat-kf accounts``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from wechat_kf.testing import FakeWeChat

from .conftest import Ended

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\xff\xd9"


def test_a_life(fake: FakeWeChat, run: Callable[..., Ended], tmp_path: Path) -> None:
    """
    An account is made, renamed, staffed, given a picture, listed and removed; each step says what it did.
    """
    (tmp_path / "lin.jpg").write_bytes(JPEG)
    steps = [
        run("accounts", "add", "lin@shop", "小林"),
        run("accounts", "rename", "lin@shop", "林"),
        run("accounts", "avatar", "lin@shop", tmp_path / "lin.jpg"),
        run("accounts", "invite", "lin@shop", "wx-lin"),
        run("accounts", "list"),
        run("accounts", "remove", "lin@shop", "--yes"),
        run("accounts", "list", "--json"),
    ]

    assert [(step.code, step.err) for step in steps] == [(0, "")] * len(steps)
    assert [step.out for step in steps[:4]] == [
        "Made lin@shop. Next: wechat-kf accounts invite lin@shop WECHAT_ID\n",
        "lin@shop is now called 林.\n",
        "lin@shop has its new picture.\n",
        "Invited wx-lin to lin@shop; see wechat-kf accounts list.\n",
    ]
    names, account = [line.split("\t") for line in steps[4].out.splitlines()]
    assert (
        dict(zip(names, account, strict=True)).items()
        >= {
            "kf_account": "lin@shop",
            "kf_nick": "林",
            "kf_wx": "",
            "invite_wx": "wx-lin",
            "invite_status": "waiting",
        }.items()
    )
    assert account[-1].endswith("+08:00")
    assert steps[5].out == "Deleted lin@shop.\n"
    assert steps[6].json == []


def test_json(fake: FakeWeChat, run: Callable[..., Ended]) -> None:
    """
    Programs get the wire's names and values.
    """
    made = run("accounts", "add", "lin@shop", "小林", "--json")
    fake.agent_online("lin@shop")
    listed = run("accounts", "list", "--json")
    online = run("accounts", "list", "--online", "--json")

    assert made.json == {"kf_account": "lin@shop", "nickname": "小林"}
    assert [(each["kf_account"], each["kf_nick"]) for each in listed.json] == [("lin@shop", "小林")]
    assert [(each["kf_account"], each["status"], each["accepted_case"]) for each in online.json] == [("lin@shop", 1, 0)]


def test_online(fake: FakeWeChat, run: Callable[..., Ended]) -> None:
    """
    People read where an agent is online.
    """
    run("accounts", "add", "lin@shop", "小林")
    fake.agent_online("lin@shop")
    ended = run("accounts", "list", "--online")

    assert ended.out.splitlines()[1].split("\t")[:4] == ["lin@shop", "1001", "WEB", "0"]


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("YES\n", 0), ("n\n", 2), ("", 2)])
def test_removing_asks(fake: FakeWeChat, run: Callable[..., Ended], answer: str, code: int) -> None:
    """
    On a terminal an account is removed when the question is answered with yes, and only then.
    """
    run("accounts", "add", "lin@shop", "小林")
    ended = run("accounts", "remove", "lin@shop", typed=answer)
    left = run("accounts", "list", "--json").json

    assert ended.code == code
    assert ended.err.startswith("Delete lin@shop? [y/N] ")
    assert len(left) == (0 if code == 0 else 1)
    assert fake.calls


def test_removing_without_a_terminal(fake: FakeWeChat, run: Callable[..., Ended]) -> None:
    """
    Where nobody can be asked, nothing is removed without ``--yes``.
    """
    ended = run("accounts", "remove", "lin@shop")

    assert (ended.code, ended.err) == (2, "wechat-kf: There is no terminal to ask on: say --yes.\n")
    assert not fake.calls


def test_wrong_picture(fake: FakeWeChat, run: Callable[..., Ended], tmp_path: Path) -> None:
    """
    A picture that is none, or is not there, is told before anything is sent.
    """
    (tmp_path / "a.jpg").write_bytes(b"hello")
    ended = [run("accounts", "avatar", "lin@shop", tmp_path / name) for name in ("a.jpg", "b.jpg")]

    assert [each.code for each in ended] == [2, 7]
    assert "Nothing was sent" in ended[0].err
    assert "b.jpg cannot be used: No such file or directory." in ended[1].err
    assert not fake.calls


def test_on_a_terminal(fake: FakeWeChat, run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    On a terminal there is a table, or where that is too wide a line for each field, and nothing in it is obeyed.
    """
    run("accounts", "add", "lin@shop", "小\u202e[red]")
    fake.agent_online("lin@shop")
    said: dict[int, str] = {}
    for width in (200, 30):
        monkeypatch.setenv("COLUMNS", str(width))
        said[width] = re.sub(r"\x1b\[\d*m", "", run("accounts", "list", typed="").out)
    for_programs = run("accounts", "list", "--json")

    assert re.search(r"^ *lin@shop +小\\u202e\[red\] +1001 ", said[200], re.MULTILINE)
    assert max(map(len, said[200].splitlines())) <= 200
    assert said[30].startswith("kf_account          lin@shop\nkf_nick             小\\u202e[red]\n")
    assert "\u202e" not in said[200] + said[30] + for_programs.out
    assert for_programs.json[0]["kf_nick"] == "小\u202e[red]"
