"""
A program that Sentry watches with its default settings: calls fail, a handler fails; it prints what leaked, as JSON.

It runs in a process of its own, since Sentry changes other libraries for good.
"""

from __future__ import annotations

import importlib
import json
import time
from typing import Any, Final
from urllib.parse import urlencode

import anyio
import anyio.lowlevel
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from wechat_kf import AsyncKfClient, KfError, Text
from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.bot import Bot
from wechat_kf.testing import DropAfter, Errcode, FakeWeChat, Fault
from wechat_kf.webhook import TextMessage, Webhook
from wechat_kf.webhook.crypto import signature
from wechat_kf.webhook.xml import render_xml

__all__: list[str] = []

TOKEN: Final = "a-token-of-the-webhook"
OPENID: Final = "o6_bmjrPTlm6_2sgVt7hMZOPfL2M"

envelopes: list[str] = []


class Kept(Transport):
    """
    Keep what Sentry would send.
    """

    def capture_envelope(self, envelope: Envelope) -> None:
        """
        Keep an envelope.
        """
        envelopes.append(envelope.serialize().decode())


async def calls(kf: AsyncKfClient, fake: FakeWeChat) -> None:
    """
    Make calls that fail, and report each failure.
    """
    faults: list[Fault] = [Errcode(45015), Errcode(40125), DropAfter()]
    for fault in faults:
        fake.fault(SEND_CUSTOM_MESSAGE, fault)
        try:
            await kf.send_custom_message(OPENID, Text("您好"))
        except KfError as error:
            sentry_sdk.capture_exception(error)


async def push(app: Any) -> str:
    """
    Push a text; return what signed it.
    """
    timestamp = str(int(time.time()))
    signed = signature(TOKEN, timestamp, "1")
    query = {"signature": signed, "timestamp": timestamp, "nonce": "1", "openid": OPENID}
    message = {"MsgType": "text", "Content": "你好", "MsgId": time.time_ns()}
    body = render_xml({"ToUserName": "gh_1", "FromUserName": OPENID, "CreateTime": timestamp, **message})
    # Not with httpx, which Sentry watches: in earnest it is WeChat that pushes.
    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "http_version": "1.1",
        "path": "/wechat/",
        "root_path": "",
        "query_string": urlencode(query).encode(),
        "headers": [(b"host", b"bot")],
    }

    async def receive() -> dict[str, object]:
        if not given:
            await anyio.sleep_forever()
        return {"type": "http.request", "body": given.pop()}

    async def send(_: object) -> None:
        await anyio.lowlevel.checkpoint()

    given = [body]
    await app(scope, receive, send)
    return signed


async def main() -> None:
    """
    Let it all happen; print how many events there were, and which secrets show in them or in their breadcrumbs.
    """
    sentry_sdk.init("http://key@127.0.0.1:9/1", transport=Kept)
    fake = FakeWeChat()
    fake.user_says(OPENID, "你好")
    async with fake.serve() as base, AsyncKfClient(fake.appid, fake.secret, base_url=base) as kf:
        bot = Bot(Webhook(TOKEN), kf)

        @bot.on(TextMessage)
        async def answer(_: TextMessage) -> None:
            raise LookupError

        app: Any = importlib.import_module("fastapi").FastAPI()
        app.mount("/wechat", bot)
        async with bot:
            # Without a framework, too, where all requests share a scope of Sentry's.
            signed = [await push(each) for each in (bot, bot, app)]
        await calls(kf, fake)
    text = "".join(envelopes)
    tokens = {call.query["access_token"] for call in fake.calls if "access_token" in call.query}
    secrets = {"secret": fake.secret, "webhook's token": TOKEN, "signature": signed[-1]}
    secrets |= {f"token {number}": token for number, token in enumerate(tokens)}
    seen = {
        "leaks": [name for name, value in secrets.items() if value in text],
        "found": [mark for mark in ("DeliveryUncertain", "45015", "LookupError", '"breadcrumbs"') if mark in text],
        "tokens": len(tokens),
    }
    print(json.dumps(seen))  # noqa: T201 - for the test


if __name__ == "__main__":
    anyio.run(main)
