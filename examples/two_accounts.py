"""
Two accounts in one process: a bot for each, over the same connections.

Run it with ``uvicorn two_accounts:app --app-dir examples``. Of each account it reads appid, secret, token and key:
SHOP_APPID, SHOP_SECRET, SHOP_TOKEN, SHOP_KEY, and HELP_APPID and so on. The URLs in the console are
``https://…/shop/`` and ``https://…/help/``.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from wechat_kf import AsyncKfClient, NoToken
from wechat_kf.bot import Bot
from wechat_kf.webhook import TextMessage, Webhook

# It calls nothing itself; the accounts' clients share its connections.
pool = AsyncKfClient(token=NoToken(), base_url=os.environ.get("WECHAT_BASE_URL", "https://api.weixin.qq.com"))


def bot_of(name: str) -> Bot:
    """
    Make the bot of an account, whose variables begin with this name.
    """
    appid, secret, token, key = (os.environ[f"{name}_{each}"] for each in ("APPID", "SECRET", "TOKEN", "KEY"))
    return Bot(Webhook(token, key, appid), pool.for_account(appid, secret))


shop, support = bot_of("SHOP"), bot_of("HELP")


@shop.on(TextMessage)
async def sell(push: TextMessage) -> str:
    """
    Answer the shop's customers.
    """
    return f"商店收到：{push.content}"


@support.on(TextMessage)
async def support_customer(push: TextMessage) -> str:
    """
    Answer who needs help.
    """
    return f"客服收到：{push.content}"


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    """
    Hold the connections and both bots open while the app runs.
    """
    async with pool, shop, support:
        yield


app = FastAPI(lifespan=lifespan)
app.mount("/shop", shop)
app.mount("/help", support)
