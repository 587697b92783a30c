"""
`typing_indicator`: shown by WeChat's rules while the body runs, and never in the body's way.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator

import anyio
import anyio.lowlevel
import httpx
import pytest
from anyio import wait_all_tasks_blocked

from wechat_kf import AsyncKfClient, NotFound, Text
from wechat_kf.api.messages import TYPING
from wechat_kf.testing import (
    Delay,
    DropAfter,
    DropBefore,
    Errcode,
    FakeWeChat,
    Fault,
    ManualClock,
)

from ..arrivals import Arrivals
from ..conftest import Connect

OPENID = "o6_bmjrPTlm6_2sgVt7hMZOPfL2M"
OTHER = "oDF3iYx0ro3_7jD4HFRDfrjdCM58"


@pytest.fixture
def fake() -> FakeWeChat:
    """
    Make a stand-in whose clock stands still, with two customers who have just written.
    """
    fake = FakeWeChat(clock=ManualClock())
    fake.user_says(OPENID, "在吗")
    fake.user_says(OTHER, "在吗")
    return fake


@pytest.fixture
def kf(fake: FakeWeChat, connect: Connect) -> AsyncKfClient:
    """
    Make a client for it.
    """
    return connect(fake)


def commands(fake: FakeWeChat) -> list[str]:
    """
    List the typing calls, in order.
    """
    return [call.json["command"] for call in fake.calls if call.path == TYPING.path]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """
    List what the indicator warned of.
    """
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "wechat_kf.typing" and record.levelno >= logging.WARNING
    ]


async def later(fake: FakeWeChat, seconds: float) -> None:
    """
    Let time pass, and everything happen that is due.
    """
    await wait_all_tasks_blocked()
    fake.advance(seconds)
    await wait_all_tasks_blocked()


async def test_shown_during_the_body(fake: FakeWeChat, kf: AsyncKfClient, caplog: pytest.LogCaptureFixture) -> None:
    """
    The customer sees "typing" when the body begins, and no longer when it has ended.
    """
    async with kf.typing_indicator(OPENID):
        during = fake.is_typing_shown(OPENID)

    assert during
    assert not fake.is_typing_shown(OPENID)
    assert commands(fake) == ["Typing", "CancelTyping"]
    assert warnings(caplog) == []


async def test_for_a_sub_merchant(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    Both calls name the sub-merchant that was given; one that is empty is refused before anything is sent.
    """
    async with kf.typing_indicator(OPENID, businessid="7"):
        pass
    named = [call.json["businessid"] for call in fake.calls if call.path == TYPING.path]
    with pytest.raises(ValueError, match="businessid must not be empty"):
        kf.typing_indicator(OPENID, businessid=" ")

    assert named == ["7", "7"]


async def test_renewed_as_soon_as_it_may_be(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    It is renewed 15.5 seconds after it was shown, not before, as long as messages pass.
    """
    async with kf.typing_indicator(OPENID):
        await later(fake, 15.4)
        counts = [len(commands(fake))]
        for _ in range(4):
            fake.user_says(OPENID, "还在吗")
            await later(fake, 0.1)
            counts.append(len(commands(fake)))
            assert fake.is_typing_shown(OPENID)
            await later(fake, 15.4)
            counts.append(len(commands(fake)))

    assert counts == [1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert commands(fake) == ["Typing"] * 5 + ["CancelTyping"]


async def test_ends_quietly_half_a_minute_after_the_last_message(
    fake: FakeWeChat, kf: AsyncKfClient, caplog: pytest.LogCaptureFixture
) -> None:
    """
    When WeChat wants a message first (45080) the indicator ends: nothing is logged, and there is nothing to cancel.
    """
    async with kf.typing_indicator(OPENID):
        for _ in range(5):
            await later(fake, 15.5)

    assert commands(fake) == ["Typing"] * 3
    assert warnings(caplog) == []


async def test_shown_already(fake: FakeWeChat, kf: AsyncKfClient, caplog: pytest.LogCaptureFixture) -> None:
    """
    That somebody types already (45081) is as good as success: it is renewed, and cancelled in the end.
    """
    await kf.typing(OPENID)
    async with kf.typing_indicator(OPENID):
        await later(fake, 15.5)
        during = fake.is_typing_shown(OPENID)

    assert during
    assert commands(fake) == ["Typing", "Typing", "Typing", "CancelTyping"]
    assert not fake.is_typing_shown(OPENID)
    assert warnings(caplog) == []


async def test_message_in_the_body(fake: FakeWeChat, kf: AsyncKfClient, caplog: pytest.LogCaptureFixture) -> None:
    """
    A message, which ends "typing" on WeChat's side, does no harm; it comes back with the next renewal.
    """
    async with kf.typing_indicator(OPENID):
        await kf.send_custom_message(OPENID, Text("请稍等"))
        after_message = fake.is_typing_shown(OPENID)
        await later(fake, 15.5)
        renewed = fake.is_typing_shown(OPENID)
        await kf.send_custom_message(OPENID, Text("好了"))

    assert not after_message
    assert renewed
    assert commands(fake) == ["Typing", "Typing", "CancelTyping"]
    assert warnings(caplog) == []


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        # WeChat said no: it would again, and there is nothing to cancel.
        (Errcode(48001), ["Typing"]),
        (Errcode(45015), ["Typing"]),
        # It may be shown, and the next attempt may do better.
        (Errcode(-1), ["Typing", "Typing", "CancelTyping"]),
        (DropBefore(), ["Typing", "Typing", "CancelTyping"]),
        (DropAfter(), ["Typing", "Typing", "CancelTyping"]),
    ],
)
async def test_failure_is_logged_only(
    fake: FakeWeChat, kf: AsyncKfClient, caplog: pytest.LogCaptureFixture, fault: Fault, expected: list[str]
) -> None:
    """
    A failure is one warning; the body does not hear of it.
    """
    fake.fault(TYPING, fault)
    async with kf.typing_indicator(OPENID):
        await later(fake, 15.5)

    assert commands(fake) == expected
    assert len(warnings(caplog)) == 1
    assert warnings(caplog)[0].startswith("Typing failed: ")


@pytest.mark.parametrize("fault", [Errcode(48001), Errcode(-1), DropBefore()])
async def test_failure_to_cancel_is_logged_only(
    fake: FakeWeChat, kf: AsyncKfClient, caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    """
    A failure when leaving is one warning too.
    """
    fake.fault(TYPING, fault, after=1)
    async with kf.typing_indicator(OPENID):
        pass

    assert commands(fake) == ["Typing", "CancelTyping"]
    assert len(warnings(caplog)) == 1
    assert warnings(caplog)[0].startswith("CancelTyping failed: ")


async def test_nothing_sent(fake: FakeWeChat, caplog: pytest.LogCaptureFixture, connect: Connect) -> None:
    """
    When nothing can be sent it goes on trying, and cancels nothing, since nothing was shown.
    """

    class Provider:
        async def get(self) -> str:
            raise LookupError

        async def invalidate(self, value: str) -> None: ...

    async with connect(fake, token=Provider()).typing_indicator(OPENID):
        await later(fake, 15.5)

    assert commands(fake) == []
    assert len(warnings(caplog)) == 2
    assert all("the provider raised LookupError" in message for message in warnings(caplog))


async def test_exception_of_a_hook(fake: FakeWeChat, caplog: pytest.LogCaptureFixture, connect: Connect) -> None:
    """
    What a hook of the HTTP client's owner raises is logged without the token, though the URL is in it.
    """

    async def refuse(request: httpx.Request) -> None:
        if TYPING.path in request.url.path:
            raise RuntimeError(f"not to {request.url}")

    async with fake.client() as http:
        http.event_hooks = {"request": [refuse]}
        async with connect(fake, http=http).typing_indicator(OPENID):
            pass

    [warning] = warnings(caplog)
    assert "RuntimeError('not to https://api.weixin.qq.com" in warning
    assert "access_token=***" in warning


async def test_client_closed_meanwhile(fake: FakeWeChat, caplog: pytest.LogCaptureFixture, connect: Connect) -> None:
    """
    A client that is closed while the body runs, a mistake of the program, is a warning as well.
    """
    http = fake.client()
    kf = connect(fake, http=http)
    async with kf.typing_indicator(OPENID):
        await http.aclose()
        await later(fake, 15.5)
        await later(fake, 15.5)

    assert commands(fake) == ["Typing"]
    assert warnings(caplog) == ["Typing failed: RuntimeError('this client is closed')"]


def failures() -> list[BaseException]:
    """
    List what a body may raise.
    """
    return [
        ValueError("5"),
        NotFound(65401),
        ExceptionGroup("several", [ValueError("6")]),
        StopIteration(),
        StopAsyncIteration(),
        GeneratorExit(),
        KeyboardInterrupt(),
        SystemExit(3),
    ]


@pytest.mark.parametrize("number", range(len(failures())))
async def test_exception_of_the_body(fake: FakeWeChat, kf: AsyncKfClient, number: int) -> None:
    """
    What the body raises comes out as it is, itself and in no group, and the indicator is cancelled first.
    """
    failure = failures()[number]
    caught: BaseException | None = None
    try:
        async with kf.typing_indicator(OPENID):
            raise failure  # noqa: TRY301
    except BaseException as error:  # noqa: BLE001 - it is what the test is about
        caught = error

    assert caught is failure
    assert commands(fake) == ["Typing", "CancelTyping"]


async def test_body_cancelled(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    When the body is cancelled the indicator is still cancelled, before the cancellation gets through.
    """
    with anyio.CancelScope() as scope:
        async with kf.typing_indicator(OPENID):
            scope.cancel()
            await anyio.sleep_forever()

    assert scope.cancelled_caught
    assert commands(fake) == ["Typing", "CancelTyping"]
    assert not fake.is_typing_shown(OPENID)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_body_cancelled_natively(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    The timeouts of asyncio itself work around the indicator.
    """

    async def body() -> None:
        async with asyncio.timeout(None) as timeout, kf.typing_indicator(OPENID):
            timeout.reschedule(asyncio.get_running_loop().time())
            await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        await body()
    task = asyncio.current_task()

    assert task is not None
    assert task.cancelling() == 0
    assert commands(fake) == ["Typing", "CancelTyping"]


async def test_entering_does_not_wait_for_ever(
    fake: FakeWeChat, kf: AsyncKfClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    If the first call hangs the body begins all the same; leaving gives that call up, and cancels what it may have done.
    """
    monkeypatch.setattr("wechat_kf.api.typing_indicator._FIRST_SECONDS", 0.05)
    fake.fault(TYPING, Delay(5))
    arrivals = Arrivals(fake)
    async with kf.typing_indicator(OPENID):
        await arrivals.until(TYPING)

    assert commands(fake) == ["Typing", "CancelTyping"]
    assert not fake.is_typing_shown(OPENID)


async def test_cancelled_while_entering(fake: FakeWeChat, kf: AsyncKfClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A cancellation while the first call hangs gives that call up, and cancels what it may have done.
    """
    monkeypatch.setattr("wechat_kf.api.typing_indicator._FIRST_SECONDS", 60.0)
    fake.fault(TYPING, Delay(5))
    entered: list[str] = []

    async def enter() -> None:
        async with kf.typing_indicator(OPENID):
            entered.append(OPENID)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(enter)
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert not entered
    assert commands(fake) == ["Typing", "CancelTyping"]
    assert not fake.is_typing_shown(OPENID)


async def test_leaving_does_not_wait_for_ever(
    fake: FakeWeChat, kf: AsyncKfClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    If the last call hangs it is given up, also when the body was cancelled, and that is a warning.
    """
    monkeypatch.setattr("wechat_kf.api.typing_indicator._LAST_SECONDS", 0.2)
    fake.fault(TYPING, Delay(5), after=1)
    with anyio.CancelScope() as scope:
        async with kf.typing_indicator(OPENID):
            scope.cancel()
            await anyio.lowlevel.checkpoint()

    assert scope.cancelled_caught
    assert commands(fake) == ["Typing", "CancelTyping"]
    assert warnings(caplog) == ["CancelTyping got no answer within 0.2 seconds"]


async def test_bounds(kf: AsyncKfClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Entering waits for a second at most, and leaving for three.
    """
    bounds: list[float | None] = []
    move_on_after = anyio.move_on_after

    def bounded(delay: float | None, shield: bool = False) -> anyio.CancelScope:
        bounds.append(delay)
        return move_on_after(delay, shield)

    monkeypatch.setattr(anyio, "move_on_after", bounded)
    async with kf.typing_indicator(OPENID):
        entering, bounds = bounds, []

    assert 1.0 in entering
    assert 3.0 in bounds


async def test_nothing_follows_the_last_call(fake: FakeWeChat, connect: Connect) -> None:
    """
    A call that cannot be given up ends before the last one is made.
    """
    answered: list[str] = []
    second = anyio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        command = json.loads(request.content)["command"]
        if len(answered) == 1:
            second.set()
            with anyio.CancelScope(shield=True):
                await wait_all_tasks_blocked()
        answered.append(command)
        return httpx.Response(200, json={"errcode": 0, "errmsg": "ok"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        kf = connect("https://gateway.test", token="token", http=http, clock=fake.clock)
        async with kf.typing_indicator(OPENID):
            await wait_all_tasks_blocked()
            fake.advance(16)
            await second.wait()

    assert answered == ["Typing", "Typing", "CancelTyping"]


async def test_two_customers_at_once(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    Indicators for several customers do not disturb each other.
    """
    async with kf.typing_indicator(OPENID):
        async with kf.typing_indicator(OTHER):
            both = fake.is_typing_shown(OPENID), fake.is_typing_shown(OTHER)
        one = fake.is_typing_shown(OPENID), fake.is_typing_shown(OTHER)

    assert both == (True, True)
    assert one == (True, False)
    assert not fake.is_typing_shown(OPENID)


async def test_two_for_one_customer(fake: FakeWeChat, kf: AsyncKfClient, caplog: pytest.LogCaptureFixture) -> None:
    """
    Of two indicators for one customer the one that goes on shows itself again at its next renewal.
    """
    async with kf.typing_indicator(OPENID):
        async with kf.typing_indicator(OPENID):
            pass
        await later(fake, 15.5)
        again = fake.is_typing_shown(OPENID)

    assert again
    assert not fake.is_typing_shown(OPENID)
    assert warnings(caplog) == []


async def test_left_in_another_task(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    An indicator around a generator's ``yield`` may be left in another task, as when a web framework closes a stream.
    """

    async def answer() -> AsyncGenerator[str]:
        async with kf.typing_indicator(OPENID):
            yield "你"
            yield "好"

    stream = answer()
    async with anyio.create_task_group() as tasks:
        await anext(stream)
        tasks.start_soon(stream.aclose)

    assert commands(fake) == ["Typing", "CancelTyping"]


@pytest.mark.parametrize("openid", ["", " "])
def test_openid_is_checked_at_the_call(openid: str) -> None:
    """
    An empty openid is refused where it is given.
    """
    kf = AsyncKfClient(token="token")

    with pytest.raises(ValueError, match="touser must not be empty"):
        kf.typing_indicator(openid)


async def test_on_a_real_socket(connect: Connect) -> None:
    """
    Entering, renewing and leaving work through a socket.
    """
    fake = FakeWeChat()
    fake.user_says(OPENID, "在吗")
    async with fake.serve() as base_url:
        async with connect(base_url).typing_indicator(OPENID):
            during = fake.is_typing_shown(OPENID)

        assert during
        assert not fake.is_typing_shown(OPENID)
