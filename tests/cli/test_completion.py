"""
``wechat-kf completion``.
"""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Ended

BASH = "/bin/bash"

PROGRAM = """
source "$1"
complete_words() {
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
  COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
  local name=$(complete -p wechat-kf | sed 's/.*-F \\([^ ]*\\).*/\\1/')
  "$name" wechat-kf "${@: -1}" "${@: -2:1}" 2>/dev/null
  echo "${COMPREPLY[*]}"
}
complete_words wechat-kf acc
complete_words wechat-kf sessions tr
complete_words wechat-kf accounts remove --y
"""


def test_bash(run: Callable[..., Ended], tmp_path: Path) -> None:
    """
    Bash completes commands, their commands and their options.
    """
    script = tmp_path / "wechat-kf"
    script.write_text(run("completion", "bash").out)
    said = subprocess.run([BASH, "-c", PROGRAM, "-", str(script)], capture_output=True, text=True, check=True)

    assert [each.strip() for each in said.stdout.splitlines()] == ["accounts", "transfer", "--yes"]


def _program(shell: str) -> str:
    """
    Find a shell. None is a failure, not a reason to skip.
    """
    return shutil.which(shell) or pytest.fail(f"this test needs {shell}: install your system's package {shell}")


def test_fish(run: Callable[..., Ended], tmp_path: Path) -> None:
    """
    Fish completes commands, their commands and their options.
    """
    script = tmp_path / "wechat-kf.fish"
    script.write_text(run("completion", "fish").out)
    lines = ("wechat-kf acc", "wechat-kf sessions tr", "wechat-kf accounts remove --y")
    asked = f"source {script}; " + "; ".join(f"complete -C '{line}'" for line in lines)
    program = [_program("fish"), "--no-config", "-c", asked]
    said = subprocess.run(program, capture_output=True, text=True, check=True)

    assert [line.partition("\t")[0] for line in said.stdout.splitlines()] == ["accounts", "transfer", "--yes"]


@pytest.mark.parametrize(
    "set_up",
    [
        "fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D",
        "autoload -Uz compinit; compinit -u -D; source _wechat-kf",
    ],
    ids=["on the path", "sourced"],
)
def test_zsh(set_up: str, run: Callable[..., Ended], tmp_path: Path) -> None:
    """
    Zsh completes commands and their commands at a terminal, with the script on the path of functions or sourced.
    """
    (tmp_path / "_wechat-kf").write_text(run("completion", "zsh").out)
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm"}
    program = [_program("zsh"), "-f", "-i"]
    with subprocess.Popen(program, cwd=tmp_path, env=env, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.write(ours, f"{set_up}; print read''y\n".encode())
        ready = _read_until(ours, "ready")
        os.write(ours, b"wechat-kf acc\t")
        first = _read_until(ours, "accounts")
        os.write(ours, b"\x15wechat-kf sessions tr\t")
        second = _read_until(ours, "transfer")
        process.kill()
    os.close(ours)
    os.close(theirs)

    assert "ready" in ready
    assert "accounts" in first
    assert "transfer" in second


def _read_until(terminal: int, sign: str) -> str:
    """
    Read what stands on a terminal, until a text is there, or nothing comes for long.
    """
    seen = ""
    while sign not in seen and select.select([terminal], [], [], 30)[0]:
        seen += os.read(terminal, 65536).decode(errors="replace")
    return seen
