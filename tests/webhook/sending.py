"""
WeChat's side of the webhook, for the tests: it signs and encrypts.
"""

from __future__ import annotations

import json
from typing import Any

from wechat_kf.webhook.crypto import Cryptor, signature
from wechat_kf.webhook.xml import render_xml

TOKEN = "AAAAA"
KEY = "A" * 43
APPID = "wxba5fad812f8e6fb9"
NOW = 1714112445
CRYPTOR = Cryptor(KEY, APPID)

TEXT: dict[str, Any] = {
    "ToUserName": "gh_97417a04a28d",
    "FromUserName": "o9AgO5Kd5ggOC-bXrbNODIiE3bGY",
    "CreateTime": NOW,
    "MsgType": "text",
    "Content": "你好",
    "MsgId": 23456789012345678,
}


def signed(**changes: str) -> dict[str, str]:
    """
    Return the query of a push that is not encrypted; changes come after signing.
    """
    query = {"timestamp": str(NOW), "nonce": "415670741", "openid": "o9AgO5Kd5ggOC-bXrbNODIiE3bGY"}
    query["signature"] = signature(TOKEN, query["timestamp"], query["nonce"])
    return query | changes


def sealed(message: bytes, *, as_json: bool = False, cryptor: Cryptor = CRYPTOR) -> tuple[dict[str, str], bytes]:
    """
    Return the query and the body of an encrypted push.
    """
    encrypted = cryptor.encrypt(message)
    fields = {"ToUserName": "gh_97417a04a28d", "Encrypt": encrypted}
    query = signed(encrypt_type="aes", msg_signature=signature(TOKEN, str(NOW), "415670741", encrypted))
    return query, json.dumps(fields).encode() if as_json else render_xml(fields)
