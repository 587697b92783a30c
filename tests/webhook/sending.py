"""
WeChat's side of the webhook, for the tests: it signs and encrypts.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from wechat_kf.testing import ManualClock
from wechat_kf.webhook.crypto import Cryptor, signature
from wechat_kf.webhook.xml import render_xml

TOKEN = "AAAAA"
KEY = "A" * 43
APPID = "wxba5fad812f8e6fb9"
NOW = 1714112445
CRYPTOR = Cryptor(KEY, APPID)


def clock_at(seconds: float | str) -> ManualClock:
    """
    Return a clock that stands at so many Unix seconds.
    """
    return ManualClock(datetime.fromtimestamp(float(seconds), UTC))


CLOCK = clock_at(NOW)

TEXT: dict[str, Any] = {
    "ToUserName": "gh_97417a04a28d",
    "FromUserName": "o9AgO5Kd5ggOC-bXrbNODIiE3bGY",
    "CreateTime": NOW,
    "MsgType": "text",
    "Content": "你好",
    "MsgId": 23456789012345678,
}


def signed(
    *, at: str = str(NOW), nonce: str = "415670741", token: str = TOKEN, encrypted: str | None = None, **changes: str
) -> dict[str, str]:
    """
    Return the query of a push; changes come after signing.
    """
    query = {"timestamp": at, "nonce": nonce, "openid": "o9AgO5Kd5ggOC-bXrbNODIiE3bGY"}
    query["signature"] = signature(token, at, nonce)
    if encrypted is not None:
        query |= {"encrypt_type": "aes", "msg_signature": signature(token, at, nonce, encrypted)}
    return query | changes


def sealed(
    message: bytes,
    *,
    as_json: bool = False,
    cryptor: Cryptor = CRYPTOR,
    token: str = TOKEN,
    nonce: str = "415670741",
) -> tuple[dict[str, str], bytes]:
    """
    Return the query and the body of an encrypted push.
    """
    encrypted = cryptor.encrypt(message)
    fields = {"ToUserName": "gh_97417a04a28d", "Encrypt": encrypted}
    query = signed(nonce=nonce, token=token, encrypted=encrypted)
    return query, json.dumps(fields).encode() if as_json else render_xml(fields)
