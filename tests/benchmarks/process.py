"""
Processes of the benchmark: each pinned to one core, told what to do by lines of JSON, ended by closing their input.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

__all__ = ["ROOT", "Worker", "run_once", "serve"]

ROOT: Final = Path(__file__).parents[2]

_PATIENCE: Final = 60.0


def _cores() -> tuple[set[int], set[int]] | None:
    """
    Choose a core for the client and one for the server; None where processes cannot be pinned.
    """
    if not hasattr(os, "sched_getaffinity"):
        return None
    free = sorted(os.sched_getaffinity(0))
    return {free[0]}, {free[-1]}


_CORES: Final = _cores()


def _start(command: list[str], *, server: bool, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    if _CORES is None:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=env and {**os.environ, **env},
        )
    # A child begins on the cores of the one who starts it.
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, _CORES[server])
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=env and {**os.environ, **env},
        )
    finally:
        os.sched_setaffinity(0, before)


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def _end(process: subprocess.Popen[str]) -> None:
    _pipes(process)[0].close()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


class Worker:
    """
    A process that measures on command.

    Args:
        command: What follows the Python of this environment; a command for another program, if `program` names it.

        program: The other program.

        env: Variables besides those of this process.
    """

    def __init__(self, *command: str, program: str = sys.executable, env: Mapping[str, str] | None = None) -> None:
        self._process = _start([program, *command], server=False, env=env)

    def ask(self, **command: Any) -> dict[str, float]:
        """
        Have it measure, and return the figures.
        """
        orders, figures = _pipes(self._process)
        orders.write(json.dumps(command) + "\n")
        orders.flush()
        line = figures.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended")
        answer: dict[str, float] = json.loads(line)
        return answer

    def close(self) -> None:
        """
        End the process.
        """
        _end(self._process)


def run_once(*command: str, env: Mapping[str, str] | None = None, **order: Any) -> dict[str, float]:
    """
    Measure something in a process of its own.
    """
    worker = Worker(*command, env=env)
    try:
        return worker.ask(**order)
    finally:
        worker.close()


@contextmanager
def serve() -> Generator[str]:
    """
    Run the server, and give its base URL.
    """
    process = _start([sys.executable, "-m", "tests.benchmarks.server"], server=True)
    try:
        yield f"http://127.0.0.1:{_pipes(process)[1].readline().strip()}"
    finally:
        _end(process)
