"""
A FastAPI app that talks with customers: the client as a dependency, an endpoint that sends, and the bot.

Run it with ``uvicorn fastapi_app:app --app-dir examples``. It reads WECHAT_APPID and WECHAT_SECRET, and what the
console shows for safe mode: WECHAT_TOKEN and WECHAT_ENCODING_AES_KEY. The URL to give in the console is
``https://…/wechat``, without a slash at the end.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel
from starlette.routing import Route

from wechat_kf import AsyncKfClient, DeliveryUncertain, DeliveryWindowClosed, Text
from wechat_kf.bot import Bot
from wechat_kf.webhook import SubscribeEvent, TextMessage, Webhook

kf = AsyncKfClient.from_env()
bot = Bot(Webhook.from_env(), kf)


@bot.on(SubscribeEvent)
async def welcome(_: SubscribeEvent) -> str:
    """
    Greet who follows the account.
    """
    return "您好，欢迎关注！"


@bot.on(TextMessage)
async def answer(push: TextMessage) -> str:
    """
    Answer a text; it may take as long as it likes.
    """
    return f"您说：{push.content}"


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    """
    Hold the client and the bot open while the app runs.
    """
    async with kf, bot:
        yield


async def get_kf() -> AsyncKfClient:
    """
    Give endpoints the client; tests put another in its place with ``app.dependency_overrides``.
    """
    return kf


Kf = Annotated[AsyncKfClient, Depends(get_kf)]

app = FastAPI(lifespan=lifespan, routes=[Route("/wechat", bot)])


class Notice(BaseModel):
    """
    What to send to whom.
    """

    openid: str
    text: str


@app.post("/notices")
async def send_notice(notice: Notice, kf: Kf) -> dict[str, str]:
    """
    Send a customer a text.
    """
    try:
        await kf.send_custom_message(notice.openid, Text(notice.text))
    except DeliveryWindowClosed as error:
        raise HTTPException(409, "The customer cannot be written to until they write again.") from error
    except DeliveryUncertain as error:
        raise HTTPException(504, "The message may or may not have arrived.") from error
    return {"status": "sent"}
