"""
Tokens from elsewhere: one that is given, and providers of the user's own that may fail.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from wechat_kf import (
    AsyncKfClient,
    AuthError,
    NotSent,
    ReplyError,
    StaticToken,
    Token,
    TokenProvider,
)
from wechat_kf.api.accounts import GET_KF_LIST
from wechat_kf.testing import (
    FakeWeChat,
)
from wechat_kf.tokens.gate import TokenGate

from ..arrivals import tokens_used
from ..conftest import Connect
from .doubles import GIVEN, Provider, warnings


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


async def test_provider_that_never_answers(connect: Connect) -> None:
    """
    A call waits for its token as long as all its attempts may take.
    """

    class Silent(Provider):
        async def get(self) -> str:
            await anyio.sleep_forever()
            return GIVEN

    kf = connect("http://127.0.0.1:1", token=Silent(GIVEN), timeout=0.05, max_retries=2)
    with pytest.raises(NotSent, match=r"within 0\.15 seconds"):
        await kf.get_kf_list()


def test_token_is_shown_without_its_value() -> None:
    """
    A token is shown by its end alone.
    """
    end = datetime(2026, 1, 1, tzinfo=UTC)

    assert repr(Token(GIVEN, end)) == f"Token(value='***', expires_at={end!r})"


async def test_static_token_by_itself() -> None:
    """
    A static token is a provider like any other, which forgets nothing.
    """
    static = StaticToken(GIVEN)
    await static.invalidate(GIVEN)

    assert await static.get() == static.current() == GIVEN


@pytest.mark.parametrize("value", ["", None, 5])
def test_static_token_needs_a_token(value: Any) -> None:
    """
    A static token is a string with something in it.
    """
    with pytest.raises(ValueError, match="must be a str that is not empty"):
        StaticToken(value)


@pytest.mark.parametrize("value", [f" {GIVEN}", f"{GIVEN}\n"])
def test_static_token_with_blanks(value: str) -> None:
    """
    Blanks around a token that is given are told, and not sent.
    """
    with pytest.raises(ValueError, match="must not begin or end with a blank"):
        StaticToken(value)


async def test_one_question_for_many(fake: FakeWeChat, make: Connect) -> None:
    """
    Fifty calls at once ask a provider once, those that come later ask again.
    """
    asked = 0

    class Slow(Provider):
        async def get(self) -> str:
            nonlocal asked
            asked += 1
            await anyio.sleep(0.05)
            return await super().get()

    kf = make(token=Slow(LookupError("no")))

    async def call() -> None:
        with pytest.raises(NotSent, match="the provider raised LookupError"):
            await kf.get_kf_list()

    for rounds in (1, 2):
        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(call)
        assert asked == rounds


async def test_question_goes_on_for_the_others(make: Connect) -> None:
    """
    A call whose time is over, or that is cancelled, leaves the question to the others; the last takes it with it.
    """
    asked = 0
    left = anyio.Event()

    class Slow(Provider):
        async def get(self) -> str:
            nonlocal asked
            asked += 1
            try:
                await anyio.sleep_forever()
            finally:
                left.set()
            raise AssertionError

    kf = make(token=Slow(GIVEN))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kf.get_kf_list)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(NotSent, match=r"within 0.05 seconds"):
            await kf.with_options(timeout=0.05, max_retries=0).get_kf_list()
        with anyio.move_on_after(0.05):
            await kf.get_kf_list()

        assert not left.is_set()
        tasks.cancel_scope.cancel()
    with anyio.fail_after(5):
        await left.wait()
    assert asked == 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_question_is_cancelled_by_somebody(make: Connect) -> None:
    """
    A provider that is cancelled by something below it leaves nobody waiting.
    """

    class Cancelled(Provider):
        async def get(self) -> str:
            raise asyncio.CancelledError

    with anyio.fail_after(5), pytest.raises(NotSent, match="It was cancelled"):
        await make(token=Cancelled(GIVEN)).get_kf_list()


def test_provider_that_is_not_async() -> None:
    """
    A provider with a plain ``def`` where an ``async def`` belongs is refused when it is given.
    """

    class Plain:
        def get(self) -> str:
            return GIVEN

        async def invalidate(self, value: str) -> None: ...

    class Forgetful:
        async def get(self) -> str:
            return GIVEN

        def invalidate(self, value: str) -> None: ...

    for provider, name in ((Plain(), "get"), (Forgetful(), "invalidate")):
        given: Any = provider
        with pytest.raises(TypeError, match=f"the token provider's {name} must be an async def"):
            AsyncKfClient(token=given)


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
