"""
From the bot to a human and back: the customer asks for one, an agent takes over, and in the end the bot is back.

While an agent serves a customer, WeChat pushes none of that customer's messages; the session events tell when that
begins and ends.

Run it with ``uvicorn handover:bot --app-dir examples``. It reads WECHAT_APPID and WECHAT_SECRET, and what
the console shows for safe mode: WECHAT_TOKEN and WECHAT_ENCODING_AES_KEY.
"""

from __future__ import annotations

import logging

from wechat_kf import AsyncKfClient, KfError
from wechat_kf.bot import Bot
from wechat_kf.webhook import (
    KfCloseSessionEvent,
    KfCreateSessionEvent,
    KfSwitchSessionEvent,
    TextMessage,
    TransferReply,
    Webhook,
)

log = logging.getLogger("handover")

kf = AsyncKfClient.from_env()
bot = Bot(Webhook.from_env(), kf)


@bot.on(TextMessage, lambda push: "人工" in push.content, at_once=True, interrupt=True)
async def hand_over(_: TextMessage) -> TransferReply | str:
    """
    Hand the customer over if an agent is there, at once, whatever the bot is answering.

    A transfer that is too late for the passive reply becomes a session with an agent who is online.
    """
    try:
        agents = await kf.with_options(timeout=3, max_retries=0).get_online_kf_list()
    except KfError:
        log.exception("Whether an agent is online is not known.")
        return TransferReply()
    if any(agent.status for agent in agents.kf_online_list):
        return TransferReply()
    return "现在没有客服在线，请稍后再试。"


@bot.on(KfCreateSessionEvent)
async def taken_over(push: KfCreateSessionEvent) -> None:
    """
    Note who serves the customer; what the bot knows of them could be passed on here.
    """
    log.info("%s is served by %s.", push.openid, push.kf_account)


@bot.on(KfSwitchSessionEvent)
async def switched(push: KfSwitchSessionEvent) -> None:
    """
    Note that another agent serves the customer now.
    """
    log.info("%s was handed from %s to %s.", push.openid, push.from_kf_account, push.to_kf_account)


@bot.on(KfCloseSessionEvent)
async def back(_: KfCloseSessionEvent) -> str:
    """
    Tell the customer that the bot is back.
    """
    return "人工客服已结束服务，由机器人继续为您服务。"


@bot.on(TextMessage)
async def answer(push: TextMessage) -> str:
    """
    Answer everything else.
    """
    return f"机器人收到：{push.content}（回复“人工”转人工客服）"
