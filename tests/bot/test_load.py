"""
Many customers at once, over real sockets.
"""

from __future__ import annotations

import logging
import socket
from datetime import UTC, datetime
from itertools import groupby

import anyio
import httpx
import pytest
import uvicorn

from wechat_kf import AsyncKfClient
from wechat_kf._http.pool import StackTransport
from wechat_kf.bot import Bot, MemoryInbox
from wechat_kf.testing import FakeWeChat
from wechat_kf.webhook import TextMessage, Webhook
from wechat_kf.webhook.crypto import signature
from wechat_kf.webhook.xml import read_xml, render_xml

CUSTOMERS, MESSAGES = 100, 5


def push(openid: str, number: int) -> tuple[dict[str, str], bytes]:
    """
    Write a push.
    """
    now = str(int(datetime.now(UTC).timestamp()))
    body = render_xml(
        {
            "ToUserName": "gh_1",
            "FromUserName": openid,
            "CreateTime": int(now),
            "MsgType": "text",
            "Content": str(number),
            "MsgId": int(openid[1:]) * MESSAGES + number,
        }
    )
    return {"timestamp": now, "nonce": openid, "signature": signature("token", now, openid)}, body


# uvicorn knows asyncio only.
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_every_message_is_answered_once_and_in_order(caplog: pytest.LogCaptureFixture) -> None:
    """
    Of 500 pushes from 100 customers, with repetitions and slow handlers, each is answered once, in order.

    A third of the handlers take longer than the bot's patience; each customer's first push comes three times.
    """
    # Thousands of requests are not worth reading.
    caplog.set_level(logging.WARNING)
    fake = FakeWeChat()
    kf = AsyncKfClient(fake.appid, fake.secret, http=fake.client())
    seen = MemoryInbox()
    bot = Bot(Webhook("token"), kf, inbox=seen, patience=1.0, drain=60)
    handled: list[str] = []

    @bot.on(TextMessage)
    async def answer(message: TextMessage) -> str:
        handled.append(message.dedupe_key)
        if message.msg_id % 3 == 0:
            await anyio.sleep(1.2)
        return message.content

    # When which answer came to whom: what was sent, and the passive replies.
    answers: list[tuple[str, datetime, str]] = []
    replies: set[bytes] = set()

    async def converse(openid: str) -> None:
        for number in range(MESSAGES):
            fake.user_says(openid, str(number))
            query, body = push(openid, number)
            async with anyio.create_task_group() as tasks:
                for _ in range(3 if number == 0 else 1):
                    tasks.start_soon(deliver, openid, query, body)

    async def deliver(openid: str, query: dict[str, str], body: bytes) -> None:
        response = await http.post("/", params=query, content=body)
        assert response.status_code == 200
        # All deliveries of a push wait at once here, where WeChat has one: the same reply comes to each.
        if response.content != b"success" and response.content not in replies:
            replies.add(response.content)
            answers.append((openid, datetime.now(UTC), read_xml(response.content)["Content"]))

    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        server = uvicorn.Server(uvicorn.Config(bot, log_level="warning", timeout_keep_alive=60))
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        http = httpx.AsyncClient(base_url=base_url, timeout=60, transport=StackTransport(max_connections=100))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [listener])
            async with http, anyio.create_task_group() as customers:
                for number in range(CUSTOMERS):
                    customers.start_soon(converse, f"o{number}")
            # Shutting down drains the bot.
            server.should_exit = True
    answers += [(shown.openid, shown.at, shown.text) for shown in fake.sent]
    timeline = {
        openid: [text for _, _, text in sorted(each)]
        for openid, each in groupby(sorted(answers), key=lambda answer: answer[0])
    }

    assert len(handled) == len(set(handled)) == CUSTOMERS * MESSAGES
    assert timeline == {f"o{number}": [str(number) for number in range(MESSAGES)] for number in range(CUSTOMERS)}
    # Both ways of answering were in play.
    assert 0 < len(fake.sent) < len(answers)
    assert len(seen) == CUSTOMERS * MESSAGES
