"""
Pushes: what the account's server hears, how often, and what its answers do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, get_args

import anyio
import httpx
import pytest
from anyio import wait_all_tasks_blocked

from wechat_kf import Article
from wechat_kf.testing import FakeWeChat, Format, ManualClock, Mode
from wechat_kf.testing.fronts.socket import listen
from wechat_kf.testing.machine.request import Request
from wechat_kf.testing.machine.response import PlannedResponse, Response
from wechat_kf.testing.pushes.courier import OUT_OF_SERVICE
from wechat_kf.webhook import (
    ClickEvent,
    ImageMessage,
    ImageReply,
    KfCloseSessionEvent,
    KfCreateSessionEvent,
    KfSwitchSessionEvent,
    LocationMessage,
    MusicReply,
    NewsReply,
    Push,
    ScanCodeEvent,
    ScanEvent,
    SubscribeEvent,
    TextMessage,
    TextReply,
    TransferReply,
    UnsubscribeEvent,
    VideoMessage,
    VideoReply,
    VoiceMessage,
    VoiceReply,
    Webhook,
)
from wechat_kf.webhook import Reply as PassiveReply

from ..bare_api import AGENT, OPENID, Wire

TOKEN = "AAAAA"
KEY = "A" * 43


class Server:
    """
    The account's server, as an ASGI app: keeps what it hears and answers as it is told.
    """

    def __init__(self, fake: FakeWeChat, *, mode: Mode = "plain", format_: Format = "xml") -> None:
        self.fake = fake
        self.heard: list[Push] = []
        self.queries: list[Mapping[str, str]] = []
        self.answer: Callable[[Push], PassiveReply | bytes | None] = lambda _: None
        self.before: Callable[[], Awaitable[object]] = anyio.lowlevel.checkpoint
        key = None if mode == "plain" else KEY
        self.hook = Webhook(TOKEN, key, fake.appid, clock=lambda: fake.clock.now().timestamp())
        self.status = 200
        fake.set_callback(self, token=TOKEN, encoding_aes_key=key, mode=mode, format=format_)

    def take(self, method: str, query: Mapping[str, str], body: bytes) -> bytes:
        """
        Answer a request of WeChat's.
        """
        if method == "GET":
            return self.hook.verify_url(query).encode()
        push = self.hook.unwrap(query, body)
        self.heard.append(push)
        self.queries.append(query)
        answer = self.answer(push)
        return answer if isinstance(answer, bytes) else self.hook.wrap(answer, push, query)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        query = dict(httpx.QueryParams(scope["query_string"].decode()))
        message = await receive()
        await self.before()
        body = self.take(scope["method"], query, message.get("body", b""))
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def server(fake: FakeWeChat) -> Server:
    """
    Give a server that hears the stand-in, in plain XML.
    """
    return Server(fake)


@pytest.mark.parametrize("format_", get_args(Format))
@pytest.mark.parametrize("mode", get_args(Mode))
async def test_there_and_back(fake: FakeWeChat, mode: Mode, format_: Format) -> None:
    """
    In every mode and format a message arrives as it was written, and the reply is shown.
    """
    server = Server(fake, mode=mode, format_=format_)
    server.answer = lambda push: TextReply(f"你说：{push.raw['Content']}")
    verified = await fake.verify_callback()
    fake.user_says(OPENID, "]]> <你好> \N{PILE OF POO}")
    await fake.deliver()
    (push,) = server.heard
    (shown,) = fake.shown_to(OPENID)

    assert verified
    assert isinstance(push, TextMessage)
    assert (push.openid, push.to_user_name, push.create_time) == (OPENID, fake.original_id, fake.clock.now())
    assert push.msg_id > 2**53
    assert push.is_json == (format_ == "json")
    assert ("encrypt_type" in server.queries[0]) == (mode != "plain")
    assert server.queries[0]["openid"] == OPENID
    assert (shown.text, shown.via) == ("你说：]]> <你好> \N{PILE OF POO}", "passive")
    assert fake.sent == []


@pytest.mark.parametrize("format_", get_args(Format))
async def test_everything_customers_do(fake: FakeWeChat, format_: Format) -> None:
    """
    Each control is heard as its own kind of push.
    """
    server = Server(fake, format_=format_)
    fake.follows(OPENID)
    fake.unfollows(OPENID)
    fake.scans(OPENID, "7")
    fake.scans(OPENID, "8")
    fake.clicks(OPENID, "key")
    fake.clicks(OPENID, "key", scan_result="result")
    image = fake.user_sends_image(OPENID)
    voice = fake.user_sends_voice(OPENID)
    video = fake.user_sends_video(OPENID)
    fake.user_sends(OPENID, {"MsgType": "location", "Location_X": 23.1, "Location_Y": 113.3, "Scale": 15, "Label": ""})
    fake.user_says(OPENID, "hi")
    await fake.deliver()
    heard = server.heard

    assert [type(push) for push in heard] == [
        SubscribeEvent,
        UnsubscribeEvent,
        SubscribeEvent,
        ScanEvent,
        ClickEvent,
        ScanCodeEvent,
        ImageMessage,
        VoiceMessage,
        VideoMessage,
        LocationMessage,
        TextMessage,
    ]
    assert isinstance(heard[0], SubscribeEvent)
    assert heard[0].event_key is None
    assert isinstance(heard[2], SubscribeEvent)
    assert heard[2].event_key == "qrscene_7"
    assert isinstance(heard[3], ScanEvent)
    assert heard[3].event_key == "8"
    assert isinstance(heard[5], ScanCodeEvent)
    assert heard[5].scan_result == "result"
    assert [push.raw["MediaId"] for push in heard[6:9]] == [image, voice, video]
    assert len({push.dedupe_key for push in heard}) == len(heard)


async def test_sessions_are_heard(fake: FakeWeChat, server: Server, wire: Wire) -> None:
    """
    Their beginning, switch and end are pushed; an expired one ended when it did, not when somebody looked.
    """
    fake.agent_online(AGENT)
    fake.agent_online("test2@test")
    fake.user_says(OPENID, "hi")
    await wire.post("/customservice/kfsession/create", kf_account=AGENT, openid=OPENID)
    fake.agent_switches(OPENID, "test2@test")
    start = fake.clock.now()
    fake.advance(1800 + 200)
    await fake.deliver()
    created, switched, closed = server.heard[1:]

    assert isinstance(created, KfCreateSessionEvent)
    assert isinstance(switched, KfSwitchSessionEvent)
    assert isinstance(closed, KfCloseSessionEvent)
    assert (created.openid, created.kf_account) == (OPENID, AGENT)
    assert (switched.from_kf_account, switched.to_kf_account) == (AGENT, "test2@test")
    assert closed.kf_account == "test2@test"
    assert (closed.create_time - start).total_seconds() == 1800


async def test_in_a_session_nothing_is_heard(fake: FakeWeChat, server: Server) -> None:
    """
    While waiting a customer is heard, once served not, afterwards again.
    """
    fake.agent_online(AGENT)
    server.answer = lambda push: TransferReply() if push.raw.get("Content") == "agent" else None
    fake.user_says(OPENID, "agent")
    await fake.deliver()
    fake.user_says(OPENID, "waiting")
    await fake.deliver()
    fake.agent_accepts(AGENT)
    fake.user_says(OPENID, "served")
    fake.agent_closes(OPENID)
    fake.user_says(OPENID, "again")
    await fake.deliver()

    assert [push.raw.get("Content") or push.raw["Event"] for push in server.heard] == [
        "agent",
        "waiting",
        "kf_create_session",
        "kf_close_session",
        "again",
    ]


async def test_a_transfer_forwards_the_message(fake: FakeWeChat, server: Server, wire: Wire) -> None:
    """
    What the customer wrote before is in the history of the session that follows.
    """
    server.answer = lambda _: TransferReply(AGENT)
    fake.agent_online(AGENT, auto_accept=1)
    fake.user_says(OPENID, "question")
    await fake.deliver()
    fake.user_waits(OPENID)
    end = int(fake.clock.now().timestamp())
    body = {"starttime": end, "endtime": end, "msgid": 1, "number": 10}
    records = (await wire.post("/customservice/msgrecord/getmsglist", **body))["recordlist"]

    assert [(each["opercode"], each["text"], each["worker"]) for each in records] == [(2003, "question", AGENT)]
    assert (await wire.get("/customservice/kfsession/getwaitcase"))["count"] == 0
    assert isinstance(server.heard[1], KfCreateSessionEvent)


ARTICLE = Article("t", "d", "u", "p")


@pytest.mark.parametrize("format_", get_args(Format))
@pytest.mark.parametrize(
    ("reply", "payload"),
    [
        (ImageReply("IMAGE"), {"media_id": "IMAGE"}),
        (VoiceReply("VOICE"), {"media_id": "VOICE"}),
        (VideoReply("VIDEO", "t", "d"), {"media_id": "VIDEO", "title": "t", "description": "d"}),
        (
            MusicReply("t", "d", "m", "h", "THUMB"),
            {"title": "t", "description": "d", "musicurl": "m", "hqmusicurl": "h", "thumb_media_id": "THUMB"},
        ),
        (NewsReply(ARTICLE), {"articles": [{"title": "t", "description": "d", "url": "u", "picurl": "p"}]}),
    ],
    ids=["image", "voice", "video", "music", "news"],
)
async def test_replies_are_shown(fake: FakeWeChat, format_: Format, reply: PassiveReply, payload: Any) -> None:
    """
    Each kind of reply is shown like a message sent with the API.
    """
    server = Server(fake, format_=format_)
    server.answer = lambda _: reply
    for media in ("image", "voice", "video", "thumb"):
        fake.add_material(media, b"", media.upper())
    fake.user_says(OPENID, "hi")
    await fake.deliver()
    (shown,) = fake.shown_to(OPENID)

    assert shown.payload == {"msgtype": reply.msgtype, reply.msgtype: payload}


async def test_a_reply_ends_typing_and_allows_it_again(fake: FakeWeChat, server: Server, wire: Wire) -> None:
    """
    A passive reply is a message like any other for the rules of typing.
    """
    body = {"touser": OPENID, "command": "Typing"}
    server.answer = lambda _: TextReply("hi")
    fake.user_says(OPENID, "hi")
    shown = await wire.code("/cgi-bin/message/custom/typing", **body)
    fake.advance(1)
    await fake.deliver()
    ended = fake.is_typing_shown(OPENID)
    fake.advance(30)

    assert (shown, ended) == (0, False)
    assert await wire.code("/cgi-bin/message/custom/typing", **body) == 0


async def test_several_articles_answer_an_event(fake: FakeWeChat, server: Server) -> None:
    """
    Up to eight in answer to an event, one in answer to a message.
    """
    server.answer = lambda _: NewsReply([ARTICLE] * 8)
    fake.clicks(OPENID, "key")
    fake.user_says(OPENID, "hi")
    await fake.deliver()
    news, notice = fake.shown_to(OPENID)

    assert len(news.payload["news"]["articles"]) == 8
    assert (notice.text, notice.via) == (OUT_OF_SERVICE, "notice")


TRANSFER = "transfer_customer_service"
FIELDS = "<ToUserName>{0}</ToUserName><FromUserName>{1}</FromUserName>"


@pytest.mark.parametrize(
    "body",
    [
        b"<html><body>Internal Server Error",
        b'{"detail": "error"}',
        b"SUCCESS",
        "<xml><ToUserName>{0}</ToUserName><MsgType>text</MsgType><Content>hi</Content></xml>",
        "<xml><FromUserName>{1}</FromUserName><MsgType>text</MsgType><Content>hi</Content></xml>",
        f"<xml>{FIELDS}<MsgType>text</MsgType><Content></Content></xml>",
        f"<xml>{FIELDS}<MsgType>text</MsgType><Content>{'x' * 2049}</Content></xml>",
        f"<xml>{FIELDS}<MsgType>fax</MsgType></xml>",
        f"<xml>{FIELDS}</xml>",
        f"<xml>{FIELDS}<MsgType>image</MsgType><Image><MediaId>no</MediaId></Image></xml>",
        f"<xml>{FIELDS}<MsgType>image</MsgType></xml>",
        f"<xml>{FIELDS}<MsgType>news</MsgType><ArticleCount>1</ArticleCount></xml>",
        f"<xml>{FIELDS}<MsgType>news</MsgType><ArticleCount>2</ArticleCount><Articles><item/></Articles></xml>",
        f"<xml>{FIELDS}<MsgType>{TRANSFER}</MsgType><TransInfo><KfAccount>no@test</KfAccount></TransInfo></xml>",
    ],
    ids=[
        "html",
        "json",
        "shouted",
        "from nobody",
        "to nobody",
        "empty",
        "long",
        "kind",
        "no kind",
        "media",
        "no media",
        "no articles",
        "count",
        "agent",
    ],
)
async def test_wrong_answers(fake: FakeWeChat, server: Server, body: str | bytes) -> None:
    """
    A body WeChat does not take tells the customer that the account is out of service, and is not asked for again.
    """
    text = body if isinstance(body, bytes) else body.format(OPENID, fake.original_id).encode()
    server.answer = lambda _: text
    fake.user_says(OPENID, "hi")
    await fake.deliver()

    assert [shown.text for shown in fake.shown_to(OPENID)] == [OUT_OF_SERVICE]
    assert len(server.heard) == 1


def wrap_greeting(hook: Webhook, server: Server, push: Push) -> bytes:
    """
    Answer with another's secrets.
    """
    return hook.wrap(TextReply("hi"), push, server.queries[-1])


@pytest.mark.parametrize("format_", get_args(Format))
async def test_wrong_encrypted_answers(fake: FakeWeChat, format_: Format) -> None:
    """
    With a key, an answer must be encrypted, and signed with the nonce of the push.
    """
    server = Server(fake, mode="safe", format_=format_)
    wrong = [
        Webhook(TOKEN, clock=server.hook._clock),
        Webhook(TOKEN, "B" * 43, fake.appid, clock=server.hook._clock),
        Webhook("BBBBB", KEY, fake.appid, clock=server.hook._clock),
    ]
    for hook in wrong:
        server.answer = partial(wrap_greeting, hook, server)
        fake.user_says(OPENID, "hi")
        await fake.deliver()
    server.answer = lambda push: server.hook.wrap(TextReply("hi"), push, {"nonce": "1"})
    fake.user_says(OPENID, "hi")
    await fake.deliver()
    server.answer = lambda _: b"[]"
    fake.user_says(OPENID, "hi")
    await fake.deliver()

    assert [shown.text for shown in fake.shown_to(OPENID)] == [OUT_OF_SERVICE] * 5


async def test_an_answer_that_is_not_200(fake: FakeWeChat, server: Server) -> None:
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


@pytest.mark.parametrize(("status", "reason"), [(403, "HTTP 403."), (307, "HTTP 307, a redirect")])
async def test_why_an_answer_is_not_taken(
    fake: FakeWeChat, server: Server, status: int, reason: str, caplog: pytest.LogCaptureFixture
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
        "The callback did not answer the check",
        "An answer to a push was not taken",
    ]
    assert all(reason in message for message in logged)


async def test_an_app_that_fails(fake: FakeWeChat, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """
    An exception of the app is logged, and is a wrong answer.
    """

    def fail(_: Push) -> None:
        raise LookupError("mine")

    server.answer = fail
    fake.user_says(OPENID, "hi")
    await fake.deliver()

    assert [shown.text for shown in fake.shown_to(OPENID)] == [OUT_OF_SERVICE]
    assert "LookupError: mine" in caplog.text


async def test_an_app_works_on_after_its_answer(fake: FakeWeChat, caplog: pytest.LogCaptureFixture) -> None:
    """
    What follows the answer, as background tasks do, may take longer than five seconds, and may fail.
    """
    heard: list[str] = []
    done: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        heard.append("push")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"success"})
        await fake.clock.sleep(8)
        done.append("work")
        raise LookupError("mine")

    fake.set_callback(app, token=TOKEN)
    fake.user_says(OPENID, "hi")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fake.deliver)
        for _ in range(8):
            await wait_all_tasks_blocked()
            fake.advance(1)

    assert (heard, done) == (["push"], ["work"])
    assert fake.shown_to(OPENID) == ()
    assert "The app failed." in caplog.messages


# On trio httpx leaves its body's generator to the garbage collector then.
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_answer_that_cannot_be_decoded(fake: FakeWeChat) -> None:
    """
    A server whose body is not what its headers say has not answered.
    """

    def garbage(_: Request) -> PlannedResponse:
        return PlannedResponse(Response(200, "text/plain", b"no gzip", {"content-encoding": "gzip"}))

    async with listen(garbage, fake.clock, "127.0.0.1", 0, anyio.sleep_forever) as base_url:
        fake.set_callback(base_url, token=TOKEN)
        fake.user_says(OPENID, "hi")
        await fake.deliver()

    assert [shown.text for shown in fake.shown_to(OPENID)] == [OUT_OF_SERVICE]


async def test_an_app_that_answers_in_pieces(fake: FakeWeChat) -> None:
    """
    The client is there until the whole answer is, as streaming apps want it.
    """
    ends: list[str] = []

    async def app(_: Any, receive: Any, send: Any) -> None:
        async def watch() -> None:
            ends.append((await receive())["type"])

        await receive()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            await wait_all_tasks_blocked()

            assert ends == []

            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"succ", "more_body": True})
            await send({"type": "http.response.body", "body": b"ess"})

    fake.set_callback(app, token=TOKEN)
    fake.user_says(OPENID, "hi")
    await fake.deliver()

    assert ends == ["http.disconnect"]
    assert fake.shown_to(OPENID) == ()


async def test_five_seconds_and_three_retries(fake: FakeWeChat, server: Server) -> None:
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


async def test_a_retry_is_the_same_push(fake: FakeWeChat, server: Server) -> None:
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
        "The callback did not answer the check: no answer came.",
        "A push was not answered, however often it was repeated.",
    ]


async def test_an_answer_is_not_decoded(fake: FakeWeChat) -> None:
    """
    No encoding is asked for, and an answer counts as it comes; the query of the callback's URL stays.
    """
    targets: list[str] = []
    encodings: set[str] = set()

    async def nothing() -> None:
        pass

    def receive(request: Request) -> PlannedResponse:
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


async def test_a_push_that_cannot_be_written(fake: FakeWeChat, server: Server) -> None:
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


async def test_a_menu_message_is_answered(fake: FakeWeChat, server: Server, wire: Wire) -> None:
    """
    A tap on an entry is heard as its text with its id, and grants what a menu grants.
    """
    fake.user_says(OPENID, "hi")
    menu = {"head_content": "满意吗", "list": [{"id": "101", "content": "满意"}]}
    await wire.code("/cgi-bin/message/custom/send", touser=OPENID, msgtype="msgmenu", msgmenu=menu)
    fake.advance(48 * 3600 + 1)
    fake.picks(OPENID, "101")
    server.heard.clear()
    await fake.deliver()
    wire.token = ""
    codes = [await wire.say() for _ in range(4)]
    push = server.heard[-1]

    assert isinstance(push, TextMessage)
    assert (push.content, push.bizmsgmenuid) == ("满意", "101")
    assert codes == [0, 0, 0, 45047]
    with pytest.raises(ValueError, match="no menu"):
        fake.picks(OPENID, "102")


async def test_a_menu_message_in_a_session(fake: FakeWeChat, server: Server, wire: Wire) -> None:
    """
    In a session the agent hears it, not the server.
    """
    fake.agent_online(AGENT, auto_accept=1)
    fake.user_says(OPENID, "hi")
    menu = {"list": [{"id": "101", "content": "满意"}]}
    await wire.code("/cgi-bin/message/custom/send", touser=OPENID, msgtype="msgmenu", msgmenu=menu)
    fake.user_waits(OPENID)
    fake.picks(OPENID, "101")
    await fake.deliver()

    assert not any(push.raw.get("bizmsgmenuid") for push in server.heard)


async def test_a_server_on_a_socket_hears_in_the_background(fake: FakeWeChat) -> None:
    """
    While the stand-in serves, pushes to a URL go out by themselves, and so do those of the ASGI app's lifespan.
    """
    server = Server(fake)
    done = anyio.Event()

    async def nothing() -> None:
        pass

    def receive(request: Request) -> PlannedResponse:
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
