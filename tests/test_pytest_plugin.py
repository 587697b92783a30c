"""
The pytest plugin, in test runs of its own.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import wechat_kf

pytest_plugins = ["pytester"]

ANYIO = ("-p", "anyio.pytest_plugin")
ASYNCIO = ("-p", "pytest_asyncio.plugin", "-o", "asyncio_default_fixture_loop_scope=function")


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pytest.RunResult]:
    """
    Give a way to run pytest with our plugin and only those named.
    """
    # Whether the package is installed or not.
    monkeypatch.setenv("PYTHONPATH", str(Path(wechat_kf.__file__).parents[1]))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return partial(pytester.runpytest_subprocess, "-p", "wechat_kf.pytest_plugin", "-W", "error")


BOT = """
import pytest
from wechat_kf import AsyncKfClient, Text
from wechat_kf.testing import FakeWeChat


async def greet(kf: AsyncKfClient, openid: str) -> None:
    await kf.send_custom_message(openid, Text("hello"))


{mark}
@pytest.mark.parametrize("times", [1, 2])
async def test_greeting(kf: AsyncKfClient, fake_wechat: FakeWeChat, times: int) -> None:
    fake_wechat.user_says("o1", "hi")
    for _ in range(times):
        await greet(kf, "o1")

    assert [sent.text for sent in fake_wechat.sent] == ["hello"] * times
"""


@pytest.mark.parametrize(
    ("mark", "options", "passed"),
    [
        ("@pytest.mark.asyncio", [*ASYNCIO, "-o", "asyncio_mode=strict"], 2),
        ("", [*ASYNCIO, "-o", "asyncio_mode=auto"], 2),
        ("@pytest.mark.anyio", ANYIO, 4),
        ("@pytest.mark.anyio", [*ANYIO, *ASYNCIO], 4),
    ],
    ids=["pytest-asyncio", "pytest-asyncio in auto mode", "anyio", "both"],
)
def test_a_bot(
    pytester: pytest.Pytester, run: Callable[..., pytest.RunResult], mark: str, options: list[str], passed: int
) -> None:
    """
    Both fixtures are fresh for each test, on the event loops of either plugin.
    """
    pytester.makepyfile(BOT.format(mark=mark))

    run(*options).assert_outcomes(passed=passed)


def test_unused_it_imports_nothing() -> None:
    """
    A test run that uses neither fixture imports neither the client nor the stand-in.
    """
    code = "import sys, wechat_kf.pytest_plugin; sys.exit('anyio' in sys.modules or 'wechat_kf.testing' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], cwd=Path(wechat_kf.__file__).parents[1], check=False)

    assert ended.returncode == 0


def test_fixtures_explain_themselves(run: Callable[..., pytest.RunResult]) -> None:
    """
    ``pytest --fixtures`` shows what both are.
    """
    run("--fixtures").stdout.fnmatch_lines(
        ["fake_wechat *", "*stand-in for WeChat*", "kf *", "*client of the stand-in*"]
    )
