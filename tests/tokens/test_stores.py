"""
Where tokens are kept: shared by clients, and no harm to calls when it fails or holds rubbish.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import anyio
import pytest

from wechat_kf import (
    AuthError,
    MemoryTokenStore,
    Token,
)
from wechat_kf.api.accounts import GET_KF_LIST
from wechat_kf.testing import (
    Errcode,
    FakeWeChat,
)
from wechat_kf.tokens import STABLE_TOKEN, RenewingToken

from ..arrivals import count, tokens_used
from ..conftest import Connect
from .doubles import GIVEN, Store, warnings

LATER = datetime(2026, 1, 1, 1, tzinfo=UTC)


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
        Token("65_lives-for-a-year", datetime(2027, 1, 1, tzinfo=UTC)),
        Token("", LATER),
        Token("x" * 513, LATER),
        Token("65_of two words\n", LATER),
        Token(b"65_bytes", LATER),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        Token("65_ends-at-noon", "noon"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ],
    ids=["ended", "ending", "str", "naive", "year", "empty", "long", "words", "bytes", "noon"],
)
async def test_store_holds_nothing_of_use(
    held: Any, fake: FakeWeChat, make: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """
    What a store holds that is no token, or one that ends, is as if nothing were there, and is overwritten.
    """
    store = MemoryTokenStore()
    await store.save(fake.appid, held)
    await make(token_store=store).get_kf_list()

    stored = await store.load(fake.appid)
    assert stored is not None
    assert [stored.value] == tokens_used(fake, GET_KF_LIST)
    assert count(fake, STABLE_TOKEN) == 1
    assert warnings(caplog) == []


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


async def test_unlocking_takes_a_moment(fake: FakeWeChat, make: Connect, caplog: pytest.LogCaptureFixture) -> None:
    """
    A store whose lock is not released at once is given the time, and works.
    """
    steps: list[str] = []

    class Slow(MemoryTokenStore):
        @asynccontextmanager
        async def lock(self, appid: str) -> AsyncGenerator[None]:
            async with super().lock(appid):
                yield
                await anyio.sleep(0.01)
                steps.append("released")

    await make(token_store=Slow()).get_kf_list()

    assert steps == ["released"]
    assert warnings(caplog) == []


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
