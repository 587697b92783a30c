"""
A bot as uvicorn serves it in the soak: it says in a file what it handles, what it sends, and what it hears of that.

A push's text is the kind of handler, the seconds it takes, how many messages it answers with, and a name: the name with
the handling and the number of the message is what is sent, so that nothing is sent twice on purpose.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeAlias

import anyio
from redis import asyncio as redis

from wechat_kf import AsyncKfClient, KfError, Text
from wechat_kf.bot import Bot
from wechat_kf.stores.redis import RedisInbox, RedisTokenStore
from wechat_kf.webhook import Push, TextMessage, Webhook
from wechat_kf.webhook.xml import read_xml

Event: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]

LEASE = float(os.environ["LEASE"])

# Each line is written at once, so that what a killed worker had said is there.
reports = os.open(Path(os.environ["REPORTS"], f"{os.getpid()}.jsonl"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
# By customer, of whom a worker handles one push at a time.
last_offered: dict[str, str] = {}


def report(what: str, about: str = "", **more: str) -> None:
    """
    Say what happens.
    """
    os.write(reports, json.dumps({"what": what, "about": about, "at": time.time(), **more}).encode() + b"\n")


def failed(push: Push, error: Exception) -> None:
    """
    Say that what was offered last was not sent, or that the bot has a defect.
    """
    if isinstance(error, KfError) and push.openid in last_offered:
        report("fails", last_offered[push.openid], effect=error.effect, error=type(error).__name__)
    else:
        report("breaks", push.dedupe_key, error=repr(error))


def lost(push: Push, sent: int, uncertain: bool) -> None:
    """
    Say which push of a dead worker will not be answered.
    """
    content = push.content if isinstance(push, TextMessage) else ""
    report("lost", content.rpartition(" ")[2], sent=str(sent), uncertain=str(uncertain))


class Warnings(logging.Handler):
    """
    Says what is warned of.
    """

    def emit(self, record: logging.LogRecord) -> None:
        report("warns", record.getMessage())


logging.getLogger("wechat_kf.stores").addHandler(Warnings(logging.WARNING))

engine = redis.from_url(os.environ["REDIS_URL"])
kf = AsyncKfClient.from_env(token_store=RedisTokenStore(engine, lease=LEASE), timeout=2.0)
bot = Bot(
    Webhook("token"),
    kf,
    inbox=RedisInbox(engine, lease=LEASE),
    patience=float(os.environ["PATIENCE"]),
    typing=True,
    drain=90,
    on_error=failed,
    on_lost=lost,
)


class Handling:
    """
    One time that a push is handled.
    """

    def __init__(self, push: TextMessage) -> None:
        _, seconds, messages, self._name = push.content.split(" ")
        self._pause = float(seconds) / int(messages)
        self._messages = int(messages)
        self._openid = push.openid
        self._id = secrets.token_hex(4)
        report("begins", self._name, handling=self._id)

    async def offers(self) -> AsyncGenerator[str]:
        """
        Make the messages.
        """
        try:
            for number in range(self._messages):
                await anyio.sleep(self._pause)
                text = f"{self._name}#{self._id}#{number}"
                last_offered[self._openid] = text
                report("offers", text)
                yield text
        finally:
            report("ends", self._name, handling=self._id)


@bot.on(TextMessage, lambda push: push.content.startswith("reply "))
async def reply(push: TextMessage) -> str:
    """
    Answer with the one message.
    """
    return [text async for text in Handling(push).offers()][-1]


@bot.on(TextMessage, lambda push: push.content.startswith("stream "))
async def stream(push: TextMessage) -> AsyncGenerator[str]:
    """
    Answer message by message.
    """
    async with aclosing(Handling(push).offers()) as offers:
        async for text in offers:
            yield text
            report("sent", text)


@bot.on(TextMessage, lambda push: push.content.startswith("send "))
async def send(push: TextMessage) -> None:
    """
    Send the messages here.
    """
    async for text in Handling(push).offers():
        try:
            await kf.send_custom_message(push.openid, Text(text))
        except KfError as error:
            report("fails", text, effect=error.effect, error=type(error).__name__)
        else:
            report("sent", text)


async def app(scope: Event, receive: Receive, send: Send) -> None:
    """
    Serve the bot, and say which pushes it took on without answering them yet.
    """
    if scope["type"] != "http":
        report("starts")
        await bot(scope, receive, send)
        return
    body = bytearray()

    async def listen() -> Event:
        event = await receive()
        body.extend(event.get("body", b""))
        return event

    async def answer(event: Event) -> None:
        if event.get("body") == b"success":
            report("promises", read_xml(bytes(body))["Content"].rpartition(" ")[2])
        await send(event)

    await bot(scope, listen, answer)
