"""
What agents do is pushed.
"""

from __future__ import annotations

from wechat_kf.testing import FakeWeChat
from wechat_kf.webhook import (
    KfCloseSessionEvent,
    KfCreateSessionEvent,
    KfSwitchSessionEvent,
    TransferReply,
)

from ..account_server import AccountServer
from ..bare_api import AGENT, OPENID, Wire


async def test_sessions_are_heard(fake: FakeWeChat, server: AccountServer, wire: Wire) -> None:
    """
    Their beginning, switch and end are pushed; an expired one ended when it did, not when somebody looked.
    """
    fake.agent_online(AGENT)
    fake.agent_online("test2@test")
    fake.user_says(OPENID, "hi")
    await wire.post("/customservice/kfsession/create", kf_account=AGENT, openid=OPENID)
    fake.agent_switches(OPENID, "test2@test")
    start = fake.clock.now()
    fake.advance(1800 + 200)
    await fake.deliver()
    created, switched, closed = server.heard[1:]

    assert isinstance(created, KfCreateSessionEvent)
    assert isinstance(switched, KfSwitchSessionEvent)
    assert isinstance(closed, KfCloseSessionEvent)
    assert (created.openid, created.kf_account) == (OPENID, AGENT)
    assert (switched.from_kf_account, switched.to_kf_account) == (AGENT, "test2@test")
    assert closed.kf_account == "test2@test"
    assert (closed.create_time - start).total_seconds() == 1800


async def test_in_a_session_nothing_is_heard(fake: FakeWeChat, server: AccountServer) -> None:
    """
    While waiting a customer is heard, once served not, afterwards again.
    """
    fake.agent_online(AGENT)
    server.answer = lambda push: TransferReply() if push.raw.get("Content") == "agent" else None
    fake.user_says(OPENID, "agent")
    await fake.deliver()
    fake.user_says(OPENID, "waiting")
    await fake.deliver()
    fake.agent_accepts(AGENT)
    fake.user_says(OPENID, "served")
    fake.agent_closes(OPENID)
    fake.user_says(OPENID, "again")
    await fake.deliver()

    assert [push.raw.get("Content") or push.raw["Event"] for push in server.heard] == [
        "agent",
        "waiting",
        "kf_create_session",
        "kf_close_session",
        "again",
    ]


async def test_a_transfer_forwards_the_message(fake: FakeWeChat, server: AccountServer, wire: Wire) -> None:
    """
    What the customer wrote before is in the history of the session that follows.
    """
    server.answer = lambda _: TransferReply(AGENT)
    fake.agent_online(AGENT, auto_accept=1)
    fake.user_says(OPENID, "question")
    await fake.deliver()
    fake.user_waits(OPENID)
    end = int(fake.clock.now().timestamp())
    body = {"starttime": end, "endtime": end, "msgid": 1, "number": 10}
    records = (await wire.post("/customservice/msgrecord/getmsglist", **body))["recordlist"]

    assert [(each["opercode"], each["text"], each["worker"]) for each in records] == [(2003, "question", AGENT)]
    assert (await wire.get("/customservice/kfsession/getwaitcase"))["count"] == 0
    assert isinstance(server.heard[1], KfCreateSessionEvent)
