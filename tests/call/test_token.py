"""
The fetching of the token from WeChat, when the endpoint fails.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial

import pytest

from wechat_kf import (
    ApiError,
    AuthError,
    KfError,
    NotSent,
    PermissionDenied,
    ReplyError,
    SystemBusy,
    Text,
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
from wechat_kf.tokens import CLASSIC_TOKEN, STABLE_TOKEN

from ..arrivals import QuickClock, count
from ..conftest import Connect
from ..tokens.doubles import FOR_EVER


@pytest.fixture
def fake() -> FakeWeChat:
    """
    Make a stand-in whose time is moved by hand.
    """
    return FakeWeChat(clock=ManualClock())


@pytest.fixture
async def make(fake: FakeWeChat, connect: Connect) -> AsyncGenerator[Connect]:
    """
    Serve it, and make clients for it that go by the same time.
    """
    async with fake.serve() as base:
        yield partial(connect, base, clock=fake.clock)


@pytest.mark.parametrize(
    ("fault", "error", "requests"),
    [
        (Errcode(-1), SystemBusy, 3),
        (Errcode(40125), AuthError, 1),
        (Errcode(40001), AuthError, 1),
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


async def test_classic_token_endpoint_is_busy(fake: FakeWeChat, make: Connect) -> None:
    """
    The older endpoint for tokens is asked again as well.
    """
    fake.fault(CLASSIC_TOKEN, Errcode(-1), times=1)
    await make(clock=QuickClock(), token_api="classic").get_kf_list()

    assert count(fake, CLASSIC_TOKEN) == 2


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b"<html>503</html>", b"<html>503</html>"),
        (b'{"access_token":"65_0123456789abcdef","expires_in":"soon"}', b""),
        (b'{"token":"65_0123456789abcdef"', b""),
    ],
)
async def test_strange_answer_of_the_token_endpoint(body: bytes, kept: bytes, fake: FakeWeChat, make: Connect) -> None:
    """
    The error shows what was answered, unless a token may stand there.
    """
    fake.fault(STABLE_TOKEN, Garble(body))
    with pytest.raises(ReplyError) as caught:
        await make().get_kf_list()

    assert caught.value.body == kept


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
