"""
Tests of a bot, as an application has them: ``pytest examples/test_bot.py``. They need no network and no account.
"""

from __future__ import annotations

import pytest

from wechat_kf import AsyncKfClient
from wechat_kf.bot import Bot
from wechat_kf.testing import DropAfter, FakeWeChat
from wechat_kf.webhook import TextMessage, Webhook


def make_bot(kf: AsyncKfClient, patience: float = 4.5) -> Bot:
    """
    Make the bot under test; yours is imported from your application.
    """
    bot = Bot(Webhook("TOKEN"), kf, patience=patience)

    @bot.on(TextMessage)
    async def answer(push: TextMessage) -> str:
        return f"您说：{push.content}"

    return bot


@pytest.mark.anyio
async def test_answers(fake_wechat: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A text is answered.
    """
    bot = make_bot(kf)
    fake_wechat.set_callback(bot, token="TOKEN")  # noqa: S106 - it protects nothing
    async with bot:
        fake_wechat.user_says("OPENID", "你好")
        await fake_wechat.deliver()

    assert [shown.text for shown in fake_wechat.shown_to("OPENID")] == ["您说：你好"]  # noqa: S101 - pytest's


@pytest.mark.anyio
async def test_never_twice(fake_wechat: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    An answer whose delivery is uncertain is not sent again.
    """
    bot = make_bot(kf, patience=0)
    fake_wechat.set_callback(bot, token="TOKEN")  # noqa: S106 - it protects nothing
    fake_wechat.fault("/cgi-bin/message/custom/send", DropAfter())
    async with bot:
        fake_wechat.user_says("OPENID", "你好")
        await fake_wechat.deliver()

    assert len(fake_wechat.sent) == 1  # noqa: S101 - pytest's
