"""
A stand-in with a bot, and a browser that looks at its page.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

from playwright.async_api import Browser, Page, async_playwright

from wechat_kf import AsyncKfClient, Image, MenuItem, MsgMenu, Text
from wechat_kf.bot import Bot
from wechat_kf.testing import FakeWeChat
from wechat_kf.webhook import ImageMessage, TextMessage, TransferReply, Webhook

__all__ = ["Visitor", "served_bot", "started_browser"]

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")


def bot_of(kf: AsyncKfClient) -> Bot:
    """
    Make a bot that answers a text, sends a picture back, offers a menu, and hands over to a person.
    """
    bot = Bot(Webhook("TOKEN"), kf, typing=True)

    @bot.on(TextMessage)
    async def answer(push: TextMessage) -> Any:
        if "人工" in push.content:
            return TransferReply()
        if push.content == "菜单":
            items = [MenuItem("1", "满意"), MenuItem("2", "不满意")]
            return MsgMenu(items, head_content="满意吗？", tail_content="谢谢")
        if push.content == "AI":
            await kf.send_custom_message(push.openid, Text("由模型写成"), is_ai_msg=True)
            return None
        if push.content == "链接":
            return '见<a href="https://example.com/a?b=1&amp;c=2">说明</a>。'
        return f"您说：{push.content}"

    @bot.on(ImageMessage)
    async def send_back(push: ImageMessage) -> Image:
        return Image(push.media_id)

    return bot


class Visitor:
    """
    Opens pages, and keeps what their consoles complain of.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.complaints: list[str] = []

    async def visit(
        self, address: str, *, language: str = "zh-CN", width: int = 1440, height: int = 900, **more: Any
    ) -> Page:
        """
        Open a page, and wait until it is up to date.
        """
        context = await self._browser.new_context(
            locale=language, viewport={"width": width, "height": height}, reduced_motion="reduce", **more
        )
        context.set_default_timeout(30_000)
        page = await context.new_page()
        page.on("console", lambda message: self._hear(message.text))
        page.on("pageerror", lambda error: self._hear(str(error)))
        await page.goto(address)
        await page.locator("#link[data-state=connected]").wait_for()
        return page

    def _hear(self, complaint: str) -> None:
        # Of a stand-in that was stopped, and of what a control refuses, the browser itself tells.
        if not re.search(r"net::ERR_(INCOMPLETE|CONNECTION_REFUSED)|status of 400", complaint):
            self.complaints.append(complaint)

    async def leave(self) -> None:
        """
        Close every page.
        """
        for context in self._browser.contexts:
            await context.close()


@asynccontextmanager
async def started_browser() -> AsyncGenerator[Browser]:
    """
    Start the system's Chromium, without whatever would call somebody else.

    Raises:
        RuntimeError: There is none.
    """
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        raise RuntimeError("there is no Chromium for the tests of the page; install your system's package chromium")
    options = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=options)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def served_bot(fake: FakeWeChat) -> AsyncGenerator[str]:
    """
    Serve a stand-in with a bot connected to it. Yields the page's address.
    """
    kf = AsyncKfClient(fake.appid, fake.secret, http=fake.client())
    bot = bot_of(kf)
    fake.set_callback(bot, token="TOKEN", real_time=True)
    async with kf, bot, fake.serve() as base_url:
        yield f"{base_url}/stand-in/"
