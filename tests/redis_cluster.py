"""
A Redis Cluster of three nodes, and a server with a replica under Sentinels, each of a test's own.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

__all__ = ["Watched", "running_cluster", "running_sentinels"]

# A cluster's nodes talk to each other on another port, which is so much higher.
_BUS: Final = 10_000

_QUORUM: Final = 2


def _connect(port: int, **options: Any) -> Any:
    # Without redis-py's own patience, which is longer than a server takes to start.
    return redis.Redis(port=port, retry=Retry(NoBackoff(), 0), **options)


@contextmanager
def running_cluster() -> Generator[list[int]]:
    """
    Start three nodes that share the slots, and yield their ports.
    """
    with tempfile.TemporaryDirectory(prefix="kf-cluster-") as folder, ExitStack() as stack:
        ports = [_free_port() for _ in range(3)]
        for port in ports:
            stack.enter_context(_running(folder, port, "--cluster-enabled", "yes"))
        nodes = [stack.enter_context(_connect(port)) for port in ports]
        share = 16384 // 3 + 1
        for number, node in enumerate(nodes):
            node.execute_command("CLUSTER ADDSLOTS", *range(number * share, min(16384, (number + 1) * share)))
            node.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for node in nodes[1:]:
            node.execute_command("CLUSTER MEET", "127.0.0.1", ports[0])
        _wait(lambda: all(_knows_all(node) for node in nodes))
        yield ports


def _knows_all(node: Any) -> bool:
    info = node.execute_command("CLUSTER INFO")
    return info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == 3


class Watched:
    """
    A server with a replica, watched by three Sentinels under the name ``shared``.

    Attributes:
        sentinels: The Sentinels' ports.
    """

    def __init__(self, sentinels: list[int], port: int, primary: subprocess.Popen[bytes]) -> None:
        self.sentinels = sentinels
        self._port = port
        self._primary = primary

    def kill_primary(self) -> None:
        """
        End the server; the Sentinels will make the replica one.

        What the replica has not got yet would be lost, whoever keeps it, so that is waited for.
        """
        with _connect(self._port) as client:
            _wait(lambda: client.wait(1, 1000) == 1)
        self._primary.kill()
        self._primary.wait()


@contextmanager
def running_sentinels() -> Generator[Watched]:
    """
    Start a server, its replica and three Sentinels.
    """
    with tempfile.TemporaryDirectory(prefix="kf-sentinels-") as folder, ExitStack() as stack:
        port, other, *watchers = [_free_port() for _ in range(5)]
        primary = stack.enter_context(_running(folder, port))
        stack.enter_context(_running(folder, other, "--replicaof", "127.0.0.1", str(port)))
        for watcher in watchers:
            settings = Path(folder, f"{watcher}.conf")
            settings.write_text(
                f"sentinel monitor shared 127.0.0.1 {port} {_QUORUM}\n"
                "sentinel down-after-milliseconds shared 1000\n"
                "sentinel failover-timeout shared 5000\n"
            )
            stack.enter_context(_running(folder, watcher, "--sentinel", settings=settings))
        clients = [stack.enter_context(_connect(watcher, decode_responses=True)) for watcher in watchers]
        _wait(lambda: all(_is_ready(client) for client in clients))
        yield Watched(watchers, port, primary)


def _is_ready(sentinel: Any) -> bool:
    told = sentinel.sentinel_master("shared")
    return bool(told["num-slaves"] == 1 and told["num-other-sentinels"] == 2)


@contextmanager
def _running(folder: str, port: int, *options: str, settings: Path | None = None) -> Generator[subprocess.Popen[bytes]]:
    own = Path(folder, str(port))
    own.mkdir()
    program = shutil.which("redis-server") or "redis-server"
    files = [] if settings is None else [str(settings)]
    rest = [] if settings is not None else ["--save", "", "--appendonly", "no"]
    process = subprocess.Popen(
        [program, *files, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(own), *rest, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with _connect(port) as client:
            _wait(lambda: process.poll() is not None or _answers(client))
        if process.poll() is not None:
            raise RuntimeError(f"the Redis server on port {port} has ended")
        yield process
    finally:
        process.kill()
        process.wait()


def _answers(client: Any) -> bool:
    try:
        return bool(client.ping())
    except (redis.ConnectionError, redis.TimeoutError):
        return False


def _wait(holds: Any) -> None:
    for _ in range(3000):
        if holds():
            return
        time.sleep(0.02)
    raise RuntimeError("the Redis servers are not ready")


def _free_port() -> int:
    while True:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
        with suppress(OSError, OverflowError), socket.create_server(("127.0.0.1", port + _BUS)):
            return port
