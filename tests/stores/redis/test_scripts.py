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


async def test_value_and_life(client: Any) -> None:
    """
    A token is read with its remaining life, and one that is not there as nothing.
    """
    await client.set("t", "TOKEN", px=5000)
    value, life = await run(client, "value_and_life", ["t"])
    nothing = await run(client, "value_and_life", ["u"])

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


NAMES = {
    "push": "p:k",
    "owners": "owners",
    "queue": "q:o",
    "workers": "workers",
    "reply": "r:k",
    "allowance": "a:o",
    "news": "news",
}


def keys(*names: str) -> list[str]:
    """
    Write the keys of the push ``k`` of the customer ``o``.
    """
    return [NAMES[name] for name in names]


async def arrive(
    client: Any, key: str = "k", worker: str = "w", mark: str = "1", **more: object
) -> tuple[int, int, int, int, str | None, int, list[str]]:
    """
    Run `inbox_arrive`.
    """
    names = [f"p:{key}", "owners", "q:o", "workers", f"r:{key}", "a:o", "news"]
    options = {"at_once": 0, "interrupt": 0, "messages": 0, "seconds": 0, "held": 0, **more}
    answer = await run(client, "inbox_arrive", names, key, worker, "o", mark, 4000, 60000, "PAYLOAD", *options.values())
    return tuple(answer)


async def test_inbox_accounts(client: Any) -> None:
    """
    Accounts are added, and listed.
    """
    answers = [await run(client, "inbox_accounts", ["s"], 5000, name) for name in ("gh_1", "")]

    assert answers == [["gh_1"]] * 2
    assert 0 < await client.pttl("s") <= 5000


async def test_inbox_arrive(client: Any) -> None:
    """
    A new push is the worker's; a command that is repeated is the same delivery, another mark another.
    """
    answers = [await arrive(client), await arrive(client), await arrive(client, worker="x", mark="2")]
    given_again = await arrive(client, mark="3")
    held = await arrive(client, mark="4", held=1)
    second = await arrive(client, "l")
    owners = await client.hgetall("owners")

    assert answers == [(1, 1, 1, 1, None, 1, []), (1, 1, 1, 1, None, 0, []), (0, 2, 0, 0, None, 1, [])]
    assert given_again == (1, 3, 1, 1, None, 0, [])
    assert held == (0, 4, 0, 0, None, 0, [])
    assert second[3] == 0
    assert owners == {"k": "w o", "l": "w o"}


@pytest.mark.parametrize("state", ["replying", "sending", "done"])
async def test_inbox_arrive_gives_nothing_twice(client: Any, state: str) -> None:
    """
    What was being answered is not handled again, though its worker does not know that it has it.
    """
    await arrive(client)
    await client.hset("p:k", "state", state)
    answer = await arrive(client, mark="2")

    assert answer == (0, 2, 0, 0, None, 0, [])


async def test_inbox_arrive_passes_over_what_is_gone(client: Any) -> None:
    """
    What stands in a queue and is not under way any more holds nobody up.
    """
    await client.rpush("q:o", "gone")
    answer = await arrive(client)

    assert answer[3] == 1


async def test_inbox_arrive_interrupts(client: Any) -> None:
    """
    The worker's own pushes are listed, and others' told in the news.
    """
    await arrive(client, "a")
    await arrive(client, "b", worker="x")
    await client.rpush("q:o", "gone")
    answer = await arrive(client, at_once=1, interrupt=1)
    news = [fields for _, fields in await client.xrange("news")]

    assert answer == (1, 1, 1, 1, None, 0, ["a"])
    assert news == [{"worker": "x", "news": "interrupt", "push": "b"}]


async def test_inbox_arrive_allows(client: Any) -> None:
    """
    An allowance is the larger number, and the later end.
    """
    await arrive(client, "a", messages=5, seconds=1000)
    await arrive(client, "b", messages=1, seconds=9000)
    left, life = await client.get("a:o"), await client.pttl("a:o")

    assert left == "5"
    assert 1000 < life <= 9000


@pytest.mark.parametrize(
    ("worker", "attempt", "request_", "answer"), [("w", 1, 1, 1), ("x", 1, 1, 0), ("w", 2, 1, 0), ("w", 1, 2, 0)]
)
async def test_inbox_reply(client: Any, worker: str, attempt: int, request_: int, answer: int) -> None:
    """
    Only the holder may reply, to the last delivery.
    """
    names = keys("push", "owners", "reply")
    unknown = await run(client, "inbox_reply", names, "k", "w o", 1, 1, "BYTES", 5000)
    await arrive(client)
    told = await run(client, "inbox_reply", names, "k", f"{worker} o", attempt, request_, "BYTES", 5000)

    assert unknown == 2
    assert told == answer
    assert (await client.get("r:k") == "BYTES") == (answer == 1)


async def test_inbox_send(client: Any) -> None:
    """
    Only the holder may send, and a command that is repeated is the same message.
    """
    names = keys("push", "owners", "reply", "allowance")
    unknown = await run(client, "inbox_send", names, "k", "w o", 1, 1)
    await arrive(client, messages=5, seconds=5000)
    told = [await run(client, "inbox_send", names, "k", *fence, 1) for fence in (("w o", 1), ("w o", 1), ("x o", 1))]
    left = await client.get("a:o")

    assert unknown == 2
    assert told == [1, 1, 0]
    assert left == "4"


async def test_inbox_send_after_the_reply_was_given(client: Any) -> None:
    """
    Where a repetition was given the reply nothing may be sent.
    """
    await arrive(client)
    await run(client, "inbox_reply", keys("push", "owners", "reply"), "k", "w o", 1, 1, "BYTES", 5000)
    await arrive(client, worker="x", mark="2")
    told = await run(client, "inbox_send", keys("push", "owners", "reply", "allowance"), "k", "w o", 1, 1)

    assert told == 0


async def test_inbox_done(client: Any) -> None:
    """
    The turn passes to the worker's own next, or is told to another's; nobody else may settle.
    """
    for key, worker in (("k", "w"), ("gone", "w"), ("l", "w"), ("m", "x")):
        await arrive(client, key, worker)
    await client.hdel("owners", "gone")
    names = keys("owners", "queue", "news")
    others = await run(client, "inbox_done", ["p:k", *names], "k", "x", "o", 1, 5000)
    own = await run(client, "inbox_done", ["p:k", *names], "k", "w", "o", 1, 5000)
    again = await run(client, "inbox_done", ["p:k", *names], "k", "w", "o", 1, 5000)
    theirs = await run(client, "inbox_done", ["p:l", *names], "l", "w", "o", 1, 5000)
    forgotten = await run(client, "inbox_done", ["p:n", *names], "n", "w", "o", 1, 5000)
    news = [fields for _, fields in await client.xrange("news")]

    assert [others, own, again, theirs, forgotten] == [None, "l", None, "", ""]
    assert news == [{"worker": "x", "news": "turn", "push": "m"}]
    assert await client.hget("p:n", "state") == "done"


async def test_inbox_hand_over(client: Any) -> None:
    """
    What is given away is nobody's, and in the state handling again; what is another's is left alone.
    """
    await arrive(client)
    await arrive(client, "l", worker="x")
    await client.hset("p:k", "state", "sending")
    names = ["owners", "workers", "news", "p:k", "r:k", "p:l", "r:l"]
    given = [await run(client, "inbox_hand_over", names, "w", 5000, "k", "o", 1, "l", "o", 1) for _ in range(2)]
    owners, state = await client.hgetall("owners"), await client.hget("p:k", "state")

    assert given == [1, 0]
    assert await client.xlen("news") == 1
    assert owners == {"k": "- o", "l": "x o"}
    assert state == "handling"
    assert await client.hget("workers", "-") == "0"


async def test_inbox_beat(client: Any) -> None:
    """
    A beat says whether the last was in time, whose turn it is, and what the dead hold.
    """
    for key, worker in (("gone", "w"), ("k", "w"), ("l", "dead")):
        await arrive(client, key, worker)
    await client.hdel("owners", "gone")
    await client.hset("workers", mapping={"w": 0, "dead": 0, "idle": 0})
    names = ["workers", "owners", "q:o", "q:none"]
    # Who was late does not look for others.
    late = await run(client, "inbox_beat", names, "w", 4000, 60000, 3, 0, 100)
    looks = await run(client, "inbox_beat", names, "w", 4000, 60000, 2, 0, 100)
    few = await run(client, "inbox_beat", names, "w", 4000, 60000, 2, 1, 1)
    own = await run(client, "inbox_beat", names, "w", 4000, 60000, 0, 1, 100)
    await client.hset("owners", "n", "- o")
    await client.hset("workers", "-", 0)
    given = await run(client, "inbox_beat", names, "w", 4000, 60000, 1, 0, 100)
    await client.hdel("owners", "n")
    await client.hdel("workers", "-")
    new = await run(client, "inbox_beat", names, "new", 4000, 60000, 3, 0, 100)
    workers = await client.hkeys("workers")

    assert late == [1, ["k"], []]
    assert looks == [0, ["k"], ["l", "dead o"]]
    assert len(few[2]) == 2
    assert own == [0, ["k"], ["k", "w o"]]
    assert given == [0, ["k"], ["n", "- o"]]
    assert new[0] == 2
    assert sorted(workers) == ["dead", "new", "w"]


async def test_inbox_beat_after_a_pause(client: Any) -> None:
    """
    A worker whose own beat comes late takes nobody for dead: Redis may have stood still for all.
    """
    await arrive(client, "l", "other")
    seconds, _ = await client.time()
    await client.hset("workers", mapping={"w": seconds * 1000 + 1000, "other": 0})
    late = await run(client, "inbox_beat", ["workers", "owners"], "w", 6000, 60000, 3, 0, 100)
    in_time = await run(client, "inbox_beat", ["workers", "owners"], "w", 6000, 60000, 3, 0, 100)

    assert late == [1, [], []]
    assert in_time == [0, [], ["l", "other o"]]


async def take(client: Any, former: str, *, stale: int = 60000, last: int = 3) -> list[Any] | None:
    """
    Run `inbox_take` for the worker ``x``.
    """
    names = keys("push", "owners", "queue", "workers", "reply")
    answer: list[Any] | None = await run(client, "inbox_take", names, "k", "x", "o", former, stale, last)
    return answer


async def test_inbox_take(client: Any) -> None:
    """
    A push is taken from the dead only, once, and the attempt counts where it was its turn.
    """
    await client.rpush("q:o", "gone")
    await arrive(client)
    alive = await take(client, "w")
    await client.hset("workers", "w", 0)
    answers = [await take(client, "w"), await take(client, "w")]
    owner = await client.hget("owners", "k")

    assert alive is None
    assert answers[0] is not None
    assert [*answers[0][:7], answers[0][8]] == ["orphan", 2, "PAYLOAD", 1, 1, 0, 0, None]
    assert answers[1] is None
    assert owner == "x o"


async def test_inbox_take_what_waits(client: Any) -> None:
    """
    What waits behind another was not tried.
    """
    await arrive(client, "first")
    await arrive(client, worker="dead")
    await client.hset("workers", "dead", 0)
    answer = await take(client, "dead")

    assert answer is not None
    assert answer[:4] == ["orphan", 1, "PAYLOAD", 0]


@pytest.mark.parametrize(
    ("state", "former", "bounds", "taken"),
    [
        ("handling", "w", {"last": 1}, "handling"),
        ("handling", "w", {"stale": 0}, "handling"),
        ("handling", "-", {"last": 1}, "orphan"),
        ("replying", "w", {}, "replying"),
        ("sending", "w", {}, "sending"),
    ],
)
async def test_inbox_take_what_is_lost(
    client: Any,
    state: str,
    former: str,
    bounds: dict[str, int],
    taken: str,
) -> None:
    """
    What is not handled again comes with its state and reply; what was given away is handled however often it was tried.
    """
    await arrive(client, at_once=1)
    await client.hset("p:k", mapping={"state": state, "messages": 2})
    await client.hset("owners", "k", f"{former} o")
    await client.hset("workers", "w", 0)
    await client.set("r:k", "REPLY")
    answer = await take(client, former, **bounds)

    assert answer is not None
    assert [answer[0], answer[2], answer[6], answer[8]] == [taken, "PAYLOAD", 2, "REPLY"]


async def test_inbox_take_what_is_gone(client: Any) -> None:
    """
    Of what Redis kept no longer nothing is left.
    """
    await arrive(client)
    await client.delete("p:k")
    await client.hset("workers", "w", 0)
    answer = await take(client, "w")

    assert answer == ["gone"]
    assert await client.keys() == ["workers"]


async def test_inbox_restore(client: Any) -> None:
    """
    What Redis does not know it is told; what it knows better stays.
    """
    names = keys("push", "owners", "queue", "workers")
    rest = (60000, "PAYLOAD", 0, 2, "sending", 3, 500, 4000)
    answers = [await run(client, "inbox_restore", names, "k", f"{worker} o", *rest) for worker in ("w", "w", "x")]
    push, queue = await client.hgetall("p:k"), await client.lrange("q:o", 0, -1)
    await client.hset("p:l", "state", "done")
    done = await run(client, "inbox_restore", ["p:l", *names[1:]], "l", "w o", *rest)

    assert answers == [1, 1, 0]
    assert done == 0
    assert queue == ["k"]
    assert {name: push[name] for name in ("state", "attempt", "messages", "payload", "at_once")} == {
        "state": "sending",
        "attempt": "2",
        "messages": "3",
        "payload": "PAYLOAD",
        "at_once": "0",
    }


async def test_inbox_restore_what_does_not_queue(client: Any) -> None:
    """
    What does not queue is not put there.
    """
    names = keys("push", "owners", "queue", "workers")
    await run(client, "inbox_restore", names, "k", "w o", 60000, "PAYLOAD", 1, 1, "handling", 0, 0, 4000)
    again = await run(client, "inbox_restore", names, "k", "w o", 60000, "PAYLOAD", 1, 1, "handling", 0, 0, 4000)

    assert again == 1
    assert await client.exists("q:o") == 0


async def test_inbox_leave(client: Any) -> None:
    """
    A worker that leaves is dead.
    """
    await client.hset("workers", "w", 10**15)
    await run(client, "inbox_leave", ["workers"], "w")

    assert await client.hget("workers", "w") == "0"
