"""
The READMEs: all their Python runs, against the stand-in on a real socket, and their tables tell the truth.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from wechat_kf import AsyncKfClient, Endpoint
from wechat_kf.testing import FakeWeChat

from .benchmarks.table import speed_rows

HERE = Path(__file__).parent
READMES = ("README.md", "README.zh-CN.md")
LANGUAGES = {"json", "mermaid", "python", "sh", "text", "toml", "xml"}

FENCE = re.compile(r"^(?P<indent> *)```(?P<language>.*)\n(?P<code>(?:.*\n)*?) *```$", re.MULTILINE)

CHAPTERS = ("accounts", "maintenance", "media", "messages", "records", "sessions")
ENDPOINTS: dict[str, Endpoint[object]] = {
    name.lower(): value
    for chapter in CHAPTERS
    for name, value in vars(importlib.import_module(f"wechat_kf.api.{chapter}")).items()
    if isinstance(value, Endpoint)
}


TEXTS = {readme: (HERE.parent / readme).read_text(encoding="utf-8") for readme in READMES}
BLOCKS = [
    pytest.param(fence["code"], id=f"{readme}:{text.count(chr(10), 0, fence.start()) + 1}")
    for readme, text in TEXTS.items()
    for fence in FENCE.finditer(text)
    if fence["language"] == "python"
]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_blocks_say_their_language(text: str) -> None:
    """
    Every fenced block names a language we know, so that none escapes being run by its label.
    """
    assert {fence["language"] for fence in FENCE.finditer(text)} <= LANGUAGES
    assert text.count("```") == 2 * len(FENCE.findall(text))


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("code", BLOCKS)
async def test_blocks_run(code: str, tmp_path: Path) -> None:
    """
    Every block of Python runs to its end without a warning, where the customer ``OPENID`` has just written.
    """
    path = tmp_path / "test_block.py"
    path.write_text(code, encoding="utf-8")
    fake = FakeWeChat()
    fake.user_says("OPENID", "你好")
    async with fake.serve() as base_url:
        environment = {
            **os.environ,
            "WECHAT_APPID": fake.appid,
            "WECHAT_BASE_URL": base_url,
            "WECHAT_SECRET": fake.secret,
        }
        with anyio.fail_after(60):
            ended = await anyio.run_process(
                [sys.executable, "-P", "-W", "error", str(HERE / "readme_block.py"), str(path)],
                env=environment,
                stderr=subprocess.STDOUT,
                check=False,
            )

    assert ended.returncode == 0, ended.stdout.decode()


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_table_lists_the_endpoints(text: str) -> None:
    """
    The table of endpoints has one row for each: its method, linked to its official page, and its HTTP method and path.
    """
    row = re.compile(r"^\|.*\[`(\w+)[^`]*`\]\((\S+)\).*`(GET|POST) (/\S+)`.*\|$", re.MULTILINE)

    assert sorted(row.findall(text)) == sorted(
        (name, endpoint.manual, endpoint.method, endpoint.path) for name, endpoint in ENDPOINTS.items()
    )


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_speeds_are_as_measured(text: str) -> None:
    """
    The table of speeds has the figures of the benchmark's last run that is kept, and the plot beside it is of that run.
    """
    results = json.loads((HERE / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    plot = (HERE / "benchmarks" / "speed.svg").read_text(encoding="utf-8")
    times = results["tables"]["Processor's time of the client for one message, in us"]
    rows = speed_rows(times, "httpx")
    at_50 = [row.split("|")[3].partition("(")[0].strip() for row in rows.splitlines()]

    assert rows in text
    assert "](tests/benchmarks/speed.svg)" in text
    assert re.findall(r">([\d,]+)</text>", plot) == at_50


@pytest.mark.parametrize("name", ENDPOINTS)
def test_methods_name_their_page(name: str) -> None:
    """
    Every endpoint has a method of its name, whose docstring ends with the endpoint's official page.
    """
    docstring = inspect.getdoc(getattr(AsyncKfClient, name))

    assert docstring is not None
    assert ENDPOINTS[name].manual.startswith("https://developers.weixin.qq.com/")
    assert docstring.splitlines()[-1] == f"Manual: {ENDPOINTS[name].manual}"
