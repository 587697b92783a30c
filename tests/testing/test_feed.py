"""
What happens, for those who watch.
"""

from __future__ import annotations

import anyio
import pytest

from wechat_kf.testing import DropBefore, FakeWeChat, PushAttempt, Shown

from .account_server import AccountServer
from .bare_api import AGENT, OPENID, Wire

SEND = "/cgi-bin/message/custom/send"


async def test_everything_is_told(fake: FakeWeChat, wire: Wire, server: AccountServer) -> None:
    """
    What a customer writes, what is pushed and answered, what is called and what is shown: all of it, in its order.
    """
    fake.user_says(OPENID, "hi")
    await fake.deliver()
    await wire.say(content="hello")
    told = [(type(each).__name__, each.openid) for each in fake.feed.latest()][1:]

    assert told == [
        ("Happened", OPENID),
        ("PushAttempt", OPENID),
        ("PushAttempt", OPENID),
        ("AnsweredCall", None),
        ("Shown", OPENID),
        ("AnsweredCall", OPENID),
    ]
    assert server.heard != []


async def test_what_an_agent_hears(fake: FakeWeChat) -> None:
    """
    What a customer writes in a session is told with the agent who reads it.
    """
    fake.agent_online(AGENT)
    fake.user_waits(OPENID)
    fake.agent_accepts(AGENT)
    before = fake.feed.end
    fake.user_says(OPENID, "hi")
    [entry] = fake.feed.since(before) or []

    assert getattr(entry, "kf_account", None) == AGENT


async def test_whom_a_call_is_about(fake: FakeWeChat, wire: Wire) -> None:
    """
    The customer of a call stands in its body or in its query; what is no name is none.
    """
    fake.fault(SEND, DropBefore())
    with pytest.raises(Exception, match="disconnected"):
        await wire.post(SEND, touser="o1")
    await wire.post("/cgi-bin/customservice/kfsession/create", openid="o2")
    await wire.get("/cgi-bin/customservice/kfsession/getsession", openid="o3")
    await wire.post(SEND, touser=["o4"])
    await wire.send("POST", SEND, content=b"[]")

    assert [each.openid for each in fake.feed.latest()][-5:] == ["o1", "o2", "o3", None, None]


def test_what_was_missed() -> None:
    """
    Of what is kept the entries after any number can be had; of the rest, and of what is not yet, nothing.
    """
    feed = FakeWeChat().feed
    shown = [PushAttempt(number, None, "text", {}, 1, FakeWeChat().clock.now(), {}, "") for number in range(2001)]
    for each in shown:
        feed.add(each)

    assert feed.end == 2001
    assert feed.since(2001) == []
    assert feed.since(1999) == shown[1999:]
    assert feed.since(1) == feed.latest() == shown[1:]
    assert feed.since(0) is None
    assert feed.since(2002) is None


async def test_waiting_for_news(fake: FakeWeChat) -> None:
    """
    Who waits is woken by the next entry; who asks for what is there already does not wait.
    """
    seen: list[int] = []

    async def wait() -> None:
        await fake.feed.wait_after(0)
        seen.append(fake.feed.end)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        fake.user_says(OPENID, "hi")
    await fake.feed.wait_after(0)

    assert seen == [1]
    assert not isinstance(fake.feed.latest()[0], Shown)


async def test_attempts_are_listed(fake: FakeWeChat, server: AccountServer) -> None:
    """
    Each attempt to deliver a push is kept with its answer, with why that is not taken, or without any.
    """
    fake.limits.remembered = 4
    fake.user_says(OPENID, "hi")
    await fake.deliver()
    server.answer = lambda _: b"<xml>"
    fake.user_says(OPENID, "hi")
    await fake.deliver()
    well, badly = fake.pushes

    assert (well.attempt, well.kind, well.status, well.answer, well.mistake) == (1, "text", 200, "success", None)
    assert "<Content><![CDATA[hi]]></Content>" in well.body
    assert well.query["openid"] == OPENID
    assert well.seconds == 0
    assert badly.mistake is not None
    assert badly.mistake.startswith("it is no XML that WeChat reads")

    server.status = 500
    for _ in range(3):
        fake.user_says(OPENID, "hi")
    await fake.deliver()

    assert [push.status for push in fake.pushes] == [500, 500, 500]
