"""
A bot in front of a language model: its answer streams, and leaves in a few messages, with "typing" meanwhile.

What the model writes is Markdown, which WeChat does not know: it is converted block by block (extra ``markdown``), and
packed into the five messages that WeChat allows.

Each message has WeChat's label for what an AI has written (``is_ai_msg``), as the law in China demands.

The model here is a stand-in; put your own in the place of `think`.

Run it with ``uvicorn llm_bot:bot --app-dir examples``. It reads WECHAT_APPID and WECHAT_SECRET, and what
the console shows for safe mode: WECHAT_TOKEN and WECHAT_ENCODING_AES_KEY.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

import anyio

from wechat_kf import AsyncKfClient
from wechat_kf.bot import Bot
from wechat_kf.text import pack, stream_markdown
from wechat_kf.webhook import TextMessage, Webhook

kf = AsyncKfClient.from_env()
bot = Bot(Webhook.from_env(), kf, typing=True, is_ai_msg=True)


async def think(question: str) -> AsyncGenerator[str]:
    """
    Stand in for a model: yield an answer in pieces, as models do.
    """
    steps = "".join(
        f"{number}. **第{number}步：**请看[说明](https://example.com/{number})。\n\n" for number in range(1, 16)
    )
    answer = f"## 您问的是：{question}\n\n{steps}祝您愉快！"
    for start in range(0, len(answer), 4):
        await anyio.sleep(0.01)
        yield answer[start : start + 4]


@bot.on(TextMessage)
def answer(push: TextMessage) -> AsyncIterator[str]:
    """
    Send the answer while it is being written; what would not fit is told to the bot's `on_error`.
    """
    return pack(stream_markdown(think(push.content)))
