"""
Sessions, the queue of those who wait, and the history.
"""

from __future__ import annotations

from typing import Any

import pytest

from wechat_kf.testing import FakeWeChat

from ..bare_api import AGENT, OPENID, Wire

CREATE = "/customservice/kfsession/create"
CLOSE = "/customservice/kfsession/close"
OF_CUSTOMER = "/customservice/kfsession/getsession"
OF_AGENT = "/customservice/kfsession/getsessionlist"
WAITING = "/customservice/kfsession/getwaitcase"
HISTORY = "/customservice/msgrecord/getmsglist"
OTHER = "test2@test"


@pytest.fixture
def busy(fake: FakeWeChat) -> FakeWeChat:
    """
    Give two agents who are online, and a customer who has written.
    """
    fake.agent_online(AGENT)
    fake.agent_online(OTHER)
    fake.user_says(OPENID, "hi")
    return fake


def now(fake: FakeWeChat) -> int:
    """
    Give the present Unix second.
    """
    return int(fake.clock.now().timestamp())


async def history(wire: Wire, **changes: Any) -> dict[str, Any]:
    """
    Read the history of the last day.
    """
    end = now(wire.fake)
    body = {"starttime": end - 86400, "endtime": end, "msgid": 1, "number": 10000, **changes}
    return await wire.post(HISTORY, **body)


async def test_create_and_look(busy: FakeWeChat, wire: Wire) -> None:
    """
    A session shows for the customer and for the agent, from the moment it was made.
    """
    before = await wire.get(OF_CUSTOMER, openid=OPENID)
    answer = await wire.post(CREATE, kf_account=AGENT, openid=OPENID)

    assert before == {"createtime": 0, "kf_account": ""}
    assert answer["errcode"] == 0
    assert await wire.get(OF_CUSTOMER, openid=OPENID) == {"createtime": now(busy), "kf_account": AGENT}
    assert await wire.get(OF_AGENT, kf_account=AGENT) == {"sessionlist": [{"createtime": now(busy), "openid": OPENID}]}
    assert await wire.get(OF_AGENT, kf_account=OTHER) == {"sessionlist": []}


async def test_create_again(busy: FakeWeChat, wire: Wire) -> None:
    """
    The same two may be connected again, even when the agent is gone; another agent may not take the customer.
    """
    await wire.post(CREATE, kf_account=AGENT, openid=OPENID)
    busy.agent_offline(AGENT)

    assert await wire.code(CREATE, kf_account=AGENT, openid=OPENID) == 0
    assert await wire.code(CREATE, kf_account=OTHER, openid=OPENID) == 65414


async def test_who_cannot_serve(busy: FakeWeChat, wire: Wire) -> None:
    """
    An agent must exist, be bound and be online; the customer must follow.
    """
    await wire.post("/customservice/kfaccount/add", kf_account="new@test", nickname="n")
    busy.agent_offline(OTHER)
    busy.follows("left")
    busy.unfollows("left")

    assert await wire.code(CREATE, kf_account="no@test", openid=OPENID) == 65401
    assert await wire.code(CREATE, kf_account="new@test", openid=OPENID) == 65402
    assert await wire.code(CREATE, kf_account=OTHER, openid=OPENID) == 65415
    assert await wire.code(CREATE, kf_account=AGENT, openid="nobody") == 40003
    assert await wire.code(CREATE, kf_account=AGENT, openid="left") == 40003
    assert await wire.code(CREATE, kf_account=AGENT) == 40003
    assert await wire.code(CREATE, kf_account=AGENT, openid=["list"]) == 40003


async def test_close(busy: FakeWeChat, wire: Wire) -> None:
    """
    The agent who serves a customer ends it, once.
    """
    await wire.post(CREATE, kf_account=AGENT, openid=OPENID)
    codes = [
        await wire.code(CLOSE, kf_account=account, openid=openid)
        for account, openid in (
            (OTHER, OPENID),
            ("no@test", OPENID),
            (AGENT, "nobody"),
            (AGENT, OPENID),
            (AGENT, OPENID),
        )
    ]

    assert codes == [65414, 65401, 40003, 0, 65413]
    assert (await wire.get(OF_CUSTOMER, openid=OPENID))["kf_account"] == ""


async def test_looking_for_what_is_not_there(wire: Wire) -> None:
    """
    Unknown customers and accounts are refused.
    """
    await wire.post("/customservice/kfaccount/add", kf_account="new@test", nickname="n")

    assert (await wire.get(OF_CUSTOMER, openid="nobody"))["errcode"] == 40003
    assert (await wire.get(OF_AGENT, kf_account="no@test"))["errcode"] == 65401
    assert (await wire.get(OF_AGENT, kf_account="new@test"))["errcode"] == 65402


async def test_half_an_hour_of_silence_ends_a_session(busy: FakeWeChat, wire: Wire) -> None:
    """
    Each message, either way, keeps a session for thirty minutes more.
    """
    await wire.post(CREATE, kf_account=AGENT, openid=OPENID)
    busy.advance(29 * 60)
    busy.user_says(OPENID, "still here?")
    busy.advance(29 * 60)
    busy.agent_says(OPENID, "yes")
    busy.advance(29 * 60)
    kept = await wire.get(OF_CUSTOMER, openid=OPENID)
    busy.advance(60)
    ended = await wire.get(OF_CUSTOMER, openid=OPENID)

    assert kept["kf_account"] == AGENT
    assert ended["kf_account"] == ""
    with pytest.raises(ValueError, match="nobody serves"):
        busy.agent_says(OPENID, "too late")


async def test_who_looks_late_finds_it_ended(busy: FakeWeChat, wire: Wire) -> None:
    """
    A session ends in time though nobody looked, whoever moved the clock.
    """
    await wire.post(CREATE, kf_account=AGENT, openid=OPENID)
    busy.clock.advance(1800)

    assert (await wire.get(OF_CUSTOMER, openid=OPENID))["kf_account"] == ""


async def test_agents_switch_and_close(busy: FakeWeChat, wire: Wire) -> None:
    """
    In the console agents hand customers over and end sessions.
    """
    await wire.post(CREATE, kf_account=AGENT, openid=OPENID)
    busy.advance(1000)
    busy.agent_switches(OPENID, OTHER)
    busy.advance(1000)
    switched = await wire.get(OF_CUSTOMER, openid=OPENID)
    busy.agent_closes(OPENID)

    assert switched["kf_account"] == OTHER
    assert (await wire.get(OF_CUSTOMER, openid=OPENID))["kf_account"] == ""
    with pytest.raises(ValueError, match="nobody serves"):
        busy.agent_closes(OPENID)


async def test_the_queue_is_in_order_and_shows_a_hundred(fake: FakeWeChat, wire: Wire) -> None:
    """
    All who wait are counted, the first hundred shown, each with the time they last wrote.
    """
    for n in range(150):
        fake.user_waits(f"o{n}")
        fake.advance(1)
    fake.user_says("o0", "hello?")
    fake.user_waits("o1")
    answer = await wire.get(WAITING)

    assert answer["count"] == 150
    assert [each["openid"] for each in answer["waitcaselist"]] == [f"o{n}" for n in range(100)]
    assert [each["latest_time"] for each in answer["waitcaselist"][:3]] == [now(fake), now(fake), now(fake) - 148]


async def test_agents_accept_those_who_wait(busy: FakeWeChat, wire: Wire) -> None:
    """
    An agent takes the one who has waited longest, or a certain one.
    """
    for openid in ("a", "b", "c"):
        busy.user_waits(openid)
    taken = [busy.agent_accepts(AGENT), busy.agent_accepts(AGENT, "c")]

    assert taken == ["a", "c"]
    assert (await wire.get(WAITING))["count"] == 1
    assert (await wire.get(OF_CUSTOMER, openid="c"))["kf_account"] == AGENT
    with pytest.raises(ValueError, match="'c' does not wait"):
        busy.agent_accepts(AGENT, "c")
    busy.agent_accepts(AGENT)
    with pytest.raises(ValueError, match="nobody waits"):
        busy.agent_accepts(AGENT)


async def test_agents_who_accept_automatically(fake: FakeWeChat, wire: Wire) -> None:
    """
    They take as many as they said, the next when one is done; a customer pinned to another agent waits on.
    """
    fake.agent_online(OTHER)
    for openid in ("a", "b", "c"):
        fake.user_waits(openid)
    fake.user_waits("pinned", OTHER)
    fake.agent_online(AGENT, auto_accept=2)
    first = await wire.get(OF_AGENT, kf_account=AGENT)
    fake.agent_closes("a")
    second = await wire.get(OF_AGENT, kf_account=AGENT)
    fake.agent_closes("b")
    fake.user_waits("c")

    assert [each["openid"] for each in first["sessionlist"]] == ["a", "b"]
    assert [each["openid"] for each in second["sessionlist"]] == ["b", "c"]
    assert [each["openid"] for each in (await wire.get(WAITING))["waitcaselist"]] == ["pinned"]


async def test_sessions_end_in_order_and_their_successors_too(fake: FakeWeChat, wire: Wire) -> None:
    """
    In one long step each customer who waits is served for half an hour, one after the other.
    """
    fake.agent_online(AGENT, auto_accept=1)
    for openid in ("o1", "o2", "o3", "o4", "o5"):
        fake.user_waits(openid)
    await wire.get(WAITING)
    fake.advance(3 * 1800)

    assert (await wire.get(OF_AGENT, kf_account=AGENT))["sessionlist"] == [{"createtime": now(fake), "openid": "o4"}]
    assert (await wire.get(WAITING))["waitcaselist"] == [{"latest_time": now(fake) - 3 * 1800, "openid": "o5"}]


async def test_an_agent_cannot_write_to_one_who_left(busy: FakeWeChat, wire: Wire) -> None:
    """
    What was not shown is not in the history.
    """
    await wire.post(CREATE, kf_account=AGENT, openid=OPENID)
    busy.unfollows(OPENID)

    with pytest.raises(ValueError, match="does not follow"):
        busy.agent_says(OPENID, "hello?")

    assert await history(wire) == {"recordlist": [], "number": 0, "msgid": 0}


async def test_creating_a_session_takes_the_customer_off_the_queue(busy: FakeWeChat, wire: Wire) -> None:
    """
    Who is served does not wait.
    """
    busy.user_waits(OPENID)
    await wire.post(CREATE, kf_account=AGENT, openid=OPENID)

    assert await wire.get(WAITING) == {"count": 0, "waitcaselist": []}
