"""
What is shared through Redis.
"""

from __future__ import annotations

from redis.asyncio import Redis, from_url

from wechat_kf import AsyncKfClient, TokenStore
from wechat_kf.bot import Bot, Order, Seen
from wechat_kf.stores.redis import RedisOrder, RedisSeen, RedisTokenStore
from wechat_kf.webhook import Webhook


def sharing(client: Redis) -> None:
    store: TokenStore = RedisTokenStore(client, prefix="kf:", lease=5, timeout=0.5)
    kf = AsyncKfClient("appid", "secret", token_store=store)
    seen: Seen = RedisSeen(client, prefix="kf:", keep=60, lease=5, timeout=0.5)
    order: Order = RedisOrder(client, prefix="kf:", lease=5, patience=60, timeout=0.5)
    Bot(Webhook("token"), kf, seen=seen, order=order)
    RedisTokenStore(from_url("redis://127.0.0.1"))
