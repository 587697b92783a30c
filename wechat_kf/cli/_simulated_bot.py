"""
A bot in the same process as the stand-in: ``wechat-kf simulate --bot module:bot``.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from .._concurrency import background_tasks
from ..testing import FakeWeChat

__all__ = ["running_bot"]

_TOKEN = "simulated"  # noqa: S105 - it opens nothing
_KEY = "simulate" * 5 + "key"


@asynccontextmanager
async def running_bot(fake: FakeWeChat, base_url: str, name: str, path: str) -> AsyncGenerator[None]:
    """
    Import an ASGI app, have it live as a server would, and push to it.

    What it reads from the environment is the stand-in's, whatever was there: nothing is sent to WeChat.

    Args:
        fake: The stand-in.

        base_url: Where it is served.

        name: ``module:app``, found from the current folder.

        path: Where in the app pushes go.
    """
    os.environ |= {
        "WECHAT_APPID": fake.appid,
        "WECHAT_SECRET": fake.secret,
        "WECHAT_BASE_URL": base_url,
        "WECHAT_TOKEN": _TOKEN,
        "WECHAT_ENCODING_AES_KEY": _KEY,
    }
    app = _find_app(name)
    async with background_tasks() as tasks:
        failures: list[str] = []
        started, stopping, stopped = anyio.Event(), anyio.Event(), anyio.Event()
        events = iter(({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}))

        async def receive() -> dict[str, str]:
            event = next(events)
            if event["type"] == "lifespan.shutdown":
                await stopping.wait()
            return event

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "lifespan.startup.failed":
                failures.append(str(message.get("message", "")))
            started.set()

        async def live() -> None:
            try:
                await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
            except Exception as error:  # noqa: BLE001 - told below
                failures.append(f"{type(error).__name__}: {error}")
            started.set()
            stopped.set()

        tasks.start_soon(live)
        await started.wait()
        if failures:
            raise ValueError(f"the bot does not start: {failures[0]}")
        fake.set_callback(app, token=_TOKEN, encoding_aes_key=_KEY, path=path, real_time=True)
        yield
        stopping.set()
        await stopped.wait()


def _find_app(name: str) -> Any:
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise ValueError(f"--bot must be module:bot, not {name!r}")
    sys.path.insert(0, "")
    try:
        return getattr(importlib.import_module(module), attribute)
    except AttributeError:
        raise ValueError(f"the module {module} has no {attribute}") from None
