"""
A bot in two workers that share one token and one inbox through Redis: if one dies, the other goes on with its pushes.

Run it with ``uvicorn redis_workers:bot --app-dir examples --workers 2``, or with ``docker compose up`` in its folder.
It reads REDIS_URL, WECHAT_APPID, WECHAT_SECRET, WECHAT_TOKEN and WECHAT_ENCODING_AES_KEY.
"""

from __future__ import annotations

import os

from redis import asyncio as redis

from wechat_kf import AsyncKfClient
from wechat_kf.bot import Bot
from wechat_kf.stores.redis import RedisInbox, RedisTokenStore
from wechat_kf.webhook import TextMessage, Webhook

engine = redis.from_url(os.environ.get("REDIS_URL", "redis://localhost"))
kf = AsyncKfClient.from_env(token_store=RedisTokenStore(engine))
bot = Bot(Webhook.from_env(), kf, inbox=RedisInbox(engine))


@bot.on(TextMessage)
async def answer(push: TextMessage) -> str:
    """
    Answer a text, and say by which worker.
    """
    return f"{os.getpid()}: {push.content}"
