"""
Random days of a customer service, driven through the client, beside a model of what must hold.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from wechat_kf import (
    AsyncKfClient,
    DeliveryUncertain,
    DeliveryWindowClosed,
    InvalidArgument,
    KfError,
    RateLimited,
    ReplyError,
    ReplyLimitReached,
    Text,
)
from wechat_kf.testing import (
    DropAfter,
    DropBefore,
    Errcode,
    FakeWeChat,
    Fault,
    Garble,
    ManualClock,
    Status,
)

T = TypeVar("T")

SEND = "/cgi-bin/message/custom/send"
OPENIDS = ["o1", "o2", "o3"]
AGENTS = ["a1@test", "a2@test"]

customers = st.sampled_from(OPENIDS)
agents = st.sampled_from(AGENTS)


class Days(RuleBasedStateMachine):
    """
    The model: who may get how many messages until when, who serves whom, and what was said.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.start = self.clock.now()
        self.fake = FakeWeChat(clock=self.clock)
        self.kf = AsyncKfClient(
            self.fake.appid, self.fake.secret, http=self.fake.client(), clock=self.clock, max_retries=0
        )
        self.loop = asyncio.Runner()
        self.allowed: dict[str, tuple[int, float]] = {}
        self.followers: set[str] = set()
        self.online: set[str] = set()
        self.serving: dict[str, tuple[str, float]] = {}
        self.delivered: Counter[str] = Counter()
        self.maybe: set[str] = set()
        self.said: Counter[tuple[str, str]] = Counter()
        self.number = 0

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """
        Await something.
        """
        return self.loop.run(coroutine)

    def attempt(self, coroutine: Coroutine[Any, Any, object]) -> KfError | None:
        """
        Await something that may fail; give the failure.
        """
        try:
            self.run(coroutine)
        except KfError as error:
            return error
        return None

    def teardown(self) -> None:
        """
        See that all that was said in sessions is in the history, each once.
        """

        async def read() -> Counter[tuple[str, str]]:
            records = self.kf.iter_msg_records(self.start, self.clock.now() + timedelta(seconds=1))
            return Counter([(record.openid, record.text) async for record in records])

        assert self.run(read()) == self.said

        self.run(self.kf.aclose())
        self.loop.close()

    @property
    def now(self) -> float:
        """
        Seconds since the first day.
        """
        return self.clock.monotonic()

    def text(self) -> str:
        """
        Make a text that was never said before.
        """
        self.number += 1
        return f"text {self.number}"

    def grant(self, openid: str, messages: int, seconds: float) -> None:
        """
        Raise what may be sent to the larger of the old and the new.
        """
        left, until = self.allowed.get(openid, (0, 0.0))
        if until < self.now:
            left = 0
        self.allowed[openid] = max(left, messages), max(until, self.now + seconds)

    def served_by(self, openid: str) -> str | None:
        """
        Say who serves a customer, as the model knows it.
        """
        agent, touched = self.serving.get(openid, (None, 0.0))
        return agent if agent is not None and self.now < touched + 1800 else None

    @initialize()
    def begin(self) -> None:
        """
        Begin with agents, a follower and a session, lest most days are over before there is one.
        """
        for agent in AGENTS:
            self.go_online(agent)
        self.follow(OPENIDS[0])
        self.create(AGENTS[0], OPENIDS[0], None)

    @rule(openid=customers)
    def follow(self, openid: str) -> None:
        """
        Let somebody follow the account.
        """
        self.fake.follows(openid)
        self.followers.add(openid)
        self.grant(openid, 3, 60)

    @precondition(lambda self: self.followers)
    @rule(data=st.data())
    def unfollow(self, data: st.DataObject) -> None:
        """
        Let a follower leave.
        """
        openid = data.draw(st.sampled_from(sorted(self.followers)))
        self.fake.unfollows(openid)
        self.followers.remove(openid)
        self.allowed[openid] = 0, self.now

    @precondition(lambda self: self.followers)
    @rule(data=st.data())
    def say(self, data: st.DataObject) -> None:
        """
        Let a follower write; in a session it goes into the history.
        """
        openid, text = data.draw(st.sampled_from(sorted(self.followers))), self.text()
        agent = self.served_by(openid)
        if agent is not None:
            self.said[openid, text] += 1
            self.serving[openid] = agent, self.now
        self.fake.user_says(openid, text)
        self.grant(openid, 5, 48 * 3600)

    @precondition(lambda self: self.followers)
    @rule(data=st.data())
    def click(self, data: st.DataObject) -> None:
        """
        Let a follower tap the menu.
        """
        openid = data.draw(st.sampled_from(sorted(self.followers)))
        self.fake.clicks(openid, "key")
        self.grant(openid, 3, 60)

    @rule(openid=customers, fault=st.sampled_from([None, None, None, DropBefore(), DropAfter(), Errcode(45011)]))
    def send(self, openid: str, fault: Fault | None) -> None:
        """
        Send a message: it arrives once if it may, else not at all; a broken connection is told apart from both.
        """
        text = self.text()
        left, until = self.allowed.get(openid, (0, 0.0))
        may = openid in self.followers and self.now <= until and left > 0
        if fault is not None:
            self.fake.fault(SEND, fault)
        arrives = may and fault in (None, DropAfter())
        if arrives:
            self.allowed[openid] = left - 1, until
            self.delivered[text] += 1
        error = self.attempt(self.kf.send_custom_message(openid, Text(text)))

        if error is None:
            assert arrives
            assert fault is None
        elif isinstance(error, DeliveryUncertain):
            assert fault in (DropBefore(), DropAfter())
        elif fault is not None:
            assert isinstance(error, RateLimited)
            assert fault == Errcode(error.errcode)
        elif isinstance(error, ReplyLimitReached):
            assert openid in self.followers
            assert left == 0
        elif isinstance(error, DeliveryWindowClosed):
            assert openid not in self.followers or self.now > until
        else:
            assert isinstance(error, InvalidArgument)
            assert error.errcode == 40003
            assert openid not in self.allowed

    @rule(agent=agents)
    def go_online(self, agent: str) -> None:
        """
        Log an agent in.
        """
        self.fake.agent_online(agent)
        self.online.add(agent)

    @rule(agent=agents)
    def go_offline(self, agent: str) -> None:
        """
        Log an agent out; the sessions stay.
        """
        if agent in self.online:
            self.fake.agent_offline(agent)
            self.online.remove(agent)

    @rule(agent=agents, openid=customers, fault=st.sampled_from([None, None, Garble(b"{"), Status(502)]))
    def create(self, agent: str, openid: str, fault: Fault | None) -> None:
        """
        Begin a session: if the agent is there and nobody else serves the customer; again is harmless.
        """
        server = self.served_by(openid)
        may = openid in self.followers and (server == agent or (server is None and agent in self.online))
        if fault is not None:
            self.fake.fault("/customservice/kfsession/create", fault)
        if may and server is None and not isinstance(fault, Status):
            self.serving[openid] = agent, self.now
        error = self.attempt(self.kf.create_kf_session(agent, openid))

        if fault is not None:
            assert isinstance(error, (DeliveryUncertain, ReplyError))
        else:
            assert may == (error is None)

    @rule(agent=agents, openid=customers)
    def close(self, agent: str, openid: str) -> None:
        """
        End a session: only the agent who has it can.
        """
        may = self.served_by(openid) == agent
        error = self.attempt(self.kf.close_session(agent, openid))

        assert may == (error is None)

        if may:
            del self.serving[openid]

    def answerable(self) -> list[str]:
        """
        List whom an agent can write to: who is served and has not left.
        """
        return [openid for openid in OPENIDS if openid in self.followers and self.served_by(openid)]

    @precondition(lambda self: self.answerable())
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        """
        Let an agent write to whom they serve.
        """
        openid = data.draw(st.sampled_from(self.answerable()))
        text = self.text()
        self.fake.agent_says(openid, text)
        self.said[openid, text] += 1
        self.serving[openid] = str(self.served_by(openid)), self.now

    @rule(openid=customers)
    def type_(self, openid: str) -> None:
        """
        Show that somebody types, which changes nothing else.
        """
        self.attempt(self.kf.typing(openid))

    @rule(seconds=st.sampled_from([1.0, 16.0, 61.0, 1801.0, 7300.0, 90_000.0, 48 * 3600.0]))
    def wait(self, seconds: float) -> None:
        """
        Let time go by.
        """
        self.fake.advance(seconds)

    @invariant()
    def no_message_is_lost_or_doubled(self) -> None:
        """
        Compare what arrived with what should have, each once.
        """
        assert Counter(sent.text for sent in self.fake.sent) == self.delivered
        assert all(count == 1 for count in self.delivered.values())

    @invariant()
    def nobody_gets_more_than_the_allowance(self) -> None:
        """
        Compare what is left with what the model says; it is never negative.
        """
        for openid, (left, until) in self.allowed.items():
            allowance = self.fake.allowance(openid)
            seconds = until - self.now

            assert left >= 0
            assert allowance.messages == (left if seconds >= 0 else 0)
            assert allowance.seconds == pytest.approx(max(seconds, 0.0))

    @invariant()
    def no_session_has_two_agents(self) -> None:
        """
        See that every list says the same about who serves whom.
        """
        listed = Counter[str]()
        for account in self.run(self.kf.get_kf_list()).kf_list:
            sessions = self.run(self.kf.get_kf_session_list(str(account.kf_account))).sessionlist
            listed.update(each.openid for each in sessions)

            assert {each.openid for each in sessions} == {
                openid for openid in OPENIDS if self.served_by(openid) == account.kf_account
            }
        for openid in self.allowed:
            assert self.run(self.kf.get_kf_session(openid)).kf_account == self.served_by(openid)

        assert all(count == 1 for count in listed.values())


def test_days() -> None:
    """
    Whatever happens, in whatever order: no message too many, lost or doubled, no session with two agents.
    """
    run_state_machine_as_test(Days, settings=settings(max_examples=25, stateful_step_count=30, deadline=None))
