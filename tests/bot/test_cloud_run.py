"""
A bot in WeChat's cloud-run (微信云托管): pushes without a signature, calls without a token.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from wechat_kf import ApiError, AsyncKfClient, NoToken, SignatureError, Text
from wechat_kf.bot import Bot
from wechat_kf.testing import FakeWeChat, Format
from wechat_kf.webhook import CheckContainerPathPush, Push, TextMessage, TextReply, Webhook

PUSH = {
    "ToUserName": "gh_1",
    "FromUserName": "o1",
    "CreateTime": 1767225600,
    "MsgType": "text",
    "Content": "在吗",
    "MsgId": 7,
}
BODY = json.dumps(PUSH).encode()
SOURCE = {"x-wx-source": "wx1"}
CHECKS = (b'{"action":"CheckContainerPath"}', b"<xml><action><![CDATA[CheckContainerPath]]></action></xml>")


@pytest.fixture
def fake() -> FakeWeChat:
    """
    Make a stand-in whose account's server is in cloud-run.
    """
    fake = FakeWeChat()
    fake.limits.cloud_run = True
    return fake


@pytest.fixture
def kf(fake: FakeWeChat) -> AsyncKfClient:
    """
    Make the client that such a server has.
    """
    return AsyncKfClient(token=NoToken(), base_url="http://api.weixin.qq.com", http=fake.client())


@pytest.mark.parametrize("format", ["json", "xml"])
async def test_answers(format: Format, fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    The console's check is answered and handled by nobody; a push is answered at once and with the API, without a token.
    """
    heard: list[Push] = []
    bot = Bot(Webhook.from_env(mode="cloud-run"), kf)

    @bot.on(Push)
    async def answer(push: Push) -> str:
        heard.append(push)
        await kf.send_custom_message(push.openid, Text("请稍候"))
        return "在的"

    fake.set_callback(bot, mode="cloud-run", format=format)
    async with bot:
        verified = await fake.verify_callback()
        fake.user_says("o1", "在吗")
        await fake.deliver()

    assert verified
    assert [type(push) for push in heard] == [TextMessage]
    assert [(shown.text, shown.via) for shown in fake.shown_to("o1")] == [("请稍候", "custom"), ("在的", "passive")]
    assert [call.query for call in fake.calls] == [{}]


async def call(bot: Bot, fake: FakeWeChat, **options: Any) -> int:
    """
    Make a request of a stranger's, and return the status of the answer.
    """
    async with httpx.AsyncClient(transport=httpx.ASGITransport(bot), base_url="http://bot") as client:
        return (await client.request(options.pop("method", "POST"), "/", **options)).status_code


async def test_strangers(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    Without the header a push is refused, whatever else it has; and so is a check of a URL.
    """
    async with Bot(Webhook(mode="cloud-run"), kf) as bot:
        statuses = [
            await call(bot, fake, content=BODY),
            await call(bot, fake, content=BODY, params={"signature": "x", "timestamp": "1", "nonce": "1"}),
            await call(bot, fake, content=BODY, headers={"X-WX-SOURCE": "wx1"}),
            await call(bot, fake, content=CHECKS[0]),
            await call(bot, fake, method="GET", params={"echostr": "1"}),
        ]

    assert statuses == [403, 403, 200, 200, 403]


@pytest.mark.parametrize("body", CHECKS)
def test_check_by_hand(body: bytes) -> None:
    """
    The console's check has a class of its own, needs no header, and is answered ``success``.
    """
    webhook = Webhook(mode="cloud-run")
    push = webhook.unwrap({}, body)

    assert isinstance(push, CheckContainerPathPush)
    assert webhook.wrap(None, push, {}) == b"success"


def test_push_by_hand() -> None:
    """
    A push is read if the header is there, and answered as it came; one without a time has that of its arrival.
    """
    webhook = Webhook(mode="cloud-run")
    push = webhook.unwrap({}, BODY, SOURCE)
    late = webhook.unwrap({}, json.dumps({**PUSH, "CreateTime": None}).encode(), SOURCE)
    reply = json.loads(webhook.wrap(TextReply("在的"), push, {}))

    assert isinstance(push, TextMessage)
    assert late.create_time > push.create_time
    assert (reply["ToUserName"], reply["MsgType"], reply["Content"]) == ("o1", "text", "在的")
    assert repr(webhook) == "<Webhook cloud-run>"
    for headers in (None, dict[str, str]()):
        with pytest.raises(SignatureError, match="x-wx-source is missing"):
            webhook.unwrap({}, BODY, headers)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mode": "safe"},
        {"mode": "plain"},
        {"mode": "safe", "token": "token"},
        {"mode": "plain", "token": "token", "encoding_aes_key": "A" * 43, "appid": "wx1"},
        {"mode": "cloud-run", "token": "token"},
        {"mode": "cloud-run", "encoding_aes_key": "A" * 43, "appid": "wx1"},
    ],
)
def test_modes_are_asked_for(options: dict[str, Any]) -> None:
    """
    A token or a key that is missing or too much is an error, never a weaker mode.
    """
    with pytest.raises(TypeError, match="safe mode takes token, encoding_aes_key and appid"):
        Webhook(**options)


async def test_stand_in_wants_a_token_elsewhere(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    Over TLS, and outside of cloud-run, a call without a token is refused.
    """
    secure = AsyncKfClient(token=NoToken(), http=fake.client())
    with pytest.raises(ApiError, match="41001"):
        await secure.get_kf_list()
    fake.limits.cloud_run = False
    with pytest.raises(ApiError, match="43003"):
        await kf.get_kf_list()

    assert [call.query for call in fake.calls] == [{}, {}]
