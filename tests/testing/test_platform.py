"""
The stand-in's third-party platforms: what WeChat pushes to one, what it refuses, and the test before going live.
"""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from wechat_kf.testing import Errcode, FakePlatform, FakeWeChat, ManualClock
from wechat_kf.tokens.endpoints import (
    AUTHORIZER_TOKEN,
    COMPONENT_TOKEN,
    PRE_AUTH_CODE,
    QUERY_AUTH,
    START_PUSH_TICKET,
)
from wechat_kf.webhook import (
    AuthorizedPush,
    ComponentVerifyTicketPush,
    PlatformPush,
    Push,
    TextMessage,
    TextReply,
    UnauthorizedPush,
    Webhook,
)

from .bare_api import Wire

TOKEN = "token"
KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"


class Server:
    """
    A platform's server: an ASGI app that reads what comes to each path, and answers texts.
    """

    def __init__(self, platform: FakePlatform, answer: str | None = "回复") -> None:
        self._webhook = Webhook(TOKEN, KEY, platform.appid, clock=platform.clock)
        self._answer = answer
        self.heard: list[tuple[str, Push]] = []
        platform.set_callback(self, token=TOKEN, encoding_aes_key=KEY)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        query = dict(each.split("=") for each in scope["query_string"].decode().split("&"))
        push = self._webhook.unwrap(query, (await receive())["body"])
        self.heard.append((scope["path"], push))
        reply = TextReply(self._answer) if self._answer and not isinstance(push, PlatformPush) else None
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": self._webhook.wrap(reply, push, query)})


@pytest.fixture
def platform(fake: FakeWeChat) -> FakePlatform:
    """
    Give the stand-in a platform.
    """
    return fake.add_platform("wxplatform", "secret-of-the-platform-0123456789")


async def call(wire: Wire, endpoint: Any, token: str = "", **body: str) -> Any:
    """
    Call a platform's endpoint.
    """
    query = {"component_access_token": token} if token else {}
    content = json.dumps({"component_appid": "wxplatform", **body})
    return (await wire.http.post(f"https://any{endpoint.path}", params=query, content=content)).json()


async def token_of(wire: Wire, platform: FakePlatform) -> str:
    """
    Get a platform's token.
    """
    given = {"component_appsecret": platform.secret, "component_verify_ticket": platform.push_ticket()}
    return str((await call(wire, COMPONENT_TOKEN, **given))["component_access_token"])


async def test_what_is_pushed(fake: FakeWeChat, platform: FakePlatform, wire: Wire) -> None:
    """
    Tickets, authorisations and their end come to one path, customers' messages to another, sealed as the platform's.
    """
    server = Server(platform)
    ticket = platform.push_ticket()
    code = platform.authorize(fake.appid)
    token = await token_of(wire, platform)
    await call(wire, QUERY_AUTH, token, authorization_code=code)
    again = platform.authorize(fake.appid)
    await platform.deliver()
    fake.user_says("o1", "在吗")
    await fake.deliver()
    platform.unauthorize(fake.appid)
    fake.user_says("o1", "还在吗")
    await fake.deliver()
    await platform.settle()
    paths, pushes = [path for path, _ in server.heard], [push for _, push in server.heard]

    assert paths == ["/events"] * 4 + [f"/messages/{fake.appid}", "/events"]
    assert isinstance(pushes[0], ComponentVerifyTicketPush)
    assert pushes[0].component_verify_ticket == ticket
    assert [(each.info_type, each.authorization_code) for each in pushes if isinstance(each, AuthorizedPush)] == [
        ("authorized", code),
        ("updateauthorized", again),
    ]
    assert isinstance(pushes[4], TextMessage)
    assert pushes[4].account == pushes[4].to_user_name == fake.original_id
    assert isinstance(pushes[5], UnauthorizedPush)
    assert pushes[5].account == platform.appid
    assert [shown.text for shown in fake.shown_to("o1")] == ["回复"]


@pytest.mark.parametrize("late", [False, True])
async def test_tickets_come_every_ten_minutes(*, late: bool) -> None:
    """
    A server of the stand-in's delivers tickets by itself, also of a platform that is added while it runs.
    """
    clock = ManualClock()
    fake = FakeWeChat(clock=clock)
    platform = None if late else fake.add_platform("wxplatform")
    async with fake.serve():
        await anyio.wait_all_tasks_blocked()
        platform = platform or fake.add_platform("wxplatform")
        server = Server(platform)
        for _ in range(2):
            await clock.until_asleep()
            clock.advance(600)
            await clock.until_asleep()
            await platform.settle()

    assert [type(push) for _, push in server.heard] == [ComponentVerifyTicketPush] * 2


async def test_what_is_refused(fake: FakeWeChat, platform: FakePlatform, wire: Wire) -> None:
    """
    Wrong secrets, tickets, codes and tokens are refused with WeChat's codes.
    """
    token = await token_of(wire, platform)
    ticket = platform.push_ticket()
    code = platform.authorize(fake.appid)
    right = {"component_appsecret": platform.secret}
    refresh = {"authorizer_appid": fake.appid, "authorizer_refresh_token": "refreshtoken@@@wrong"}
    answers = {
        "no secret": await call(wire, START_PUSH_TICKET),
        "wrong secret": await call(wire, START_PUSH_TICKET, component_secret="wrong"),
        "wrong ticket": await call(wire, COMPONENT_TOKEN, **right, component_verify_ticket="wrong"),
        "no token": await call(wire, PRE_AUTH_CODE),
        "wrong token": await call(wire, PRE_AUTH_CODE, "60_wrong"),
        "no appid": await call(wire, PRE_AUTH_CODE, token, component_appid=""),
        "wrong appid": await call(wire, PRE_AUTH_CODE, token, component_appid="wx-another"),
        "wrong code": await call(wire, QUERY_AUTH, token, authorization_code="wrong"),
        "not authorised": await call(wire, AUTHORIZER_TOKEN, token, **refresh),
    }
    await call(wire, QUERY_AUTH, token, authorization_code=code)
    answers["wrong refresh token"] = await call(wire, AUTHORIZER_TOKEN, token, **refresh)
    other = await wire.http.get(f"https://any{PRE_AUTH_CODE.path}")
    unknown = await wire.http.post("https://any/cgi-bin/component/api_nothing", content="{}")
    fake.advance(12 * 3600)
    answers["old ticket"] = await call(wire, COMPONENT_TOKEN, **right, component_verify_ticket=ticket)
    answers["old token"] = await call(wire, PRE_AUTH_CODE, token)

    assert {name: answer["errcode"] for name, answer in answers.items()} == {
        "no secret": 41004,
        "wrong secret": 40125,
        "wrong ticket": 61006,
        "no token": 41001,
        "wrong token": 40001,
        "no appid": 41018,
        "wrong appid": 40013,
        "wrong code": 61010,
        "not authorised": 61003,
        "wrong refresh token": 61023,
        "old ticket": 61005,
        "old token": 42001,
    }
    assert (other.json()["errcode"], unknown.json()["errcode"]) == (43002, 40066)


async def test_refresh_tokens(fake: FakeWeChat, platform: FakePlatform, wire: Wire) -> None:
    """
    A refresh token works until the one that it brought is used.
    """
    token = await token_of(wire, platform)
    answer = await call(wire, QUERY_AUTH, token, authorization_code=platform.authorize(fake.appid))
    first = answer["authorization_info"]["authorizer_refresh_token"]

    async def refresh(given: str) -> Any:
        return await call(wire, AUTHORIZER_TOKEN, token, authorizer_appid=fake.appid, authorizer_refresh_token=given)

    lost, second = await refresh(first), await refresh(first)
    third = await refresh(second["authorizer_refresh_token"])

    assert "errcode" not in lost
    assert "errcode" not in third
    assert (await refresh(first))["errcode"] == 61023


async def test_several_platforms(fake: FakeWeChat, platform: FakePlatform, wire: Wire) -> None:
    """
    Each platform hears its own calls; an appid is given once; without a platform there are no such endpoints.
    """
    other = fake.add_platform("wxother")
    await call(wire, PRE_AUTH_CODE, component_appid="wxother")
    other.fault(PRE_AUTH_CODE, Errcode(-1))
    busy = await call(wire, PRE_AUTH_CODE, component_appid="wxother")
    for appid in ("wxother", fake.appid):
        with pytest.raises(ValueError, match=f"there is an account {appid} already"):
            fake.add_platform(appid)
    with pytest.raises(ValueError, match="there is no account wxnobody"):
        platform.authorize("wxnobody")
    bare = Wire(FakeWeChat(clock=ManualClock()))

    assert (len(platform.calls), len(other.calls), fake.calls) == (0, 2, [])
    assert busy["errcode"] == -1
    assert (await call(bare, PRE_AUTH_CODE))["errcode"] == 40066


async def test_pushes_that_are_not_heard(fake: FakeWeChat, platform: FakePlatform, wire: Wire) -> None:
    """
    Without a callback nothing is pushed; without a path for messages an account keeps the callback that it has.
    """
    platform.push_ticket()
    await call(wire, START_PUSH_TICKET, component_secret=platform.secret)
    server = Server(platform)
    platform.set_callback(server, token=TOKEN, encoding_aes_key=KEY, messages=None)
    platform.authorize(fake.appid)
    fake.user_says("o1", "在吗")
    await fake.deliver()
    await platform.deliver()

    assert [path for path, _ in server.heard] == ["/events"]


async def test_replies_to_a_platform_s_pushes(platform: FakePlatform, caplog: pytest.LogCaptureFixture) -> None:
    """
    Nobody can be answered by a reply to a platform's push: it is refused.
    """

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        query = dict(each.split("=") for each in scope["query_string"].decode().split("&"))
        push = webhook.unwrap(query, (await receive())["body"])
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": webhook.wrap(TextReply("hi"), push, query)})

    webhook = Webhook(TOKEN, KEY, platform.appid, clock=platform.clock)
    platform.set_callback(answer, token=TOKEN, encoding_aes_key=KEY)
    platform.push_ticket()
    await platform.deliver()

    assert "nobody can be answered; reply success" in caplog.text


async def test_going_live_with_the_wrong_answers(
    platform: FakePlatform, fake: FakeWeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A server that does nothing of what the test asks for is told all of it.
    """
    monkeypatch.setattr("wechat_kf.testing._platform._PATIENCE", 0.05)
    Server(platform)
    first = await platform.go_live_test()
    again = await platform.go_live_test()

    assert first == again
    assert first == (
        "the code of the authorisation was not exchanged",
        "the text was not answered at once with TESTCOMPONENT_MSG_TYPE_TEXT_callback",
        "the event was not answered at once with LOCATIONfrom_callback",
        "the code was not answered with the API, with itself and _from_api",
        "the code was not answered at once with nothing",
    )


async def test_over_http(fake: FakeWeChat, platform: FakePlatform, wire: Wire) -> None:
    """
    A platform's controls can be reached over HTTP, by its appid.
    """

    async def control(name: str, **arguments: str) -> Any:
        response = await wire.http.post(f"https://any/stand-in/{name}", json=arguments)
        assert response.status_code == 200, response.text
        return response.json()

    added = await control("add_platform", appid="wxadded")
    code = await control("authorize", component_appid="wxadded", appid=fake.appid)
    ticket = await control("push_ticket", component_appid=platform.appid)
    with anyio.fail_after(30):
        await control("deliver", component_appid="wxadded")
    await control("unauthorize", component_appid="wxadded", appid=fake.appid)

    assert added == {"appid": "wxadded", "secret": "00112233445566778899aabbccddeeff"}
    assert code.startswith("queryauthcode@@@")
    assert ticket.startswith("ticket@@@")


async def test_platform_that_is_added_while_served() -> None:
    """
    A platform may come while the stand-in is served.
    """
    fake = FakeWeChat()
    async with fake.serve():
        platform = fake.add_platform("wxlate")

    assert platform.appid == "wxlate"
