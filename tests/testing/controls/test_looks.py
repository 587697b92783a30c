"""
What can be seen of customers, agents and files.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from wechat_kf.testing import FakeWeChat, SeenAgent
from wechat_kf.testing.machine.response import Refusal

from ..bare_api import AGENT, JPEG, OPENID, Wire


def test_customers(fake: FakeWeChat) -> None:
    """
    A customer is seen with what may be sent to them, with where they stand, and with what they put an end to.
    """
    now = fake.clock.now()
    fake.user_says("o1", "hi")
    fake.user_says("o2", "hi")
    fake.mutes("o2")
    fake.blacklist("o2")
    fake.follows("o3")
    fake.unfollows("o3")
    fake.agent_online(AGENT)
    fake.user_waits("o1", AGENT)
    waiting, muted, gone = fake.customers

    assert (waiting.openid, waiting.messages, waiting.until) == ("o1", 5, now + timedelta(hours=48))
    assert (waiting.session, waiting.kf_account, waiting.since) == ("waiting", AGENT, now)
    assert (muted.muted, muted.blacklisted, muted.session, muted.since) == (True, True, "none", None)
    assert (gone.follows, gone.messages, gone.typing_until) == (False, 0, None)

    fake.agent_accepts(AGENT)
    served = fake.customer("o1")

    assert served is not None
    assert (served.session, served.kf_account, served.since) == ("served", AGENT, now)
    assert fake.customer("o9") is None


def test_an_expired_allowance(fake: FakeWeChat) -> None:
    """
    When the time is over, no message is left.
    """
    fake.user_says(OPENID, "hi")
    fake.advance(48 * 3600 + 1)
    [customer] = fake.customers

    assert customer.messages == 0


async def test_agents(fake: FakeWeChat, wire: Wire) -> None:
    """
    An agent is seen with who is bound or invited, whether they are online, and how many they serve.
    """
    fake.agent_online(AGENT, auto_accept=2)
    fake.user_waits(OPENID)
    await wire.post("/customservice/kfaccount/add", kf_account="test2@test", nickname="小林")
    await wire.post("/customservice/kfaccount/inviteworker", kf_account="test2@test", invite_wx="somebody")

    assert fake.agents == (
        SeenAgent(AGENT, "test1", True, None, True, 2, 1),
        SeenAgent("test2@test", "小林", False, "somebody", False, 0, 0),
    )


def test_the_callback(fake: FakeWeChat) -> None:
    """
    The callback is a URL, or the path in an app, or nothing.
    """
    seen = [fake.callback]
    fake.set_callback("http://localhost/wechat", token="T")
    seen.append(fake.callback)
    fake.set_callback(fake.asgi, token="T")
    seen.append(fake.callback)
    fake.set_callback(fake.asgi, token="T", path="/wechat")
    seen.append(fake.callback)

    assert seen == [None, "http://localhost/wechat", "/", "/wechat"]


def test_files(fake: FakeWeChat) -> None:
    """
    A file can be looked at until it expires.
    """
    media_id = fake.user_sends_image(OPENID, JPEG)
    content = fake.media(media_id)
    fake.advance(3 * 24 * 3600)

    assert content == JPEG
    with pytest.raises(Refusal, match="40007"):
        fake.media(media_id)
