"""
The server-sent events of the page.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import ByteStream
from anyio.streams.buffered import BufferedByteReceiveStream

from wechat_kf.testing import DropBefore, FakeWeChat, Garble, Status
from wechat_kf.testing.fronts.events import EventStream
from wechat_kf.webhook import TextReply

from ..account_server import AccountServer
from ..bare_api import AGENT, JPEG, OPENID, Wire

SEND = "/cgi-bin/message/custom/send"
IPS = "/cgi-bin/getcallbackip"


class Events:
    """
    The events that come over a connection, one after the other.
    """

    def __init__(self, stream: ByteStream) -> None:
        self._stream = BufferedByteReceiveStream(stream)

    async def next(self) -> tuple[str, str, dict[str, Any]]:
        """
        Wait for an event: its id, its name, its data.
        """
        found = None
        with anyio.fail_after(60):
            while found is None:
                piece = await self._stream.receive_until(b"\n\n", 1_000_000)
                found = re.search(r"id: (.*)\nevent: (.*)\ndata: (.*)", piece.decode())
        return found[1], found[2], json.loads(found[3])


@asynccontextmanager
async def events(base_url: str, *headers: str) -> AsyncGenerator[Events]:
    """
    Listen, without a client of HTTP: trio minds how those leave a stream.
    """
    host, _, port = base_url.removeprefix("http://").partition(":")
    async with await anyio.connect_tcp(host, int(port)) as stream:
        await stream.send("\r\n".join(["GET /stand-in/feed HTTP/1.1", "Host: localhost", *headers, "", ""]).encode())
        yield Events(stream)


def kinds(data: dict[str, Any]) -> list[str]:
    """
    List what an event tells.
    """
    return [each["kind"] for each in data["entries"]]


async def test_first_the_whole_then_the_news() -> None:
    """
    At first all that is known is sent; then what is new, with the customers and agents whom it concerns.
    """
    fake = FakeWeChat()
    fake.user_says("o1", "hi")
    fake.user_says("o2", "hi")
    async with fake.serve() as base_url, events(base_url) as stream:
        first = await stream.next()
        fake.user_says("o2", "你好")
        fake.agent_online(AGENT)
        second = await stream.next()

    assert first[:2] == (f"{fake.feed.run}-2", "whole")
    assert first[2]["appid"] == fake.appid
    assert first[2]["appids"] == [fake.appid]
    assert [each["openid"] for each in first[2]["customers"]] == ["o1", "o2"]
    assert kinds(first[2]) == ["happened", "happened"]
    assert second[:2] == (f"{fake.feed.run}-4", "news")
    assert [each["openid"] for each in second[2]["customers"]] == ["o2"]
    assert [each["n"] for each in second[2]["entries"]] == [3]
    assert second[2]["entries"][0]["fields"]["Content"] == "你好"
    assert [each["kf_account"] for each in second[2]["agents"]] == [AGENT]


@pytest.mark.parametrize(
    ("last", "name", "count"),
    [("{run}-1", "news", 1), ("{run}-9", "whole", 2), ("other-1", "whole", 2), ("{run}-x", "whole", 2)],
)
async def test_coming_back(last: str, name: str, count: int) -> None:
    """
    After an interruption only what was missed is sent; to a page that saw another run, the whole.
    """
    fake = FakeWeChat()
    fake.user_says("o1", "hi")
    fake.user_says("o2", "hi")
    last = f"Last-Event-ID: {last.format(run=fake.feed.run)}"
    async with fake.serve() as base_url, events(base_url, last) as stream:
        event = await stream.next()

    assert event[1] == name
    assert len(event[2]["entries"]) == count


async def test_another_account(fake: FakeWeChat, wire: Wire) -> None:
    """
    The events are those of the account that is asked for.
    """
    fake.add_account("wx2").user_says("o2", "hi")
    stream = EventStream(fake.accounts[1], ["a", "b"], "")
    event = (await stream.more()).decode()
    unknown = await wire.http.get("https://any/stand-in/feed?appid=wx3")

    assert '"appid":"wx2","appids":["a","b"]' in event
    assert '"openid":"o2"' in event
    assert (unknown.status_code, unknown.text) == (404, "there is no account wx3")


async def test_more_than_is_kept(fake: FakeWeChat) -> None:
    """
    Who missed more than is kept is sent the whole, also when it comes while they wait.
    """
    stream = EventStream(fake, [fake.appid], "")
    await stream.more()
    sent: list[bytes] = []

    async def listen() -> None:
        sent.append(await stream.more())
        sent.append(await stream.more())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await anyio.wait_all_tasks_blocked()
        for _ in range(2001):
            fake.mutes(OPENID)

    assert sent[0].startswith(b":")
    assert b"event: whole" in sent[1]


async def test_a_sign_of_life(fake: FakeWeChat, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    While nothing happens, a comment is sent now and then, so that a connection that broke is noticed.
    """
    monkeypatch.setattr("wechat_kf.testing.fronts.events._TICK", 0.01)
    stream = EventStream(fake, [fake.appid], "")
    await stream.more()

    assert await stream.more() == b":\n\n"


async def test_what_each_entry_tells(fake: FakeWeChat, wire: Wire, server: AccountServer) -> None:
    """
    Calls come with their answer, a refusal with its meaning; no token and no secret is sent.
    """
    fake.user_says(OPENID, "hi")
    server.answer = lambda push: TextReply("hello")
    await fake.deliver()
    await wire.post(SEND, touser="o9", msgtype="text", text={"content": "x"})
    media_id = await wire.upload("/cgi-bin/media/upload", type="image")
    await wire.send("GET", "/cgi-bin/media/get", query={"media_id": media_id["media_id"]})
    for fault in (Status(502), Garble(b"[]"), DropBefore()):
        fake.fault(IPS, fault)
    for _ in range(2):
        await wire.send("GET", IPS)
    with pytest.raises(httpx.RemoteProtocolError):
        await wire.send("GET", IPS)
    event = await EventStream(fake, [fake.appid], "").more()
    entries = json.loads(event.decode().partition("data: ")[2])["entries"]
    _, begun, shown, over, token, refused, uploaded, file, broken, garbled, dropped = entries

    assert (begun["kind"], begun["what"], begun["seconds"]) == ("push", "text", None)
    assert (shown["kind"], shown["via"], over["status"]) == ("shown", "passive", 200)
    assert "hello" in over["answer"]
    assert token["json"]["secret"] == f"{fake.secret[:6]}…"
    assert token["answer"]["access_token"] == f"{wire.token[:6]}…"
    assert fake.secret.encode() not in event
    assert wire.token.encode() not in event
    assert (refused["errcode"], refused["openid"]) == (40003, "o9")
    assert refused["meaning"] == "the openid is not a user of this account"
    assert refused["remedy"].startswith("Use an openid")
    assert uploaded["file"] == {"filename": "a.jpg", "content_type": "image/jpeg", "size": len(JPEG)}
    assert (file["type"], file["size"], file["text"]) == ("image/jpeg", len(JPEG), None)
    assert (broken["status"], "text" in broken) == (502, True)
    assert garbled["text"] is None
    assert dropped["status"] is None


async def test_great_numbers_are_exact(fake: FakeWeChat, wire: Wire) -> None:
    """
    An integer that JavaScript would round, as an id of a message, is sent as text; others stay numbers.
    """
    fake.user_says(OPENID, "hi")
    await wire.send("POST", SEND, content=b'[9007199254740993, -9007199254740993, {"a": 9007199254740992}]')
    event = await EventStream(fake, [fake.appid], "").more()
    told, called = (json.loads(event.decode().partition("data: ")[2])["entries"][at] for at in (0, -1))

    assert told["fields"]["MsgId"].isdecimal()
    assert called["json"] == ["9007199254740993", "-9007199254740993", {"a": 9007199254740992}]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_in_process(fake: FakeWeChat) -> None:
    """
    In process a client reads the events until it leaves.
    """
    fake.user_says(OPENID, "hi")
    async with fake.client().stream("GET", "http://localhost/stand-in/feed") as response:
        async for piece in response.aiter_text():
            if "event: whole" in piece:
                break

    assert "content-length" not in response.headers
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"


async def test_as_an_app(fake: FakeWeChat) -> None:
    """
    An ASGI server is sent the events until its client leaves.
    """
    sent: list[dict[str, Any]] = []
    seen = anyio.Event()
    requests = [{"type": "http.request"}, {"type": "http.request"}]

    async def receive() -> dict[str, Any]:
        if requests:
            return requests.pop()
        await seen.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if b"event: whole" in message.get("body", b""):
            seen.set()

    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/stand-in/feed",
        "query_string": b"",
        "headers": [],
    }
    with anyio.fail_after(60):
        await fake.asgi(scope, receive, send)

    assert b"content-length" not in dict(sent[0]["headers"])
    assert b"event: whole" in sent[2]["body"]


async def test_a_head_of_events() -> None:
    """
    Of events that are only asked for with HEAD nothing is sent but the head.
    """
    async with FakeWeChat().serve() as base_url, httpx.AsyncClient(trust_env=False, timeout=60) as http:
        response = await http.head(f"{base_url}/stand-in/feed")

    assert response.status_code == 200
