"""
How commands are given to Redis: within a time, as scripts, and with refusals told from outages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from functools import cached_property
from hashlib import sha1
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import anyio
from redis.exceptions import (
    AuthenticationError,
    ClusterCrossSlotError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    RedisError,
)

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

__all__ = ["Client", "RedisRefused", "Script", "check_bounds", "to_text", "within"]

Client: TypeAlias = "Redis | RedisCluster"

# The time for a command is counted in so many slices.
_SLICES: Final = 20

# How long a command that was given up is waited for, which ends at once if it can be cancelled.
_LAST_SECONDS: Final = 0.1

# What Redis will refuse the next time, too. redis-py has classes for some; of the others their text tells.
_LASTING: Final = (AuthenticationError, ClusterCrossSlotError, MovedError, NoPermissionError)
# Old versions of redis-py raise a plain `ResponseError` for some of them.
_LASTING_TEXTS: Final = ("CROSSSLOT", "MOVED", "NOPERM", "WRONGTYPE", "unknown command")


class RedisRefused(Exception):
    """
    Redis works, but does not allow what the library asks of it; this will not pass by itself.

    The Redis user lacks a permission, say, or the server is a node of a Redis Cluster, which wants a
    ``redis.asyncio.RedisCluster`` as its client.
    """


class Script:
    """
    A Lua script of the folder ``scripts``, whose head says what keys and arguments it takes and what it returns.

    Args:
        name: The file's name without ``.lua``.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def text(self) -> str:
        """
        The script.
        """
        return files("wechat_kf.stores.redis").joinpath("scripts", f"{self.name}.lua").read_text(encoding="utf-8")

    @cached_property
    def _digest(self) -> str:
        return sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, client: Client, keys: Sequence[str | bytes], *arguments: str | bytes | float) -> Any:
        """
        Run it, and return what it returns, with bytes for strings.

        Raises:
            RedisRefused: Redis does not allow it.

            Exception: Whatever the client raises.
        """
        # Parts of its types are unknown.
        engine: Any = client
        rest = (len(keys), *keys, *arguments)
        try:
            try:
                return await engine.execute_command("EVALSHA", self._digest, *rest, NEVER_DECODE=True)
            except NoScriptError:
                return await engine.execute_command("EVAL", self.text, *rest, NEVER_DECODE=True)
        except RedisError as error:
            if isinstance(error, _LASTING) or any(text in str(error) for text in _LASTING_TEXTS):
                raise RedisRefused(f"Redis does not allow {self.name}: {error}") from None
            raise


async def within(seconds: float, command: Coroutine[Any, Any, Any]) -> Any:
    """
    Await a command for so many seconds at most.

    An event loop that stands still, or goes round slowly under load, is not taken for a Redis that does.

    The command runs in a task of its own, so that a cancellation of the caller cannot get lost: redis-py writes under
    `asyncio.wait_for`, which on Python 3.11 swallows one that meets its end (python/cpython#86296).

    Raises:
        TimeoutError: It took longer.
    """
    task = asyncio.ensure_future(command)
    try:
        # In slices, of which one that took longer counts as one.
        for _ in range(_SLICES):
            await asyncio.wait((task,), timeout=seconds / _SLICES)
            if task.done():
                return task.result()
        raise TimeoutError
    finally:
        if not task.done():
            task.add_done_callback(_look_away)
            task.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait((task,), timeout=_LAST_SECONDS)


def _look_away(task: asyncio.Task[Any]) -> None:
    # asyncio complains of an exception that nobody has looked at.
    if not task.cancelled():
        task.exception()


def check_bounds(**seconds: float) -> None:
    """
    Check that times are more than 0.

    Raises:
        ValueError: One is not.
    """
    if any(value <= 0 for value in seconds.values()):
        raise ValueError(f"{' and '.join(seconds)} must be more than 0")


def to_text(value: bytes) -> str:
    """
    Read a string that Redis returned.
    """
    return value.decode("utf-8", "replace")
