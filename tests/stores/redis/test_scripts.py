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
    told = await run(client, "inbox_leave", ["workers"], "w")

    assert told == 1
    assert await client.hget("workers", "w") == "0"


# What the scripts are told of the time, in milliseconds, where a test says so.
NOW = 1_800_000_000_250

CLOCK = f"""
local engine = redis
local redis = {{call = function(name, ...)
    if name == 'TIME' then return {{'{NOW // 1000}', '{NOW % 1000 * 1000}'}} end
    return engine.call(name, ...)
end}}
"""


async def run_now(client: Any, name: str, keys: list[str], *arguments: object) -> Any:
    """
    Run a script at the time `NOW`.
    """
    return await client.eval(CLOCK + text_of(name), len(keys), *keys, *arguments)


async def lives(client: Any, *names: str) -> dict[str, bool]:
    """
    Tell of keys whether they end by themselves, within a minute.
    """
    return {name: 0 < await client.pttl(name) <= 60000 for name in names}


async def test_everything_ends(client: Any) -> None:
    """
    Whatever a push leaves behind ends by itself.
    """
    await arrive(client, "a", worker="x", messages=1, seconds=5000)
    await arrive(client, interrupt=1)
    await run(client, "inbox_beat", ["workers", "owners"], "w", 4000, 60000, 0, 0, 100)
    known = await lives(client, *await client.keys())
    await run(client, "inbox_reply", keys("push", "owners", "reply"), "k", "w o", 1, 1, "BYTES", 5000)
    replied = await lives(client, "p:k", "r:k")

    assert known == dict.fromkeys(("p:a", "p:k", "owners", "q:o", "workers", "a:o", "news"), True)
    assert replied == {"p:k": True, "r:k": True}


async def test_what_is_told_again_ends(client: Any) -> None:
    """
    What Redis is told of a push ends by itself, and so does the news of what is given away.
    """
    names = keys("push", "owners", "queue", "workers")
    await run(client, "inbox_restore", names, "k", "w o", 60000, "PAYLOAD", 0, 1, "handling", 0, 0, 4000)
    restored = await lives(client, "p:k", "owners", "q:o")
    await run(client, "inbox_hand_over", ["owners", "workers", "news", "p:k", "r:k"], "w", 60000, "k", "o", 1)
    news = await lives(client, "news")

    assert restored == {"p:k": True, "owners": True, "q:o": True}
    assert news == {"news": True}


async def test_inbox_arrive_at_a_time(client: Any) -> None:
    """
    A push has the time at which it came, and a worker that was not known is alive from then on.
    """
    names = keys("push", "owners", "queue", "workers", "reply", "allowance", "news")
    await run_now(client, "inbox_arrive", names, "k", "w", "o", "1", 4000, 60000, "PAYLOAD", 0, 0, 0, 0, 0)
    since, until = await client.hget("p:k", "since"), await client.hget("workers", "w")

    assert since == str(NOW)
    assert until == str(NOW + 4000)


async def test_inbox_arrive_knows_the_last_mark(client: Any) -> None:
    """
    A repetition that is repeated as a command counts once.
    """
    answers = [await arrive(client, mark=mark) for mark in ("1", "2", "2")]

    assert [answer[1] for answer in answers] == [1, 2, 2]


@pytest.mark.parametrize(("at_once", "turn"), [(0, 0), (1, 1)])
async def test_inbox_arrive_given_again_behind_another(client: Any, at_once: int, turn: int) -> None:
    """
    What is given again waits for its turn as before, or does not.
    """
    await arrive(client, "first")
    answers = [await arrive(client, mark=mark, at_once=at_once) for mark in ("1", "2")]

    assert [answer[3] for answer in answers] == [turn, turn]


async def test_inbox_arrive_at_the_head(client: Any) -> None:
    """
    What is at the head of its queue has its turn, also when it is given again.
    """
    await arrive(client)
    await arrive(client, "second")
    answer = await arrive(client, mark="2")

    assert answer[3] == 1
    assert await client.lrange("q:o", 0, -1) == ["k", "second"]


async def test_inbox_beat_at_a_time(client: Any) -> None:
    """
    A beat is late with less than a third left; until the very end of its time a worker is alive.
    """
    await client.hset("owners", "l", "other o")
    await client.hset("workers", mapping={"w": NOW + 2000, "other": NOW})
    in_time = await run_now(client, "inbox_beat", ["workers", "owners"], "w", 6000, 60000, 3, 0, 100)
    until = await client.hget("workers", "w")
    await client.hset("workers", mapping={"w": NOW + 1999})
    late = await run_now(client, "inbox_beat", ["workers", "owners"], "w", 6000, 60000, 3, 0, 100)
    await client.hset("workers", mapping={"other": NOW - 1})
    dead = await run_now(client, "inbox_beat", ["workers", "owners"], "w", 6000, 60000, 3, 0, 100)

    assert in_time == [0, [], []]
    assert until == str(NOW + 6000)
    assert late == [1, [], []]
    assert dead == [0, [], ["l", "other o"]]


@pytest.mark.parametrize(("owner", "sweeps", "found"), [("ghost o", 3, 2), ("ghost o", 2, 0), ("- o", 1, 0)])
async def test_inbox_beat_looks(client: Any, owner: str, sweeps: int, found: int) -> None:
    """
    What a worker holds that nobody knows is found by who looks in any case; else nobody looks without a reason.
    """
    await client.hset("owners", "l", owner)
    await client.hset("workers", "w", 10**15)
    _, _, listed = await run(client, "inbox_beat", ["workers", "owners"], "w", 4000, 60000, sweeps, 0, 100)

    assert len(listed) == found


async def test_inbox_done_leaves_its_mark(client: Any) -> None:
    """
    Of a push that is done it is kept for a while that it is done, and in how many deliveries it came.
    """
    await arrive(client, "a")
    await arrive(client)
    await arrive(client, "c", worker="x")
    names = keys("owners", "queue", "news")
    await run(client, "inbox_done", ["p:k", *names], "k", "w", "o", 1, 5000)
    push, owners, queue = await client.hgetall("p:k"), await client.hkeys("owners"), await client.lrange("q:o", 0, -1)
    life = await client.pttl("p:k")
    await run(client, "inbox_done", ["p:a", *names], "a", "w", "o", 1, 5000)
    news = await client.pttl("news")

    assert push == {"state": "done", "requests": "1"}
    assert sorted(owners) == ["a", "c"]
    assert queue == ["a", "c"]
    assert 0 < life <= 5000
    assert 0 < news <= 5000


async def test_inbox_hand_over_drops_the_reply(client: Any) -> None:
    """
    The reply of a push that is given away is nobody's any more.
    """
    await arrive(client)
    await client.set("r:k", "BYTES")
    await run(client, "inbox_hand_over", ["owners", "workers", "news", "p:k", "r:k"], "w", 5000, "k", "o", 1)

    assert await client.exists("r:k") == 0


@pytest.mark.parametrize("script", ["inbox_reply", "inbox_send"])
async def test_what_is_done_is_known(client: Any, script: str) -> None:
    """
    A push that is done is nobody's, but not unknown.
    """
    await client.hset("p:k", "state", "done")
    names = keys("push", "owners", "reply", *(["allowance"] if script == "inbox_send" else []))
    told = await run(client, script, names, "k", "w o", 1, 1, "BYTES", 5000)

    assert told == 0


@pytest.mark.parametrize(("allowed", "left"), [(2, ["1", "1", "0", "0"]), (0, [None] * 4)])
async def test_inbox_send_counts(client: Any, allowed: int, left: list[str | None]) -> None:
    """
    Each message takes one of what is allowed, once, and none where nothing is left.
    """
    await arrive(client, messages=allowed, seconds=5000)
    names = keys("push", "owners", "reply", "allowance")
    counted: list[str | None] = []
    for number in (1, 1, 2, 3):
        await run(client, "inbox_send", names, "k", "w o", 1, number)
        counted.append(await client.get("a:o"))

    assert counted == left


@pytest.mark.parametrize(("until", "taken"), [(NOW, False), (NOW - 1, True)])
async def test_inbox_take_at_the_end_of_a_life(client: Any, *, until: int, taken: bool) -> None:
    """
    A worker is dead when its time is over, not before.
    """
    await arrive(client)
    await client.hset("workers", "w", until)
    names = keys("push", "owners", "queue", "workers", "reply")
    answer = await run_now(client, "inbox_take", names, "k", "x", "o", "w", 10**12, 3)

    assert (answer is not None) == taken


@pytest.mark.parametrize(("age", "state"), [(999, "orphan"), (1000, "handling")])
async def test_inbox_take_at_an_age(client: Any, age: int, state: str) -> None:
    """
    A push is handled again until it has a certain age, which is told.
    """
    await arrive(client)
    await client.hset("p:k", "since", NOW - age)
    await client.hset("workers", "w", 0)
    names = keys("push", "owners", "queue", "workers", "reply")
    answer = await run_now(client, "inbox_take", names, "k", "x", "o", "w", 1000, 3)

    assert answer[0] == state
    assert answer[7] == age


async def test_inbox_take_clears_the_queue(client: Any) -> None:
    """
    What is gone leaves the queue, and where the queue is lost nothing has its turn.
    """
    await client.rpush("q:o", "gone")
    await arrive(client)
    await client.hset("workers", "w", 0)
    await client.rpush("q:o", "gone")
    await client.lpush("q:o", "gone")
    first = await take(client, "w")
    queue = await client.lrange("q:o", 0, -1)
    await client.delete("q:o")
    second = await take(client, "x")

    assert first is not None
    assert second is not None
    assert queue == ["k", "gone"]
    assert (first[3], second[3]) == (1, 0)


async def test_inbox_take_own(client: Any) -> None:
    """
    What a worker holds and does not know it takes from itself, though it is alive, however often that was tried.
    """
    await arrive(client, worker="x")
    answer = await take(client, "x", last=1)

    assert answer is not None
    assert answer[:2] == ["orphan", 2]


async def test_inbox_restore_at_a_time(client: Any) -> None:
    """
    A worker that tells of what it holds is alive, and what it tells of has its age.
    """
    names = keys("push", "owners", "queue", "workers")
    await run_now(client, "inbox_restore", names, "k", "w o", 60000, "PAYLOAD", 0, 1, "handling", 0, 500, 4000)
    since, until = await client.hget("p:k", "since"), await client.hget("workers", "w")

    assert since == str(NOW - 500)
    assert until == str(NOW + 4000)


async def test_inbox_restore_what_was_done_meanwhile(client: Any) -> None:
    """
    What was done while Redis was away it is told; that a push is being handled it knows as well or better.
    """
    await arrive(client)
    names = keys("push", "owners", "queue", "workers")
    states: list[list[str | None]] = []
    for state, messages in (("sending", 3), ("handling", 0)):
        await run(client, "inbox_restore", names, "k", "w o", 60000, "PAYLOAD", 0, 1, state, messages, 0, 4000)
        states.append(await client.hmget("p:k", "state", "messages"))

    assert states == [["sending", "3"]] * 2


async def test_what_was_written_is_noted(client: Any) -> None:
    """
    A push that is answered says how, and with a message the reply is void.
    """
    await arrive(client)
    names = keys("push", "owners", "reply")
    await run(client, "inbox_reply", names, "k", "w o", 1, 1, "BYTES", 5000)
    replied = await client.hget("p:k", "state")
    await run(client, "inbox_send", [*names, "a:o"], "k", "w o", 1, 1)
    sent = await client.hmget("p:k", "state", "messages")

    assert replied == "replying"
    assert sent == ["sending", "1"]
    assert await client.exists("r:k") == 0


async def test_journal_open(client: Any) -> None:
    """
    A new journal gets its head; each run a higher number; a journal of another, or one with a loss, is left as it is.
    """
    first = await run(client, "journal_open", ["j"], "head", "a", 5000)
    second = await run(client, "journal_open", ["j"], "head", "b", 5000)
    other = await run(client, "journal_open", ["j"], "other", "c", 5000)
    held, life = await client.hgetall("j"), await client.pttl("j")
    await client.hset("j", "lost", 1)
    lost = await run(client, "journal_open", ["j"], "head", "d", 5000)
    await client.hset("k", "color", "red")
    foreign = await run(client, "journal_open", ["k"], "head", "a", 5000)

    assert (first, second) == (["head", 0, 1], ["head", 0, 2])
    assert other == ["head", 0, 0]
    assert held == {"head": "head", "run": "b", "runs": "2"}
    assert 0 < life <= 5000
    assert lost == ["head", 1, 0]
    assert foreign == ["", 0, 0]


async def test_journal_read(client: Any) -> None:
    """
    A journal is read in parts until there are no more.
    """
    entries = {str(number): f"entry {number}" + "x" * 70 for number in range(2000)}
    await client.hset("j", mapping=entries)
    found: dict[str, str] = {}
    at, parts = "0", 0
    while at != "0" or not parts:
        at, part = await run(client, "journal_read", ["j"], at, 100)
        found |= dict(zip(part[::2], part[1::2], strict=True))
        parts += 1

    assert found == entries
    assert parts > 5


async def test_journal_write(client: Any) -> None:
    """
    The run that has the journal writes; an earlier one does not.
    """
    await run(client, "journal_open", ["j"], "head", "a", 5000)
    first = await run(client, "journal_write", ["j"], "a", 1, 0, 7, "sending", 9000)
    second = await run(client, "journal_write", ["j"], "a", 1, 1, 7, "delivered", 9000)
    await run(client, "journal_open", ["j"], "head", "b", 9000)
    late = await run(client, "journal_write", ["j"], "a", 1, 2, 8, "sending", 9000)
    held, life = await client.hgetall("j"), await client.pttl("j")

    assert (first, second, late) == (1, 2, 0)
    assert held == {"head": "head", "run": "b", "runs": "2", "writes": "2", "7": "delivered"}
    assert 5000 < life <= 9000


@pytest.mark.parametrize(
    "held",
    [
        {},
        {"head": "head", "run": "a", "runs": "2", "writes": "4"},
        {"head": "head", "run": "z", "runs": "1", "writes": "9"},
        {"head": "head", "run": "z", "runs": "2", "writes": "9"},
        {"head": "head", "run": "a", "runs": "2", "writes": "9", "lost": "1"},
    ],
)
async def test_journal_that_went_back(client: Any, held: dict[str, str]) -> None:
    """
    A journal that is gone, that has fewer entries than were written, or an earlier run, is noted as one with a loss.
    """
    if held:
        await client.hset("j", mapping=held)
    answer = await run(client, "journal_write", ["j"], "a", 2, 5, 7, "sending", 5000)
    left = await client.hgetall("j")

    assert answer == -1
    assert left == {**held, "lost": "1"}
