"""
A bot as uvicorn serves it in several workers, which tells Redis what it handles. Run by the tests of fleets.

A push's text says how many seconds its handler takes, and what it answers: ``0.5 text``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

import anyio
import redis as blocking_redis
from redis import asyncio as redis

from wechat_kf import AsyncKfClient
from wechat_kf.bot import Bot
from wechat_kf.stores.redis import RedisOrder, RedisSeen, RedisTokenStore
from wechat_kf.webhook import TextMessage, Webhook
from wechat_kf.webhook._xml import read_xml

Event: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]

LATE = float(os.environ["LATE"])
LEASE = float(os.environ["LEASE"])
PID = os.getpid()

# Parts of its types are unknown.
engine: Any = redis.from_url(os.environ["REDIS_URL"])
kf = AsyncKfClient.from_env(token_store=RedisTokenStore(engine))
bot = Bot(
    Webhook("token"),
    kf,
    seen=RedisSeen(engine, lease=LEASE, timeout=10),
    order=RedisOrder(engine, lease=LEASE, timeout=10),
    patience=float(os.environ["PATIENCE"]),
    drain=60,
)


async def note(what: str, push: str) -> None:
    """
    Tell Redis, where what all workers say comes in one order.
    """
    await engine.rpush("notes", f"{what} {PID} {push}")


class Warnings(logging.Handler):
    """
    Tells Redis of the warnings.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._engine: Any = blocking_redis.from_url(os.environ["REDIS_URL"])

    def emit(self, record: logging.LogRecord) -> None:
        self._engine.rpush("notes", f"warns {PID} {record.getMessage()}")


logging.getLogger("wechat_kf.stores").addHandler(Warnings())


@bot.on(TextMessage)
async def answer(push: TextMessage) -> str:
    """
    Take the time that the push says.
    """
    seconds, _, text = push.content.partition(" ")
    await note("begins", text)
    await anyio.sleep(float(seconds))
    await note("ends", text)
    return text


async def app(scope: Event, receive: Receive, send: Send) -> None:
    """
    Serve the bot behind a network that brings the first ``success`` for each push late, so that WeChat repeats it.
    """
    if scope["type"] != "http":
        await note("starts", "")
        await bot(scope, receive, send)
        return
    body = bytearray()

    async def listen() -> Event:
        event = await receive()
        body.extend(event.get("body", b""))
        return event

    held: list[Event] = []

    async def answer(event: Event) -> None:
        # The start waits for the body, which says what is answered.
        held.append(event)
        if event["type"] != "http.response.body":
            return
        if event["body"] == b"success":
            push = read_xml(bytes(body))["Content"].partition(" ")[2]
            await note("promises", push)
            if await engine.set(f"late {push}", "1", nx=True):
                await anyio.sleep(LATE)
        for each in held:
            await send(each)

    await bot(scope, listen, answer)
