"""
``wechat-kf sessions``.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wechat_kf.testing import Errcode, FakeWeChat

from .conftest import Ended

CREATE = "/customservice/kfsession/create"
CLOSE = "/customservice/kfsession/close"


@pytest.fixture
def staffed(fake: FakeWeChat, run: Callable[..., Ended]) -> FakeWeChat:
    """
    Have two agents online, one who is not, one account without a person, and a customer.
    """
    for name in ("lin@shop", "wang@shop", "zhao@shop", "nobody@shop"):
        run("accounts", "add", name, name[:4])
    for name in ("lin@shop", "wang@shop", "zhao@shop"):
        fake.agent_online(name)
    fake.agent_offline("zhao@shop")
    fake.user_says("o1", "在吗")
    return fake


@pytest.mark.usefixtures("staffed")
def test_a_session(run: Callable[..., Ended]) -> None:
    """
    A session is opened, listed with its agent or among all, and closed.
    """
    steps = [
        run("sessions", "open", "o1", "lin@shop"),
        run("sessions", "list", "--json"),
        run("sessions", "list", "wang@shop", "--json"),
        run("sessions", "close", "o1"),
        run("sessions", "list"),
        run("sessions", "close", "o1"),
    ]

    assert [step.code for step in steps] == [0, 0, 0, 0, 0, 4]
    assert steps[0].out == "lin@shop serves o1.\n"
    assert [(each["kf_account"], each["openid"]) for each in steps[1].json] == [("lin@shop", "o1")]
    assert steps[2].json == []
    assert steps[3].out == "Closed the session of o1 with lin@shop.\n"
    assert steps[4].out == "kf_account\topenid\tcreatetime\n"
    assert steps[5].err == "wechat-kf: Nobody serves o1, so there is no session to close.\n"


def test_waiting(staffed: FakeWeChat, run: Callable[..., Ended]) -> None:
    """
    Those who wait are listed; if there are more than WeChat shows, that is told.
    """
    for number in range(3):
        staffed.user_waits(f"o{number}")
    all_of_them = run("sessions", "waiting", "--json")
    staffed.limits.waiting_shown = 2
    some = run("sessions", "waiting")

    assert [each["openid"] for each in all_of_them.json] == ["o0", "o1", "o2"]
    assert all_of_them.err == ""
    assert len(some.out.splitlines()) == 3
    assert some.err == "wechat-kf: 3 customers wait; WeChat shows the first 2.\n"


@pytest.mark.usefixtures("staffed")
def test_transfer(run: Callable[..., Ended]) -> None:
    """
    A customer goes from nobody to an agent, from one agent to another, and stays with one who has them already.
    """
    steps = [run("sessions", "transfer", "o1", agent) for agent in ("lin@shop", "wang@shop", "wang@shop")]

    assert [step.out for step in steps] == [
        "lin@shop serves o1.\n",
        "wang@shop serves o1, before lin@shop.\n",
        "wang@shop serves o1.\n",
    ]
    assert [each["kf_account"] for each in run("sessions", "list", "--json").json] == ["wang@shop"]


@pytest.mark.usefixtures("staffed")
def test_transfer_to_nobody(run: Callable[..., Ended]) -> None:
    """
    A customer is not taken from their agent for one who is not online.
    """
    run("sessions", "open", "o1", "lin@shop")
    ended = run("sessions", "transfer", "o1", "zhao@shop")

    assert (ended.code, ended.err) == (4, "wechat-kf: zhao@shop is not online, so nothing was changed.\n")
    assert [each["kf_account"] for each in run("sessions", "list", "--json").json] == ["lin@shop"]


@pytest.mark.parametrize(
    ("refusals", "begin"), [(1, "lin@shop serves o1 as before, as"), (2, "o1 has no agent now: the session")]
)
def test_transfer_that_fails_halfway(staffed: FakeWeChat, run: Callable[..., Ended], refusals: int, begin: str) -> None:
    """
    Where the other agent does not get the customer, the first has them again, or it is told that nobody has.
    """
    run("sessions", "open", "o1", "lin@shop")
    staffed.fault(CREATE, Errcode(65415), times=refusals)
    ended = run("sessions", "transfer", "o1", "wang@shop")

    assert ended.code == 4
    assert ended.err.startswith(f"wechat-kf: {begin}")
    assert "(65415 " in ended.err
    assert len(run("sessions", "list", "--json").json) == 2 - refusals


@pytest.mark.parametrize("refusals", [0, 1])
def test_transfer_of_a_session_that_ends(staffed: FakeWeChat, run: Callable[..., Ended], refusals: int) -> None:
    """
    A session that ends just before it is to be closed is no obstacle, and is not opened again.
    """
    run("sessions", "open", "o1", "lin@shop")
    staffed.fault(CLOSE, Errcode(65413))
    staffed.fault(CREATE, Errcode(65415), times=1 + refusals)
    ended = run("sessions", "transfer", "o1", "wang@shop")

    assert ended.code == 4
    assert ended.err.startswith("wechat-kf: The agent is not online (65415 ")
