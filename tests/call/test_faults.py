"""
One table: what a caller sees of each fault, how many requests WeChat sees, and that nothing is lost or doubled.
"""

from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import attrs
import pytest
from redis import asyncio as redis

from wechat_kf import (
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
from .accounts import CALLS, CUSTOMERS, SEND, account, send_to_each

TOKEN = "/cgi-bin/stable_token"


FOR_EVER = 1000


class Hasty(SystemClock):
    """
    A clock that does not wait between attempts: it goes forward instead.
    """

    def __init__(self) -> None:
        self._slept = 0.0

    def monotonic(self) -> float:
        """
        Return the seconds, with those that were slept.
        """
        return super().monotonic() + self._slept

    async def sleep(self, seconds: float) -> None:
        """
        Let others run.
        """
        self._slept += seconds
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


def check_effect(error: KfError, row: Row, *, reads: bool = False) -> None:
    """
    See that an error says "none" where that is known, as of any read, and only there.
    """
    is_unknown = isinstance(error, DeliveryUncertain | ReplyError | SystemBusy) and row.path is None and not reads

    assert error.effect == ("unknown" if is_unknown else "none")
    assert is_unknown or reads or not row.arrives


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
        check_effect(error, row, reads=name == "read")
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
    elif row.error is RateLimited:
        # It passes, and had no effect, so each is sent again, ten times at most.
        assert requests(fake, SEND) == 3 * 10
    else:
        # The others do not get the refusal that one gets.
        assert requests(fake, SEND) == 3 * min(row.once, 1) + (row.once > 1)
        assert requests(fake, TOKEN) == row.fetches


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
    ours = [record for record in caplog.records if record.name == "wechat_kf.token" and record.levelname != "DEBUG"]
    said = [record.getMessage().split("(")[0] for record in ours]

    many = len(CUSTOMERS) if name == "send_each" else 1
    assert (seen, fetched) == (many, 1)
    assert arrived == (many if path == SEND else 0)
    assert said == ["The token store fails ", "The token store works again."]
    assert kept is not None
