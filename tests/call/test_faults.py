"""
One table: what a caller sees of each fault, how many requests WeChat sees, and that nothing is lost or doubled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel
import attrs
import pytest
from redis import asyncio as redis

from wechat_kf import (
    AsyncKfClient,
    AuthError,
    DeliveryUncertain,
    KfError,
    NotSent,
    QuotaExceeded,
    RateLimited,
    ReplyError,
    SystemBusy,
    SystemClock,
    Text,
)
from wechat_kf.stores.redis import RedisTokenStore
from wechat_kf.testing import (
    Delay,
    Drip,
    DropAfter,
    DropBefore,
    Errcode,
    FakeWeChat,
    Fault,
    Garble,
    Status,
    Truncate,
)

from ..conftest import Connect
from ..redis_server import RedisServer

TOKEN = "/cgi-bin/stable_token"
SEND = "/cgi-bin/message/custom/send"
AVATAR = "/customservice/kfaccount/uploadheadimg"
LIST = "/cgi-bin/customservice/getkflist"

AGENT = "test1@test"
CUSTOMERS = ("o1", "o2", "o3")
JPEG = b"\xff\xd8\xff\xe0" + bytes(300_000)

FOR_EVER = 1000


class Hasty(SystemClock):
    """
    A clock that does not wait between attempts.
    """

    async def sleep(self, seconds: float) -> None:
        """
        Let others run.
        """
        await anyio.lowlevel.checkpoint()


@attrs.frozen
class Row:
    """
    A fault, and what comes of it.

    Attributes:
        fault: What befalls the calls of the path.

        error: What the caller gets; None for an answer.

        repeated: Requests that a call which may be repeated makes.

        once: Requests that a call which may not be repeated makes.

        arrives: Whether a message that is sent once arrives.

        times: How many calls it befalls.

        path: Where; None for the call's own path.

        fetches: Requests for a token.
    """

    fault: Fault
    error: type[KfError] | None
    repeated: int
    once: int
    arrives: bool
    times: int = FOR_EVER
    path: str | None = None
    fetches: int = 1


TABLE = {
    "drop before": Row(DropBefore(), DeliveryUncertain, 3, 1, False),
    "drop before, once": Row(DropBefore(), DeliveryUncertain, 2, 1, False, times=1),
    "drop after": Row(DropAfter(), DeliveryUncertain, 3, 1, True),
    "late": Row(Delay(60), DeliveryUncertain, 3, 1, True),
    "drip": Row(Drip(0.1), DeliveryUncertain, 3, 1, True),
    "truncate": Row(Truncate(5), DeliveryUncertain, 3, 1, True),
    "garble": Row(Garble(b"<html>\xff\x00"), ReplyError, 1, 1, True),
    "empty": Row(Garble(b""), ReplyError, 1, 1, True),
    "502": Row(Status(502), DeliveryUncertain, 3, 1, False),
    "412": Row(Status(412), ReplyError, 1, 1, False),
    "-1": Row(Errcode(-1), SystemBusy, 3, 1, False),
    "45009": Row(Errcode(45009), QuotaExceeded, 1, 1, False),
    "45011": Row(Errcode(45011), RateLimited, 1, 1, False),
    "40001, once": Row(Errcode(40001), None, 2, 2, True, times=1, fetches=2),
    "40001, for ever": Row(Errcode(40001), AuthError, 2, 2, False, fetches=2),
    "token: drop": Row(DropBefore(), NotSent, 0, 0, False, path=TOKEN),
    "token: 502": Row(Status(502), NotSent, 0, 0, False, path=TOKEN),
    "token: late": Row(Delay(60), NotSent, 0, 0, False, path=TOKEN),
    "token: -1, once": Row(Errcode(-1), None, 1, 1, True, times=1, path=TOKEN, fetches=2),
    "token: garble": Row(Garble(b"{"), ReplyError, 0, 0, False, path=TOKEN),
    "token: 40013": Row(Errcode(40013), AuthError, 0, 0, False, path=TOKEN),
}


async def read(kf: AsyncKfClient) -> object:
    """
    Read: may be repeated.
    """
    return await kf.get_kf_list()


async def upload(kf: AsyncKfClient) -> object:
    """
    Upload: may be repeated.
    """
    return await kf.upload_kf_head_img(AGENT, JPEG)


async def send(kf: AsyncKfClient) -> object:
    """
    Send: may not be repeated.
    """
    return await kf.send_custom_message("o1", Text("你好"))


async def send_to_each(kf: AsyncKfClient) -> object:
    """
    Send many.
    """
    errors = [o.error async for o in kf.send_each([(openid, Text("你好")) for openid in CUSTOMERS])]
    assert errors == [None] * len(CUSTOMERS)
    return errors


CALLS: dict[str, tuple[str, Callable[[AsyncKfClient], Awaitable[object]]]] = {
    "read": (LIST, read),
    "upload": (AVATAR, upload),
    "send": (SEND, send),
}


def account() -> FakeWeChat:
    """
    Make an account with an agent, whom three customers have written to.
    """
    fake = FakeWeChat()
    fake.agent_online(AGENT)
    for openid in CUSTOMERS:
        fake.user_says(openid, "在吗")
    return fake


def options(row: Row) -> dict[str, Any]:
    """
    Wait little, where there is nothing to wait for.
    """
    return {"timeout": 0.3 if isinstance(row.fault, Delay | Drip) else 30.0, "clock": Hasty()}


def requests(fake: FakeWeChat, path: str) -> int:
    """
    Count what WeChat saw.
    """
    return sum(call.path == path for call in fake.calls)


def check_effect(error: KfError, row: Row) -> None:
    """
    See that an error says "none" where that is known, and only there.
    """
    is_unknown = isinstance(error, DeliveryUncertain | ReplyError | SystemBusy) and row.path is None

    assert error.effect == ("unknown" if is_unknown else "none")
    assert is_unknown or not row.arrives


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
async def test_one_call(name: str, row: Row, connect: Connect) -> None:
    """
    A call meets a fault, then WeChat is well again and so is the client.
    """
    fake, (path, call) = account(), CALLS[name]
    fake.fault(row.path or path, row.fault, times=row.times)
    error: KfError | None = None
    recovers = row.times < FOR_EVER and name != "send"
    async with fake.serve() as base:
        kf = connect(base, appid=fake.appid, secret=fake.secret, **options(row))
        try:
            await call(kf)
        except KfError as caught:
            error = caught
        seen, arrived, fetches = requests(fake, path), len(fake.sent), requests(fake, TOKEN)
        other = await kf.get_callback_ip() if row.path is None and row.error is not AuthError else None

    if row.error is None or recovers:
        assert error is None
    else:
        assert error is not None
        assert type(error) is row.error
        check_effect(error, row)
    assert seen == (row.once if name == "send" else row.repeated)
    assert fetches == row.fetches
    assert arrived == (row.arrives if name == "send" else 0)
    assert other != ()


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
async def test_send_each(row: Row, connect: Connect) -> None:
    """
    Of many messages each has its outcome, and is sent once or, if a token was refused, again.
    """
    fake = account()
    fake.fault(row.path or SEND, row.fault, times=row.times)
    async with fake.serve() as base:
        kf = connect(base, appid=fake.appid, secret=fake.secret, **options(row))
        outcomes = [o async for o in kf.send_each([(openid, Text("你好")) for openid in CUSTOMERS])]
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    arrived = [sent.openid for sent in fake.sent]

    assert sorted(outcome.index for outcome in outcomes) == [0, 1, 2]
    assert len(errors) == (0 if row.error is None else min(row.times, 3))
    assert {type(error) for error in errors} <= {row.error}
    for error in errors:
        check_effect(error, row)
    # Nobody gets it twice, and whoever was said to have it has it.
    assert len(set(arrived)) == len(arrived)
    assert {outcome.touser for outcome in outcomes if outcome.error is None} <= set(arrived)
    assert len(arrived) == (3 if row.arrives else 3 - len(errors))
    if row.error is AuthError and row.path is None:
        # After the third refusal nobody is asked any more.
        assert 3 <= requests(fake, SEND) <= 6
    else:
        # The others do not get the refusal that one gets.
        assert requests(fake, SEND) == 3 * min(row.once, 1) + (row.once > 1)
        assert requests(fake, TOKEN) == row.fetches


# ---- cancellation ------------------------------------------------------------------------------------------------

Cancelling: TypeAlias = Callable[[int, Callable[[], Awaitable[object]]], Awaitable[bool]]

# More turns than any call takes.
MANY = 5000


async def cancelled_by_scope(turns: int, call: Callable[[], Awaitable[object]]) -> bool:
    """
    Call, and cancel it after so many turns of the event loop; tell whether it was quicker.
    """
    has_ended = False

    async def run() -> None:
        nonlocal has_ended
        await call()
        has_ended = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        for _ in range(turns):
            if has_ended:
                break
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    return has_ended


async def cancelled_by_asyncio(turns: int, call: Callable[[], Awaitable[object]]) -> bool:
    """
    Do the same with asyncio's own cancellation, which no scope shields from.
    """
    task = asyncio.ensure_future(call())
    for _ in range(turns):
        if task.done():
            break
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    return not task.cancelled() and task.exception() is None


async def cancel_at_every_turn(name: str, connected: bool, connect: Connect, cancelling: Cancelling) -> None:
    """
    Cancel a call at its first turn, then another at its second, and so on until one completes.

    After each the client, which has one connection and no time to lose, works; and nothing was sent twice.
    """
    fake, (_, call) = account(), {**CALLS, "send_each": (SEND, send_to_each)}[name]
    expected = {"send": ["o1"], "send_each": list(CUSTOMERS)}.get(name, [])
    async with fake.serve() as base:
        turns, completes = 0, False
        while not completes and turns < MANY:
            for openid in CUSTOMERS:
                fake.user_says(openid, "在吗")
            kf = connect(base, appid=fake.appid, secret=fake.secret, max_connections=1, max_retries=0)
            if connected:
                await kf.get_callback_ip()
            before = len(fake.sent)
            completes = await cancelling(turns, partial(call, kf))
            with anyio.fail_after(5):
                await kf.get_callback_ip()
            arrived = sorted(sent.openid for sent in fake.sent[before:])
            assert arrived == expected if completes else set(arrived) <= set(expected)
            assert len(arrived) == len(set(arrived))
            turns += 1

    assert completes
    assert turns > 5


@pytest.mark.parametrize("connected", [False, True])
@pytest.mark.parametrize("name", [*CALLS, "send_each"])
async def test_cancelled_at_every_turn(name: str, connected: bool, connect: Connect) -> None:
    """
    Wherever a call is cancelled, fetching its token or at work, the client goes on and nothing is sent twice.
    """
    await cancel_at_every_turn(name, connected, connect, cancelled_by_scope)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("connected", [False, True])
@pytest.mark.parametrize("name", [*CALLS, "send_each"])
async def test_cancelled_by_asyncio_at_every_turn(name: str, connected: bool, connect: Connect) -> None:
    """
    Asyncio's own cancellation, which no scope shields from, does no harm either.
    """
    await cancel_at_every_turn(name, connected, connect, cancelled_by_asyncio)


# ---- Redis -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("name", [*CALLS, "send_each"])
@pytest.mark.parametrize("fault", ["down", "slow"])
async def test_redis(
    fault: str, name: str, connect: Connect, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Whether Redis is down or says nothing, a call is answered, once; when Redis is back, it is used again by itself.
    """
    path, call = CALLS.get(name, (SEND, send_to_each))
    fake = account()
    async with fake.serve() as base, redis.from_url(redis_server.url) as engine:
        store = RedisTokenStore(engine, timeout=0.2)
        kf = connect(base, appid=fake.appid, secret=fake.secret, token_store=store)
        (redis_server.stop if fault == "down" else redis_server.pause)()
        await call(kf)
        seen, arrived, fetched = requests(fake, path), len(fake.sent), requests(fake, TOKEN)
        fake.revoke_tokens()
        await call(kf)
        (redis_server.start if fault == "down" else redis_server.resume)()
        # Once for the client to find it again, once to have something to keep.
        for _ in range(2):
            fake.revoke_tokens()
            await kf.get_callback_ip()
        kept = await store.load(fake.appid)
    said = [record.getMessage().split("(")[0] for record in caplog.records if record.name == "wechat_kf.token"]

    many = len(CUSTOMERS) if name == "send_each" else 1
    assert (seen, fetched) == (many, 1)
    assert arrived == (many if path == SEND else 0)
    assert said == ["The token store fails ", "The token store works again."]
    assert kept is not None
