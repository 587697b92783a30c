"""
The bots that the manual shows, each run as a user runs it: customers write to it, and read what the manual says.
"""

from __future__ import annotations

import inspect
import re
import runpy
from pathlib import Path
from typing import Any, Final

import pytest

from wechat_kf.bot import Bot
from wechat_kf.testing import FakeWeChat

from ..redis_server import RedisServer

DOCS: Final = Path(__file__).parents[2] / "docs"
TOKEN, KEY = "token", "A" * 43

# What tells a block from the others, what customers do, and what they read then.
TEXT, IMAGE = {"MsgType": "text", "Content": "你好"}, {"MsgType": "image", "PicUrl": "", "MediaId": "M"}
PLACE: Final = {"MsgType": "location", "Location_X": 1, "Location_Y": 2, "Scale": 3, "Label": "人民广场"}
FOLLOWS: Final = {"MsgType": "event", "Event": "subscribe"}
CASES: Final[tuple[tuple[str, list[dict[str, Any]], list[str]], ...]] = (
    ("def welcome", [FOLLOWS, TEXT], ["[msgmenu]", "关于“你好”，请看我们的帮助页面。"]),
    (
        "def nearest",
        [IMAGE, TEXT, PLACE],
        ["图片收到了。", "订单 你好 已发货。", "正在查找附近的门店……", "离人民广场最近的是人民路店。"],
    ),
    (
        "def anything_else",
        [TEXT, IMAGE, {**TEXT, "Content": "我要人工"}],
        ["您说：你好", "我只看得懂文字。"],
    ),
    ("def failed", [TEXT, {**TEXT, "Content": "再见"}], ["您好！", "抱歉，出错了，请再说一遍。"]),
    ("stream_markdown", [TEXT], ["您问的是：你好", '请看<a href="https://example.com">帮助</a>。']),
    ("bot.allowance", [TEXT], ["查到后马上告诉您。", "订单已发货。"]),
    (
        "history",
        [TEXT, {**TEXT, "Content": "在吗"}],
        ["您最近说了 1 句话，第一句是：你好", "您最近说了 2 句话，第一句是：你好"],
    ),
    ("ContextVar", [TEXT, TEXT], ["第 1 个请求：你好", "第 2 个请求：你好"]),
)
BLOCKS: Final = {
    f"{page}:{text.count(chr(10), 0, block.start()) + 1}": block[1]
    for page in ("bots.md", "zh/bots.md")
    for text in ((DOCS / page).read_text(encoding="utf-8"),)
    for block in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    if "@bot.on(" in block[1]
}


@pytest.mark.parametrize("page", ["bots.md", "zh/bots.md"])
def test_numbers(page: str) -> None:
    """
    The defaults are the bot's, and the seconds for stopping add up to what Kubernetes is told.
    """
    text = (DOCS / page).read_text(encoding="utf-8")
    named = {name: float(number) for name, number in re.findall(r"`(\w+)`(?: seconds)? ?[(（]([\d.]+)", text)}
    options = inspect.signature(Bot).parameters
    rows = re.findall(r"^\| (\d+) \|.*\|([^|]*)\|$", text, re.MULTILINE)
    [total] = {*re.findall(r"terminationGracePeriodSeconds(?:: |` 给 )(\d+)", text)}

    assert {*named} == {"concurrency", "drain", "handler_timeout", "patience", "resend", "stale"}
    assert {name: options[name].default for name in named} == named
    assert ("10", " `drain` ") in rows
    assert sum(int(seconds) for seconds, _ in rows) == int(total)


def run(place: str, folder: Path) -> dict[str, Any]:
    """
    Run a block as a file of its own; give its names.
    """
    path = folder / "bot.py"
    path.write_text(BLOCKS[place], encoding="utf-8")
    return runpy.run_path(str(path))


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("place", BLOCKS)
async def test_customers_are_answered(
    place: str, monkeypatch: pytest.MonkeyPatch, redis_server: RedisServer, tmp_path: Path
) -> None:
    """
    Each bot of the manual answers as it says; only the one that shows a failure has one.
    """
    [(mark, pushes, expected)] = [case for case in CASES if case[0] in BLOCKS[place]]
    fake = FakeWeChat()
    # A busy machine must not look like a bot that does not answer.
    fake.limits.push = 60.0
    fake.follows("OPENID")
    async with fake.serve() as base_url:
        monkeypatch.setenv("WECHAT_APPID", fake.appid)
        monkeypatch.setenv("WECHAT_SECRET", fake.secret)
        monkeypatch.setenv("WECHAT_BASE_URL", base_url)
        monkeypatch.setenv("WECHAT_TOKEN", TOKEN)
        monkeypatch.setenv("WECHAT_ENCODING_AES_KEY", KEY)
        monkeypatch.setenv("REDIS_URL", redis_server.url)
        names = run(place, tmp_path)
        bot = names["bot"]
        async with names["kf"], bot:
            fake.set_callback(names.get("app", bot), token=TOKEN, encoding_aes_key=KEY)
            for push in pushes:
                fake.user_sends("OPENID", push)
                await fake.settle()
            if "found" in names:
                await names["found"]("OPENID", "订单已发货。")
            failed, waiting = bot.status().failed, (await names["kf"].get_wait_case()).count
        if "engine" in names:
            await names["engine"].aclose()

    assert [shown.text for shown in fake.shown_to("OPENID")] == expected
    assert failed == (mark == "def failed")
    assert waiting == ("def hand_over" in BLOCKS[place])
