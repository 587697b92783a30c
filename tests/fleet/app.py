"""
A bot as uvicorn serves it in several workers, which tells Redis what it handles. Run by the tests of fleets.

A push's text says how its handler works, and what it answers. ``0.5 text`` takes so many seconds. ``await text`` and
``promise text`` wait until they may go on; the latter is promised an answer at once.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

import anyio
import redis as blocking_redis
from redis import asyncio as redis

import wechat_kf.bot
from wechat_kf import AsyncKfClient
from wechat_kf.bot import Bot
from wechat_kf.stores.redis import RedisInbox, RedisTokenStore
from wechat_kf.webhook import TextMessage, Webhook
from wechat_kf.webhook.xml import read_xml

Event: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]

# A busy machine must not look like a memory that fails.
setattr(wechat_kf.bot, "_STORE_SECONDS", 30.0)  # noqa: B010 - it is final

LATE = float(os.environ["LATE"])
LEASE = float(os.environ["LEASE"])
PID = os.getpid()

# Parts of its types are unknown.
engine: Any = redis.from_url(os.environ["REDIS_URL"])
kf = AsyncKfClient.from_env(token_store=RedisTokenStore(engine))
bot = Bot(
    Webhook("token"),
    kf,
    inbox=RedisInbox(engine, lease=LEASE, timeout=10),
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


async def told_to_go_on() -> None:
    """
    Wait for that.
    """
    while True:
        if await engine.exists("go on"):
            return
        await anyio.sleep(0.05)


async def work(push: TextMessage) -> str:
    """
    Take the time that the push says; return what it answers.
    """
    kind, _, text = push.content.partition(" ")
    await engine.hset("keys", text, push.dedupe_key)
    await note("begins", text)
    if kind in ("await", "promise"):
        await told_to_go_on()
    else:
        await anyio.sleep(float(kind))
    await note("ends", text)
    return text


@bot.on(TextMessage, lambda push: push.content.startswith("promise "))
async def stream(push: TextMessage) -> AsyncGenerator[str]:
    """
    Answer later.
    """
    yield await work(push)


@bot.on(TextMessage)
async def answer(push: TextMessage) -> str:
    """
    Answer in time, if the bot's patience lasts.
    """
    return await work(push)


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
            if LATE and await engine.set(f"late {push}", "1", nx=True):
                await anyio.sleep(LATE)
        for each in held:
            await send(each)

    await bot(scope, listen, answer)
