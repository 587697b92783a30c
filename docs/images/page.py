"""
Make the pictures of the page anew: ``python docs/images/page.py``, with the extra ``dev`` and a Chromium.

Somebody talks to ``examples/llm_bot.py``, another customer to an agent, and one send is refused.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urljoin

from playwright.sync_api import Page, sync_playwright

HERE: Final = Path(__file__).parent

PARCEL: Final = """
    <svg xmlns="http://www.w3.org/2000/svg" width="480" height="300">
      <rect width="480" height="300" fill="#dfe7ec"/>
      <path d="M120 110 240 70 360 110 240 150Z" fill="#d9b382"/>
      <path d="M120 110 240 150V270L120 225Z" fill="#b98a55"/>
      <path d="M360 110 240 150V270L360 225Z" fill="#a3764a"/>
      <path d="M175 91 297 130V165L270 174V140L150 100Z" fill="#efdcc0"/>
    </svg>
"""


@contextmanager
def simulated() -> Generator[str]:
    """
    Run the command. Yields the page's address.
    """
    command = [sys.executable, "-m", "wechat_kf", "simulate", "--port", "8399", "--bot", "examples.llm_bot:bot"]
    with subprocess.Popen(command, cwd=HERE.parents[1], stdout=subprocess.PIPE) as process:  # noqa: S603
        assert process.stdout is not None  # noqa: S101
        process.stdout.readline()
        try:
            yield "http://127.0.0.1:8399/stand-in/"
        finally:
            process.terminate()


def serve(page: Page, parcel: bytes) -> None:
    """
    Have an agent serve another customer, who sends a picture, while a third one waits.
    """

    def control(name: str, **given: object) -> None:
        response = page.request.post(urljoin(page.url, name), data=given)
        assert response.ok, response.text()  # noqa: S101

    for agent in ("kf1@demo", "kf2@demo"):
        control("agent_online", kf_account=agent)
    control("user_waits", openid="customer-2")
    control("agent_accepts", kf_account="kf1@demo", openid="customer-2")
    control("user_says", openid="customer-2", text="收到的包裹是这样的。")
    control("user_sends_image", openid="customer-2", content=base64.b64encode(parcel).decode())
    control("agent_says", openid="customer-2", text="您好，我马上查一下，请稍等。")
    control("user_waits", openid="customer-3")


def ask(page: Page) -> None:
    """
    Ask the bot twice: its first answer streams, its second one is refused. Choose the push of the second.
    """
    conversation = page.locator("#phone-thread")
    page.locator("#phone-text").fill("怎么退货？")
    page.locator("#phone-text").press("Enter")
    conversation.get_by_text("祝您愉快").wait_for()
    page.locator("#fault-kind").select_option("fault_45009")
    page.locator("#fault button").click()
    page.locator("#phone-text").fill("运费谁出？")
    page.locator("#phone-text").press("Enter")
    conversation.locator(".trouble").wait_for()
    page.locator("#rows .row:has(.push)", has_text="运费谁出").click()
    page.locator("#typing:empty").wait_for()


if __name__ == "__main__":
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        drawn = browser.new_page(viewport={"width": 480, "height": 300})
        drawn.set_content(f"<body style='margin: 0'>{PARCEL}")
        parcel = drawn.screenshot(type="jpeg")
        for name, language in (("page.png", "en-US"), ("page.zh.png", "zh-CN")):
            with simulated() as address:
                page = browser.new_page(locale=language, color_scheme="light", viewport={"width": 1280, "height": 1000})
                page.goto(address)
                ask(page)
                serve(page, parcel)
                page.locator("#desk-thread .picture").wait_for()
                page.mouse.move(0, 0)
                page.screenshot(path=HERE / name)
        browser.close()
