"""
What is shared through Redis.
"""

from __future__ import annotations

from redis.asyncio import Redis, from_url

from wechat_kf import AsyncKfClient, TokenStore
from wechat_kf.bot import Bot, Inbox
from wechat_kf.stores.redis import RedisInbox, RedisTokenStore
from wechat_kf.webhook import Webhook


def sharing(client: Redis) -> None:
    store: TokenStore = RedisTokenStore(client, prefix="kf:", lease=5, timeout=0.5)
    kf = AsyncKfClient("appid", "secret", token_store=store)
    inbox: Inbox = RedisInbox(client, prefix="kf:", keep=60, lease=5, timeout=0.5)
    Bot(Webhook("token"), kf, inbox=inbox)
    RedisTokenStore(from_url("redis://127.0.0.1"))
