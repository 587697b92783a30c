"""
The examples that a newcomer runs first, as programs of their own.
"""

from __future__ import annotations

import os
import runpy
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from wechat_kf import AsyncKfClient
from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.bot import Bot
from wechat_kf.testing import DropAfter, Errcode, FakeWeChat, Fault
from wechat_kf.webhook import TextMessage, TransferReply, Webhook

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


async def test_agent_desk(fake_wechat: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    The desk gives a waiting customer to the least busy agent, moves sessions, and closes only those that are idle.
    """
    desk = runpy.run_path(str(EXAMPLES / "agent_desk.py"))
    for name in ("lin@shop", "wang@shop"):
        await kf.add_kf_account(name, name[:4])
        await kf.invite_kf_worker(name, name.replace("@", "_"))
        fake_wechat.accept_invitation(name)
        fake_wechat.agent_online(name)
    bot = Bot(Webhook("TOKEN"), kf)
    fake_wechat.set_callback(bot, token="TOKEN")

    @bot.on(TextMessage)
    async def hand_over(push: TextMessage) -> TransferReply:
        return TransferReply()

    fake_wechat.user_says("first", "在吗")
    await kf.create_kf_session("lin@shop", "first")
    async with bot:
        fake_wechat.user_says("second", "人工")
        await fake_wechat.deliver()
    await desk["serve_waiting"](kf)
    given = (await kf.get_kf_session("second")).kf_account
    await desk["transfer"](kf, "first", "wang@shop")
    moved = (await kf.get_kf_session("first")).kf_account
    fake_wechat.advance(1200)
    fake_wechat.user_says("third", "在吗")
    await kf.create_kf_session("lin@shop", "third")
    await desk["close_idle"](kf, datetime.now(UTC) + timedelta(seconds=1200))

    assert (given, moved) == ("wang@shop", "wang@shop")
    assert (await kf.get_kf_session("first")).kf_account is None
    assert (await kf.get_kf_session("third")).kf_account == "lin@shop"


async def test_history_to_sqlite(fake_wechat: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    What agents said is in the database, once, however often it is read.
    """
    save = runpy.run_path(str(EXAMPLES / "history_to_sqlite.py"))["save"]
    await kf.add_kf_account("lin@shop", "小林")
    await kf.invite_kf_worker("lin@shop", "lin_kefu")
    fake_wechat.accept_invitation("lin@shop")
    fake_wechat.agent_online("lin@shop")
    fake_wechat.user_says(OPENID, "在吗")
    await kf.create_kf_session("lin@shop", OPENID)
    fake_wechat.agent_says(OPENID, "在的")
    fake_wechat.advance(1)
    with closing(sqlite3.connect(":memory:")) as database:
        added = await save(kf, database, 1)
        again = await save(kf, database, 1)
        texts = [text for (text,) in database.execute("SELECT text FROM history")]

    assert "在的" in texts
    assert (added, again) == (len(texts), 0)


async def test_broadcast(fake_wechat: FakeWeChat, tmp_path: Path) -> None:
    """
    A second run sends to those only whom the first did not reach, and the journal of another text is refused.
    """
    openids = tmp_path / "openids.txt"
    openids.write_text("first\n\nsecond\nthird\n", encoding="utf-8")
    for openid in ("first", "second"):
        fake_wechat.user_says(openid, "你好")
    async with fake_wechat.serve() as url:
        variables = {"WECHAT_APPID": fake_wechat.appid, "WECHAT_SECRET": fake_wechat.secret, "WECHAT_BASE_URL": url}
        runs = [await run("broadcast.py", str(openids), "今天有活动", **variables)]
        fake_wechat.user_says("third", "你好")
        runs += [await run("broadcast.py", str(openids), text, **variables) for text in ("今天有活动", "明天有活动")]
    said = [ended.stdout.decode().splitlines() for ended in runs]

    assert [ended.returncode for ended in runs] == [0, 0, 1]
    assert said[0][0].startswith("third: ")
    assert said[0][1] == "Delivered: 2. Refused: 1 by 40003. Uncertain: 0. Not sent: 0."
    assert said[1] == ["Delivered: 3. Refused: 0. Uncertain: 0. Not sent: 0."]
    assert b"The journal is of another list" in runs[2].stderr
    shown = [[message.text for message in fake_wechat.shown_to(openid)] for openid in ("first", "second", "third")]
    assert shown == [["今天有活动"]] * 3


async def test_two_accounts(fake_wechat: FakeWeChat, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Each account's customers are answered by its own bot, behind one app.
    """
    key = "A" * 43
    other = fake_wechat.add_account("wx5afe0ca11ab1e0002")
    for name, account in (("SHOP", fake_wechat), ("HELP", other)):
        for variable, value in (("APPID", account.appid), ("SECRET", account.secret), ("TOKEN", "TOKEN"), ("KEY", key)):
            monkeypatch.setenv(f"{name}_{variable}", value)
    app = runpy.run_path(str(EXAMPLES / "two_accounts.py"))["app"]
    fake_wechat.set_callback(app, token="TOKEN", encoding_aes_key=key, path="/shop/")
    other.set_callback(app, token="TOKEN", encoding_aes_key=key, path="/help/")
    async with app.router.lifespan_context(app):
        fake_wechat.user_says("OPENID", "你好")
        other.user_says("OPENID", "你好")
        await fake_wechat.deliver()
        await other.deliver()

    assert [shown.text for shown in fake_wechat.shown_to("OPENID")] == ["商店收到：你好"]
    assert [shown.text for shown in other.shown_to("OPENID")] == ["客服收到：你好"]


async def test_the_tests_of_a_bot() -> None:
    """
    The example of a test file passes as a user runs it.
    """
    scope = "asyncio_default_fixture_loop_scope=function"
    ended = await anyio.run_process(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-W",
            "error",
            "-p",
            "no:xdist",
            "-o",
            scope,
            "-c",
            os.devnull,
            "test_bot.py",
        ],
        cwd=EXAMPLES,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout.decode()
