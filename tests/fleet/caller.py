"""
A worker that calls when it is told to: a line in, a line out. Run by the tests of shared tokens.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import datetime, timedelta
from typing import Any

import anyio
from redis import asyncio as redis

from wechat_kf import AsyncKfClient, KfError, SystemClock
from wechat_kf.stores.redis import RedisTokenStore


class AnotherClock(SystemClock):
    """
    The clock of a machine that goes wrong.
    """

    def __init__(self, ahead: float) -> None:
        self._ahead = timedelta(seconds=ahead)

    def now(self) -> datetime:
        """
        Return a wrong time.
        """
        return super().now() + self._ahead


async def _call(kf: AsyncKfClient) -> dict[str, Any]:
    began = time.monotonic()
    try:
        await kf.get_kf_list()
    except KfError as error:
        said = type(error).__name__
    else:
        said = "ok"
    return {"said": said, "seconds": time.monotonic() - began}


async def _main() -> None:
    clock = AnotherClock(float(os.environ["AHEAD"]))
    async with redis.from_url(os.environ["REDIS_URL"]) as engine:
        store = RedisTokenStore(engine, lease=float(os.environ["LEASE"]), clock=clock)
        async with AsyncKfClient.from_env(token_store=store, clock=clock) as kf:
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            async for _ in anyio.wrap_file(sys.stdin):
                sys.stdout.write(json.dumps(await _call(kf)) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    anyio.run(_main)
