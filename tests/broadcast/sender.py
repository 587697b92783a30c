"""
A broadcast that may be killed. Run by the tests of journals: a program of its own, which tells each outcome in a line.

It is given the journal's path, or the URL of its Redis, how many customers there are, and the concurrency. With
``DIES_AT=row`` it kills itself as soon as the journal knows that it is about to send that row; with ``LIMIT=bytes`` it
can write no file that is larger.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from redis import asyncio as redis

from wechat_kf import AsyncKfClient, FileJournal, Journal, JournalError
from wechat_kf.broadcast import Entry, OpenJournal
from wechat_kf.stores.redis import RedisJournal


class Deadly:
    """
    A journal after a certain entry of which the program dies.
    """

    def __init__(self, journal: Journal, row: int) -> None:
        self._journal = journal
        self._row = row

    @asynccontextmanager
    async def open(self, account: str) -> AsyncGenerator[OpenJournal]:
        async with self._journal.open(account) as opened:
            self._opened = opened
            yield self

    @property
    def entries(self) -> Any:
        return self._opened.entries

    async def write(self, entry: Entry) -> None:
        await self._opened.write(entry)
        if (entry.index, entry.state) == (self._row, "sending"):
            os.kill(os.getpid(), signal.SIGKILL)


def tell(about: object) -> None:
    """
    Write a line.
    """
    sys.stdout.write(json.dumps(about) + "\n")
    sys.stdout.flush()


async def send(journal: Journal, customers: int, concurrency: int) -> None:
    """
    Send each customer a text.
    """
    pairs = [(f"o{number:027}", f"No. {number}") for number in range(customers)]
    async with AsyncKfClient.from_env(max_connections=concurrency, timeout=60) as kf:
        outcomes = kf.send_each(pairs, journal=journal, concurrency=concurrency)
        try:
            async for outcome in outcomes:
                effect = outcome.error.effect if outcome.error is not None else "all"
                tell([outcome.index, outcome.touser, effect, outcome.is_earlier])
        except JournalError as error:
            tell(str(error))


async def main(*arguments: str) -> None:
    """
    Open the journal and send.
    """
    where, customers, concurrency = arguments
    journal: Journal = RedisJournal(redis.from_url(where), "all") if "://" in where else FileJournal(where)
    if "DIES_AT" in os.environ:
        journal = Deadly(journal, int(os.environ["DIES_AT"]))
    limit = int(os.environ.get("LIMIT", "-1"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    await send(journal, int(customers), int(concurrency))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:])
