"""
Several accounts, and a third-party platform, on one Redis: nothing mixes, and workers share what they should.
"""

from __future__ import annotations

import anyio
import pytest
from redis import asyncio as redis

from wechat_kf import AsyncKfClient, NoToken
from wechat_kf.api.accounts import GET_KF_LIST
from wechat_kf.bot import Answer, Bot
from wechat_kf.stores.redis import RedisInbox, RedisTokenStore
from wechat_kf.testing import FakeWeChat
from wechat_kf.tokens import STABLE_TOKEN
from wechat_kf.tokens.endpoints import AUTHORIZER_TOKEN, COMPONENT_TOKEN
from wechat_kf.tokens.platform import AuthorizerToken, ComponentToken
from wechat_kf.webhook import TextMessage, Webhook

from ...arrivals import count, tokens_used
from ...redis_server import RedisServer, keys_in

# redis-py is asyncio's.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


async def test_two_accounts_never_mix(redis_server: RedisServer) -> None:
    """
    Two accounts whose customers have the same openid and write messages with the same number each answer their own.
    """
    fake = FakeWeChat()
    other = fake.add_account("wx-other", "secret-of-the-other-account")
    engine = redis.from_url(redis_server.url)
    bots: list[Bot] = []
    for account, name in ((fake, "甲"), (other, "乙")):
        kf = AsyncKfClient(account.appid, account.secret, http=fake.client(), token_store=RedisTokenStore(engine))
        bot = Bot(Webhook("token"), kf, inbox=RedisInbox(engine))

        @bot.on(TextMessage)
        async def answer(push: TextMessage, name: str = name) -> Answer:
            return Answer(f"{name}：{push.content}", passive=False)

        account.set_callback(bot, token="token")
        bots.append(bot)
    async with bots[0], bots[1], anyio.create_task_group() as tasks:
        for number in range(3):
            for account in (fake, other):
                account.user_says("o1", str(number))
        tasks.start_soon(fake.settle)
        tasks.start_soon(other.settle)
    keys = [key.decode() for key in await keys_in(engine)]
    await engine.aclose()

    assert [shown.text for shown in fake.shown_to("o1")] == ["甲：0", "甲：1", "甲：2"]
    assert [shown.text for shown in other.shown_to("o1")] == ["乙：0", "乙：1", "乙：2"]
    assert [count(account, STABLE_TOKEN) for account in (fake, other)] == [1, 1]
    names = [name for account in (fake, other) for name in (account.appid, account.original_id)]
    assert [key for key in keys if not any(f"{{{name}}}" in key for name in names)] == []


async def test_two_workers_of_a_platform(redis_server: RedisServer) -> None:
    """
    Of two workers one hears of tickets and authorisations; both call, and each token is fetched once for both.
    """
    fake = FakeWeChat()
    platform = fake.add_platform("wxplatform", "secret-of-the-platform-0123456789")
    engines = [redis.from_url(redis_server.url) for _ in range(2)]
    pools = [AsyncKfClient(token=NoToken(), http=fake.client(), clock=fake.clock) for _ in engines]
    workers = [
        ComponentToken(
            pool,
            platform.appid,
            platform.secret,
            store=RedisTokenStore(engine, clock=fake.clock),
            clock=fake.clock,
        )
        for pool, engine in zip(pools, engines, strict=True)
    ]
    await workers[0].keep_ticket(platform.push_ticket())
    await workers[0].get_authorizer_refresh_token(platform.authorize(fake.appid))
    known = await workers[1].is_authorized(fake.appid)
    # As if the tokens, but not the ticket and the refresh token, had lived their two hours in Redis.
    await engines[0].delete(f"wechat_kf:{{{platform.appid}:{fake.appid}}}:token")
    clients = [
        pool.for_account(fake.appid, token=AuthorizerToken(worker, fake.appid))
        for pool, worker in zip(pools, workers, strict=True)
    ]
    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(clients[number % 2].get_kf_list)
    for engine in engines:
        await engine.aclose()

    assert known
    assert sum(call.path == AUTHORIZER_TOKEN.path for call in platform.calls) == 1
    assert sum(call.path == COMPONENT_TOKEN.path for call in platform.calls) == 1
    assert len(set(tokens_used(fake, GET_KF_LIST))) == 1
