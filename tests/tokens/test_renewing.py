"""
The access token: fetched once for many, renewed ahead of time, in one event loop and in several.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any, Literal

import anyio
import pytest

from wechat_kf import (
    AsyncKfClient,
    AuthError,
    KfError,
    MemoryTokenStore,
    NotSent,
    PermissionDenied,
    Token,
)
from wechat_kf.api.accounts import GET_KF_LIST
from wechat_kf.testing import (
    Delay,
    DropAfter,
    Errcode,
    FakeWeChat,
    Fault,
    Garble,
    Status,
)
from wechat_kf.tokens import CLASSIC_TOKEN, STABLE_TOKEN, RenewingToken

from ..arrivals import Arrivals, count, tokens_used
from ..conftest import Connect
from .doubles import FOR_EVER, LIFE, warnings

LATER = datetime(2026, 1, 1, 1, tzinfo=UTC)


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


async def test_fetching_takes_too_long(fake: FakeWeChat) -> None:
    """
    All that a fetch may wait for has an end together: who waits for it gets an error with it.
    """
    fetches = 0

    async def fetch() -> Token:
        nonlocal fetches
        fetches += 1
        await anyio.sleep_forever()
        raise AssertionError

    provider = RenewingToken(fetch, timeout=0.1, clock=fake.clock)
    errors: list[NotSent] = []

    async def call() -> None:
        with pytest.raises(NotSent, match=r"It took longer than 0.1 seconds.") as caught:
            await provider.get()
        errors.append(caught.value)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(call)

    assert len({id(error) for error in errors}) == 3
    assert fetches == 1


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


@pytest.mark.parametrize(
    "token",
    [None, "65_only-a-str", Token("", LATER), Token("65_of two words", LATER)],
    ids=["None", "str", "empty", "words"],
)
async def test_fetch_gives_rubbish(token: Any, fake: FakeWeChat) -> None:
    """
    What a fetch returns that can be no token is an error, and nothing is kept.
    """

    async def fetch() -> Any:
        return token

    provider = RenewingToken(fetch, clock=fake.clock)
    with pytest.raises(NotSent, match="returned no usable token"):
        await provider.get()

    assert provider.current() is None


async def test_life_that_is_too_long(fake: FakeWeChat) -> None:
    """
    A token that is said to live for years is renewed after two hours all the same.
    """
    fetches = 0

    async def fetch() -> Token:
        nonlocal fetches
        fetches += 1
        return Token(f"65_{fetches}", fake.clock.now() + timedelta(days=999))

    store = MemoryTokenStore()
    provider = RenewingToken(fetch, store=store, key="central", clock=fake.clock)
    first = await provider.get()
    assert await provider.get() == first
    shared = await RenewingToken(fetch, store=store, key="central", clock=fake.clock).get()
    fake.advance(LIFE + 600)
    later = await provider.get()

    assert (first, shared, later) == ("65_1", "65_1", "65_2")


def test_store_needs_a_key() -> None:
    """
    A store that may be shared is not written to without a name.
    """

    async def fetch() -> Token:
        raise AssertionError

    with pytest.raises(TypeError, match="a key is needed"):
        RenewingToken(fetch, store=MemoryTokenStore())


async def test_renewing_raises_somebody_elses_error(fake: FakeWeChat, caplog: pytest.LogCaptureFixture) -> None:
    """
    When a fetch of the user's own fails ahead of time, its text, which may hold anything, is not logged.
    """
    failing = False

    async def fetch() -> Token:
        if failing:
            raise LookupError("65_the-new-one")
        return Token("65_the-old-one", fake.clock.now() + timedelta(hours=2))

    provider = RenewingToken(fetch, clock=fake.clock)
    await provider.get()
    fake.advance(LIFE - 200)
    failing = True

    assert await provider.get() == "65_the-old-one"
    assert warnings(caplog) == [
        "Could not renew the access token ahead of time; going on with the old one: LookupError"
    ]


async def test_token_that_may_end_on_the_way(fake: FakeWeChat) -> None:
    """
    While no new token can be had, the old one is used until it has five seconds left.
    """
    failing = False

    async def fetch() -> Token:
        if failing:
            raise LookupError
        return Token("65_the-old-one", fake.clock.now() + timedelta(hours=2))

    provider = RenewingToken(fetch, clock=fake.clock)
    await provider.get()
    failing = True
    fake.advance(LIFE - 5.5)
    nearly = await provider.get()
    fake.advance(0.5)
    with pytest.raises(LookupError):
        await provider.get()

    assert nearly == "65_the-old-one"


async def test_only_the_token_in_hand_is_forgotten(fake: FakeWeChat) -> None:
    """
    A provider that is told of another token, or before it has one, goes on as before.
    """
    fetched: list[str] = []

    async def fetch() -> Token:
        fetched.append(f"token-{len(fetched)}")
        return Token(fetched[-1], fake.clock.now() + timedelta(hours=2))

    provider = RenewingToken(fetch, clock=fake.clock)
    await provider.invalidate("another")
    first = await provider.get()
    await provider.invalidate("another")
    second = await provider.get()
    await provider.invalidate(first)
    third = await provider.get()

    assert [first, second, third] == ["token-0", "token-0", "token-1"]
