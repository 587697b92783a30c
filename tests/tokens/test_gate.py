"""
What a call sees of a provider: its token, and what becomes of one that is refused.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from wechat_kf import (
    AsyncKfClient,
    AuthError,
    StaticToken,
    Text,
    Token,
)
from wechat_kf.api.accounts import GET_KF_LIST
from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.instrumentation.observers import Observers
from wechat_kf.testing import (
    Errcode,
    FakeWeChat,
    ManualClock,
)
from wechat_kf.tokens import CLASSIC_TOKEN, STABLE_TOKEN, TokenAnswer
from wechat_kf.tokens.breaker import Breaker
from wechat_kf.tokens.gate import TokenGate

from ..arrivals import count, tokens_used
from ..conftest import Connect
from .doubles import FOR_EVER, GIVEN, gate_of


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
async def test_refused_once(errcode: int, fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A refused token is renewed and the call made again, also one that is never repeated otherwise.
    """
    fake.user_says("o1", "在吗")
    fake.fault(SEND_CUSTOM_MESSAGE, Errcode(errcode))
    await kf.send_custom_message("o1", Text("在"))

    assert [shown.text for shown in fake.sent] == ["在"]
    assert count(fake, SEND_CUSTOM_MESSAGE) == count(fake, STABLE_TOKEN) == 2


@pytest.mark.parametrize(("api", "endpoint"), [("stable", STABLE_TOKEN), ("classic", CLASSIC_TOKEN)])
async def test_refused_for_good(api: str, endpoint: Any, fake: FakeWeChat, make: Connect) -> None:
    """
    A token refused for good costs a call at most two requests and two token requests.
    """
    kf = make(token_api=api)
    fake.fault(GET_KF_LIST, Errcode(40001), FOR_EVER)
    with pytest.raises(AuthError) as caught:
        await kf.get_kf_list()

    assert caught.value.errcode == 40001
    assert caught.value.effect == "none"
    assert count(fake, GET_KF_LIST) == count(fake, endpoint) == 2


async def test_other_refusals_are_not_renewed(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    42007 concerns web logins: the token is kept.
    """
    fake.fault(GET_KF_LIST, Errcode(42007))
    with pytest.raises(AuthError):
        await kf.get_kf_list()
    await kf.get_kf_list()

    assert count(fake, STABLE_TOKEN) == 1
    assert count(fake, GET_KF_LIST) == 2


async def test_many_refused_together(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    Two hundred calls under way with a token that is replaced meanwhile make one fetch, all succeed, nothing is closed.
    """
    await kf.get_kf_list()
    fake.revoke_tokens()
    async with anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(kf.get_kf_list)
    await kf.get_kf_list()

    assert count(fake, STABLE_TOKEN) == 2
    assert len(set(tokens_used(fake, GET_KF_LIST))) == 2


async def test_late_refusal(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A refusal of the old token that comes late does not throw the new one away, nor count against it.
    """
    gate = gate_of(kf)
    old = await gate.get(1)
    fake.revoke_tokens()
    await kf.get_kf_list()
    for _ in range(200):
        assert await gate.refused(old, AuthError(40001))
    await kf.get_kf_list()

    assert count(fake, STABLE_TOKEN) == 2
    assert tokens_used(fake, GET_KF_LIST)[-1] != old.value


async def test_late_refusal_of_the_same_token(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    Many calls refused one after another, with a token that the endpoint gives again, make one fetch.
    """
    gate = gate_of(kf)
    leases = [await gate.get(1) for _ in range(200)]
    for lease in leases:
        assert await gate.refused(lease, AuthError(40001))
        again = await gate.get(1)
        assert again.value == lease.value

    assert count(fake, STABLE_TOKEN) == 2


async def test_reprs_hide_the_token() -> None:
    """
    The repr of what holds a token does not show it.
    """
    static = StaticToken(GIVEN)
    in_use = await TokenGate(static, Breaker(clock := ManualClock()), clock, Observers()).get(1)
    for holder in (static, Token(GIVEN, datetime.now(UTC)), TokenAnswer(GIVEN, 7200), in_use):
        assert GIVEN not in repr(holder)
