"""
Broadcasts as programs of their own, on a real socket, and the stand-in that they send to.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.abc import Process

from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.testing import FakeWeChat

__all__ = ["CONCURRENCY", "CUSTOMERS", "Town"]

CUSTOMERS: Final = [f"o{number:027}" for number in range(120)]
CONCURRENCY: Final = 10


class Run:
    """
    One program, and what it has told.
    """

    def __init__(self, process: Process) -> None:
        self.process = process
        # Index, openid, what may have arrived, and whether an earlier run is what tells it.
        self.outcomes: list[list[Any]] = []
        self.error = ""

    async def listen(self) -> None:
        """
        Read to the program's end; what it had not said whole when it died is nothing.
        """
        assert self.process.stdout is not None
        said = b"".join([chunk async for chunk in self.process.stdout])
        for line in said.splitlines():
            with suppress(ValueError):
                about = json.loads(line)
                if isinstance(about, str):
                    self.error = about
                else:
                    self.outcomes.append(about)
        await self.process.wait()

    def openids(self, effect: str) -> set[str]:
        """
        List the customers to whom so much may have arrived.
        """
        return {outcome[1] for outcome in self.outcomes if outcome[2] == effect}


class Town:
    """
    A stand-in with customers who have all just written, and programs that send to them.
    """

    def __init__(self, fake: FakeWeChat, base_url: str) -> None:
        self.fake = fake
        self._base_url = base_url

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncGenerator[Town]:
        """
        Serve it.
        """
        fake = FakeWeChat()
        for openid in CUSTOMERS:
            fake.user_says(openid, "在吗")
        async with fake.serve() as base_url:
            yield cls(fake, base_url)

    @asynccontextmanager
    async def start(self, journal: Path | str, **variables: str) -> AsyncGenerator[Run]:
        """
        Start a program that sends to all customers, and listen to it until it ends.
        """
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WECHAT_")}
        command = [sys.executable, "-W", "error", "-m", "tests.broadcast.sender"]
        process = await anyio.open_process(
            [*command, str(journal), str(len(CUSTOMERS)), str(CONCURRENCY)],
            cwd=Path(__file__).parents[2],
            stderr=None,
            env={
                **environment,
                "WECHAT_APPID": self.fake.appid,
                "WECHAT_SECRET": self.fake.secret,
                "WECHAT_BASE_URL": self._base_url,
                **variables,
            },
        )
        run = Run(process)
        with anyio.fail_after(60):
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(run.listen)
                    yield run
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.aclose()

    async def run(self, journal: Path | str, **variables: str) -> Run:
        """
        Have a program send to all customers, to its end.
        """
        async with self.start(journal, **variables) as run:
            pass
        return run

    async def arrived(self, count: int) -> None:
        """
        Wait until so many messages have arrived.
        """
        await _until(lambda: len(self.fake.sent) >= count)

    async def asked(self, count: int) -> None:
        """
        Wait until it was asked to send so many messages.
        """
        await _until(lambda: sum(call.path == SEND_CUSTOM_MESSAGE.path for call in self.fake.calls) >= count)

    def got(self) -> set[str]:
        """
        List the customers who got their message; nobody got two.
        """
        counts = Counter(shown.openid for shown in self.fake.sent)
        assert set(counts.values()) <= {1}
        return set(counts)

    def check_end(self, run: Run) -> None:
        """
        See that a run which ended told of each customer once, and that each got the message or is told as uncertain.
        """
        assert sorted(outcome[1] for outcome in run.outcomes) == CUSTOMERS
        assert run.openids("all") <= self.got() <= run.openids("all") | run.openids("unknown")
        assert run.openids("none") == set()
        assert len(run.openids("unknown")) <= CONCURRENCY


async def _until(happens: Callable[[], bool]) -> None:
    while not happens():  # noqa: ASYNC110 - the stand-in serves other processes
        await anyio.sleep(0.002)
