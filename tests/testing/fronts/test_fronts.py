"""
What all fronts have in common: what comes out of each is the same, and faults are real.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import anyio
import httpx
import pytest

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

from ..bare_api import JPEG, OPENID, Wire
from ..machine.test_media import MP4, PART, body_of

IPS = "/cgi-bin/getcallbackip"
SEND = "/cgi-bin/message/custom/send"

Front: TypeAlias = Callable[[FakeWeChat], AbstractAsyncContextManager[Wire]]


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
def front(request: pytest.FixtureRequest) -> Front:
    """
    Give each of the three.
    """
    chosen: Front = request.param
    return chosen


async def test_all_fronts_say_the_same(front: Front) -> None:
    """
    JSON, files, errors, queries with odd characters, and the gateway's page come through each of them.
    """
    fake = FakeWeChat(clock=ManualClock())
    fake.user_says(OPENID, "hi")
    async with front(fake) as wire:
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


async def test_a_stream_is_chunked(front: Front) -> None:
    """
    A form that is sent without a length gets 412 from each front.
    """

    async def stream() -> AsyncIterator[bytes]:
        yield body_of(PART)

    fake = FakeWeChat()
    async with front(fake) as wire:
        await wire.get(IPS)
        response = await wire.http.post(
            f"{wire.base_url}/cgi-bin/media/upload",
            params={"access_token": wire.token, "type": "image"},
            headers={"content-type": "multipart/form-data; boundary=b"},
            content=stream(),
        )

    assert response.status_code == 412
    assert response.headers["content-type"] == "text/html"


async def test_faults_that_answer(front: Front) -> None:
    """
    An errcode, a gateway's page, a garbled body, in the order they were queued, then nothing more.
    """
    fake = FakeWeChat()
    fake.fault(IPS, Errcode(45009))
    fake.fault(Endpoint("GET", IPS, dict[str, Any]), Errcode(-1, "busy"), times=2)
    fake.fault(IPS, Status(502), after=1)
    fake.fault(IPS, Garble(b'{"ip_list":'))
    fake.fault(SEND, Errcode(40003))
    async with front(fake) as wire:
        responses = [await wire.send("GET", IPS) for _ in range(7)]

    assert [json.loads(each.content)["errcode"] for each in responses[:3]] == [45009, -1, -1]
    assert json.loads(responses[1].content)["errmsg"].startswith("busy rid: ")
    assert [each.status_code for each in responses] == [200] * 4 + [502, 200, 200]
    assert "ip_list" in responses[3].json()
    assert responses[4].content.startswith(b"<html>")
    assert responses[5].content == b'{"ip_list":'
    assert "ip_list" in responses[6].json()


async def test_drops(front: Front) -> None:
    """
    A drop is an error of the connection; after the effect it leaves the effect, before it none.
    """
    fake = FakeWeChat()
    fake.user_says(OPENID, "hi")
    fake.fault(SEND, DropBefore())
    fake.fault(SEND, DropAfter())
    async with front(fake) as wire:
        for seen in (0, 1):
            with pytest.raises((httpx.TransportError, ConnectionResetError)):
                await wire.say()

            assert len(fake.sent) == seen

        assert await wire.say() == 0

    assert [call.path for call in fake.calls].count(SEND) == 3


async def test_a_truncated_answer(front: Front) -> None:
    """
    A body that breaks off is an error, one cut at its end is whole.
    """
    fake = FakeWeChat()
    fake.fault(IPS, Truncate(5))
    fake.fault(IPS, Truncate(5000))
    async with front(fake) as wire:
        with pytest.raises((httpx.TransportError, ConnectionResetError)):
            await wire.get(IPS)

        assert "ip_list" in await wire.get(IPS)


async def test_slow_answers(front: Front) -> None:
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

    async with front(fake) as wire, anyio.create_task_group() as tasks:
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


async def test_another_time(front: Front) -> None:
    """
    A clock that is ahead sees an old token, for one call.
    """
    fake = FakeWeChat()
    fake.fault(IPS, ClockSkew(7200), after=1)
    async with front(fake) as wire:
        answers = [await wire.get(IPS) for _ in range(3)]

    assert [answer.get("errcode") for answer in answers] == [None, 42001, None]


@pytest.mark.parametrize(
    ("forwarded", "errcode"), [("https", 40002), ("HTTPS, http", 40002), ("http", 43003), ("gopher", 43003)]
)
async def test_behind_a_proxy(forwarded: str, errcode: int) -> None:
    """
    What a proxy took in over TLS counts as https, on a socket and in an ASGI server alike.
    """
    fake = FakeWeChat()
    headers = {"Host": "api.weixin.qq.com", "X-Forwarded-Proto": forwarded}
    async with (
        fake.serve() as base_url,
        httpx.AsyncClient(trust_env=False, timeout=60) as over_socket,
        httpx.AsyncClient(transport=httpx.ASGITransport(fake.asgi)) as in_asgi,
    ):
        answers = [
            (await over_socket.get(f"{base_url}/cgi-bin/token", headers=headers)).json(),
            (await in_asgi.get("http://any/cgi-bin/token", headers=headers)).json(),
        ]

    assert [answer["errcode"] for answer in answers] == [errcode, errcode]
