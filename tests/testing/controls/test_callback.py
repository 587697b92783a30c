"""
Where pushes go.
"""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from starlette.routing import Route

from wechat_kf.testing import FakeWeChat
from wechat_kf.webhook.crypto import Cryptor, signature
from wechat_kf.webhook.xml import render_xml

from ..account_server import KEY, TOKEN, AccountServer
from ..bare_api import OPENID


@pytest.mark.parametrize(
    ("path", "arrives", "query"),
    [
        (None, "/", "signature="),
        ("/wechat/", "/wechat/", "signature="),
        ("/微信?tenant=1", "/微信", "tenant=1&signature="),
    ],
)
async def test_the_path_in_an_app(fake: FakeWeChat, path: str | None, arrives: str, query: str) -> None:
    """
    An app is called at the path that was told, which may have a query of its own.
    """
    scopes: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"success"})

    fake.set_callback(app, token=TOKEN, path=path)
    fake.user_says(OPENID, "hi")
    await fake.deliver()
    [scope] = scopes

    assert scope["path"] == arrives
    assert scope["raw_path"].isascii()
    assert scope["query_string"].decode().startswith(query)


@pytest.mark.parametrize(("mounted", "path"), [(False, "/wechat"), (True, "/wechat/")], ids=["route", "mount"])
async def test_a_bot_in_an_app(fake: FakeWeChat, mounted: bool, path: str) -> None:
    """
    A bot is reached under a route without a slash, and under a mount with one.
    """
    server = AccountServer(fake)
    app = FastAPI()
    if mounted:
        app.mount("/wechat", server)
    else:
        app.router.routes.append(Route("/wechat", server))
    fake.set_callback(app, token=TOKEN, path=path)
    verified = await fake.verify_callback()
    fake.user_says(OPENID, "hi")
    await fake.deliver()

    assert verified
    assert len(server.heard) == 1


@pytest.mark.parametrize(
    ("target", "path", "message"),
    [("http://localhost/", "/wechat", "a URL has its own"), (anyio.sleep_forever, "wechat", "begin with a slash")],
    ids=["URL", "relative"],
)
def test_paths_that_cannot_be(fake: FakeWeChat, target: Any, path: str, message: str) -> None:
    """
    A path is for an app, and begins with a slash.
    """
    with pytest.raises(ValueError, match=message):
        fake.set_callback(target, token=TOKEN, path=path)


async def test_what_a_platform_is_told(fake: FakeWeChat) -> None:
    """
    A platform's push has its appid in the place of names, and nobody is out of service for it.
    """
    bodies: list[bytes] = []

    async def platform(_: Any, receive: Any, send: Any) -> None:
        bodies.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    fake.set_callback(platform, token=TOKEN, encoding_aes_key=KEY)
    fake.platform_pushes("component_verify_ticket", {"ComponentVerifyTicket": "ticket@@@1"})
    await fake.deliver()
    [body] = bodies

    assert body.startswith(f"<xml><AppId><![CDATA[{fake.appid}]]></AppId><Encrypt>".encode())
    assert b"ticket@@@1" not in body
    assert fake.shown_to(OPENID) == ()


async def test_a_platform_cannot_be_answered(fake: FakeWeChat, caplog: pytest.LogCaptureFixture) -> None:
    """
    A reply to what no customer did is refused, and shown to nobody.
    """
    server = AccountServer(fake, mode="safe")
    fields = f"<FromUserName>{fake.original_id}</FromUserName><MsgType>text</MsgType><Content>hi</Content>"
    server.take = lambda method, query, body: sealed(server, f"<xml>{fields}</xml>".encode())  # type: ignore[method-assign]
    fake.platform_pushes("authorized")
    await fake.deliver()

    assert "The reply to the push 'authorized' is refused: nobody can be answered; reply success." in caplog.messages


def sealed(server: AccountServer, reply: bytes) -> bytes:
    """
    Encrypt a reply as the account's server would.
    """
    cryptor = Cryptor(KEY, server.fake.appid)
    encrypted = cryptor.encrypt(reply)
    fields = {
        "Encrypt": encrypted,
        "MsgSignature": signature(TOKEN, "1", "2", encrypted),
        "TimeStamp": "1",
        "Nonce": "2",
    }
    return render_xml(fields)


@pytest.mark.parametrize(("mode", "format_"), [("plain", "xml"), ("compatible", "xml"), ("safe", "json")])
def test_a_platform_needs_a_key(fake: FakeWeChat, mode: Any, format_: Any) -> None:
    """
    A platform's pushes are always encrypted XML.
    """
    AccountServer(fake, mode=mode, format_=format_)

    with pytest.raises(ValueError, match="encrypted XML"):
        fake.platform_pushes("authorized")


async def test_a_push_goes_where_it_was_to_go(fake: FakeWeChat) -> None:
    """
    A callback that is set later gets what happens later.
    """
    first = AccountServer(fake, format_="json")
    fake.user_says(OPENID, "first")
    second = AccountServer(fake)
    fake.user_says(OPENID, "second")
    await fake.deliver()

    assert [push.raw["Content"] for push in first.heard] == ["first"]
    assert [push.raw["Content"] for push in second.heard] == ["second"]


async def test_settled(fake: FakeWeChat, server: AccountServer) -> None:
    """
    What a server of the stand-in's is delivering can be waited for.
    """
    going_on = anyio.Event()
    server.before = going_on.wait
    settled: list[str] = []

    async def settle() -> None:
        await fake.settle()
        settled.append("settled")

    async with fake.serve(), anyio.create_task_group() as tasks:
        fake.user_says(OPENID, "hi")
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(settle)
        await anyio.wait_all_tasks_blocked()

        assert settled == []

        going_on.set()

    assert settled == ["settled"]
    assert len(server.heard) == 1


async def test_nothing_to_settle(fake: FakeWeChat, server: AccountServer) -> None:
    """
    Without a server, settling delivers what waits.
    """
    fake.user_says(OPENID, "hi")
    await fake.settle()

    assert len(server.heard) == 1
