"""
What a worker hears from the others about an account: one blocking read, however many customers wait.
"""

from __future__ import annotations

from typing import Any

import anyio

from ._commands import within
from ._knowledge import Knowledge
from ._link import Link, decode, milliseconds

__all__ = ["Listener"]


class Listener:
    """
    Reads an account's stream of news while this worker holds pushes.

    What it misses the heartbeat tells.

    Args:
        link: The account's link.

        knowledge: What the worker knows.
    """

    def __init__(self, link: Link, knowledge: Knowledge) -> None:
        self._link = link
        self._knowledge = knowledge
        # Shorter than the time after which a client's socket may give up.
        self._block = min(link.settings.interval, 1.0)

    async def listen(self) -> None:
        """
        Listen for as long as nobody cancels it.
        """
        while True:
            await self._knowledge.wait()
            try:
                last = await self._last()
                while self._knowledge.held:
                    for number, news in await self._read(last):
                        last = number
                        self._hear(news)
            except Exception:  # noqa: BLE001 - the heartbeat finds out what it is
                await anyio.sleep(self._link.settings.interval)

    async def _last(self) -> bytes:
        entries = await self._command("XREVRANGE", self._link.key("news"), "+", "-", "COUNT", 1)
        return bytes(entries[0][0]) if entries else b"0-0"

    async def _read(self, last: bytes) -> list[tuple[bytes, dict[bytes, bytes]]]:
        block = milliseconds(self._block)
        streams = await self._command("XREAD", "BLOCK", block, "STREAMS", self._link.key("news"), last)
        if not streams:
            return []
        # A dictionary with protocol 3, a list with 2.
        name = self._link.key("news")
        return _pairs(streams[name][0] if name in streams else streams[0][1])

    async def _command(self, *command: Any) -> Any:
        # Parts of its types are unknown.
        client: Any = self._link.settings.client
        seconds = self._block + self._link.settings.timeout
        return await within(seconds, client.execute_command(*command, NEVER_DECODE=True))

    def _hear(self, news: dict[bytes, bytes]) -> None:
        if news[b"news"] == b"given":
            # A worker is leaving, and what it had is anybody's.
            self._link.nudge.set()
            return
        if decode(news[b"worker"]) != self._link.settings.worker:
            return
        key = decode(news[b"push"])
        if news[b"news"] == b"turn":
            self._knowledge.turn(key)
        else:
            self._knowledge.interrupt(key)


def _pairs(entries: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    return [(each[0], each[1]) for each in entries]
