"""
Credentials that are refused again and again stop calls for a while.
"""

from __future__ import annotations

import anyio
import pytest

from wechat_kf import (
    ApiError,
    AsyncKfClient,
    AuthError,
    NotSent,
    PermissionDenied,
    SystemBusy,
)
from wechat_kf.api.accounts import GET_KF_LIST
from wechat_kf.testing import (
    Delay,
    Errcode,
    FakeWeChat,
)
from wechat_kf.tokens import STABLE_TOKEN

from ..arrivals import Arrivals, count
from ..conftest import Connect
from .doubles import FOR_EVER, GIVEN, Provider, gate_of, refuse_thrice


async def test_three_refusals_stop_calls(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    After three refusals calls get the last one at once for 30 seconds, then one call tries and its success heals.
    """
    fake.fault(GET_KF_LIST, Errcode(40001), 3)
    await refuse_thrice(kf)
    calls = len(fake.calls)
    fake.advance(29)
    with pytest.raises(AuthError) as caught:
        await kf.get_kf_list()

    assert caught.value.errcode == 40001
    assert caught.value.effect == "none"
    assert calls == len(fake.calls) == 6  # three of each

    fake.advance(1)
    await kf.get_kf_list()
    await kf.get_kf_list()

    assert len(fake.calls) == calls + 3


async def test_one_call_probes(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    While one call tries whether things are well again, the others are refused; if it is refused, all are for longer.
    """
    arrivals = Arrivals(fake)
    fake.fault(GET_KF_LIST, Errcode(40001), 4)
    await refuse_thrice(kf)
    fake.advance(30)
    fake.fault(STABLE_TOKEN, Delay(1))
    tokens = count(fake, STABLE_TOKEN)

    async def probe() -> None:
        with pytest.raises(AuthError):
            await kf.get_kf_list()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(probe)
        await arrivals.until(STABLE_TOKEN, tokens + 1)
        with pytest.raises(AuthError):
            await kf.get_kf_list()
        fake.advance(1)
    with pytest.raises(AuthError):
        await kf.get_kf_list()

    assert count(fake, STABLE_TOKEN) == tokens + 1
    assert count(fake, GET_KF_LIST) == 4

    fake.advance(30)
    await kf.get_kf_list()


@pytest.mark.parametrize("stage", ["token", "call"])
async def test_probe_is_cancelled(stage: str, fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A probe that is cancelled, fetching its token or making its call, makes room for another.
    """
    arrivals = Arrivals(fake)
    fake.fault(GET_KF_LIST, Errcode(40001), 3)
    await refuse_thrice(kf)
    fake.advance(30)
    held = STABLE_TOKEN if stage == "token" else GET_KF_LIST
    fake.fault(held, Delay(10**6))
    before = count(fake, held)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kf.get_kf_list)
        await arrivals.until(held, before + 1)
        tasks.cancel_scope.cancel()
    await kf.get_kf_list()


async def test_probe_gets_no_token(fake: FakeWeChat, make: Connect) -> None:
    """
    A probe to which the provider gives nothing makes room for another too.
    """
    provider = Provider(GIVEN)
    kf = make(token=provider)
    await refuse_thrice(kf)
    fake.advance(30)
    provider.answer = None
    for _ in range(2):
        with pytest.raises(NotSent, match="provider"):
            await kf.get_kf_list()


async def test_refused_credentials_stop_calls(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    Three refusals by the token endpoint stop the calls as well.
    """
    fake.fault(STABLE_TOKEN, Errcode(40164, "invalid ip 1.2.3.4, not in whitelist"), FOR_EVER)
    for _ in range(3):
        with pytest.raises(PermissionDenied):
            await kf.get_kf_list()
    with pytest.raises(AuthError) as caught:
        await kf.get_kf_list()

    assert caught.value.errcode == 40164
    assert caught.value.errmsg == "invalid ip 1.2.3.4, not in whitelist"
    assert count(fake, STABLE_TOKEN) == 3


async def test_success_between_refusals(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    Refusals with a success between them do not stop calls, whatever else was wrong with that call.
    """
    for _ in range(3):
        fake.fault(GET_KF_LIST, Errcode(40001), 2)
        with pytest.raises(AuthError):
            await kf.get_kf_list()
        fake.fault(GET_KF_LIST, Errcode(45009))
        with pytest.raises(ApiError):
            await kf.get_kf_list()
    await kf.get_kf_list()

    assert count(fake, GET_KF_LIST) == 10


async def test_busy_between_refusals(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    That WeChat was too busy for a call says nothing of its token: refusals before and after it stop calls.
    """
    for errcode in (40001, 40001, -1, 40001):
        fake.fault(GET_KF_LIST, Errcode(errcode))
    for error in (AuthError, SystemBusy, AuthError):
        with pytest.raises(error):
            await kf.with_options(max_retries=0).get_kf_list()
    calls = len(fake.calls)
    with pytest.raises(AuthError):
        await kf.get_kf_list()

    assert len(fake.calls) == calls


async def test_old_tokens_do_not_count(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    The refusal of a token more than a minute old is expected to happen, and does not count.
    """
    for _ in range(4):
        await kf.get_kf_list()
        fake.advance(61)
        fake.fault(GET_KF_LIST, Errcode(40001))
        fake.fault(GET_KF_LIST, Errcode(45009))
        with pytest.raises(ApiError):
            await kf.get_kf_list()

    assert not gate_of(kf)._breaker._refusals
    await kf.get_kf_list()
