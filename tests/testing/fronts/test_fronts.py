"""
The three mouths: what comes out of each is the same, and faults are real.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import anyio
import httpx
import pytest
from anyio import wait_all_tasks_blocked

from wechat_kf import Endpoint
from wechat_kf.testing import (
    ClockSkew,
    Delay,
    Drip,
    DropAfter,
    DropBefore,
    Errcode,
    FakeWeChat,
    Garble,
    ManualClock,
    Status,
    Truncate,
)
from wechat_kf.testing.fronts.socket import base_url_of

from ..bare_api import API, JPEG, OPENID, Wire
from ..machine.test_media import MP4, PART, body_of

IPS = "/cgi-bin/getcallbackip"
SEND = "/cgi-bin/message/custom/send"

Mouth: TypeAlias = Callable[[FakeWeChat], AbstractAsyncContextManager[Wire]]


@asynccontextmanager
async def in_process(fake: FakeWeChat) -> AsyncGenerator[Wire]:
    """
    Speak through the httpx transport.
    """
    async with fake.client() as http:
        http.timeout = httpx.Timeout(60)
        yield Wire(fake, http)


@asynccontextmanager
async def asgi(fake: FakeWeChat) -> AsyncGenerator[Wire]:
    """
    Speak through the ASGI app.
    """
    async with httpx.AsyncClient(transport=httpx.ASGITransport(fake.asgi)) as http:
        yield Wire(fake, http)


@asynccontextmanager
async def socket(fake: FakeWeChat) -> AsyncGenerator[Wire]:
    """
    Speak through a socket.
    """
    async with fake.serve() as base_url, httpx.AsyncClient(trust_env=False, timeout=60) as http:
        yield Wire(fake, http, base_url)


@pytest.fixture(params=[in_process, asgi, socket], ids=["client", "asgi", "socket"])
def mouth(request: pytest.FixtureRequest) -> Mouth:
    """
    Give each of the three.
    """
    chosen: Mouth = request.param
    return chosen


async def test_all_mouths_say_the_same(mouth: Mouth) -> None:
    """
    JSON, files, errors, queries with odd characters, and the gateway's page come through each of them.
    """
    fake = FakeWeChat(clock=ManualClock())
    fake.user_says(OPENID, "hi")
    async with mouth(fake) as wire:
        codes = [await wire.say(content="你好"), await wire.say("nobody")]
        answer = await wire.upload("/cgi-bin/media/upload", type="image")
        response = await wire.send("GET", "/cgi-bin/media/get", query={"media_id": answer["media_id"]})
        unknown = await wire.get("/cgi-bin/no", 名字="a&b=c ?#")
        video = (await wire.upload("/cgi-bin/media/upload", "a.mp4", MP4, "video/mp4", type="video"))["media_id"]
        url = (await wire.get("/cgi-bin/media/get", media_id=video))["video_url"]
        film = await wire.http.get(url)

    assert codes == [0, 40003]
    assert response.content == JPEG
    assert (response.headers["content-type"], response.headers["content-length"]) == ("image/jpeg", str(len(JPEG)))
    assert unknown["errcode"] == 40066
    assert fake.calls[5].query["名字"] == "a&b=c ?#"
    assert film.content == MP4
    assert fake.calls[1].headers["content-length"] == str(fake.calls[1].size)


async def test_a_stream_is_chunked(mouth: Mouth) -> None:
    """
    A form that is sent without a length gets 412 from each mouth.
    """

    async def stream() -> AsyncIterator[bytes]:
        yield body_of(PART)

    fake = FakeWeChat()
    async with mouth(fake) as wire:
        await wire.get(IPS)
        response = await wire.http.post(
            f"{wire.base_url}/cgi-bin/media/upload",
            params={"access_token": wire.token, "type": "image"},
            headers={"content-type": "multipart/form-data; boundary=b"},
            content=stream(),
        )

    assert response.status_code == 412
    assert response.headers["content-type"] == "text/html"


async def test_faults_that_answer(mouth: Mouth) -> None:
    """
    An errcode, a gateway's page, a garbled body, in the order they were queued, then nothing more.
    """
    fake = FakeWeChat()
    fake.fault(IPS, Errcode(45009))
    fake.fault(Endpoint("GET", IPS, dict[str, Any]), Errcode(-1, "busy"), times=2)
    fake.fault(IPS, Status(502), after=1)
    fake.fault(IPS, Garble(b'{"ip_list":'))
    fake.fault(SEND, Errcode(40003))
    async with mouth(fake) as wire:
        responses = [await wire.send("GET", IPS) for _ in range(7)]

    assert [json.loads(each.content)["errcode"] for each in responses[:3]] == [45009, -1, -1]
    assert json.loads(responses[1].content)["errmsg"].startswith("busy rid: ")
    assert [each.status_code for each in responses] == [200] * 4 + [502, 200, 200]
    assert "ip_list" in responses[3].json()
    assert responses[4].content.startswith(b"<html>")
    assert responses[5].content == b'{"ip_list":'
    assert "ip_list" in responses[6].json()


async def test_drops(mouth: Mouth) -> None:
    """
    A drop is an error of the connection; after the effect it leaves the effect, before it none.
    """
    fake = FakeWeChat()
    fake.user_says(OPENID, "hi")
    fake.fault(SEND, DropBefore())
    fake.fault(SEND, DropAfter())
    async with mouth(fake) as wire:
        for seen in (0, 1):
            with pytest.raises((httpx.TransportError, ConnectionResetError)):
                await wire.say()

            assert len(fake.sent) == seen

        assert await wire.say() == 0

    assert [call.path for call in fake.calls].count(SEND) == 3


async def test_a_truncated_answer(mouth: Mouth) -> None:
    """
    A body that breaks off is an error, one cut at its end is whole.
    """
    fake = FakeWeChat()
    fake.fault(IPS, Truncate(5))
    fake.fault(IPS, Truncate(5000))
    async with mouth(fake) as wire:
        with pytest.raises((httpx.TransportError, ConnectionResetError)):
            await wire.get(IPS)

        assert "ip_list" in await wire.get(IPS)


async def test_slow_answers(mouth: Mouth) -> None:
    """
    Delays and drips take the clock's time, after the effect.
    """
    fake = FakeWeChat(clock=ManualClock())
    clock = fake.clock
    fake.user_says(OPENID, "hi")
    fake.fault(SEND, Delay(7))
    fake.fault(SEND, Drip(100))
    codes: list[int] = []

    assert isinstance(clock, ManualClock)

    async def send() -> None:
        codes.extend([await wire.say(), await wire.say()])

    async with mouth(fake) as wire, anyio.create_task_group() as tasks:
        await wire.get(IPS)
        tasks.start_soon(send)
        with anyio.fail_after(60):
            assert await clock.until_asleep() == (7.0,)
            assert len(fake.sent) == 1

            fake.advance(7)
            # The 27 bytes of the answer in pieces of ten.
            for seconds in (0.1, 0.1, 0.07):
                (left,) = await clock.until_asleep()

                assert left == pytest.approx(seconds)

                fake.advance(seconds)

    assert codes == [0, 0]


async def test_another_time(mouth: Mouth) -> None:
    """
    A clock that is ahead sees an old token, for one call.
    """
    fake = FakeWeChat()
    fake.fault(IPS, ClockSkew(7200), after=1)
    async with mouth(fake) as wire:
        answers = [await wire.get(IPS) for _ in range(3)]

    assert [answer.get("errcode") for answer in answers] == [None, 42001, None]


@pytest.mark.parametrize(("times", "after"), [(0, 0), (1, -1)])
def test_impossible_faults(times: int, after: int) -> None:
    """
    A fault happens at least once, after no fewer than no calls.
    """
    with pytest.raises(ValueError, match="at least"):
        FakeWeChat().fault(IPS, DropBefore(), times, after=after)


@pytest.mark.parametrize("fault", [Delay(100), Drip(0.005)], ids=str)
async def test_the_read_timeout_in_process(fault: Delay | Drip) -> None:
    """
    In process the client's read timeout ends a wait, as it would on a socket.
    """
    fake = FakeWeChat(clock=ManualClock())
    fake.fault(IPS, fault)
    errors: list[Exception] = []

    async def call() -> None:
        try:
            await fake.client().get(f"{API}{IPS}", timeout=5)
        except httpx.ReadTimeout as error:
            errors.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await wait_all_tasks_blocked()
        fake.advance(4)
        await wait_all_tasks_blocked()

        assert not errors

        fake.advance(1)

    assert len(errors) == 1


async def talk(base_url: str, text: bytes, *, until: bytes | None = None) -> bytes:
    """
    Write bytes to a socket and give what comes back, to its end or to a mark.
    """
    host, _, port = base_url.removeprefix("http://").partition(":")
    received = b""
    with anyio.fail_after(60):
        async with await anyio.connect_tcp(host, int(port)) as stream:
            await stream.send(text)
            try:
                while until is None or until not in received:
                    received += await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                pass
    return received


@pytest.mark.parametrize(
    ("kind", "arguments", "error"),
    [
        (Drip, (0,), ValueError),
        (Delay, (-1,), ValueError),
        (Delay, ("1",), TypeError),
        (Truncate, (-1,), ValueError),
        (Status, (99,), ValueError),
        (Status, (600,), ValueError),
        (Status, (502, "text"), TypeError),
        (Garble, ("text",), TypeError),
        (ClockSkew, ("1",), TypeError),
        (Errcode, ("45009",), TypeError),
    ],
)
def test_faults_that_cannot_be(kind: Any, arguments: tuple[object, ...], error: type[Exception]) -> None:
    """
    A fault is refused where it is made.
    """
    with pytest.raises(error):
        kind(*arguments)


async def test_answers_without_a_body() -> None:
    """
    To HEAD, and with 204 and 304, only the head is answered; the connection is kept.
    """
    fake = FakeWeChat()
    for status in (204, 304):
        fake.fault(IPS, Status(status))
    async with fake.serve() as base_url, httpx.AsyncClient(base_url=base_url, trust_env=False) as http:
        got = [await http.get(IPS), await http.get(IPS), await http.head(IPS)]
        after = await http.get(IPS)

    assert [(response.status_code, response.content) for response in got] == [(204, b""), (304, b""), (200, b"")]
    assert after.json()["errcode"] == 41001


async def test_one_request_does_not_end_the_server(caplog: pytest.LogCaptureFixture) -> None:
    """
    What the stand-in itself cannot do drops that connection, and is logged.
    """
    fake = FakeWeChat()
    fake.fault(IPS, ClockSkew(-1e15))
    async with socket(fake) as wire:
        with pytest.raises(httpx.RemoteProtocolError):
            await wire.send("GET", IPS)
        after = await wire.send("GET", IPS)

    assert "ip_list" in after.json()
    assert [record.getMessage() for record in caplog.records if record.name == "wechat_kf.testing"] == [
        "A request was not answered."
    ]


def test_an_ipv6_address_stands_in_brackets() -> None:
    """
    The base URL of an IPv6 address can be used as it is; not every machine has one to listen on.
    """
    assert base_url_of("::1", 80) == "http://[::1]:80"
    assert base_url_of("127.0.0.1", 80) == "http://127.0.0.1:80"


async def test_connections_are_kept() -> None:
    """
    Several requests go over one connection, also pipelined, until the client closes it.
    """
    one = b"GET /a?x=1 HTTP/1.1\r\nHost: h\r\n\r\n"
    last = b"GET /b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    fake = FakeWeChat()
    async with fake.serve() as base_url:
        received = await talk(base_url, one + one + last)

    assert received.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert [call.path for call in fake.calls] == ["/a", "/a", "/b"]


async def test_expectations_are_met() -> None:
    """
    A client that asks first is told to go on.
    """
    head = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    async with FakeWeChat().serve() as base_url:
        received = await talk(base_url, head, until=b"\r\n\r\n")

    assert received.startswith(b"HTTP/1.1 100 Continue")


@pytest.mark.parametrize(
    "text", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET"], ids=["nonsense", "no host", "cut off"]
)
async def test_bad_clients(text: bytes) -> None:
    """
    What is not HTTP is hung up on, and the next client is served.
    """
    fake = FakeWeChat()
    async with fake.serve() as base_url:
        host, _, port = base_url.removeprefix("http://").partition(":")
        async with await anyio.connect_tcp(host, int(port)) as stream:
            await stream.send(text)
            await stream.send_eof()
            with anyio.fail_after(60), pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await stream.receive()
        received = await talk(base_url, b"GET /a HTTP/1.0\r\n\r\n")

    assert received.startswith(b"HTTP/1.1 200")
    assert [call.path for call in fake.calls] == ["/a"]


async def test_a_body_without_end() -> None:
    """
    A body of more than 32 MiB is refused without being gathered.
    """
    fake = FakeWeChat()
    head = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n"
    async with fake.serve() as base_url:
        received = await talk(base_url, head + bytes(33 * 1024 * 1024), until=b"\r\n")

    assert received.startswith(b"HTTP/1.1 413")
    assert fake.calls == []


async def test_idle_connections_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Who says nothing for long is hung up on.
    """
    monkeypatch.setattr("wechat_kf.testing.fronts.socket._IDLE_SECONDS", 0.01)
    async with FakeWeChat().serve() as base_url:
        received = await talk(base_url, b"GET /")

    assert received == b""


async def test_an_error_in_the_block_comes_out_as_it_is() -> None:
    """
    The server's task group does not wrap what the test raises.
    """
    with pytest.raises(LookupError, match="mine"):
        async with FakeWeChat().serve():
            raise LookupError("mine")


async def run_asgi(scope: dict[str, Any], *events: dict[str, Any]) -> list[dict[str, Any]]:
    """
    Run the ASGI app with events, and give what it sent.
    """
    waiting = list(events)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    app: Callable[..., Awaitable[None]] = FakeWeChat().asgi
    await app(scope, receive, send)
    return sent


async def test_asgi_lifespan() -> None:
    """
    The app answers the server's start and end.
    """
    sent = await run_asgi({"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})

    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


SCOPE: dict[str, Any] = {"type": "http", "method": "POST", "path": "/a", "query_string": b"", "headers": []}


async def test_asgi_without_the_optional_parts() -> None:
    """
    A server may leave the raw path, the client and the scheme out, and send the body in pieces.
    """
    body = {"type": "http.request", "body": b"{", "more_body": True}
    sent = await run_asgi(SCOPE, body, {"type": "http.request"})

    assert sent[0]["status"] == 200
    assert b"40066" in sent[1]["body"]


async def test_asgi_disconnects() -> None:
    """
    A client that goes away before its request is whole is not answered.
    """
    assert await run_asgi(SCOPE, {"type": "http.disconnect"}) == []


async def test_asgi_knows_no_websockets() -> None:
    """
    Other protocols are refused.
    """
    with pytest.raises(ValueError, match="websocket"):
        await run_asgi({"type": "websocket"})
