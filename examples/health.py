"""
A FastAPI app with what an orchestrator asks: /healthz, whether the process is well, /readyz, whether it can take work.

Run it with ``uvicorn health:app --app-dir examples``; the variables are those of ``fastapi_app.py``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
from fastapi import FastAPI, Response
from starlette.routing import Route

from wechat_kf import AsyncKfClient
from wechat_kf.bot import Bot
from wechat_kf.webhook import TextMessage, Webhook

kf = AsyncKfClient.from_env()
bot = Bot(Webhook.from_env(), kf)


@bot.on(TextMessage)
async def answer(push: TextMessage) -> str:
    """
    Answer a text.
    """
    return f"您说：{push.content}"


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    """
    Hold the client and the bot open while the app runs.
    """
    async with kf, bot:
        yield


app = FastAPI(lifespan=lifespan, routes=[Route("/wechat", bot)])


@app.get("/healthz")
async def healthz() -> dict[str, Any]:
    """
    Tell in what state all is; it is answered as long as the event loop turns, and asks nobody.
    """
    return {"client": attrs.asdict(kf.status()), "bot": attrs.asdict(bot.status())}


@app.get("/readyz")
async def readyz(response: Response) -> dict[str, bool]:
    """
    Answer 503 while pushes had better go to another worker.

    That Redis cannot be reached is no reason: no other worker could reach it either, and the bot goes on without it.
    """
    checks = {
        "bot": bot.status().state == "running",
        "client": not kf.status().is_closed,
        "credentials": kf.status().breaker != "open",
    }
    response.status_code = 200 if all(checks.values()) else 503
    return checks
