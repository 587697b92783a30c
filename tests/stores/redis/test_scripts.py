"""
Each Lua script by itself, on a real Redis.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from importlib.resources import files
from typing import Any

import pytest
from redis import asyncio as redis

from ...redis_server import RedisServer

SCRIPTS = {path.name for path in files("wechat_kf.stores.redis").joinpath("scripts").iterdir()}


@pytest.fixture
def anyio_backend() -> str:
    """
    Run on asyncio, which is what the engine's client is for.
    """
    return "asyncio"


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncGenerator[Any]:
    """
    Give a client of the engine, parts of whose types are unknown.
    """
    async with redis.from_url(redis_server.url, decode_responses=True) as client:
        yield client


def text_of(name: str) -> str:
    """
    Read a script.
    """
    return files("wechat_kf.stores.redis").joinpath("scripts", f"{name}.lua").read_text(encoding="utf-8")


async def run(client: Any, name: str, keys: list[str], *arguments: object) -> Any:
    """
    Run a script.
    """
    return await client.eval(text_of(name), len(keys), *keys, *arguments)


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_head_says_what_it_takes(name: str) -> None:
    """
    A script opens with what it does, its keys, and what it returns, and declares every key that it uses.
    """
    lines = text_of(name.removesuffix(".lua")).splitlines()
    end = next(at for at, line in enumerate(lines) if not line.startswith("--"))
    head, body = "\n".join(lines[:end]), "\n".join(lines[end:])
    used = set(re.findall(r"\b(?:KEYS|ARGV)\[\d+\]", body))

    assert "Returns" in head
    assert {each for each in used if each not in head} == set()


async def test_token_load(client: Any) -> None:
    """
    A token is read with its remaining life, and one that is not there as nothing.
    """
    await client.set("t", "TOKEN", px=5000)
    value, life = await run(client, "token_load", ["t"])
    nothing = await run(client, "token_load", ["u"])

    assert value == "TOKEN"
    assert 0 < life <= 5000
    assert nothing == [None, -2]


@pytest.mark.parametrize(
    ("there", "mark", "kept"),
    [(None, "", "NEW"), (4000, "", "NEW"), (9000, "", "OLD"), (9000, "mine", "NEW"), (9000, "theirs", "OLD")],
)
async def test_token_save(client: Any, there: int | None, mark: str, kept: str) -> None:
    """
    A token that ends later is replaced by the holder of the lease only.
    """
    if there is not None:
        await client.set("t", "OLD", px=there)
    await client.set("l", "mine")
    answer = await run(client, "token_save", ["t", "l"], "NEW", 5000, mark)
    value = await client.get("t")

    assert value == kept
    assert answer == (kept == "NEW")


async def test_token_save_without_a_lease(client: Any) -> None:
    """
    Where nobody holds the lease, no mark is its holder's.
    """
    await client.set("t", "OLD", px=9000)
    await run(client, "token_save", ["t", "l"], "NEW", 5000, "")
    value = await client.get("t")

    assert value == "OLD"


async def test_lease_acquire(client: Any) -> None:
    """
    A lease has one holder, who may ask twice, and ends by itself.
    """
    answers = [await run(client, "lease_acquire", ["l"], mark, 5000) for mark in ("one", "one", "two")]
    life = await client.pttl("l")

    assert answers == [1, 1, 0]
    assert 0 < life <= 5000


async def test_lease_release(client: Any) -> None:
    """
    A lease is released by its holder only.
    """
    await client.set("l", "one")
    answers = [await run(client, "lease_release", ["l"], mark) for mark in ("two", "one", "one")]

    assert answers == [0, 1, 0]
