"""
A bot in front of a language model: its answer streams, and leaves paragraph by paragraph, with "typing" meanwhile.

Each message has WeChat's label for what an AI has written (``is_ai_msg``), as the law in China demands.

The model here is a stand-in; put your own in the place of `think`.

Run it with ``uvicorn llm_bot:bot --app-dir examples``. It reads WECHAT_APPID and WECHAT_SECRET, and what
the console shows for safe mode: WECHAT_TOKEN and WECHAT_ENCODING_AES_KEY.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio

from wechat_kf import AsyncKfClient
from wechat_kf.bot import Bot
from wechat_kf.webhook import TextMessage, Webhook

# WeChat lets an account send five messages after each of the customer's.
MOST_MESSAGES = 5

kf = AsyncKfClient.from_env()
bot = Bot(Webhook.from_env(), kf, typing=True, is_ai_msg=True)


async def think(question: str) -> AsyncGenerator[str]:
    """
    Stand in for a model: yield an answer in pieces, as models do.
    """
    answer = f"您问的是：{question}\n\n" + "".join(f"第{number}点，请看说明。\n\n" for number in "一二三四五六")
    for start in range(0, len(answer), 4):
        await anyio.sleep(0.01)
        yield answer[start : start + 4]


@bot.on(TextMessage)
async def answer(push: TextMessage) -> AsyncGenerator[str]:
    """
    Send each paragraph as soon as it is whole, and what exceeds the allowance together with the last.
    """
    text, sent = "", 0
    async for piece in think(push.content):
        text += piece
        while sent < MOST_MESSAGES - 1 and "\n\n" in text:
            paragraph, _, text = text.partition("\n\n")
            yield paragraph
            sent += 1
    yield text.rstrip()
