"""
The link between a worker and one account's keys in Redis: how scripts are run, and whether Redis can be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import anyio
import attrs

from ..._clock import Clock
from ..._redact import get_logger
from ._commands import Client, RedisRefused, Script, within

__all__ = ["LIFE", "Link", "Settings", "decode", "encode", "milliseconds"]

_log = get_logger("wechat_kf.stores.redis")

LIFE: Final = 86_400_000
"""
Milliseconds that Redis keeps what is under way, if no worker is left to settle it.
"""


@attrs.frozen
class Settings:
    """
    What all accounts of a worker share.

    Attributes:
        worker: The worker's name.

        prefix: What every key begins with.

        keep: Seconds that a push is remembered after it is done.

        lease: Seconds after which a silent worker counts as dead.

        timeout: Seconds for one command.

        stale: Seconds after which a dead worker's push is not handled any more.

        guard: One for each command that may be under way.
    """

    client: Client
    worker: str
    prefix: str
    keep: float
    lease: float
    timeout: float
    stale: float
    guard: anyio.Semaphore
    clock: Clock

    @property
    def interval(self) -> float:
        """
        Seconds from one heartbeat to the next.
        """
        return self.lease / 3


class Link:
    """
    One account's keys, and whether Redis can be reached.

    While it cannot, only the heartbeat tries.

    Args:
        account: The account.

        settings: What all accounts share.

        changed: Called when Redis has failed, with the error, and when it works again, with None.

    Attributes:
        works: Whether Redis can be reached.

        differs: Whether Redis and this worker may know different things, since a command's outcome is not known.

        nudge: Set when the heart is to beat at once.
    """

    def __init__(self, account: str, settings: Settings, changed: Callable[[Exception | None], None]) -> None:
        self.account = account
        self.settings = settings
        self.works = True
        self.differs = False
        self.nudge = anyio.Event()
        self._changed = changed
        self._refusal: RedisRefused | None = None

    def key(self, kind: str, of: str = "") -> bytes:
        """
        Make a key; its braces put all keys of an account into one slot of a Cluster.
        """
        name = f"{self.settings.prefix}{{{self.account}}}:{kind}"
        return encode(f"{name}:{of}" if of else name)

    def keys(self, push: str, openid: str) -> list[bytes]:
        """
        Make the keys of a push, of the owners, and of its customer's queue.
        """
        return [self.key("push", push), self.key("owners"), self.key("queue", openid)]

    def owner(self, openid: str) -> bytes:
        """
        Say how this worker owns a push of a customer.
        """
        return encode(f"{self.settings.worker} {openid}")

    async def ask(self, script: Script, keys: Sequence[bytes], arguments: Sequence[Any]) -> Any:
        """
        Run a script; None if Redis cannot be reached.

        Raises:
            RedisRefused: Redis does not allow it.
        """
        if self._refusal is not None:
            raise RedisRefused(str(self._refusal))
        if not self.works:
            return None
        is_known = False
        try:
            async with self.settings.guard:
                # The wait for the guard does not count.
                answer = await self.run(script, keys, arguments)
            is_known = True
        except RedisRefused:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the client raises
            self.fail(error)
            return None
        finally:
            # It failed or was cancelled, so that it may have happened or not.
            if not is_known:
                self.differ()
        # Lua's false is None, too.
        return False if answer is None else answer

    async def run(self, script: Script, keys: Sequence[bytes], arguments: Sequence[Any]) -> Any:
        """
        Run a script, whatever the state.
        """
        settings = self.settings
        return await within(settings.timeout, script.run(settings.client, keys, *arguments))

    def fail(self, error: Exception) -> None:
        """
        Note that Redis cannot be reached, or refuses what this worker cannot do without.
        """
        if isinstance(error, RedisRefused):
            if self._refusal is None:
                _log.error("The inbox cannot work: %s", error)
            self._refusal = error
        elif self.works:
            self.works = False
            self._changed(error)

    def recover(self) -> None:
        """
        Note that Redis can be reached.
        """
        self._refusal = None
        if not self.works:
            self.works = True
            self._changed(None)

    def differ(self) -> None:
        """
        Note that Redis and this worker may know different things.
        """
        self.differs = True
        self.nudge.set()


def encode(text: str) -> bytes:
    """
    Write text for Redis; JSON may bring half an emoji.
    """
    return text.encode("utf-8", "surrogatepass")


def decode(text: bytes) -> str:
    """
    Read text from Redis.
    """
    return text.decode("utf-8", "surrogatepass")


def milliseconds(seconds: float) -> int:
    """
    Say a time as Redis does.
    """
    return int(seconds * 1000)
