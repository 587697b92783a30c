"""
Pushes: what the account's server hears, how often, and what its answers do.
"""

from __future__ import annotations

from collections.abc import Mapping

import anyio
import pytest

from wechat_kf.testing import FakeWeChat, ManualClock
from wechat_kf.testing.fronts.socket import listen
from wechat_kf.testing.machine.request import Request
from wechat_kf.testing.machine.response import PlannedResponse, Response
from wechat_kf.testing.pushes.courier import OUT_OF_SERVICE
from wechat_kf.webhook import (
    TextMessage,
    TextReply,
    TransferReply,
)

from ..account_server import TOKEN, AccountServer
from ..bare_api import OPENID


async def test_an_answer_that_is_not_200(fake: FakeWeChat, server: AccountServer) -> None:
    """
    Any other status is a wrong answer; after an event the customer sees nothing of it.
    """
    server.status = 500
    fake.user_says(OPENID, "hi")
    fake.clicks(OPENID, "key")
    server.answer = lambda push: b"" if isinstance(push, TextMessage) else TransferReply()
    await fake.deliver()
    server.status = 200
    fake.clicks(OPENID, "key")
    await fake.deliver()

    assert [shown.text for shown in fake.shown_to(OPENID)] == [OUT_OF_SERVICE]


@pytest.mark.parametrize(
    ("status", "reason"),
    [(403, "HTTP status 403."), (307, "HTTP status 307, a redirect, which")],
)
async def test_why_an_answer_is_not_taken(
    fake: FakeWeChat, server: AccountServer, status: int, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """
    The log tells why a callback is not verified, and why a customer is told that the account is out of service.
    """
    server.status = status
    verified = await fake.verify_callback()
    fake.user_says(OPENID, "hi")
    await fake.deliver()
    logged = [record.getMessage() for record in caplog.records if record.name == "wechat_kf.testing"]

    assert not verified
    assert [shown.text for shown in fake.shown_to(OPENID)] == [OUT_OF_SERVICE]
    assert [message.partition(": ")[0] for message in logged] == [
        "The callback failed the check of its URL",
        "The reply to the push 'text' is refused",
    ]
    assert all(reason in message for message in logged)


# On trio httpx leaves its body's generator to the garbage collector then.
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_answer_that_cannot_be_decoded(fake: FakeWeChat) -> None:
    """
    A server whose body is not what its headers say has not answered.
    """

    async def garbage(_: Request) -> PlannedResponse:
        return PlannedResponse(Response(200, "text/plain", b"no gzip", {"content-encoding": "gzip"}))

    async with listen(garbage, fake.clock, "127.0.0.1", 0, anyio.sleep_forever) as base_url:
        fake.set_callback(base_url, token=TOKEN)
        fake.user_says(OPENID, "hi")
        await fake.deliver()

    assert [shown.text for shown in fake.shown_to(OPENID)] == [OUT_OF_SERVICE]


async def test_five_seconds_and_three_retries(fake: FakeWeChat, server: AccountServer) -> None:
    """
    A server that is too slow hears the push again, the same but signed anew, and the customer is told in the end.
    """
    clock = fake.clock
    server.before = lambda: clock.sleep(60)
    arrived: list[float] = []

    assert isinstance(clock, ManualClock)

    async def slow() -> None:
        arrived.append(clock.monotonic())
        await clock.sleep(60)

    server.before = slow
    fake.user_says(OPENID, "hi")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fake.deliver)
        with anyio.fail_after(60):
            for _ in range(4):
                assert await clock.until_asleep(2) == (5.0, 60.0)

                clock.advance(5)

    assert arrived == [0.0, 5.0, 10.0, 15.0]
    assert [shown.text for shown in fake.shown_to(OPENID)] == [OUT_OF_SERVICE]


async def test_a_retry_is_the_same_push(fake: FakeWeChat, server: AccountServer) -> None:
    """
    A repeated push has its MsgId and a new signature; its answer is taken.
    """
    clock = fake.clock
    server.answer = lambda _: TextReply("at last")

    assert isinstance(clock, ManualClock)

    async def slow_to_answer() -> None:
        if not server.heard:
            server.before = anyio.lowlevel.checkpoint
            await clock.sleep(60)

    hear = server.take

    def hear_first(method: str, query: Mapping[str, str], body: bytes) -> bytes:
        bodies.append((query, body))
        return hear(method, query, body)

    bodies: list[tuple[Mapping[str, str], bytes]] = []
    server.take = hear_first  # type: ignore[method-assign]
    server.before = slow_to_answer
    fake.user_says(OPENID, "hi")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fake.deliver)
        await clock.until_asleep(2)
        clock.advance(5)

    assert [shown.text for shown in fake.shown_to(OPENID)] == ["at last"]
    assert len(server.heard) == 1


async def test_nobody_listens(fake: FakeWeChat, caplog: pytest.LogCaptureFixture) -> None:
    """
    A server that cannot be reached is a server that does not answer; without a callback nothing is queued.
    """
    fake.user_says(OPENID, "before")
    async with FakeWeChat().serve() as base_url:
        pass
    fake.set_callback(base_url, token=TOKEN)
    verified = await fake.verify_callback()
    fake.user_says(OPENID, "hi")
    await fake.deliver()

    assert not verified
    assert [shown.text for shown in fake.shown_to(OPENID)] == [OUT_OF_SERVICE]
    assert [record.getMessage() for record in caplog.records if record.name == "wechat_kf.testing"] == [
        "The callback failed the check of its URL: no answer came.",
        "The push 'text' was not answered in time, 4 times.",
    ]


async def test_an_answer_is_not_decoded(fake: FakeWeChat) -> None:
    """
    No encoding is asked for, and an answer counts as it comes; the query of the callback's URL stays.
    """
    targets: list[str] = []
    encodings: set[str] = set()

    async def nothing() -> None:
        pass

    async def receive(request: Request) -> PlannedResponse:
        targets.append(request.target)
        encodings.add(request.headers["accept-encoding"])
        return PlannedResponse(Response(200, "text/xml", b"success", {"content-encoding": "gzip"}))

    async with listen(receive, fake.clock, "127.0.0.1", 0, nothing) as url:
        fake.set_callback(f"{url}/wechat?tenant=1", token=TOKEN)
        fake.user_says(OPENID, "hi")
        await fake.deliver()

    assert fake.shown_to(OPENID) == ()
    assert encodings == {"identity"}
    assert [target.partition("signature")[0] for target in targets] == ["/wechat?tenant=1&"]


async def test_a_push_that_cannot_be_written(fake: FakeWeChat, server: AccountServer) -> None:
    """
    Who asks for it is told, and the deliveries go on.
    """
    with pytest.raises(UnicodeEncodeError):
        fake.user_says("\ud800", "hi")
    with pytest.raises(TypeError):
        fake.user_sends(OPENID, {"MsgType": "text", "Content": None})
    fake.user_says(OPENID, "hi")
    await fake.deliver()

    assert [push.raw["Content"] for push in server.heard] == ["hi"]


async def test_without_a_callback(fake: FakeWeChat) -> None:
    """
    There is nothing to check or deliver then.
    """
    await fake.deliver()
    with pytest.raises(ValueError, match="no callback"):
        await fake.verify_callback()
    with pytest.raises(ValueError, match="needs an encoding_aes_key"):
        fake.set_callback("http://localhost", token=TOKEN, mode="safe")


async def test_a_server_on_a_socket_hears_in_the_background(fake: FakeWeChat) -> None:
    """
    While the stand-in serves, pushes to a URL go out by themselves, and so do those of the ASGI app's lifespan.
    """
    server = AccountServer(fake)
    done = anyio.Event()

    async def nothing() -> None:
        pass

    async def receive(request: Request) -> PlannedResponse:
        answer = server.take(request.method, request.query, request.body)
        if len(server.heard) == 3:
            done.set()
        return PlannedResponse(Response(200, "text/xml", answer))

    async with listen(receive, fake.clock, "127.0.0.1", 0, nothing) as url:
        fake.set_callback(f"{url}/wechat", token=TOKEN)
        verified = await fake.verify_callback()
        async with fake.serve():
            fake.user_says(OPENID, "one")
            fake.user_says("another", "two")
            with anyio.fail_after(60):
                while len(server.heard) < 2:
                    await anyio.lowlevel.checkpoint()
            fake.user_says(OPENID, "three")
            with anyio.fail_after(60):
                await done.wait()

    assert verified
    assert sorted(push.raw["Content"] for push in server.heard) == ["one", "three", "two"]


async def test_a_reply_without_end(fake: FakeWeChat) -> None:
    """
    Of a reply that is far too long no more than its beginning is read.
    """

    async def receive(_: Request) -> PlannedResponse:
        return PlannedResponse(Response(200, "text/xml", bytes(4 * 1024 * 1024)))

    async with listen(receive, fake.clock, "127.0.0.1", 0, anyio.sleep_forever) as url:
        fake.set_callback(url, token=TOKEN)
        fake.user_says(OPENID, "hi")
        await fake.deliver()

    assert [shown.text for shown in fake.shown_to(OPENID)] == [OUT_OF_SERVICE]


async def test_the_time_that_pushes_carry() -> None:
    """
    A server that has a clock of its own is pushed the real time, though the stand-in's was moved; another is not.
    """
    times: list[int] = []
    moved = 48 * 3600
    for real_time in (False, True):
        fake = FakeWeChat()
        fake.set_callback(fake.asgi, token=TOKEN, real_time=real_time)
        fake.advance(moved)
        fake.user_says(OPENID, "hi")
        fake.advance(moved)
        await fake.deliver()
        before = fake.clock.now().timestamp() - 2 * moved
        push = fake.pushes[0]
        created = int(push.body.partition("<CreateTime>")[2].partition("<")[0])
        times += [round((int(push.query["timestamp"]) - before) / moved), round((created - before) / moved)]

    assert times == [2, 1, 0, 0]
