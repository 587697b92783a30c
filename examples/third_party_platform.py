"""
A third-party platform (第三方平台): one server that answers for every account that authorises it.

It passes WeChat's test before a platform goes live (全网发布).

Run it with ``uvicorn third_party_platform:app --app-dir examples``. It reads COMPONENT_APPID and COMPONENT_SECRET,
REDIS_URL, and what the platform's console shows for its pushes: WECHAT_TOKEN and WECHAT_ENCODING_AES_KEY. The URLs to
give in the console are ``https://…/events/`` for authorisations and ``https://…/messages/$APPID$`` for messages.

Redis must write to disk (``appendonly yes``): an account whose refresh token is lost has to be authorised anew.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.abc import TaskGroup, TaskStatus
from fastapi import FastAPI
from redis import asyncio as redis

from wechat_kf import AsyncKfClient, NoToken
from wechat_kf.bot import Answer, Bot
from wechat_kf.stores.redis import RedisInbox, RedisTokenStore
from wechat_kf.tokens.platform import AuthorizerToken, ComponentToken
from wechat_kf.webhook import (
    AuthorizedPush,
    ComponentVerifyTicketPush,
    Event,
    TextMessage,
    UnauthorizedPush,
    Webhook,
)

# The account with which WeChat tests platforms.
GO_LIVE = "wx570bc396a51b8ff8"

log = logging.getLogger("platform")

engine = redis.from_url(os.environ.get("REDIS_URL", "redis://localhost"))
pool = AsyncKfClient.from_env(token=NoToken())
component = ComponentToken(
    pool, os.environ["COMPONENT_APPID"], os.environ["COMPONENT_SECRET"], store=RedisTokenStore(engine)
)
# The pushes of all accounts are sealed with the platform's token, key and appid.
webhook = Webhook(os.environ["WECHAT_TOKEN"], os.environ["WECHAT_ENCODING_AES_KEY"], component.appid)
events = Bot(webhook, pool, inbox=RedisInbox(engine))


@events.on(ComponentVerifyTicketPush)
async def keep_ticket(push: ComponentVerifyTicketPush) -> None:
    """
    Keep the ticket, which comes every ten minutes.
    """
    await component.keep_ticket(push.component_verify_ticket, push.create_time)


@events.on(AuthorizedPush)
async def authorized(push: AuthorizedPush) -> None:
    """
    Exchange the code, which works once, for the account's tokens.
    """
    await component.get_authorizer_refresh_token(push.authorization_code)
    log.info("%s authorised the platform.", push.authorizer_appid)


@events.on(UnauthorizedPush)
async def withdrawn(push: UnauthorizedPush) -> None:
    """
    Note that the account has left; calls for it are refused from now on.
    """
    log.info("%s withdrew its authorisation.", push.authorizer_appid)


def make_bot(appid: str) -> Bot:
    """
    Make the bot of one account.
    """
    kf = pool.for_account(appid, token=AuthorizerToken(component, appid))
    bot = Bot(webhook, kf, inbox=RedisInbox(engine))
    if appid == GO_LIVE:
        be_tested(bot)

    @bot.on(TextMessage)
    async def answer(push: TextMessage) -> str:
        return f"您说：{push.content}"

    return bot


def be_tested(bot: Bot) -> None:
    """
    Answer WeChat's test as its page demands.
    """

    @bot.on(TextMessage, lambda push: push.content == "TESTCOMPONENT_MSG_TYPE_TEXT")
    async def answer_text(push: TextMessage) -> str:
        return f"{push.content}_callback"

    @bot.on(Event)
    async def answer_event(push: Event) -> str:
        return f"{push.event}from_callback"

    @bot.on(TextMessage, lambda push: push.content.startswith("QUERY_AUTH_CODE:"))
    async def answer_with_the_api(push: TextMessage) -> Answer:
        code = push.content.removeprefix("QUERY_AUTH_CODE:")
        await component.get_authorizer_refresh_token(code)
        return Answer(f"{code}_from_api", passive=False)


class Bots:
    """
    A bot for each account, entered with its first push, left with the server. An ASGI app.
    """

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._bots: dict[str, Bot] = {}
        self._entering = anyio.Lock()
        self.closing = anyio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """
        Hand a push to the bot of the account that the path names.
        """
        appid = scope["path"].rpartition("/")[2]
        async with self._entering:
            # Anybody may name any account in a path.
            if appid not in self._bots and (appid == GO_LIVE or await component.is_authorized(appid)):
                bot = make_bot(appid)
                await self._tasks.start(self._hold, bot)
                self._bots[appid] = bot
        if appid in self._bots:
            await self._bots[appid](scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body"})

    async def _hold(self, bot: Bot, *, task_status: TaskStatus[None]) -> None:
        async with bot:
            task_status.started()
            await self.closing.wait()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """
    Hold the client and the bots open while the app runs.
    """
    async with pool, events, anyio.create_task_group() as tasks:
        bots = Bots(tasks)
        app.mount("/messages", bots)
        yield
        bots.closing.set()
    await engine.aclose()


app = FastAPI(lifespan=lifespan)
app.mount("/events", events)
