"""
What is shared through Redis.
"""

from __future__ import annotations

from redis.asyncio import Redis, from_url

from wechat_kf import AsyncKfClient, TokenStore
from wechat_kf.stores.redis import RedisTokenStore


def sharing(client: Redis) -> None:
    store: TokenStore = RedisTokenStore(client, prefix="kf:", lease=5, timeout=0.5)
    AsyncKfClient("appid", "secret", token_store=store)
    RedisTokenStore(from_url("redis://127.0.0.1"))
