"""
Workers of uvicorn, all behind one port.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import Process

from wechat_kf.testing import FakeWeChat

__all__ = ["WORKERS", "served", "until"]

WORKERS: Final = 4

_ROOT: Final = Path(__file__).parents[2]


async def until(holds: Callable[[], bool], seconds: float = 120.0) -> None:
    """
    Wait until something holds, which other processes bring about.
    """
    with anyio.fail_after(seconds):
        while True:
            if holds():
                return
            await anyio.sleep(0.02)


@asynccontextmanager
async def served(
    app: str, fake: FakeWeChat, base_url: str, environment: Mapping[str, str]
) -> AsyncGenerator[tuple[str, Process]]:
    """
    Serve an app in four workers; at the end shut them down, which waits for what is under way.

    Args:
        app: The app, as uvicorn is told it.

        fake: The account.

        base_url: Where the account is.

        environment: What else the workers are told.

    Yields:
        Where they listen, and the process over them.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        options = ["--workers", str(WORKERS), "--fd", str(listener.fileno()), "--log-level", "warning"]
        # A busy machine must not look like a dead worker; but for as long uvicorn may take no note of one that is.
        options += ["--timeout-worker-healthcheck", "20"]
        process = await anyio.open_process(
            [sys.executable, "-m", "uvicorn", app, *options],
            cwd=_ROOT,
            env={
                **os.environ,
                **environment,
                "WECHAT_APPID": fake.appid,
                "WECHAT_BASE_URL": base_url,
                "WECHAT_SECRET": fake.secret,
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
        )
        async with process:
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}", process
            finally:
                process.terminate()
