"""
One bot in four workers of uvicorn, behind one port, and WeChat that repeats its pushes.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
import attrs
import pytest
from redis import asyncio as redis

from wechat_kf.testing import FakeWeChat

from .._redis import RedisServer, keys_in
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


def say_all(fake: FakeWeChat, seconds: dict[str, float]) -> list[str]:
    """
    Let each customer write a few times; the next is pushed when the one before is answered.

    Args:
        fake: The account.

        seconds: How long it takes to answer each customer.

    Returns:
        What is to be answered.
    """
    texts: list[str] = []
    for number in range(MESSAGES):
        for openid, each in seconds.items():
            texts.append(f"{openid}/{number}")
            fake.user_says(openid, f"{each} {texts[-1]}")
    return texts


def shown_to(fake: FakeWeChat, openid: str) -> list[str]:
    """
    Return the answers that a customer got.
    """
    return [shown.text for shown in fake.shown_to(openid) if shown.via != "notice"]


async def test_each_push_is_handled_once_and_in_order(redis_server: RedisServer) -> None:
    """
    Of the pushes that are repeated to other workers while the first is under way each is handled once, in order.

    Half of the handlers take so long that both the repetition and the customer's next push come while they run.
    """
    fake = FakeWeChat()
    fake.limits.push = 2.5
    seconds = {f"o{number}": 4.0 if number % 2 else 0.1 for number in range(16)}
    async with redis.from_url(redis_server.url) as engine:
        async with bots(fake, redis_server.url, engine, patience=0.4, late=3.0, lease=30.0):
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

    Customers with quick handlers get passive replies: while these are awaited, WeChat repeats what it hears nothing
    of. Those with slow ones are promised an answer, and of that WeChat does not ask again.
    """
    fake = FakeWeChat()
    fake.limits.push = 5.0
    seconds = {f"o{number}": 1.0 if number % 2 else 3.0 for number in range(16)}
    async with redis.from_url(redis_server.url) as engine:
        async with bots(fake, redis_server.url, engine, patience=2.0, late=0.0, lease=2.0):
            texts = say_all(fake, seconds)
            # Somebody has a push of a quick customer in hand.
            notes = await until(engine, lambda notes: bool(quick_under_way(notes, seconds)))
            victim = quick_under_way(notes, seconds)[-1]
            os.kill(victim, signal.SIGKILL)

            def is_settled(notes: Notes) -> bool:
                lost = {push for pid, push in notes.of("promises") if pid == victim}
                return set(notes.pushes("ends")) | lost == set(texts) and bool(notes.of("warns"))

            await until(engine, is_settled)
        notes = await read_notes(engine)
    promised = {push for pid, push in notes.of("promises") if pid == victim}
    shown = [text for openid in seconds for text in shown_to(fake, openid)]
    taken_over = {push for pid, push in notes.of("begins") if pid != victim} & {
        push for pid, push in notes.of("begins") if pid == victim
    }
    lost = set(texts) - set(shown)
    # The stand-in numbers the messages.
    keys = {text: f"{text.split('/')[0]}:{24_000_000_000_000_001 + number}" for number, text in enumerate(texts)}
    told = " ".join(notes.pushes("warns"))
    in_hand = {push for pid, push in notes.of("begins") if pid == victim} - set(notes.pushes("ends"))

    assert len(shown) == len(set(shown))
    assert lost <= promised
    assert [text for text in lost & in_hand if keys[text] not in told] == []
    assert taken_over
    assert taken_over <= set(shown)
    assert {pid for pid, _ in notes.of("begins")} > {victim}


def quick_under_way(notes: Notes, seconds: dict[str, float]) -> list[int]:
    """
    Return the workers that are answering customers whose answers are quick and awaited.
    """
    over = {*notes.pushes("ends"), *notes.pushes("promises")}
    return [pid for pid, push in notes.of("begins") if push not in over and seconds[push.split("/")[0]] < 2]
