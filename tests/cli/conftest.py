"""
A stand-in that is served in another thread, so that the command, which runs event loops of its own, can be called.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

import wechat_kf.cli
from wechat_kf.testing import FakeWeChat


@attrs.frozen
class Ended:
    """
    How a command ended, and what it wrote.
    """

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """
        What it wrote, if that is JSON.
        """
        return json.loads(self.out)


@pytest.fixture
def portal() -> Generator[BlockingPortal]:
    """
    Run an event loop in another thread.
    """
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Leave nothing of the environment that the command would read.
    """
    for name in [*os.environ]:
        if name.startswith("WECHAT_") and not name.startswith("WECHAT_KF_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture
def fake(portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch) -> Generator[FakeWeChat]:
    """
    Serve a stand-in, and name it in the environment.
    """
    fake = FakeWeChat()
    with portal.wrap_async_context_manager(fake.serve()) as base_url:
        monkeypatch.setenv("WECHAT_APPID", fake.appid)
        monkeypatch.setenv("WECHAT_SECRET", fake.secret)
        monkeypatch.setenv("WECHAT_BASE_URL", base_url)
        yield fake


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Ended]:
    """
    Run the command in this process; see that it tells no secret.

    Given what is typed, its streams pass for a terminal.
    """

    def run(*arguments: str | Path, typed: str | None = None) -> Ended:
        with monkeypatch.context() as patch, ExitStack() as stack:
            if typed is not None:
                # It has a descriptor, as a terminal has.
                keyboard = tmp_path_factory.mktemp("terminal") / "typed"
                keyboard.write_text(typed, encoding="utf-8")
                patch.setattr(sys, "stdin", stack.enter_context(keyboard.open(encoding="utf-8")))
                for stream in (sys.stdin, sys.stdout, sys.stderr):
                    patch.setattr(stream, "isatty", lambda: True)
            code = wechat_kf.cli.main([str(each) for each in arguments])
        out, err = capsys.readouterr()
        assert (os.environ.get("WECHAT_SECRET") or "?!") not in out + err
        assert "access_token=" not in (out + err).replace("access_token=***", "")
        return Ended(code, out, err)

    return run


@pytest.fixture
def interrupt() -> Generator[Callable[..., None]]:
    """
    Send this process signals, as Ctrl-C does, each once a condition holds.
    """
    threads: list[threading.Thread] = []
    over = threading.Event()

    def when(*conditions: Callable[[], bool], number: signal.Signals = signal.SIGINT) -> None:
        def watch() -> None:
            for condition in conditions:
                while not condition():
                    if over.wait(0.005):
                        return
                os.kill(os.getpid(), number)
                # Two at once would count as one.
                over.wait(0.3)

        threads.append(threading.Thread(target=watch))
        threads[-1].start()

    yield when
    over.set()
    for thread in threads:
        thread.join()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """
    Write a file.
    """

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write
