"""
The account's server, as the tests write it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import httpx

from wechat_kf.testing import FakeWeChat, Format, Mode
from wechat_kf.webhook import (
    Push,
    Webhook,
)
from wechat_kf.webhook import Reply as PassiveReply

__all__ = ["KEY", "TOKEN", "AccountServer"]

TOKEN = "AAAAA"
KEY = "A" * 43


class AccountServer:
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
        self.hook = Webhook(TOKEN, key, fake.appid, clock=fake.clock)
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
