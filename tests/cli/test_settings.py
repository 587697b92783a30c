"""
Where the account's settings come from.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wechat_kf.testing import FakeWeChat

from .conftest import Ended

Write = Callable[[str, str | bytes], Path]


@pytest.mark.parametrize(
    "form",
    [
        "WECHAT_SECRET={secret}\n",
        "\ufeffWECHAT_SECRET={secret}",
        "# of the shop\n\nexport WECHAT_SECRET = {secret}   # kept\r\nOTHER=1\n",
        "WECHAT_SECRET='{secret}'\nWECHAT_APPID=\n",
        'WECHAT_SECRET="{secret}" # kept',
    ],
    ids=["plain", "BOM", "export", "single", "double"],
)
def test_env_file(
    fake: FakeWeChat, run: Callable[..., Ended], write: Write, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """
    A file wins over the environment, in any form that such files have; what it leaves out the environment has.
    """
    path = write("shop.env", form.format(secret=fake.secret))
    monkeypatch.setenv("WECHAT_SECRET", "0" * 31)

    assert run("accounts", "list").code == 3
    assert run("accounts", "list", "--env-file", path).code == 0


@pytest.mark.parametrize("missing", ["WECHAT_APPID", "WECHAT_SECRET"])
def test_missing(fake: FakeWeChat, run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """
    A missing variable is named.
    """
    monkeypatch.setenv(missing, "")
    ended = run("accounts", "list")

    assert (ended.code, ended.out) == (3, "")
    assert ended.err == (
        f"wechat-kf: {missing} is not set: set it in the environment, or in a file named with --env-file.\n"
    )


def test_malformed(fake: FakeWeChat, run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A value that cannot be right is told before anything is sent.
    """
    monkeypatch.setenv("WECHAT_APPID", f"{fake.appid} ")
    ended = run("accounts", "list")

    assert ended.code == 3
    assert "appid must not begin or end with a blank" in ended.err
    assert not fake.calls


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        ("WECHAT_APPID=wx1\nhunter2\n", 2, "shop.env, line 2: it is not NAME=value."),
        ("WECHAT_SECRET='hunter2\n", 2, "shop.env, line 1: it is not NAME=value."),
        (b"WECHAT_APPID=\xff", 2, "shop.env is not a text file in UTF-8."),
        (None, 7, "shop.env cannot be read: No such file or directory."),
    ],
    ids=["no name", "quote", "bytes", "missing"],
)
def test_wrong_file(
    fake: FakeWeChat,
    run: Callable[..., Ended],
    write: Write,
    tmp_path: Path,
    *,
    content: str | bytes | None,
    code: int,
    told: str,
) -> None:
    """
    A file that cannot be read is told with the line's number, but without the line, which may hold a secret.
    """
    path = tmp_path / "shop.env" if content is None else write("shop.env", content)
    ended = run("accounts", "list", "--env-file", path)

    assert ended.code == code
    assert told in ended.err
    assert "hunter2" not in ended.err
    assert not fake.calls
