"""
Another library, written against WeChat itself, finds nothing amiss.
"""

from __future__ import annotations

import importlib
import io
import logging
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import pytest
from anyio import to_thread

from wechat_kf import RedactingFilter
from wechat_kf.testing import FakeWeChat

from ..sdks.redirect import redirected
from .bare_api import AGENT, JPEG, OPENID
from .machine.test_media import AMR

Client: TypeAlias = Callable[[], AbstractAsyncContextManager[Any]]

# It warns of its own methods.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def redacted() -> Generator[None]:
    """
    Keep the tokens that its HTTP library logs from the watch over secrets.
    """
    filter_ = RedactingFilter()
    logger = logging.getLogger("urllib3.connectionpool")
    logger.addFilter(filter_)
    yield
    logger.removeFilter(filter_)


@pytest.fixture
def client(fake: FakeWeChat, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Client:
    """
    Give a way to make a client of wechatpy, unpatched, for as long as the stand-in serves https.
    """

    @asynccontextmanager
    async def serve() -> AsyncGenerator[Any]:
        ca_file = tmp_path / "ca.pem"
        async with fake.serve(ca_file=ca_file) as base_url:
            monkeypatch.setattr(socket, "getaddrinfo", redirected(int(base_url.rpartition(":")[2])))
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ca_file))
            monkeypatch.setenv("NO_PROXY", "*")
            made = importlib.import_module("wechatpy").WeChatClient(fake.appid, fake.secret)
            yield made
            made._http.close()

    return serve


async def test_customer_service_calls(fake: FakeWeChat, client: Client, tmp_path: Path) -> None:
    """
    Wechatpy 1.8.18 does all its customer-service calls, sends every kind it knows, uploads and downloads.
    """
    picture = tmp_path / "头像.jpg"
    picture.write_bytes(JPEG)
    voice = io.BytesIO(AMR)
    voice.name = "a.amr"
    fake.user_says(OPENID, "hi")
    async with client() as made:
        service, message, media = made.customservice, made.message, made.media

        async def run(call: Callable[..., Any], *args: Any, **options: Any) -> Any:
            with anyio.fail_after(60):
                return await to_thread.run_sync(partial(call, *args, **options))

        await run(service.add_account, AGENT, "客服1", "password")
        await run(service.update_account, AGENT, "客服2", "password")
        with picture.open("rb") as file:
            await run(service.upload_headimg, AGENT, file)
        accounts = await run(service.get_accounts)
        fake.agent_online(AGENT)
        online = await run(service.get_online_accounts)
        await run(service.create_session, OPENID, AGENT)
        session = await run(service.get_session, OPENID)
        sessions = await run(service.get_session_list, AGENT)
        fake.user_says(OPENID, "问题")
        now = int(fake.clock.now().timestamp())
        records = await run(service.get_records, now - 3600, now)
        await run(service.close_session, OPENID, AGENT)
        fake.user_waits(OPENID)
        waiting = await run(service.get_wait_case)
        uploaded = await run(media.upload, "voice", voice)
        with picture.open("rb") as file:
            image = (await run(media.upload, "image", file))["media_id"]
        downloaded = await run(media.download, image)
        article = {"title": "t", "description": "d", "url": "u", "image": "p"}
        menu = {"head_content": "h", "list": [{"id": "1", "content": "a"}], "tail_content": "t"}
        thumb = fake.add_material("thumb", JPEG)
        for send in (
            partial(message.send_text, OPENID, '<a href="u">你好</a>', AGENT),
            partial(message.send_image, OPENID, image),
            partial(message.send_voice, OPENID, uploaded["media_id"]),
            partial(message.send_music, OPENID, "u", "h", thumb, "t", "d"),
            partial(message.send_articles, OPENID, [article]),
            partial(message.send_card, OPENID, "card"),
            partial(message.send_msg_menu, OPENID, menu),
        ):
            fake.user_says(OPENID, "more")
            await run(send)
        await run(service.delete_account, AGENT)
        left = await run(service.get_accounts)

    assert [(each["kf_account"], each["kf_nick"]) for each in accounts] == [(AGENT, "客服2")]
    assert [each["kf_account"] for each in online] == [AGENT]
    assert session["kf_account"] == AGENT
    assert [each["openid"] for each in sessions] == [OPENID]
    assert [each["text"] for each in records["recordlist"]] == ["问题"]
    assert [each["openid"] for each in waiting["waitcaselist"]] == [OPENID]
    assert downloaded.content == JPEG
    assert fake.sent[0].text == '<a href="u">你好</a>'
    assert [sent.payload["msgtype"] for sent in fake.sent] == [
        "text",
        "image",
        "voice",
        "music",
        "news",
        "wxcard",
        "msgmenu",
    ]
    assert left == []


async def test_a_token_that_was_replaced(fake: FakeWeChat, client: Client) -> None:
    """
    Wechatpy renews its token when it is told that another took its place.
    """
    async with client() as made:
        await to_thread.run_sync(made.customservice.get_accounts)
        fake.revoke_tokens()
        accounts = await to_thread.run_sync(made.customservice.get_accounts)

    assert accounts == []
    assert [call.path for call in fake.calls].count("/cgi-bin/token") == 2
