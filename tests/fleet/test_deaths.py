"""
Workers that are killed, wherever they are with a push: what customers see, and what the application is told.
"""

from __future__ import annotations

import re
import signal
import time
from functools import partial
from typing import Any, Final

import anyio
import pytest
from redis import asyncio as redis

from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.testing import Delay

from ..redis_cluster import running_sentinels
from ..redis_server import RedisServer
from .stage import Note, Stage, open_stage

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

# A worker is dead after this; then another beats within a third of it, and again, since it looks for the dead only if
# it was in touch before. What a busy machine takes for itself comes on top.
LEASE: Final = 3.0


async def test_one_worker_dies(redis_server: RedisServer, notes_server: RedisServer) -> None:
    """
    Wherever a worker was with a push when it was killed, the customer is answered once, or the application is told.

    Before the answer; after ``success``, thinking; queued behind another; between the mark of a passive reply and its
    bytes; on message two of three; and when all was said.
    """
    async with open_stage(notes_server.url, lease=LEASE, REDIS_URL=redis_server.url) as stage:
        await stage.start("a", "b")
        stage.push("settled", "now settled/0")
        await stage.shows("settled/0")
        stage.push("parted", "parts parted/0")
        await stage.shows("parted/0#1")
        stage.fake.fault(SEND_CUSTOM_MESSAGE.path, Delay(600))
        sent = _sends(stage)
        await stage.go_on("second parted/0")
        await stage.until(lambda _: _sends(stage) > sent)
        stage.push("promised", "stream promised/0")
        stage.push("promised", "stream promised/1")
        await stage.says(("promises", "a", "promised/0"), ("promises", "a", "promised/1"))
        stage.push("held", "hold held/0")
        stage.push("waiting", "think waiting/0")
        await stage.says(("holds", "a", "held/0"), ("begins", "a", "waiting/0 1"))
        stage.kill("a")
        stage.target = "b"
        await stage.go_on()
        await stage.says(("lost", "b", "parted/0 1 True"))
        await stage.shows("waiting/0", "promised/0", "promised/1", "held/0")
        seconds = time.monotonic() - stage.began
        # Nothing more comes.
        await anyio.sleep(1)
        notes = await stage.notes()
    begun = [note.about for note in notes if note.what == "begins"]
    lost = [(note.worker, note.about) for note in notes if note.what == "lost"]

    assert stage.shown("settled", "held", "waiting") == ["settled/0", "held/0", "waiting/0"]
    assert stage.shown("promised") == ["promised/0", "promised/1"]
    assert stage.shown("parted") in (["parted/0#1"], ["parted/0#1", "parted/0#2"])
    assert lost == [("b", "parted/0 1 True")]
    # What waits behind another was not begun, and so not tried.
    assert [about for about in begun if about.startswith("promised")] == [
        "promised/0 1",
        "promised/0 2",
        "promised/1 1",
    ]
    assert sorted(about for about in begun if not about.startswith("promised")) == [
        "held/0 1",
        "parted/0",
        "settled/0 1",
        "waiting/0 1",
        "waiting/0 2",
    ]
    # The lease and two beats are all that customers wait for; what a busy machine takes comes on top.
    assert seconds < 2 * LEASE + 20


def _sends(stage: Stage) -> int:
    return sum(call.path == SEND_CUSTOM_MESSAGE.path for call in stage.fake.calls)


async def test_third_attempt(redis_server: RedisServer, notes_server: RedisServer) -> None:
    """
    A push whose handler has ended three workers is told to the application.
    """
    async with open_stage(notes_server.url, lease=1.5, REDIS_URL=redis_server.url) as stage:
        names = ["a", "b", "c", "d"]
        await stage.start("a", "b", "c", "d")
        stage.push("o", "stream o/0")
        alive = dict.fromkeys(names)
        for attempt in (1, 2, 3):
            notes = await stage.until(partial(_has_begun, f"o/0 {attempt}"))
            [victim] = {note.worker for note in notes if note.about == f"o/0 {attempt}"}
            stage.kill(victim)
            del alive[victim]
            stage.target = next(iter(alive))
        [last] = alive
        await stage.says(("lost", last, "o/0 0 False"))

        assert stage.shown("o") == []


def _has_begun(about: str, notes: list[Note]) -> bool:
    return any(note.what == "begins" and note.about == about for note in notes)


async def test_all_die_then_one_starts(redis_server: RedisServer, notes_server: RedisServer) -> None:
    """
    What all workers left is found by one that starts, though nobody writes to it, in each customer's order.
    """
    async with open_stage(notes_server.url, lease=1.5, REDIS_URL=redis_server.url) as stage:
        await stage.start("a", "b")
        for number in range(2):
            stage.push("o", f"stream o/{number}")
            await stage.says(("promises", stage.target, f"o/{number}"))
            stage.target = "b"
        stage.push("p", "stream p/0")
        await stage.says(("promises", "b", "p/0"))
        for name in ("a", "b"):
            stage.kill(name)
        await stage.go_on()
        await stage.start("c")
        await stage.shows("o/0", "o/1", "p/0")

        assert stage.shown("o", "p") == ["o/0", "o/1", "p/0"]


async def test_told_to_end(redis_server: RedisServer, notes_server: RedisServer) -> None:
    """
    What outlasts `drain` when a worker is told to end goes on elsewhere at once; its log says that, and nothing else.

    Before, it has answered by the passive reply and by messages, and it still answers a request that is open.
    """
    async with open_stage(notes_server.url, lease=60, REDIS_URL=redis_server.url, DRAIN="0.2") as stage:
        await stage.start("b", "a")
        # Who holds a push hears the others; who is idle looks at each beat.
        stage.push("busy", "stream busy/0")
        await stage.says(("promises", "b", "busy/0"))
        stage.target = "a"
        stage.push("settled", "now settled/0")
        stage.push("parted", "parts parted/0")
        await stage.go_on("second parted/0")
        stage.push("o", "stream o/0")
        await stage.says(("promises", "a", "o/0"))
        await stage.shows("settled/0", "parted/0#3")
        await stage.says(("begins", "a", "o/0 1"), ("ends", "a", "parted/0"))
        stage.push("open", "0.3 open/0")
        await stage.says(("begins", "a", "open/0 1"))
        process = stage.terminate("a")
        stage.target = "b"
        status = await anyio.to_thread.run_sync(process.wait)
        ended = time.monotonic()
        await stage.says(("begins", "b", "o/0 2"))
        seconds = time.monotonic() - ended
        await stage.go_on()
        await stage.shows("o/0", "busy/0")
        notes = await stage.notes()
        logged = stage.log("a")

    assert status in (0, -signal.SIGTERM)
    # Its own beat would tell it within 20 seconds, a dead worker's lease after 60.
    assert seconds < 10
    assert stage.shown("settled", "parted", "open") == ["settled/0", "parted/0#1", "parted/0#2", "parted/0#3", "open/0"]
    assert stage.shown("o") == ["o/0"]
    assert [note for note in notes if note.what == "lost"] == []
    assert [re.sub(r":\d+", "", line) for line in logged] == [
        "wechat_kf.bot: Handed over to other workers: the pushes o."
    ]


@pytest.mark.parametrize("trouble", ["paused", "restarted empty", "full"])
async def test_redis_in_trouble(trouble: str, redis_server: RedisServer, notes_server: RedisServer) -> None:
    """
    What is under way while Redis is in trouble is answered once, in each customer's order, and nobody is told of it.
    """
    async with (
        open_stage(notes_server.url, lease=LEASE, REDIS_URL=redis_server.url, TIMEOUT="1") as stage,
        redis.from_url(redis_server.url) as client,
    ):
        await stage.start("a", "b")
        stage.push("o", "stream o/0")
        await stage.says(("begins", "a", "o/0 1"))
        stage.push("o", "now o/1")
        await stage.says(("promises", "a", "o/1"))
        stage.target = "b"
        stage.push("p", "stream p/0")
        await stage.says(("begins", "b", "p/0 1"))
        await _begin(trouble, redis_server, client)
        await stage.go_on()
        await stage.shows("o/0", "o/1", "p/0")
        stage.push("q", "now q/0")
        await stage.shows("q/0")
        await _end(trouble, redis_server, client)
        # What was done meanwhile is told, and nobody takes over what is not lost.
        await anyio.sleep(LEASE)
        stage.push("q", "now q/1")
        await stage.shows("q/1")
        notes = await stage.notes()

        assert stage.shown("o", "p", "q") == ["o/0", "o/1", "p/0", "q/0", "q/1"]
        assert [note for note in notes if note.what == "lost"] == []


async def test_killed_while_redis_fails_over(notes_server: RedisServer) -> None:
    """
    What a worker had when it and the Redis server were killed is known to the replica, and goes on elsewhere.
    """
    with running_sentinels() as watched:
        sentinels = ",".join(map(str, watched.sentinels))
        async with open_stage(notes_server.url, lease=LEASE, SENTINELS=sentinels, TIMEOUT="1") as stage:
            await stage.start("a", "b")
            stage.push("o", "stream o/0")
            await stage.says(("promises", "a", "o/0"), ("begins", "a", "o/0 1"))
            stage.target = "b"
            stage.push("p", "stream p/0")
            await stage.says(("begins", "b", "p/0 1"))
            watched.kill_primary()
            stage.kill("a")
            await stage.go_on()
            await stage.shows("o/0", "p/0")
            # Nothing more comes.
            await anyio.sleep(1)
            notes = await stage.notes()

            assert stage.shown("o", "p") == ["o/0", "p/0"]
            assert [note for note in notes if note.what == "lost"] == []


async def _begin(trouble: str, server: RedisServer, client: Any) -> None:
    if trouble == "paused":
        server.pause()
    elif trouble == "full":
        await client.config_set("maxmemory-policy", "noeviction")
        await client.config_set("maxmemory", "1")
    else:
        server.stop()
        await anyio.to_thread.run_sync(server.start)


async def _end(trouble: str, server: RedisServer, client: Any) -> None:
    if trouble == "paused":
        server.resume()
    elif trouble == "full":
        await client.config_set("maxmemory", "0")
