"""
One bot in four workers of uvicorn, behind one port, and WeChat that repeats its pushes.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import anyio
import attrs
import pytest
from redis import asyncio as redis

from wechat_kf.testing import FakeWeChat

from ..redis_server import RedisServer, keys_in
from .serving import WORKERS, served

MESSAGES: Final = 3

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


@asynccontextmanager
async def bots(
    fake: FakeWeChat, url: str, engine: Any, *, patience: float, late: float, lease: float
) -> AsyncGenerator[None]:
    """
    Serve the bot.
    """
    told = {"LATE": str(late), "LEASE": str(lease), "PATIENCE": str(patience), "REDIS_URL": url}
    async with fake.serve() as base_url, served("tests.fleet.app:app", fake, base_url, told) as (callback, _):
        # WeChat would grow impatient with a server that starts.
        await until(engine, lambda notes: len(notes.of("starts")) == WORKERS)
        fake.set_callback(callback, token="token")
        yield


@attrs.frozen
class Notes:
    """
    What the workers told, in order.
    """

    lines: list[tuple[str, int, str]]

    def of(self, what: str) -> list[tuple[int, str]]:
        """
        Return which worker told so, of which push.
        """
        return [(pid, push) for each, pid, push in self.lines if each == what]

    def pushes(self, what: str) -> list[str]:
        """
        Return the pushes this was told of.
        """
        return [push for _, push in self.of(what)]


async def read_notes(engine: Any) -> Notes:
    """
    Read what was told.
    """
    lines = [line.decode().split(" ", 2) for line in await engine.lrange("notes", 0, -1)]
    return Notes([(what, int(pid), push) for what, pid, push in lines])


async def read_keys(engine: Any) -> dict[str, str]:
    """
    Read by what keys the bot knows the pushes.
    """
    return {text.decode(): key.decode() for text, key in (await engine.hgetall("keys")).items()}


async def until(engine: Any, holds: Callable[[Notes], bool]) -> Notes:
    """
    Wait until the workers have told enough.
    """
    with anyio.fail_after(120):
        while True:
            notes = await read_notes(engine)
            if holds(notes):
                return notes
            await anyio.sleep(0.02)


def say_all(fake: FakeWeChat, kinds: Mapping[str, str | float]) -> list[str]:
    """
    Let each customer write a few times; the next is pushed when the one before is answered.

    Args:
        fake: The account.

        kinds: How each customer is answered.

    Returns:
        What is to be answered.
    """
    texts: list[str] = []
    for number in range(MESSAGES):
        for openid, kind in kinds.items():
            texts.append(f"{openid}/{number}")
            fake.user_says(openid, f"{kind} {texts[-1]}")
    return texts


def shown_to(fake: FakeWeChat, *openids: str) -> list[str]:
    """
    Return the answers that customers got.
    """
    return [shown.text for openid in openids for shown in fake.shown_to(openid) if shown.via != "notice"]


async def test_each_push_is_handled_once_and_in_order(redis_server: RedisServer) -> None:
    """
    Of the pushes that are repeated to other workers while the first is under way each is handled once, in order.

    Half of the handlers take so long that both the repetition and the customer's next push come while they run.
    """
    fake = FakeWeChat()
    fake.limits.push = 4.0
    seconds = {f"o{number}": 5.5 if number % 2 else 0.1 for number in range(16)}
    async with redis.from_url(redis_server.url) as engine:
        async with bots(fake, redis_server.url, engine, patience=0.4, late=4.5, lease=30.0):
            texts = say_all(fake, seconds)
            await until(engine, lambda notes: len(notes.pushes("ends")) >= len(texts))
        notes = await read_notes(engine)
        left = await keys_in(engine, "wechat_kf:order:*")
    begun, ended = notes.pushes("begins"), notes.pushes("ends")

    assert sorted(begun) == sorted(texts)
    for openid in seconds:
        mine = [f"{openid}/{number}" for number in range(MESSAGES)]
        happened = [(what, push) for what, _, push in notes.lines if push in mine and what in ("begins", "ends")]
        assert happened == [(what, push) for push in mine for what in ("begins", "ends")]
        assert shown_to(fake, openid) == mine
    assert len(ended) == len(texts)
    assert left == []
    # Several workers were at it, and WeChat did repeat, also to workers that did not have the push.
    assert len({pid for pid, _ in notes.of("begins")}) > 1
    assert max(Counter(notes.pushes("promises")).values()) > 1
    assert set(notes.of("promises")) - set(notes.of("begins"))


async def test_killed_worker(redis_server: RedisServer) -> None:
    """
    What a killed worker had promised to answer later is lost, and another says so; nothing else is, or comes twice.

    Half of the customers are promised an answer at once, and of that WeChat does not ask again; the others' answers are
    awaited, and what it hears nothing of, WeChat repeats. No handler goes on before the worker's death is known, so
    that a busy machine changes nothing; of times only the lease counts.
    """
    fake = FakeWeChat()
    fake.limits.push = 110.0
    texts: list[str] = []
    customers: list[str] = []
    victims: list[int] = []
    notes, promises = Notes([]), set[tuple[int, str]]()
    async with redis.from_url(redis_server.url) as engine:
        async with bots(fake, redis_server.url, engine, patience=100.0, late=0.0, lease=6.0):
            while not victims:
                more = [f"o{len(customers) + number}" for number in range(16)]
                customers += more
                texts += say_all(fake, dict(zip(more, ["await", "promise"] * 8, strict=True)))
                firsts = {text for text in texts if text.endswith("/0")}
                notes = await until(engine, partial(are_begun, firsts))
                promises = set(notes.of("promises"))
                victims = list({pid for pid, _ in promises} & {pid for pid, _ in set(notes.of("begins")) - promises})
            victim = victims[0]
            os.kill(victim, signal.SIGKILL)
            promised = {push for pid, push in promises if pid == victim}
            awaited = {push for pid, push in notes.of("begins") if pid == victim} - promised
            keys = await read_keys(engine)
            await until(engine, lambda notes: {keys[push] for push in promised} <= set(lost_in(notes)))
            await engine.set("go on", "1")
            await until(engine, lambda _: set(texts) - promised <= set(shown_to(fake, *customers)))
        notes = await read_notes(engine)
    begun, shown, told = Counter(notes.pushes("begins")), shown_to(fake, *customers), lost_in(notes)

    assert len(shown) == len(set(shown))
    assert set(shown) == set(texts) - promised
    assert set(begun) == set(texts)
    assert {push for push, times in begun.items() if times > 1} == awaited
    assert len(told) == len(set(told))
    assert set(told) <= {keys[push] for push in promised | awaited}


def are_begun(firsts: set[str], notes: Notes) -> bool:
    """
    Tell whether each customer's first push is being handled, and those that are promised an answer have it promised.
    """
    return set(notes.pushes("begins")) == firsts and len(notes.pushes("promises")) == len(firsts) // 2


def lost_in(notes: Notes) -> list[str]:
    """
    Return the keys of the pushes that were said to be lost.
    """
    warnings = [text for text in notes.pushes("warns") if text.startswith("Workers have died")]
    return [key for text in warnings for key in text.partition(": ")[2].removesuffix(".").split(", ")]
