"""
The bot as a web server sees it: statuses, bodies, and connections that break.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import urlencode

import anyio
import httpx
import pytest

from wechat_kf import AsyncKfClient
from wechat_kf.bot import Bot
from wechat_kf.bot import _face as face_module
from wechat_kf.testing import FakeWeChat
from wechat_kf.webhook import MAX_PUSH, TextMessage, UnknownPush, Webhook

from ..webhook import sending
from .stage import Stage, echo, slow


async def test_url_verification() -> None:
    """
    WeChat's check of the URL is answered with its echostr and nothing else, also before the bot is entered.
    """
    stage = Stage()
    response = await stage.request("GET", stage.signed(echostr="437512&<é>"))

    assert (response.status_code, response.text) == (200, "437512&<é>")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


async def test_echo_is_no_markup() -> None:
    """
    What is echoed, which the signature does not cover, never passes for a page.
    """
    stage = Stage()
    response = await stage.request("GET", stage.signed(echostr="<html xmlns='http://www.w3.org/1999/xhtml'/>"))

    assert response.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_wrong_signature(method: str, caplog: pytest.LogCaptureFixture) -> None:
    """
    Who does not know the token is told no more than that.
    """
    stage = Stage()
    async with stage.bot:
        response = await stage.request(method, stage.signed(signature="0" * 40, echostr="1"), stage.text("你好"))

    assert (response.status_code, response.text) == (403, "Forbidden")
    assert "signature" in caplog.text


async def test_no_query() -> None:
    """
    A browser that comes by is refused.
    """
    response = await Stage().request("GET", {})

    assert (response.status_code, response.text) == (403, "Forbidden")


@pytest.mark.parametrize("body", [b"", b"hello", b"<!DOCTYPE x><x/>", b"<xml></xml>"])
async def test_unreadable_push(body: bytes) -> None:
    """
    What is signed but no push is refused.
    """
    stage = Stage()
    async with stage.bot:
        response = await stage.push(body)

    assert (response.status_code, response.text) == (400, "Bad Request")


async def test_missing_echostr() -> None:
    """
    A check of the URL without anything to echo is refused.
    """
    stage = Stage()
    response = await stage.request("GET", stage.signed())

    assert response.status_code == 400


async def test_too_large() -> None:
    """
    A body that is too large is not read to its end.
    """
    stage = Stage()
    connection = Connection(stage, *[b"x" * (MAX_PUSH // 4)] * 100)
    async with stage.bot:
        await connection.run()

    assert connection.written[0]["status"] == 413
    assert len(connection.body) == 95


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS"])
async def test_other_methods(method: str) -> None:
    """
    Other methods are named as not allowed.
    """
    response = await Stage().request(method, {})

    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"


async def test_encrypted_json() -> None:
    """
    An encrypted push in JSON is answered encrypted, in JSON.
    """
    stage = Stage()
    hook = Webhook(sending.TOKEN, sending.KEY, sending.APPID, clock=sending.CLOCK)
    bot = Bot(hook, stage.kf, clock=stage.clock)
    bot.on(TextMessage)(echo)
    query, body = sending.sealed(json.dumps(sending.TEXT).encode(), as_json=True)
    async with bot:
        response = await stage.request("POST", query, body, app=bot)
    answer = json.loads(sending.CRYPTOR.decrypt(response.json()["Encrypt"]))

    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert (answer["MsgType"], answer["Content"]) == ("text", "你好")


async def test_default_clock_and_memory() -> None:
    """
    Without options the bot runs by the machine's clock.
    """
    fake = FakeWeChat()
    kf = AsyncKfClient(fake.appid, fake.secret, http=fake.client())
    bot = Bot(Webhook(sending.TOKEN, max_age=None), kf)
    bot.on(UnknownPush)(lambda push: "unknown")
    bot.on(TextMessage)(echo)
    async with bot:
        transport = httpx.ASGITransport(app=bot)
        async with httpx.AsyncClient(transport=transport, base_url="http://bot") as client:
            response = await client.post("/", params=sending.signed(), content=json.dumps(sending.TEXT))

    assert response.json()["Content"] == "你好"


async def test_no_patience_left() -> None:
    """
    If the patience is over before the push is read, the answer is sent as a message.
    """
    fake = FakeWeChat()
    fake.user_says(sending.TEXT["FromUserName"], "你好")
    kf = AsyncKfClient(fake.appid, fake.secret, http=fake.client())
    bot = Bot(Webhook(sending.TOKEN, max_age=None), kf, patience=0.0)

    @bot.on(TextMessage)
    async def answer(push: TextMessage) -> str:
        await asked.wait()
        return push.content

    asked = anyio.Event()
    transport = httpx.ASGITransport(app=bot)
    async with bot, httpx.AsyncClient(transport=transport, base_url="http://bot") as client:
        response = await client.post("/", params=sending.signed(), content=json.dumps(sending.TEXT))
        asked.set()

    assert response.text == "success"
    assert [shown.text for shown in fake.sent] == ["你好"]


async def test_body_that_takes_all_the_patience() -> None:
    """
    A push whose body came when the patience was over is answered at once.
    """
    stage = Stage(drain=0)
    stage.bot.on(TextMessage)(slow(stage, 60))
    connection = Connection(stage, stage.text("你好"), b"")
    receive = connection.receive

    async def receive_late() -> Any:
        if len(connection.body) == 1:
            stage.clock.advance(4.8)
        return await receive()

    connection.receive = receive_late  # type: ignore[method-assign]
    async with stage.bot:
        with anyio.fail_after(10):
            await connection.run()

    assert connection.written[1]["body"] == b"success"


async def test_websocket_is_refused() -> None:
    """
    A websocket is closed before it is accepted.
    """
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    await Stage().bot({"type": "websocket"}, _nothing, send)

    assert sent == [{"type": "websocket.close"}]


async def _nothing() -> MutableMapping[str, Any]:
    await anyio.sleep_forever()
    raise AssertionError


class Connection:
    """
    One request as ASGI events, whose other side may go at any time.

    Args:
        stage: The bot to ask.

        body: The body, in pieces.

        writes: How many events can be written before the connection turns out to be broken.
    """

    def __init__(self, stage: Stage, *body: bytes, writes: int = 99) -> None:
        self._stage = stage
        self.body = list(body)
        self._writes = writes
        self.gone = anyio.Event()
        self.written: list[Any] = []

    async def run(self, parameters: Mapping[str, str] | None = None) -> None:
        """
        Make the request, signed unless parameters are given.
        """
        query = urlencode(self._stage.signed() if parameters is None else parameters).encode()
        await self._stage.bot({"type": "http", "method": "POST", "query_string": query}, self.receive, self.send)

    async def receive(self) -> MutableMapping[str, Any]:
        if self.body:
            piece = self.body.pop(0)
            return {"type": "http.request", "body": piece, "more_body": piece != b""}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, event: MutableMapping[str, Any]) -> None:
        if len(self.written) == self._writes:
            raise OSError("broken")
        self.written.append(event)


class Again(Connection):
    """
    A request whose body can be read any number of times.
    """

    async def receive(self) -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": self.body[0]}


async def test_body_in_pieces() -> None:
    """
    A body is read in as many pieces as it comes.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(echo)
    body = stage.text("你好")
    connection = Connection(stage, body[:10], body[10:], b"")
    async with stage.bot:
        await connection.run()

    assert connection.written[0]["status"] == 200
    assert "你好".encode() in connection.written[1]["body"]


async def test_gone_before_the_body_ended() -> None:
    """
    A request that is broken off is not answered and not handled.
    """
    stage = Stage()
    connection = Connection(stage, b"<xml>")
    connection.gone.set()
    async with stage.bot:
        await connection.run()

    assert connection.written == []


@pytest.mark.parametrize("body", [b"a repetition", b"no push"])
async def test_gone_before_a_short_answer(body: bytes) -> None:
    """
    Who repeats a push or sends what is none, and is gone when that is answered, is no failure of the app.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(echo)
    push = stage.text("你好")
    connection = Connection(stage, push if body == b"a repetition" else body, b"", writes=0)
    async with stage.bot:
        await stage.push(push)
        await connection.run()

    assert connection.written == []


async def test_gone_as_the_answer_is_ready() -> None:
    """
    An answer that is ready just as the other side goes is not said to nobody: it is sent as a message.
    """
    stage = Stage()
    ready = anyio.Event()

    @stage.bot.on(TextMessage)
    async def answer(push: TextMessage) -> str:
        await ready.wait()
        return push.content

    connection = Connection(stage, stage.text("你好"), b"")
    async with stage.bot, anyio.create_task_group() as tasks:
        tasks.start_soon(connection.run)
        await anyio.wait_all_tasks_blocked()
        connection.gone.set()
        ready.set()

    assert stage.sent == ["你好"]


async def test_body_that_is_given_again() -> None:
    """
    Middleware that gives the body again whenever it is asked is not taken for a connection that broke.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(slow(stage, 2))
    connection = Again(stage, stage.text("你好"))
    async with stage.bot, anyio.create_task_group() as tasks:
        tasks.start_soon(connection.run)
        await stage.advance(2)

    assert "你好".encode() in connection.written[1]["body"]
    assert stage.sent == []


async def test_gone_while_the_handler_runs() -> None:
    """
    If nobody waits for the passive reply any more, the answer is sent as a message.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(slow(stage, 2))
    connection = Connection(stage, stage.text("你好"), b"")
    async with stage.bot, anyio.create_task_group() as tasks:
        tasks.start_soon(connection.run)
        await stage.advance(1)
        connection.gone.set()
        await stage.advance(1)

    assert stage.sent == ["你好"]


@pytest.mark.parametrize("writes", [0, 1])
async def test_broken_under_the_reply(writes: int) -> None:
    """
    A passive reply that may have arrived is not sent as a message; a repetition, which proves that it did not, gets it.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(echo)
    body = stage.text("你好")
    connection = Connection(stage, body, b"", writes=writes)
    async with stage.bot:
        await connection.run()
        again = await stage.push(body)

    assert len(connection.written) == writes
    assert stage.sent == []
    assert "你好" in again.text


async def test_broken_under_success() -> None:
    """
    If `success` cannot be said, the answer is sent as a message all the same.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(slow(stage, 5))
    connection = Connection(stage, stage.text("你好"), b"", writes=0)
    async with stage.bot, anyio.create_task_group() as tasks:
        tasks.start_soon(connection.run)
        await stage.advance(4.5)
        await stage.advance(0.5)

    assert stage.sent == ["你好"]


async def test_request_that_is_cancelled() -> None:
    """
    If the server cancels the request, the handler goes on and its answer is sent as a message.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(slow(stage, 2))
    connection = Connection(stage, stage.text("你好"), b"")
    async with stage.bot, anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            tasks.start_soon(_cancel_after, stage, scope, 1)
            await connection.run()
        await stage.advance(1)

    assert connection.written == []
    assert stage.sent == ["你好"]


async def _cancel_after(stage: Stage, scope: anyio.CancelScope, seconds: float) -> None:
    await stage.advance(seconds)
    scope.cancel()


async def test_body_that_does_not_come(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """
    A body has a limited time, also if the query is signed.
    """
    monkeypatch.setattr(face_module, "_BODY_SECONDS", 0.01)
    stage = Stage()
    connection = Connection(stage, b"<xml>")
    async with stage.bot:
        await connection.run()

    assert connection.written[0]["status"] == 408
    assert "its body did not come" in caplog.text


async def test_unsigned_requests_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A wrong signature is refused before the body is read; of requests without one a limited number is read at once.
    """
    monkeypatch.setattr(face_module, "_MAX_UNSIGNED", 1)
    stage = Stage()
    stage.bot.on(TextMessage)(echo)
    query = stage.signed()
    signature = query.pop("signature")
    answers: list[Any] = []
    wrong, *unsigned = [Connection(stage, b"<xml>") for _ in range(3)]
    async with stage.bot, anyio.create_task_group() as tasks:
        await wrong.run({**query, "signature": signature[::-1]})
        for connection in unsigned:
            tasks.start_soon(connection.run, query)
            await anyio.wait_all_tasks_blocked()
        answers.append(await stage.says("你好"))
        unsigned[0].gone.set()

    assert [wrong.written[0]["status"], unsigned[1].written[0]["status"]] == [403, 503]
    assert unsigned[0].written == []
    assert wrong.body == [b"<xml>"]
    assert [answer["Content"] for answer in answers] == ["你好"]
