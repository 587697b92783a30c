"""
The command in a real terminal, with the stand-in in a process of its own.
"""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

SECRET = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
COMMAND = [sys.executable, "-m", "wechat_kf"]
# The terminal is made the process's own, so that Ctrl-C reaches it.
PROGRAM = """
import fcntl, runpy, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
runpy.run_module("wechat_kf", run_name="__main__", alter_sys=True)
"""
SEND = "/cgi-bin/message/custom/send"


class StandIn:
    """
    ``wechat-kf simulate`` and its controls.
    """

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._http = httpx.Client(base_url=f"{base_url}/stand-in/", trust_env=False, timeout=60)

    def __call__(self, control: str, **arguments: Any) -> Any:
        answer = self._http.post(control, json=arguments)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def close(self) -> None:
        """
        Close the connection.
        """
        self._http.close()


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Generator[StandIn]:
    """
    Run the stand-in, and name it in the environment.
    """
    arguments = ["simulate", "--port", "0", "--appid", "wx5afe0ca11ab1e000", "--secret", SECRET]
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        base_url = None
        while base_url is None:
            base_url = re.match(r"base URL +(http://\S+)", process.stdout.readline())
        monkeypatch.setenv("WECHAT_APPID", "wx5afe0ca11ab1e000")
        monkeypatch.setenv("WECHAT_SECRET", SECRET)
        monkeypatch.setenv("WECHAT_BASE_URL", base_url[1])
        stand_in = StandIn(base_url[1])
        yield stand_in
        stand_in.close()
        process.terminate()
        process.communicate(timeout=60)


class Terminal:
    """
    A process in a terminal of its own.
    """

    def __init__(self, *arguments: str, columns: int = 80, **variables: str) -> None:
        self.said = b""
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, columns))
        environment = {**os.environ, "TERM": "xterm-256color", **variables}
        environment.pop("NO_COLOR", None)
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
        )
        os.close(slave)

    def until(self, sign: str) -> None:
        """
        Read on until this is said.
        """
        deadline = time.monotonic() + 60
        while sign.encode() not in self.said:
            assert time.monotonic() < deadline, self.said
            if not self._read():
                pytest.fail(f"it ended without {sign!r}: {self.said!r}")

    def type(self, keys: str) -> None:
        """
        Press keys.
        """
        os.write(self._master, keys.encode())

    def end(self) -> int:
        """
        Read to the end; return the exit code.
        """
        while self._read():
            pass
        os.close(self._master)
        return self._process.wait(60)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], 60)
        assert ready, self.said
        try:
            chunk = os.read(self._master, 65536)
        except OSError:
            # What Linux says when the other end is closed.
            return False
        self.said += chunk
        return bool(chunk)


def test_sending_is_stopped(stand_in: StandIn, tmp_path: Path) -> None:
    """
    Ctrl-C in the middle of sending to many: what was done is told, and it is what the customers have.
    """
    openids = [f"o{number:03}" for number in range(300)]
    for openid in openids:
        stand_in("user_says", openid=openid, text="在吗")
    stand_in("fault", path=SEND, fault="Delay", seconds=0.05, times=300)
    (tmp_path / "openids.txt").write_text("\n".join(openids))
    terminal = Terminal("send", "text", "上新", "--to-file", str(tmp_path / "openids.txt"), "--concurrency", "2")
    terminal.until("/300")
    while len(stand_in("sent")) < 20:
        time.sleep(0.01)
    terminal.type("\x03")
    code = terminal.end()
    sent = len(stand_in("sent"))
    said = re.sub(r"\x1b\[[\d;?]*\w", "", terminal.said.decode())

    assert code == 130
    assert 20 <= sent < 300
    assert re.search(rf"delivered +{sent}\b", said)
    assert re.search(rf"not begun +{300 - sent}\b", said)
    assert "Traceback" not in said
    assert SECRET not in said


def test_a_question(stand_in: StandIn) -> None:
    """
    A question on the terminal is answered there, and Ctrl-C is an answer, too.
    """
    stand_in("agent_online", kf_account="lin@shop")
    left = Terminal("accounts", "remove", "lin@shop")
    left.until("[y/N] ")
    left.type("\x03")
    removed = Terminal("accounts", "remove", "lin@shop")
    removed.until("[y/N] ")
    # Who is asked may think about it.
    time.sleep(0.3)
    removed.type("y\r")

    assert left.end() == 130
    assert removed.end() == 0
    assert b"wechat-kf: Stopped." in left.said
    assert b"Traceback" not in left.said
    assert b"Deleted lin@shop." in removed.said


@pytest.mark.parametrize("variables", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}, {"TERM": "dumb"}])
def test_poor_terminals(stand_in: StandIn, variables: dict[str, str]) -> None:
    """
    A locale without Chinese, and a terminal of 20 columns that can do nothing, end no command.
    """
    subprocess.run([*COMMAND, "accounts", "add", "lin@shop", "小林"], check=True, stdout=subprocess.DEVNULL)
    terminal = Terminal("accounts", "list", columns=20, **variables)

    assert terminal.end() == 0
    assert b"lin@shop" in terminal.said
    assert stand_in.base_url


def test_broken_pipe(stand_in: StandIn) -> None:
    """
    A reader that goes away ends the command without a traceback.
    """
    with subprocess.Popen([*COMMAND, "completion", "zsh"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        complaints = process.stderr.read()
        code = process.wait(60)

    assert (code, complaints) == (141, b"")
    assert stand_in.base_url


def test_full_disk(stand_in: StandIn) -> None:
    """
    An output that cannot be written is one line on stderr.
    """
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run([*COMMAND, "--version"], stdout=full, stderr=subprocess.PIPE, check=False)

    assert ended.returncode == 7
    assert ended.stderr == b"wechat-kf: The output, or a file, cannot be written: No space left on device.\n"
    assert stand_in.base_url


@pytest.mark.parametrize("where", ["&-", "/dev/full"])
def test_nobody_reads_complaints(stand_in: StandIn, where: str) -> None:
    """
    Where nobody reads what is said on stderr, the work is done all the same.
    """
    stand_in("user_says", openid="o1", text="在吗")
    program = f"exec {sys.executable} -m wechat_kf send text x --to-file - 2>{where}"
    ended = subprocess.run(["/bin/sh", "-c", program], input=b"o1\no1\n", stdout=subprocess.PIPE, check=False)

    assert ended.returncode == 0
    assert b"delivered\t1" in ended.stdout
