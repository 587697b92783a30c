"""
Make the pictures of the page anew: ``python docs/images/page.py``, with the extra ``dev`` and a Chromium.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent

started = [sys.executable, "-m", "wechat_kf", "simulate", "--port", "8399", "--bot", "examples.llm_bot:bot"]
with subprocess.Popen(started, cwd=HERE.parents[1], stdout=subprocess.PIPE) as command, sync_playwright() as playwright:  # noqa: S603
    assert command.stdout is not None  # noqa: S101
    command.stdout.readline()
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    for name, language in (("page.png", "en-US"), ("page.zh.png", "zh-CN")):
        page = browser.new_page(locale=language, viewport={"width": 1280, "height": 800})
        page.goto("http://127.0.0.1:8399/stand-in/")
        page.locator("#new-agent").click()
        page.locator("#enqueue").wait_for()
        page.locator("#phone-text").fill("怎么退货？")
        page.locator("#phone-text").press("Enter")
        page.wait_for_timeout(3000)
        page.locator("#rows .row").first.click()
        page.screenshot(path=HERE / name)
    browser.close()
    command.terminate()
