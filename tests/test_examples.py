"""
The examples that a newcomer runs first, as programs of their own.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.testing import DropAfter, Errcode, FakeWeChat, Fault

EXAMPLES = Path(__file__).parents[1] / "examples"
OPENID = "o6_bmjrPTlm6_2sgVt7hMZOPfL2M"

# The programs are processes of their own, so that one event loop here is enough.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


async def run(example: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """
    Run an example as a program to its end, at most a minute, with no credentials but those given.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WECHAT_")}
    with anyio.fail_after(60):
        return await anyio.run_process(
            [sys.executable, "-W", "error", str(EXAMPLES / example), *arguments],
            env={**environment, "PYTHONIOENCODING": "utf-8", **variables},
            check=False,
        )


@pytest.fixture
def complaint(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Awaitable[str | None]]:
    """
    Run ``send_text.py`` in this process, with no credentials but those given; return what its ``main`` complains of.
    """
    for name in [each for each in os.environ if each.startswith("WECHAT_")]:
        monkeypatch.delenv(name)

    async def run_main(*arguments: str, **variables: str) -> str | None:
        monkeypatch.setattr(sys, "argv", ["send_text.py", *arguments])
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        main: Callable[[], str | None] = runpy.run_path(str(EXAMPLES / "send_text.py"))["main"]
        return await anyio.to_thread.run_sync(main)

    return run_main


async def test_quickstart() -> None:
    """
    The tour runs without credentials, complains of nothing, and tells what happens from the first step to the last.
    """
    ended = await run("quickstart.py")
    said = ended.stdout.decode()
    steps = [
        "listens on http://127.0.0.1:",
        "小林",
        "invitation is waiting",
        "online",
        "A customer wrote; lin@shop serves them now.",
        "typing: True",
        "您好",
        "[image]",
        "[msgmenu]",
        "The history",
        "满意",
        "closed",
    ]
    found = [said.find(step) for step in steps]

    assert (ended.returncode, ended.stderr) == (0, b"")
    assert -1 not in found
    assert found == sorted(found)


async def test_send_text() -> None:
    """
    A text that is sent arrives once.
    """
    fake = FakeWeChat()
    fake.user_says(OPENID, "在吗")
    async with fake.serve() as base_url:
        ended = await run(
            "send_text.py",
            OPENID,
            "你好",
            WECHAT_APPID=fake.appid,
            WECHAT_SECRET=fake.secret,
            WECHAT_BASE_URL=base_url,
        )

    assert (ended.returncode, ended.stderr, ended.stdout.split()) == (0, b"", [b"Sent."])
    assert [(shown.openid, shown.text) for shown in fake.sent] == [(OPENID, "你好")]


@pytest.mark.parametrize(
    ("fault", "beginning", "arrived"),
    [
        (Errcode(45015), "Not sent: ", 0),
        (DropAfter(), "Perhaps sent, so look before you send it again: ", 1),
    ],
)
async def test_send_text_that_fails(
    fault: Fault, beginning: str, arrived: int, complaint: Callable[..., Awaitable[str | None]]
) -> None:
    """
    A failure says whether the text may have arrived; it is never sent twice.
    """
    fake = FakeWeChat()
    fake.user_says(OPENID, "在吗")
    fake.fault(SEND_CUSTOM_MESSAGE, fault)
    async with fake.serve() as base_url:
        credentials = {"WECHAT_APPID": fake.appid, "WECHAT_SECRET": fake.secret, "WECHAT_BASE_URL": base_url}
        said = await complaint(OPENID, "你好", **credentials)

    assert said is not None
    assert said.startswith(beginning)
    assert fake.secret not in said
    assert len(fake.sent) == arrived


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        ((), {}, 'Usage: python send_text.py OPENID "你好"'),
        ((OPENID,), {}, 'Usage: python send_text.py OPENID "你好"'),
        ((OPENID, "你好"), {}, "Nothing was sent: the environment variable WECHAT_APPID is not set."),
        (
            (OPENID, "你好"),
            {"WECHAT_APPID": "wx5afe0ca11ab1e000"},
            "Nothing was sent: the environment variable WECHAT_SECRET is not set.",
        ),
        (
            ("", "你好"),
            {"WECHAT_APPID": "wx5afe0ca11ab1e000", "WECHAT_SECRET": "0" * 32},
            "Nothing was sent: touser must not be empty.",
        ),
    ],
)
async def test_send_text_called_wrongly(
    arguments: tuple[str, ...],
    variables: dict[str, str],
    said: str,
    complaint: Callable[..., Awaitable[str | None]],
) -> None:
    """
    What is missing is told in one line, not in a traceback.
    """
    assert await complaint(*arguments, **variables) == said
