"""
``wechat-kf completion``.
"""

from __future__ import annotations

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


@pytest.mark.parametrize(("shell", "sign"), [("zsh", "#compdef wechat-kf"), ("fish", "complete -c wechat-kf")])
def test_others(run: Callable[..., Ended], shell: str, sign: str) -> None:
    """
    The scripts of the other shells are for them, and name the commands.
    """
    ended = run("completion", shell)

    assert (ended.code, ended.err) == (0, "")
    assert sign in ended.out
    assert "transfer" in ended.out
