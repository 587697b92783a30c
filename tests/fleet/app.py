"""
A bot as uvicorn serves it in one of several workers, which notes what it does. Run by the tests of fleets.

A push's text is a kind and a name, which is what is answered: ``now`` at once; ``think`` when it may go on, and
``stream`` likewise, but what is promised an answer at once; ``parts`` in three messages, of which the second waits;
``hold`` at once, and the bytes of the reply stay in the worker. ``0.5`` takes so many seconds.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

import anyio
from redis import asyncio as redis
from redis.asyncio.sentinel import Sentinel

from wechat_kf import AsyncKfClient
from wechat_kf.bot import Bot
from wechat_kf.stores.redis import RedisInbox, RedisTokenStore
from wechat_kf.webhook import Push, TextMessage, Webhook
from wechat_kf.webhook.xml import read_xml

Event: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]

logging.basicConfig(format="%(name)s: %(message)s")
logging.getLogger("wechat_kf").setLevel(logging.INFO)

LATE = float(os.environ.get("LATE", "0"))
NAME = os.environ.get("NAME", str(os.getpid()))


def connect() -> Any:
    """
    Make a client, parts of whose types are unknown, for a server or for what Sentinels know.
    """
    if "SENTINELS" not in os.environ:
        return redis.from_url(os.environ["REDIS_URL"])
    ports = os.environ["SENTINELS"].split(",")
    make: Any = Sentinel
    sentinel = make([("127.0.0.1", int(port)) for port in ports], socket_timeout=2.0)
    return sentinel.master_for("shared", socket_timeout=2.0)


notes: Any = redis.from_url(os.environ["NOTES_URL"])
engine = connect()


async def note(what: str, about: str = "") -> None:
    """
    Tell the tests, by a Redis that is always there.
    """
    await notes.rpush("notes", f"{what} {NAME} {about}")


async def told(key: str) -> None:
    """
    Wait until the tests say so.
    """
    while True:
        if await notes.exists(key):
            return
        await anyio.sleep(0.02)


async def lost(push: Push, sent: int, uncertain: bool) -> None:
    """
    Note what the bot is told of the pushes of others.
    """
    content = push.content if isinstance(push, TextMessage) else ""
    await note("lost", f"{content.partition(' ')[2]} {sent} {uncertain}")


bot = Bot(
    Webhook("token"),
    # A busy machine must not look like an API that does not answer.
    AsyncKfClient.from_env(token_store=RedisTokenStore(engine), timeout=120),
    inbox=RedisInbox(engine, lease=float(os.environ["LEASE"]), timeout=float(os.environ.get("TIMEOUT", "5"))),
    patience=float(os.environ["PATIENCE"]),
    drain=float(os.environ.get("DRAIN", "60")),
    on_lost=lost,
)


@bot.on(TextMessage, lambda push: push.content.startswith("stream "))
async def stream(push: TextMessage) -> AsyncGenerator[str]:
    """
    Answer later.
    """
    yield await answer(push)


@bot.on(TextMessage, lambda push: push.content.startswith("parts "))
async def parts(push: TextMessage) -> AsyncGenerator[str]:
    """
    Answer in three messages.
    """
    name = push.content.partition(" ")[2]
    await note("begins", name)
    yield f"{name}#1"
    await told(f"second {name}")
    yield f"{name}#2"
    yield f"{name}#3"
    await note("ends", name)


@bot.on(TextMessage)
async def answer(push: TextMessage) -> str:
    """
    Answer in time, if the bot's patience lasts.
    """
    kind, _, name = push.content.partition(" ")
    await note("begins", f"{name} {push.attempt}")
    if kind in ("think", "stream"):
        await told("go on")
    elif kind not in ("now", "hold"):
        await anyio.sleep(float(kind))
    await note("ends", name)
    return name


async def app(scope: Event, receive: Receive, send: Send) -> None:
    """
    Serve the bot behind a network that may bring an answer late, or keep it.
    """
    if scope["type"] != "http":
        await bot(scope, receive, started(send))
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
        kind, _, name = str(read_xml(bytes(body))["Content"]).partition(" ")
        if event["body"] == b"success":
            await note("promises", name)
            if LATE and await notes.set(f"late {name}", "1", nx=True):
                await anyio.sleep(LATE)
        elif kind == "hold" and await notes.set(f"held {name}", "1", nx=True):
            await note("holds", name)
            await anyio.sleep_forever()
        for each in held:
            await send(each)

    await bot(scope, listen, answer)


def started(send: Send) -> Send:
    """
    Note when the bot has started.
    """

    async def tell(event: Event) -> None:
        if event["type"] == "lifespan.startup.complete":
            await note("starts")
        await send(event)

    return tell
