"""
The access token: fetched once for many, renewed ahead of time, shared, given up on when it is refused for good.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product
from threading import Barrier
from typing import Any, Literal

import anyio
import pytest

from wechat_kf import (
    ApiError,
    AsyncKfClient,
    AuthError,
    KfError,
    MemoryTokenStore,
    NotSent,
    PermissionDenied,
    ReplyError,
    StaticToken,
    SystemBusy,
    Text,
    Token,
    TokenProvider,
)
from wechat_kf.api.accounts import GET_KF_LIST
from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.testing import (
    Delay,
    DropAfter,
    Errcode,
    FakeWeChat,
    Fault,
    Garble,
    ManualClock,
    Status,
)
from wechat_kf.tokens import CLASSIC_TOKEN, STABLE_TOKEN, RenewingToken, TokenAnswer
from wechat_kf.tokens.breaker import Breaker
from wechat_kf.tokens.gate import TokenGate

from ..arrivals import Arrivals, QuickClock, count, tokens_used
from ..conftest import Connect

LIFE = 7200.0
FOR_EVER = 1000
GIVEN = "65_given-by-a-service-of-ones-own"


@pytest.fixture
def fake() -> FakeWeChat:
    """
    Make a stand-in whose time is moved by hand.
    """
    return FakeWeChat(clock=ManualClock())


@pytest.fixture
async def base(fake: FakeWeChat) -> AsyncGenerator[str]:
    """
    Serve it.
    """
    async with fake.serve() as url:
        yield url


@pytest.fixture
def make(fake: FakeWeChat, base: str, connect: Connect) -> Connect:
    """
    Make clients for it that go by the same time.
    """
    return partial(connect, base, clock=fake.clock)


@pytest.fixture
def kf(make: Connect) -> AsyncKfClient:
    """
    Make one.
    """
    return make()


def gate_of(kf: AsyncKfClient) -> TokenGate:
    """
    Reach for what hands out a client's tokens.
    """
    gate = kf._attempts.tokens
    assert isinstance(gate, TokenGate)
    return gate


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """
    List what was warned of.
    """
    return [
        each.getMessage() for each in caplog.records if each.name == "wechat_kf.token" and each.levelname != "DEBUG"
    ]


# ---- one fetch -----------------------------------------------------------------------------------------------------


async def test_one_fetch_for_many(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    Two hundred calls on a cold client make one token fetch.
    """
    async with anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(kf.get_kf_list)

    assert count(fake, STABLE_TOKEN) == 1
    assert count(fake, GET_KF_LIST) == 200


@pytest.mark.parametrize("cancelled", range(6))
async def test_cancelling_one_harms_no_other(cancelled: int, fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    Whichever of the callers that wait for a token is cancelled, the others get theirs, from one fetch.
    """
    arrivals = Arrivals(fake)
    fake.fault(STABLE_TOKEN, Delay(1), 2)
    scopes = [anyio.CancelScope() for _ in range(6)]
    done: list[int] = []

    async def call(number: int) -> None:
        with scopes[number]:
            await kf.get_kf_list()
            done.append(number)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call, 0)
        await arrivals.until(STABLE_TOKEN)
        for number in range(1, 6):
            tasks.start_soon(call, number)
        await anyio.wait_all_tasks_blocked()
        scopes[cancelled].cancel()
        await anyio.wait_all_tasks_blocked()
        fake.advance(1)

    assert sorted(done) == [number for number in range(6) if number != cancelled]
    assert count(fake, STABLE_TOKEN) == 1


async def test_all_get_the_failure(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    When the fetch fails, all who wait get an error of their own, from one request.
    """
    fake.fault(STABLE_TOKEN, Errcode(40125))
    errors: list[KfError] = []

    async def call() -> None:
        try:
            await kf.get_kf_list()
        except KfError as error:
            errors.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(call)

    assert [type(error) for error in errors] == [AuthError] * 20
    assert len({id(error) for error in errors}) == 20
    assert count(fake, STABLE_TOKEN) == 1


@pytest.mark.parametrize("api", ["stable", "classic"])
async def test_what_is_asked(api: Literal["stable", "classic"], fake: FakeWeChat, make: Connect) -> None:
    """
    The token endpoint asked is the one chosen, and a refresh is never forced, not even after a refusal.
    """
    kf = make(token_api=api)
    await kf.get_kf_list()
    fake.revoke_tokens()
    await kf.get_kf_list()

    asked = [call for call in fake.calls if call.path != GET_KF_LIST.path]
    assert [call.path for call in asked] == [STABLE_TOKEN.path if api == "stable" else CLASSIC_TOKEN.path] * 2
    assert [call.json for call in asked] == (
        [
            {
                "grant_type": "client_credential",
                "appid": fake.appid,
                "secret": fake.secret,
                "force_refresh": False,
            }
        ]
        * 2
        if api == "stable"
        else [None, None]
    )
    assert len(set(tokens_used(fake, GET_KF_LIST))) == 2


# ---- ahead of time -------------------------------------------------------------------------------------------------


async def test_renewed_ahead_of_time(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A token near its end is renewed by one caller, while the others go on with the old one.
    """
    arrivals = Arrivals(fake)
    await kf.get_kf_list()
    fake.advance(LIFE - 239)
    fake.fault(STABLE_TOKEN, Delay(1))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kf.get_kf_list)
        await arrivals.until(STABLE_TOKEN, 2)
        await kf.get_kf_list()
        fake.advance(1)
    await kf.get_kf_list()

    first, meanwhile, renewed, after = tokens_used(fake, GET_KF_LIST)
    assert first == meanwhile != renewed == after
    assert count(fake, STABLE_TOKEN) == 2


async def test_not_renewed_too_early(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    With more than four minutes to live a token is used as it is.
    """
    await kf.get_kf_list()
    fake.advance(LIFE - 241)
    await kf.get_kf_list()

    assert count(fake, STABLE_TOKEN) == 1


@pytest.mark.parametrize("fault", [Errcode(50004), DropAfter(), Status(502)], ids=repr)
async def test_renewing_fails(
    fault: Fault, fake: FakeWeChat, kf: AsyncKfClient, caplog: pytest.LogCaptureFixture
) -> None:
    """
    When renewing ahead of time fails the old token is used on, and renewing is left alone for half a minute.
    """
    await kf.get_kf_list()
    fake.advance(LIFE - 239)
    fake.fault(STABLE_TOKEN, fault)
    await kf.get_kf_list()
    await kf.get_kf_list()

    assert len(set(tokens_used(fake, GET_KF_LIST))) == 1
    assert count(fake, STABLE_TOKEN) == 2
    [warning] = warnings(caplog)
    assert warning.startswith("Could not renew the access token ahead of time; going on with the old one: ")

    fake.advance(30)
    await kf.get_kf_list()

    assert len(set(tokens_used(fake, GET_KF_LIST))) == 2


async def test_renewing_hangs(
    fake: FakeWeChat, kf: AsyncKfClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Renewing ahead of time holds its caller up for a moment only.
    """
    monkeypatch.setattr(RenewingToken, "_AHEAD_SECONDS", 0.1)
    await kf.get_kf_list()
    fake.advance(LIFE - 239)
    fake.fault(STABLE_TOKEN, Delay(10**6))
    await kf.get_kf_list()

    assert len(set(tokens_used(fake, GET_KF_LIST))) == 1
    assert warnings(caplog) == [
        "Could not renew the access token ahead of time; going on with the old one: it takes too long"
    ]


async def test_same_token_again(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    When the endpoint gives the same token once more, it is not asked at every call.
    """
    await kf.get_kf_list()
    body = b'{"access_token":"%s","expires_in":200}' % tokens_used(fake, GET_KF_LIST)[0].encode()
    fake.fault(STABLE_TOKEN, Garble(body), FOR_EVER)
    fake.advance(LIFE - 200)
    for _ in range(5):
        await kf.get_kf_list()

    assert count(fake, STABLE_TOKEN) == 2


async def test_ended_token_is_not_used(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A token that ends within five seconds is not sent any more.
    """
    await kf.get_kf_list()
    fake.advance(LIFE - 4)
    fake.fault(STABLE_TOKEN, Errcode(50004))
    with pytest.raises(PermissionDenied):
        await kf.get_kf_list()
    await kf.get_kf_list()

    first, second = tokens_used(fake, GET_KF_LIST)
    assert first != second


# ---- refused -------------------------------------------------------------------------------------------------------


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


# ---- the breaker ---------------------------------------------------------------------------------------------------


async def refuse_thrice(kf: AsyncKfClient) -> None:
    """
    Make calls until the breaker is closed.
    """
    for _ in range(2):
        with pytest.raises(AuthError):
            await kf.get_kf_list()


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


# ---- the token endpoint fails --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error", "requests"),
    [
        (Errcode(-1), SystemBusy, 3),
        (Errcode(40125), AuthError, 1),
        (Errcode(40164), PermissionDenied, 1),
        (Errcode(45011), ApiError, 1),
        (DropAfter(), NotSent, 1),
        (Status(502), NotSent, 1),
        (Status(404), ReplyError, 1),
        (Garble(b"<html>"), ReplyError, 1),
        (Garble(b'{"expires_in":7200}'), ReplyError, 1),
        (Garble(b'{"access_token":"","expires_in":7200}'), ReplyError, 1),
        (Garble(b'{"access_token":"65_abc","expires_in":0}'), ReplyError, 1),
        (Garble(b'{"access_token":["65_in-a-list-by-mistake"],"expires_in":7200}'), ReplyError, 1),
    ],
    ids=repr,
)
async def test_token_endpoint_fails(
    fault: Fault, error: type[KfError], requests: int, fake: FakeWeChat, make: Connect
) -> None:
    """
    However the token endpoint fails, the call had no effect; only what WeChat could not do is asked again.
    """
    kf = make(clock=QuickClock())
    fake.fault(STABLE_TOKEN, fault, FOR_EVER)
    with pytest.raises(error) as caught:
        await kf.send_custom_message("o1", Text("在"))

    assert caught.value.effect == "none"
    assert caught.value.endpoint == STABLE_TOKEN.path
    assert "65_" not in str(caught.value)
    assert count(fake, STABLE_TOKEN) == requests
    assert count(fake, SEND_CUSTOM_MESSAGE) == 0


async def test_token_endpoint_hangs(fake: FakeWeChat, make: Connect) -> None:
    """
    A token endpoint that does not answer is not waited for longer than the timeout, and asked once.
    """
    kf = make(timeout=0.2)
    fake.fault(STABLE_TOKEN, Delay(10**6))
    with pytest.raises(NotSent, match="Could not obtain an access token"):
        await kf.get_kf_list()

    assert count(fake, STABLE_TOKEN) == 1
    assert count(fake, GET_KF_LIST) == 0


async def test_fetching_takes_too_long(fake: FakeWeChat, make: Connect) -> None:
    """
    All that a fetch may wait for has an end together: who waits for it gets an error with it.
    """
    kf = make()
    provider = gate_of(kf)._source
    assert isinstance(provider, RenewingToken)
    provider._timeout = 0.2
    fake.fault(STABLE_TOKEN, Delay(10**6))
    errors: list[NotSent] = []

    async def call() -> None:
        with pytest.raises(NotSent, match=r"It took longer than 0.2 seconds.") as caught:
            await kf.get_kf_list()
        errors.append(caught.value)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(call)

    assert len(errors) == 3
    assert count(fake, STABLE_TOKEN) == 1


async def test_fetch_that_fails_is_made_once(fake: FakeWeChat) -> None:
    """
    Whatever a fetch raises, all who wait for it get it, from one try.
    """
    fetches = 0

    async def fetch() -> Token:
        nonlocal fetches
        fetches += 1
        await anyio.lowlevel.checkpoint()
        raise LookupError

    provider = RenewingToken(fetch, clock=fake.clock)

    async def call() -> None:
        with pytest.raises(LookupError):
            await provider.get()

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(call)

    assert fetches == 1


# ---- tokens from elsewhere -----------------------------------------------------------------------------------------


class Provider:
    """
    A provider of the user's own, which answers as it is told.
    """

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.invalidated: list[str] = []

    async def get(self) -> str:
        """
        Answer, or fail.
        """
        await anyio.lowlevel.checkpoint()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    async def invalidate(self, value: str) -> None:
        """
        Take note, or fail.
        """
        self.invalidated.append(value)
        if isinstance(self.answer, Exception):
            raise self.answer


async def test_static_token(fake: FakeWeChat, make: Connect) -> None:
    """
    A token that is given is used as it is; refused, it is tried once more, since it may have been a moment's fault.
    """
    kf = make(token=GIVEN)
    with pytest.raises(AuthError):
        await kf.get_kf_list()

    assert tokens_used(fake, GET_KF_LIST) == [GIVEN] * 2

    with pytest.raises(AuthError):
        await kf.get_kf_list()
    with pytest.raises(AuthError):
        await kf.get_kf_list()

    assert tokens_used(fake, GET_KF_LIST) == [GIVEN] * 3  # three refusals


@pytest.mark.parametrize("value", ["", None, 5])
def test_static_token_needs_a_token(value: Any) -> None:
    """
    A static token is a string with something in it.
    """
    with pytest.raises(ValueError, match="must be a str that is not empty"):
        StaticToken(value)


async def test_provider_of_ones_own(fake: FakeWeChat, make: Connect) -> None:
    """
    A provider is asked before each call, told of a refused token, and asked again.
    """
    other = make()
    await other.get_kf_list()
    [good] = tokens_used(fake, GET_KF_LIST)

    class Central(Provider):
        async def invalidate(self, value: str) -> None:
            await super().invalidate(value)
            self.answer = good

    provider = Central(GIVEN)
    kf = make(token=provider)
    await kf.get_kf_list()
    await kf.get_kf_list()

    assert isinstance(provider, TokenProvider)
    assert tokens_used(fake, GET_KF_LIST)[1:] == [GIVEN, good, good]
    assert provider.invalidated == [GIVEN]


@pytest.mark.parametrize("answer", ["", None, 5, b"65_bytes", LookupError("no")], ids=repr)
async def test_provider_fails(answer: object, fake: FakeWeChat, make: Connect) -> None:
    """
    A provider that raises, or gives something else than a token, is told as a call that was not made.
    """
    kf = make(token=Provider(answer))
    with pytest.raises(NotSent, match="provider") as caught:
        await kf.get_kf_list()

    assert caught.value.effect == "none"
    assert caught.value.__cause__ is (answer if isinstance(answer, Exception) else None)
    assert fake.calls == []


async def test_provider_raises_an_error_of_ours(make: Connect) -> None:
    """
    A `KfError` of a provider that uses this library itself comes through, with what it means for the call.
    """
    error = ReplyError("no answer of ours", endpoint="/token")
    kf = make(token=Provider(error))
    with pytest.raises(ReplyError) as caught:
        await kf.get_kf_list()

    assert str(caught.value).startswith("/token: no answer of ours.")
    assert caught.value.effect == "none"


async def test_provider_does_not_take_note(fake: FakeWeChat, make: Connect, caplog: pytest.LogCaptureFixture) -> None:
    """
    A provider that fails to take note of a refused token is warned of, and asked again all the same.
    """

    class Forgetful(Provider):
        async def invalidate(self, value: str) -> None:
            raise LookupError(value)

    kf = make(token=Forgetful(GIVEN))
    with pytest.raises(AuthError):
        await kf.get_kf_list()

    assert tokens_used(fake, GET_KF_LIST) == [GIVEN] * 2
    assert warnings(caplog) == ["The token provider could not be told of a refused token (LookupError)."] * 2


async def test_provider_hangs(fake: FakeWeChat, make: Connect) -> None:
    """
    A provider is waited for within the call's bounds, whatever the others have.
    """

    class Slow(Provider):
        async def get(self) -> str:
            await anyio.sleep_forever()
            raise AssertionError

    kf = make(token=Slow(GIVEN))
    with anyio.fail_after(5), pytest.raises(NotSent, match=r"within 0.2 seconds"):
        await kf.with_options(timeout=0.1, max_retries=1).get_kf_list()

    assert fake.calls == []


async def test_provider_hangs_when_told_of_a_refusal(
    fake: FakeWeChat, make: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A provider that does not come back from forgetting a token is not waited for.
    """
    monkeypatch.setattr(TokenGate, "_INVALIDATE_SECONDS", 0.1)

    class Slow(Provider):
        async def invalidate(self, value: str) -> None:
            await anyio.sleep_forever()

    with anyio.fail_after(5), pytest.raises(AuthError):
        await make(token=Slow(GIVEN)).get_kf_list()

    assert tokens_used(fake, GET_KF_LIST) == [GIVEN] * 2


# ---- stores --------------------------------------------------------------------------------------------------------


async def test_shared_store(fake: FakeWeChat, make: Connect) -> None:
    """
    Two clients with one store make one fetch, and one more when the token is refused.
    """
    store = MemoryTokenStore()
    clients = [make(token_store=store) for _ in range(2)]

    async def call_many() -> None:
        async with anyio.create_task_group() as tasks:
            for kf in clients * 20:
                tasks.start_soon(kf.get_kf_list)

    await call_many()
    assert count(fake, STABLE_TOKEN) == 1

    fake.revoke_tokens()
    await call_many()
    assert count(fake, STABLE_TOKEN) == 2


class Store(MemoryTokenStore):
    """
    A store of the user's own, of which one part may fail or hang.
    """

    def __init__(self, part: str, how: str) -> None:
        super().__init__()
        self.part = part
        self.how = how

    async def _meet(self, part: str) -> None:
        if self.part == part and self.how == "hangs":
            await anyio.sleep_forever()
        if self.part == part and self.how == "raises":
            raise ConnectionError("redis://:password@host")

    async def load(self, appid: str) -> Token | None:
        """
        Load, or fail.
        """
        await self._meet("load")
        return await super().load(appid)

    async def save(self, appid: str, token: Token) -> None:
        """
        Save, or fail.
        """
        await self._meet("save")
        await super().save(appid, token)

    @asynccontextmanager
    async def lock(self, appid: str) -> AsyncGenerator[None]:
        """
        Lock and unlock, or fail.
        """
        await self._meet("lock")
        async with super().lock(appid):
            yield
        await self._meet("unlock")


@pytest.mark.parametrize(
    "failing", list(product(["load", "save", "lock", "unlock"], ["raises", "hangs"])), ids="-".join
)
async def test_store_fails(
    failing: tuple[str, str],
    fake: FakeWeChat,
    make: Connect,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Whatever of a store fails or hangs: one warning without its text, one fetch, and the calls go on.
    """
    monkeypatch.setattr(RenewingToken, "_STORE_SECONDS", 0.1)
    monkeypatch.setattr(RenewingToken, "_LOCK_SECONDS", 0.1)
    part, how = failing
    kf = make(token_store=Store(part, how))
    await kf.get_kf_list()
    await kf.get_kf_list()

    assert count(fake, STABLE_TOKEN) == 1
    kind = "ConnectionError" if how == "raises" else "TimeoutError"
    assert warnings(caplog) == [f"The token store fails ({kind}); going on without it."]


async def test_store_fails_for_long(fake: FakeWeChat, make: Connect, caplog: pytest.LogCaptureFixture) -> None:
    """
    A store that goes on failing is warned of once.
    """
    kf = make(token_store=Store("load", "raises"))
    await kf.get_kf_list()
    fake.revoke_tokens()
    await kf.get_kf_list()

    assert count(fake, STABLE_TOKEN) == 2
    assert len(warnings(caplog)) == 1


async def test_store_works_again(fake: FakeWeChat, make: Connect, caplog: pytest.LogCaptureFixture) -> None:
    """
    A store that failed is not locked or written to until it can be read again, which is said.
    """
    store = Store("load", "raises")
    kf = make(token_store=store)
    await kf.get_kf_list()
    store.part = "none"
    fake.revoke_tokens()
    await kf.get_kf_list()

    assert [warning.partition(" (")[0] for warning in warnings(caplog)] == [
        "The token store fails",
        "The token store works again.",
    ]
    stored = await store.load(fake.appid)
    assert stored is not None
    assert stored.value == tokens_used(fake, GET_KF_LIST)[-1]


@pytest.mark.parametrize(
    "held",
    [
        Token("65_ended-long-ago", datetime(2025, 1, 1, tzinfo=UTC)),
        Token("65_has-little-to-live", datetime(2026, 1, 1, 0, 4, tzinfo=UTC)),
        "65_not-even-a-Token",
        Token("65_of-a-naive-clock", datetime(2027, 1, 1)),  # noqa: DTZ001 - naive is the point
    ],
    ids=["ended", "ending", "str", "naive"],
)
async def test_store_holds_nothing_of_use(held: Any, fake: FakeWeChat, make: Connect) -> None:
    """
    What a store holds that is no token, or one that ends, is replaced.
    """
    store = MemoryTokenStore()
    await store.save(fake.appid, held)
    await make(token_store=store).get_kf_list()

    stored = await store.load(fake.appid)
    if isinstance(held, Token) and held.expires_at.tzinfo is not None:
        assert stored is not None
        assert [stored.value] == tokens_used(fake, GET_KF_LIST)
    assert count(fake, STABLE_TOKEN) == 1


async def test_store_comes_back_with_an_older_one(fake: FakeWeChat, make: Connect) -> None:
    """
    After a refusal neither the refused token nor an older one is taken from the store.
    """
    store = MemoryTokenStore()
    await store.save(fake.appid, Token("65_older", fake.clock.now() + timedelta(hours=1)))
    kf = make(token_store=store)
    fake.fault(GET_KF_LIST, Errcode(40001))
    await kf.get_kf_list()

    assert tokens_used(fake, GET_KF_LIST)[0] == "65_older"
    assert count(fake, STABLE_TOKEN) == 1

    await store.save(fake.appid, Token("65_older", fake.clock.now() + timedelta(hours=1)))
    fake.fault(GET_KF_LIST, Errcode(40001))
    await kf.get_kf_list()

    assert "65_older" not in tokens_used(fake, GET_KF_LIST)[1:]
    assert count(fake, STABLE_TOKEN) == 2


async def test_lock_is_released_when_fetching_fails(fake: FakeWeChat, make: Connect) -> None:
    """
    A fetch that fails under the lock fails as it is, and the lock is free.
    """
    store = MemoryTokenStore()
    kf = make(token_store=store)
    fake.fault(STABLE_TOKEN, Errcode(40125))
    with pytest.raises(AuthError):
        await kf.get_kf_list()
    async with store.lock(fake.appid):
        pass
    await kf.get_kf_list()


async def test_adopted_under_the_lock(fake: FakeWeChat, make: Connect) -> None:
    """
    Who has waited for the lock takes what its holder fetched.
    """
    store = MemoryTokenStore()
    kf = make(token_store=store)
    token = Token(GIVEN, fake.clock.now() + timedelta(hours=1))
    async with anyio.create_task_group() as tasks, AsyncExitStack() as stack:
        await stack.enter_async_context(store.lock(fake.appid))

        async def call() -> None:
            with pytest.raises(AuthError):
                await kf.with_options(max_retries=0).get_kf_list()

        fake.fault(STABLE_TOKEN, Errcode(40125))
        tasks.start_soon(call)
        await anyio.wait_all_tasks_blocked()
        await store.save(fake.appid, token)
        await stack.aclose()

    assert tokens_used(fake, GET_KF_LIST)[0] == GIVEN


# ---- event loops ---------------------------------------------------------------------------------------------------


def run_calls(kf: AsyncKfClient, backend: str, calls: int) -> None:
    """
    Make calls in an event loop of their own.
    """

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(calls):
                tasks.start_soon(kf.get_kf_list)

    anyio.run(main, backend=backend)


def test_one_loop_after_another(fake: FakeWeChat, anyio_backend: str) -> None:
    """
    A client used in one event loop after another goes on with its token.
    """
    kf = AsyncKfClient(fake.appid, fake.secret, http=fake.client(), clock=fake.clock)
    for _ in range(3):
        run_calls(kf, anyio_backend, 5)

    assert count(fake, STABLE_TOKEN) == 1
    assert count(fake, GET_KF_LIST) == 15


def test_two_loops_at_once(fake: FakeWeChat, anyio_backend: str) -> None:
    """
    A client used in two threads at once fetches at most once for each.
    """
    kf = AsyncKfClient(fake.appid, fake.secret, http=fake.client(), clock=fake.clock)
    together = Barrier(2, timeout=30)

    def run(_: int) -> None:
        together.wait()
        run_calls(kf, anyio_backend, 20)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(run, range(2)))

    assert count(fake, GET_KF_LIST) == 40
    assert 1 <= count(fake, STABLE_TOKEN) <= 2


# ---- secrets -------------------------------------------------------------------------------------------------------


async def test_reprs_hide_the_token() -> None:
    """
    The repr of what holds a token does not show it.
    """
    static = StaticToken(GIVEN)
    in_use = await TokenGate(static, Breaker(clock := ManualClock()), clock).get(1)
    for holder in (static, Token(GIVEN, datetime.now(UTC)), TokenAnswer(GIVEN, 7200), in_use):
        assert GIVEN not in repr(holder)
