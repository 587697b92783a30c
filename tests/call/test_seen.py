"""
What hooks are told of calls, and what stands in the log.
"""

from __future__ import annotations

import logging
from typing import Any

import anyio
import attrs
import pytest

from wechat_kf import AsyncKfClient, AuthError, Call, DeliveryUncertain, Endpoint, KfError, Text
from wechat_kf.api.accounts import GET_KF_LIST
from wechat_kf.api.media import DOWNLOAD_TEMP_MEDIA, UPLOAD_TEMP_MEDIA
from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.instrumentation import AttemptEnd, AttemptStart, CallEnd, CallStart, Retry, TokenChange
from wechat_kf.testing import Delay, DropAfter, Errcode, FakeWeChat, Fault
from wechat_kf.tokens import STABLE_TOKEN

from ..arrivals import QuickClock, refusing
from ..conftest import Connect
from ..recorder import Recorder, recording

CUSTOMER = "o6_bmjrPTlm6_2sgVt7hMZOPfL2M"


@pytest.fixture
def fake() -> FakeWeChat:
    """
    Make a stand-in with a customer who has just written.
    """
    fake = FakeWeChat(clock=QuickClock())
    fake.user_says(CUSTOMER, "在吗")
    return fake


@pytest.fixture
def hook() -> Recorder:
    """
    Make a hook that keeps what it is told.
    """
    return recording()


@pytest.fixture
def kf(fake: FakeWeChat, hook: Recorder, connect: Connect) -> AsyncKfClient:
    """
    Make a client with it.
    """
    return connect(fake, hooks=[hook])


def kinds(hook: Recorder) -> list[str]:
    """
    Name what a hook was told, in order.
    """
    return [type(each).__name__ for each in hook.told]


async def test_call_is_told_from_start_to_end(kf: AsyncKfClient, hook: Recorder) -> None:
    """
    A call is told with its attempts in it; so is the fetching of its token, which lies within it.
    """
    await kf.send_custom_message(CUSTOMER, Text("您好"))

    attempt = ["AttemptStart", "AttemptEnd"]
    assert kinds(hook) == [
        "CallStart",
        *("CallStart", *attempt, "CallEnd"),
        *("TokenChange", *attempt),
        "CallEnd",
    ]
    assert [each.operation for each in hook.of(CallStart)] == ["send_custom_message", "stable_token"]
    assert hook.of(TokenChange) == [TokenChange(reason="first")]
    start, end = hook.of(AttemptStart)[-1], hook.of(AttemptEnd)[-1]
    assert (start.method, start.path) == ("POST", SEND_CUSTOM_MESSAGE.path)
    assert (start.host, start.port, start.attempt) == ("api.weixin.qq.com", 443, 1)
    assert (end.status, end.error, end.errcode, end.effect, end.rid) == (200, None, 0, "done", None)
    assert end.sent > len("您好".encode())
    assert end.received == len(b'{"errcode":0,"errmsg":"ok"}')
    whole = hook.of(CallEnd)[-1]
    assert (whole.host, whole.attempts, whole.error, whole.effect) == ("api.weixin.qq.com", 1, None, "done")
    assert (whole.sent, whole.received) == (end.sent, end.received)


async def test_retry_is_told(fake: FakeWeChat, kf: AsyncKfClient, hook: Recorder) -> None:
    """
    A call that is made again is told with the reason and the pause, and each attempt with its number.
    """
    fake.fault(GET_KF_LIST, Errcode(-1), times=1)
    await kf.get_kf_list()

    [retry] = hook.of(Retry)
    assert (retry.operation, retry.attempt, retry.reason) == ("get_kf_list", 1, "failure")
    assert (retry.error, retry.errcode, retry.other_host) == ("SystemBusy", -1, False)
    assert 0.1 < retry.seconds < 0.3
    assert [each.attempt for each in hook.of(AttemptStart) if each.operation == "get_kf_list"] == [1, 2]
    assert [each.errcode for each in hook.of(AttemptEnd)] == [0, -1, 0]
    assert hook.of(CallEnd)[-1].attempts == 2


async def test_renewed_token_is_told(fake: FakeWeChat, kf: AsyncKfClient, hook: Recorder) -> None:
    """
    When WeChat refuses a token, that is the reason of the retry and of the other token.
    """
    await kf.get_kf_list()
    fake.revoke_tokens()
    await kf.get_kf_list()

    [retry] = hook.of(Retry)
    assert (retry.reason, retry.error, retry.errcode, retry.other_host) == ("token", "AuthError", 40001, False)
    assert [each.reason for each in hook.of(TokenChange)] == ["first", "refused"]


async def test_token_that_ends_is_told(fake: FakeWeChat, kf: AsyncKfClient, hook: Recorder) -> None:
    """
    A token that is renewed since it was about to end is told so.
    """
    await kf.get_kf_list()
    fake.advance(7100)
    await kf.get_kf_list()

    assert [each.reason for each in hook.of(TokenChange)] == ["first", "due"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Errcode(45015), ("DeliveryWindowClosed", 45015, "none")),
        (DropAfter(), ("DeliveryUncertain", None, "unknown")),
    ],
    ids=["refused", "dropped"],
)
async def test_failure_is_told(
    fake: FakeWeChat, kf: AsyncKfClient, hook: Recorder, fault: Fault, expected: tuple[Any, ...]
) -> None:
    """
    A call that fails is told with the class, the code, whether it may have taken effect, and WeChat's id.
    """
    fake.fault(SEND_CUSTOM_MESSAGE, fault)
    with pytest.raises(KfError) as caught:
        await kf.send_custom_message(CUSTOMER, Text("您好"))

    end = hook.of(CallEnd)[-1]
    assert (end.error, end.errcode, end.effect) == expected
    assert end.rid == getattr(caught.value, "rid", None)
    assert (end.rid is None) == (end.errcode is None)


async def test_call_without_a_token_is_told(fake: FakeWeChat, kf: AsyncKfClient, hook: Recorder) -> None:
    """
    A call that gets no token has no attempt, no host and no effect.
    """
    fake.fault(STABLE_TOKEN, Errcode(40125))
    with pytest.raises(AuthError):
        await kf.send_custom_message(CUSTOMER, Text("您好"))

    end = hook.of(CallEnd)[-1]
    assert (end.attempts, end.host, end.error, end.effect) == (0, "", "AuthError", "none")


async def test_cancelled_call_is_told(hook: Recorder, connect: Connect) -> None:
    """
    A call that is cancelled ends for the hooks, too, and so does its attempt: its effect is unknown.
    """
    fake = FakeWeChat()
    async with fake.serve() as base:
        kf = connect(base, hooks=[hook])
        await kf.get_kf_list()
        hook.told.clear()
        fake.fault(SEND_CUSTOM_MESSAGE, Delay(60))
        with anyio.move_on_after(0.05):
            await kf.send_custom_message(CUSTOMER, Text("您好"))

    assert kinds(hook) == ["CallStart", "AttemptStart", "AttemptEnd", "CallEnd"]
    assert [each.error for each in hook.told[2:]] == 2 * ["Cancelled"]
    assert [each.effect for each in hook.told[2:]] == 2 * ["unknown"]


async def test_failover_is_told(
    fake: FakeWeChat, hook: Recorder, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A call that goes to another host is told so; which host is down stands in the log, once, and in the status.
    """
    down = refusing()
    async with fake.serve() as base:
        kf = connect((down, base), hooks=[hook], clock=QuickClock())
        await kf.get_kf_list()
        await kf.get_kf_list()

    [retry] = hook.of(Retry)
    assert (retry.error, retry.seconds, retry.other_host) == ("NotSent", 0, True)
    assert len({each.port for each in hook.of(AttemptStart)}) == 2
    assert kf.status().hosts_down == [down]
    said = [record.getMessage() for record in caplog.records if record.name == "wechat_kf.call"]
    assert said.count(f"{down} cannot be reached; it is skipped for 30 seconds if there is another host") == 1


async def test_upload_and_download_are_told(fake: FakeWeChat, kf: AsyncKfClient, hook: Recorder) -> None:
    """
    An upload is told with its size, a download up to where its file begins.
    """
    uploaded = await kf.upload_temp_media("image", b"\xff\xd8\xff\xe0" + bytes(1000), filename="a.jpg")
    async with kf.download_temp_media(uploaded.media_id) as download:
        content = await download.read()

    starts = [each.path for each in hook.of(AttemptStart)]
    assert starts[-2:] == [UPLOAD_TEMP_MEDIA.path, DOWNLOAD_TEMP_MEDIA.path]
    up, down = hook.of(AttemptEnd)[-2:]
    assert up.sent > 1000
    assert len(content) == 1004
    assert (down.status, down.sent, down.received, down.error) == (200, 0, 0, None)


async def test_unknown_endpoint_is_told_by_its_path(kf: AsyncKfClient, hook: Recorder) -> None:
    """
    An endpoint that the library does not know is an operation of its path's name.
    """
    with pytest.raises(KfError):
        await kf.request(Call(Endpoint("GET", "/cgi-bin/nothing")))

    assert hook.of(CallStart)[0].operation == "/cgi-bin/nothing"


async def test_a_line_for_each_call(fake: FakeWeChat, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    """
    At DEBUG each call, each retry and each other token is a line, with the values beside it.
    """
    kf = connect(fake)
    await kf.get_kf_list()
    caplog.clear()
    fake.fault(GET_KF_LIST, Errcode(-1), times=1)
    fake.revoke_tokens()
    await kf.get_kf_list()

    lines = [(record.name, record.getMessage()) for record in caplog.records if record.name.startswith("wechat_kf")]
    values: dict[str, Any] = caplog.records[-1].__dict__["wechat_kf"]
    assert {name for name, _ in lines} == {"wechat_kf.call", "wechat_kf.token"}
    assert {values[name] for name in ("operation", "host", "errcode")} == {"get_kf_list", "api.weixin.qq.com", 0}
    assert len(lines) == 5


async def test_unseen_call_tells_nothing(fake: FakeWeChat, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    """
    Without a hook, and with nobody who reads DEBUG, a call is made all the same, with a retry, a download, a failure.
    """
    for name in ("wechat_kf.call", "wechat_kf.token"):
        caplog.set_level(logging.INFO, name)
    kf = connect(fake)
    fake.fault(GET_KF_LIST, Errcode(-1), times=1)
    await kf.get_kf_list()
    fake.revoke_tokens()
    await kf.get_kf_list()
    uploaded = await kf.upload_temp_media("image", b"\xff\xd8\xff\xe0" + bytes(1000), filename="a.jpg")
    async with kf.download_temp_media(uploaded.media_id) as download:
        await download.read()
    fake.fault(SEND_CUSTOM_MESSAGE, DropAfter())
    with pytest.raises(DeliveryUncertain):
        await kf.send_custom_message(CUSTOMER, Text("您好"))

    assert [record for record in caplog.records if record.name.startswith("wechat_kf")] == []


async def test_other_limits_keep_the_hooks(fake: FakeWeChat, kf: AsyncKfClient, hook: Recorder) -> None:
    """
    A client with other limits tells the same hooks.
    """
    other = kf.with_options(max_retries=0)
    fake.fault(GET_KF_LIST, Errcode(-1), times=1)
    with pytest.raises(KfError):
        await other.get_kf_list()

    assert other.hooks == (hook,)
    assert hook.of(CallEnd)[-1].error == "SystemBusy"


async def test_strange_address_of_a_video_is_told(hook: Recorder, kf: AsyncKfClient) -> None:
    """
    An address that WeChat named and that is none is told without a host.
    """
    call = Call(DOWNLOAD_TEMP_MEDIA, url="http://[")
    with pytest.raises(KfError):
        await kf.request(call)

    [start] = hook.of(AttemptStart)
    assert (start.host, start.port) == ("", 0)
    assert hook.of(AttemptEnd)[0].sent == 0
    assert attrs.asdict(hook.of(CallEnd)[0])["effect"] == "none"


async def test_closed_client_is_told(hook: Recorder) -> None:
    """
    A call over a client that was closed is told as one that had no effect.
    """
    async with AsyncKfClient(token="TOKEN", hooks=[hook]) as kf:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        await kf.send_custom_message(CUSTOMER, Text("您好"))

    assert hook.of(CallEnd)[-1].effect == "none"
