"""
A bot with WeChat around it, for the tests: pushes go in through ASGI, time is moved by hand.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import Any

import anyio
import httpx

from wechat_kf import AsyncKfClient
from wechat_kf.bot import Bot
from wechat_kf.testing import FakeWeChat, ManualClock
from wechat_kf.webhook import Push, TextMessage, TextReply, Webhook
from wechat_kf.webhook.crypto import signature
from wechat_kf.webhook.xml import read_xml, render_xml

TOKEN = "AAAAA"
ALICE, BOB = "oAlice", "oBob"


class Stage:
    """
    The stand-in, a clock moved by hand, a client and a bot; what the bot tells of is kept in `failures` and `lost`.

    Args:
        client: The class of the client.

        options: Of the bot.
    """

    def __init__(self, client: type[AsyncKfClient] = AsyncKfClient, **options: Any) -> None:
        self.clock = ManualClock()
        self.fake = FakeWeChat(clock=self.clock)
        for openid in (ALICE, BOB):
            self.fake.user_says(openid, "你好")
        self.kf = client(self.fake.appid, self.fake.secret, http=self.fake.client(), clock=self.clock)
        self.hook = Webhook(TOKEN, clock=self.clock)
        self.failures: list[tuple[Push, Exception]] = []
        self.lost: list[tuple[str, int, bool]] = []
        options.setdefault("on_error", self._note)
        options.setdefault("on_lost", self._note_lost)
        self.bot = Bot(self.hook, self.kf, clock=self.clock, **options)
        self._ids = count(1)

    def _note(self, push: Push, error: Exception) -> None:
        self.failures.append((push, error))

    def _note_lost(self, push: Push, sent: int, uncertain: bool) -> None:
        self.lost.append((push.dedupe_key, sent, uncertain))

    @property
    def sent(self) -> list[str]:
        """
        The texts that customers got as messages.
        """
        return [shown.text for shown in self.fake.sent]

    def signed(self, **more: str) -> dict[str, str]:
        """
        Return the query of a request by WeChat.
        """
        timestamp = str(int(self.clock.now().timestamp()))
        return {"timestamp": timestamp, "nonce": "1", "signature": signature(TOKEN, timestamp, "1"), **more}

    def text(self, content: str, openid: str = ALICE, msg_id: int | None = None) -> bytes:
        """
        Write a push of a text; its id is new unless given.
        """
        return self.body(openid, MsgType="text", Content=content, MsgId=next(self._ids) if msg_id is None else msg_id)

    def body(self, openid: str = ALICE, **fields: Any) -> bytes:
        """
        Write a push.
        """
        common = {"ToUserName": "gh_1", "FromUserName": openid, "CreateTime": int(self.clock.now().timestamp())}
        return render_xml({**common, **fields})

    async def request(
        self, method: str, query: Mapping[str, str], body: bytes = b"", app: Any = None
    ) -> httpx.Response:
        """
        Make a request to the bot, or to an app that it is mounted in.
        """
        transport = httpx.ASGITransport(app=self.bot if app is None else app)
        async with httpx.AsyncClient(transport=transport, base_url="http://bot") as client:
            return await client.request(method, "/wechat/", params=query, content=body)

    async def push(self, body: bytes) -> httpx.Response:
        """
        Push, and wait for the answer.
        """
        return await self.request("POST", self.signed(), body)

    async def says(self, content: str, openid: str = ALICE) -> dict[str, Any] | str:
        """
        Push a text; return the passive reply, or the text that is answered instead.
        """
        return passive(await self.push(self.text(content, openid)))

    async def advance(self, seconds: float) -> None:
        """
        Move the time, once all that can run has run, and let run what can then.
        """
        await anyio.wait_all_tasks_blocked()
        self.clock.advance(seconds)
        await anyio.wait_all_tasks_blocked()


def passive(response: httpx.Response) -> dict[str, Any] | str:
    """
    Read the answer to a push: the fields of the passive reply, or the text that stands there instead.
    """
    assert response.status_code == 200, response
    return read_xml(response.content) if response.content.startswith(b"<") else response.text


async def echo(push: TextMessage) -> TextReply:
    """
    Handle a text by repeating it.
    """
    return TextReply(push.content)


def slow(stage: Stage, seconds: float) -> Callable[[TextMessage], Awaitable[str]]:
    """
    Make a handler that repeats a text after a while.
    """

    async def handler(push: TextMessage) -> str:
        await stage.clock.sleep(seconds)
        return push.content

    return handler
