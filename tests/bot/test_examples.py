"""
The examples, each served by uvicorn on a real socket, with the stand-in pushing to it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest

from wechat_kf.api.messages import TYPING
from wechat_kf.testing import FakeWeChat

from ..redis_server import RedisServer

EXAMPLES = Path(__file__).parents[2] / "examples"
TOKEN = "token"
KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"

# The servers are processes of their own, so that one event loop here is enough.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


@asynccontextmanager
async def served(app: str, fake: FakeWeChat, **variables: str) -> AsyncGenerator[str]:
    """
    Serve an app of the examples against the stand-in; at the end, shut it down and see that it had no complaint.
    """
    stderr = b""
    # Listening from the start: what comes before the server is up waits.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        async with fake.serve() as base_url:
            process = await anyio.open_process(
                [sys.executable, "-m", "uvicorn", app, "--fd", str(listener.fileno()), "--log-level", "warning"],
                cwd=EXAMPLES,
                env={
                    **os.environ,
                    "PYTHONPATH": str(EXAMPLES.parent),
                    "WECHAT_APPID": fake.appid,
                    "WECHAT_BASE_URL": base_url,
                    "WECHAT_SECRET": fake.secret,
                    "WECHAT_TOKEN": TOKEN,
                    "WECHAT_ENCODING_AES_KEY": KEY,
                    **variables,
                },
                stdout=subprocess.DEVNULL,
                pass_fds=[listener.fileno()],
            )
            async with process:
                try:
                    yield f"http://127.0.0.1:{port}"
                finally:
                    process.terminate()
                    with anyio.CancelScope(shield=True):
                        if process.stderr is not None:
                            stderr = b"".join([chunk async for chunk in process.stderr])
                        await process.wait()
    assert stderr == b"", stderr.decode()


@pytest.fixture
def fake() -> FakeWeChat:
    """
    Make a stand-in that waits for a server to start.
    """
    fake = FakeWeChat()
    fake.limits.push = 60.0
    return fake


async def test_fastapi_app(fake: FakeWeChat) -> None:
    """
    The bot, at a path of the app, answers encrypted pushes; the endpoint sends with the client that it depends on.
    """
    async with served("fastapi_app:app", fake) as url:
        fake.set_callback(f"{url}/wechat", token=TOKEN, encoding_aes_key=KEY)
        verified = await fake.verify_callback()
        fake.follows("OPENID")
        await fake.deliver()
        fake.user_says("OPENID", "你好")
        await fake.deliver()
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            sent = await client.post("/notices", json={"openid": "OPENID", "text": "订单已发货"})
            fake.unfollows("OPENID")
            await fake.deliver()
            closed = await client.post("/notices", json={"openid": "OPENID", "text": "订单已发货"})

    assert verified
    assert (sent.status_code, sent.json()) == (200, {"status": "sent"})
    assert closed.status_code == 409
    assert [(shown.text, shown.via) for shown in fake.shown_to("OPENID")] == [
        ("您好，欢迎关注！", "passive"),
        ("您说：你好", "passive"),
        ("订单已发货", "custom"),
    ]


async def test_llm_bot(fake: FakeWeChat) -> None:
    """
    A model's answer arrives as text, labelled, in a few messages, with typing; shutting down waits for it.
    """
    async with served("llm_bot:bot", fake) as url:
        fake.set_callback(url, token=TOKEN, encoding_aes_key=KEY)
        fake.user_says("OPENID", "怎么退货？")
        await fake.deliver()
    shown = fake.shown_to("OPENID")
    steps = [
        f'{number}. 第{number}步：请看<a href="https://example.com/{number}">说明</a>。' for number in range(1, 16)
    ]

    assert shown[0].text == "您问的是：怎么退货？"
    assert "\n\n".join(each.text for each in shown[1:]) == "\n\n".join([*steps, "祝您愉快！"])
    assert 2 < len(shown) <= 5
    assert [each.payload["aimsgcontext"] for each in shown] == [{"is_ai_msg": 1}] * len(shown)
    assert TYPING.path in [call.path for call in fake.calls]


async def test_handover(fake: FakeWeChat) -> None:
    """
    A customer goes from the bot to an agent and back; while the agent serves them, the bot hears nothing.
    """

    async def say(text: str) -> None:
        fake.user_says("OPENID", text)
        await fake.deliver()

    async with served("handover:bot", fake) as url:
        fake.set_callback(url, token=TOKEN, encoding_aes_key=KEY)
        await say("在吗")
        await say("人工")
        fake.agent_online("kf1@gh_1")
        await say("转人工")
        fake.agent_accepts("kf1@gh_1", "OPENID")
        await fake.deliver()
        await say("我的订单在哪里？")
        fake.agent_says("OPENID", "马上为您查询")
        fake.agent_online("kf2@gh_1")
        fake.agent_switches("OPENID", "kf2@gh_1")
        await fake.deliver()
        fake.agent_closes("OPENID")
        await fake.deliver()
        await say("谢谢")

    assert [shown.text for shown in fake.shown_to("OPENID")] == [
        "机器人收到：在吗（回复“人工”转人工客服）",
        "现在没有客服在线，请稍后再试。",
        "马上为您查询",
        "人工客服已结束服务，由机器人继续为您服务。",
        "机器人收到：谢谢（回复“人工”转人工客服）",
    ]


async def test_third_party_platform(fake: FakeWeChat, redis_server: RedisServer) -> None:
    """
    The platform passes WeChat's test before it goes live, and answers for an account that authorises it, and no other.
    """
    platform = fake.add_platform("wxplatform")
    platform.limits.push = 60.0
    variables = {
        "COMPONENT_APPID": platform.appid,
        "COMPONENT_SECRET": platform.secret,
        "REDIS_URL": redis_server.url,
    }
    async with served("third_party_platform:app", fake, **variables) as url:
        platform.set_callback(url, token=TOKEN, encoding_aes_key=KEY, events="/events/")
        fake.set_callback(f"{url}/messages/{fake.appid}", token=TOKEN, encoding_aes_key=KEY)
        stranger = await fake.verify_callback()
        problems = await platform.go_live_test()
        platform.authorize(fake.appid)
        await platform.settle()
        known = await fake.verify_callback()
        fake.user_says("OPENID", "你好")
        await fake.settle()

    assert problems == ()
    assert (stranger, known) == (False, True)
    assert [(shown.text, shown.via) for shown in fake.shown_to("OPENID")] == [("您说：你好", "passive")]


async def test_health(fake: FakeWeChat) -> None:
    """
    The example tells in what state it is, and that it is ready.
    """
    async with served("health:app", fake) as url, httpx.AsyncClient(base_url=url, timeout=60) as http:
        fake.set_callback(f"{url}/wechat", token=TOKEN, encoding_aes_key=KEY)
        fake.user_says("OPENID", "你好")
        await fake.deliver()
        health, ready = (await http.get("/healthz")).json(), await http.get("/readyz")

    assert (health["bot"]["state"], health["bot"]["inbox_works"]) == ("running", True)
    assert health["bot"]["counts"] == {"replied": 1}
    assert health["client"]["breaker"] == "closed"
    assert (ready.status_code, ready.json()) == (200, {"bot": True, "client": True, "credentials": True})


async def test_redis_workers(fake: FakeWeChat, redis_server: RedisServer) -> None:
    """
    A worker of it, with its token and its inbox in a real Redis, answers a customer once.
    """
    async with served("redis_workers:bot", fake, REDIS_URL=redis_server.url) as url:
        fake.set_callback(url, token=TOKEN, encoding_aes_key=KEY)
        fake.user_says("OPENID", "你好")
        await fake.deliver()

    assert [shown.text.partition(": ")[2] for shown in fake.shown_to("OPENID")] == ["你好"]
