"""
An ASGI app as the account's server.
"""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from wechat_kf.testing import FakeWeChat
from wechat_kf.testing.pushes.courier import OUT_OF_SERVICE
from wechat_kf.webhook import (
    Push,
)

from ..account_server import TOKEN, AccountServer
from ..bare_api import OPENID


async def test_an_app_that_fails(fake: FakeWeChat, server: AccountServer, caplog: pytest.LogCaptureFixture) -> None:
    """
    An exception of the app is logged, and is a wrong answer.
    """

    def fail(_: Push) -> None:
        raise LookupError("mine")

    server.answer = fail
    fake.user_says(OPENID, "hi")
    await fake.deliver()

    assert [shown.text for shown in fake.shown_to(OPENID)] == [OUT_OF_SERVICE]
    assert "LookupError: mine" in caplog.text


async def test_an_app_works_on_after_its_answer(fake: FakeWeChat, caplog: pytest.LogCaptureFixture) -> None:
    """
    What follows the answer, as background tasks do, may take longer than five seconds, and may fail.
    """
    heard: list[str] = []
    done: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        heard.append("push")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"success"})
        await fake.clock.sleep(8)
        done.append("work")
        raise LookupError("mine")

    fake.set_callback(app, token=TOKEN)
    fake.user_says(OPENID, "hi")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fake.deliver)
        for _ in range(8):
            await wait_all_tasks_blocked()
            fake.advance(1)

    assert (heard, done) == (["push"], ["work"])
    assert fake.shown_to(OPENID) == ()
    assert "The app failed." in caplog.messages


async def test_an_app_that_answers_in_pieces(fake: FakeWeChat) -> None:
    """
    The client is there until the whole answer is, as streaming apps want it.
    """
    ends: list[str] = []

    async def app(_: Any, receive: Any, send: Any) -> None:
        async def watch() -> None:
            ends.append((await receive())["type"])

        await receive()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            await wait_all_tasks_blocked()

            assert ends == []

            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"succ", "more_body": True})
            await send({"type": "http.response.body", "body": b"ess"})

    fake.set_callback(app, token=TOKEN)
    fake.user_says(OPENID, "hi")
    await fake.deliver()

    assert ends == ["http.disconnect"]
    assert fake.shown_to(OPENID) == ()
