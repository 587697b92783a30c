"""
Workers that are started, told, and killed one by one, and a WeChat that pushes to the one that it is told.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import anyio
import attrs
import httpx
from redis import asyncio as redis

from wechat_kf.testing import FakeWeChat

__all__ = ["Note", "Stage", "open_stage"]

_ROOT: Final = Path(__file__).parents[2]

# What a busy machine may take for what takes a second.
_LONG: Final = 120.0


@attrs.frozen
class Note:
    """
    What a worker said.
    """

    what: str
    worker: str
    about: str


class Stage:
    """
    The workers, their notes, and WeChat.

    Attributes:
        fake: WeChat.

        target: The worker that pushes go to.
    """

    def __init__(self, fake: FakeWeChat, base_url: str, notes: Any, folder: Path, environment: dict[str, str]) -> None:
        self.fake = fake
        self.target = ""
        self.began = time.monotonic()
        self._notes = notes
        self._folder = folder
        self._environment = {
            **os.environ,
            **environment,
            "WECHAT_APPID": fake.appid,
            "WECHAT_BASE_URL": base_url,
            "WECHAT_SECRET": fake.secret,
        }
        # In the order in which they came.
        self._customers: dict[str, None] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._urls: dict[str, str] = {}
        self._http = httpx.AsyncClient(timeout=None, limits=httpx.Limits(max_keepalive_connections=0))  # noqa: S113

    async def start(self, *names: str) -> None:
        """
        Start workers, and have pushes go to the first.
        """
        for name in names:
            self._spawn(name)
        for name in names:
            await self.says(("starts", name, ""))
        self.target = names[0]

    def _spawn(self, name: str) -> None:
        with (
            socket.create_server(("127.0.0.1", 0), backlog=1024) as listener,
            (self._folder / f"{name}.log").open("wb") as log,
        ):
            options = ["--fd", str(listener.fileno()), "--log-level", "warning"]
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "tests.fleet.app:app", *options],
                cwd=_ROOT,
                env={**self._environment, "NAME": name},
                stdout=subprocess.DEVNULL,
                stderr=log,
                pass_fds=[listener.fileno()],
            )
            self._urls[name] = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def push(self, openid: str, content: str) -> None:
        """
        Let a customer write.
        """
        self._customers[openid] = None
        self.fake.user_says(openid, content)

    def kill(self, name: str) -> None:
        """
        End a worker as the kernel does.
        """
        process = self._processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.began = time.monotonic()

    def terminate(self, name: str) -> subprocess.Popen[bytes]:
        """
        Ask a worker to end.
        """
        process = self._processes.pop(name)
        process.terminate()
        return process

    def log(self, name: str) -> list[str]:
        """
        Read what a worker logged.
        """
        return (self._folder / f"{name}.log").read_text(encoding="utf-8").splitlines()

    def terminate_all(self) -> None:
        """
        End what is left.
        """
        for name in list(self._processes):
            self.kill(name)

    async def go_on(self, key: str = "go on") -> None:
        """
        Let handlers go on.
        """
        await self._notes.set(key, "1")

    async def notes(self) -> list[Note]:
        """
        Read what the workers said.
        """
        lines = [line.decode().split(" ", 2) for line in await self._notes.lrange("notes", 0, -1)]
        return [Note(*line) for line in lines]

    async def until(self, holds: Callable[[list[Note]], bool]) -> list[Note]:
        """
        Wait until the workers have said enough.
        """
        with anyio.fail_after(_LONG):
            while True:
                notes = await self.notes()
                if holds(notes):
                    return notes
                await anyio.sleep(0.02)

    async def says(self, *notes: tuple[str, str, str]) -> None:
        """
        Wait until workers have said these.
        """
        await self.until(lambda said: {Note(*note) for note in notes} <= set(said))

    async def shows(self, *texts: str) -> None:
        """
        Wait until these were shown.
        """
        try:
            await self.until(lambda _: set(texts) <= set(self.shown()))
        except TimeoutError:
            missing = set(texts) - set(self.shown())
            raise AssertionError(f"not shown: {missing}; the workers said {await self.notes()}") from None

    def shown(self, *openids: str) -> list[str]:
        """
        Return the answers that customers got, or all of them.
        """
        openids = openids or tuple(self._customers)
        return [shown.text for openid in openids for shown in self.fake.shown_to(openid) if shown.via != "notice"]

    async def network(self, scope: Any, receive: Any, send: Any) -> None:
        """
        Bring a push to the target, and its answer back; where the connection breaks, repeat it to the next target.
        """
        body = (await receive())["body"]
        while True:
            target = self.target
            with suppress(httpx.TransportError):
                response = await self._http.post(
                    f"{self._urls[target]}/?{scope['query_string'].decode()}", content=body
                )
                await send({"type": "http.response.start", "status": response.status_code, "headers": []})
                await send({"type": "http.response.body", "body": response.content})
                return
            while self.target == target:  # noqa: ASYNC110 - it is set by a test, which waits for other things
                await anyio.sleep(0.02)


@asynccontextmanager
async def open_stage(
    notes_url: str, *, push: float = 60.0, lease: float = 3.0, patience: float = 10.0, **environment: str
) -> AsyncGenerator[Stage]:
    """
    Open a stage without workers.

    Args:
        notes_url: A Redis for the workers' notes.

        push: Seconds after which WeChat repeats a push.

        lease: Seconds after which a worker that is silent is dead.

        patience: Seconds that a bot keeps WeChat waiting.

        environment: What else the workers are told.
    """
    fake = FakeWeChat()
    fake.limits.push = push
    told = {"LEASE": str(lease), "PATIENCE": str(patience), "NOTES_URL": notes_url, **environment}
    client: Any = redis.from_url(notes_url)
    async with client as notes, fake.serve() as base_url, anyio.TemporaryDirectory() as folder:
        await notes.flushall()
        stage = Stage(fake, base_url, notes, Path(folder), told)
        fake.set_callback(stage.network, token="token")
        try:
            yield stage
        finally:
            stage.terminate_all()
