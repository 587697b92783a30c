"""
A worker that begins to handle a push, prints the span in which it does, and waits to be killed.

It takes the URL of a Redis.
"""

from __future__ import annotations

import sys

import anyio
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from redis import asyncio as redis

from wechat_kf import AsyncKfClient
from wechat_kf.bot import Bot
from wechat_kf.instrumentation.opentelemetry import OpenTelemetryHook
from wechat_kf.stores.redis import RedisInbox
from wechat_kf.webhook import TextMessage

from ..bot.stage import Stage

__all__: list[str] = []


async def work(url: str) -> None:
    """
    Take a push, and never be done with it.
    """
    stage = Stage()
    hook = OpenTelemetryHook(tracer_provider=TracerProvider())
    kf = AsyncKfClient(stage.fake.appid, stage.fake.secret, http=stage.fake.client(), hooks=[hook], clock=stage.clock)
    async with redis.from_url(url) as engine:
        bot = Bot(stage.hook, kf, inbox=RedisInbox(engine, lease=0.9), clock=stage.clock)

        @bot.on(TextMessage)
        async def begin(_: TextMessage) -> None:
            context = trace.get_current_span().get_span_context()
            sys.stdout.write(f"{context.trace_id} {context.span_id}\n")
            sys.stdout.flush()
            await anyio.sleep_forever()

        async with bot:
            await stage.request("POST", stage.signed(), stage.text("你好"), bot)


if __name__ == "__main__":
    anyio.run(work, sys.argv[1])
