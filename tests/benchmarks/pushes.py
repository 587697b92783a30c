"""
A push in safe mode: verified, decrypted and read.
"""

from __future__ import annotations

import time
from typing import Final

from .measuring import Command, Figures, cpu_of
from .senders import APPID, load

__all__ = ["push_by_us", "push_by_wechatpy"]

_TOKEN: Final = "token"
_KEY: Final = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"


def _push() -> tuple[dict[str, str], bytes]:
    """
    Make a push in safe mode, with wechatpy.
    """
    crypto = load("wechatpy.crypto").WeChatCrypto(_TOKEN, _KEY, APPID)
    now = str(int(time.time()))
    text = (
        "<xml><ToUserName><![CDATA[gh_0123456789ab]]></ToUserName>"
        "<FromUserName><![CDATA[oDF3iY9WMaswOPWjCIp_f3Bnpljk]]></FromUserName>"
        f"<CreateTime>{now}</CreateTime><MsgType><![CDATA[text]]></MsgType>"
        "<Content><![CDATA[请问我昨天下单的商品什么时候发货？]]></Content><MsgId>23456789012345678</MsgId></xml>"
    )
    xml = crypto.encrypt_message(text, "nonce", now)
    wrapped = load("xmltodict").parse(xml)["xml"]
    query = {"msg_signature": wrapped["MsgSignature"], "timestamp": now, "nonce": "nonce", "encrypt_type": "aes"}
    encrypted = f"<Encrypt><![CDATA[{wrapped['Encrypt']}]]></Encrypt>"
    return query, f"<xml><ToUserName><![CDATA[gh_0123456789ab]]></ToUserName>{encrypted}</xml>".encode()


def push_by_wechatpy(command: Command) -> Figures:
    """
    Receive it with wechatpy.
    """
    package = load("wechatpy")
    crypto = load("wechatpy.crypto").WeChatCrypto(_TOKEN, _KEY, APPID)
    query, body = _push()

    def receive() -> None:
        xml = crypto.decrypt_message(body, query["msg_signature"], query["timestamp"], query["nonce"])
        if not package.parse_message(xml).content:
            raise RuntimeError("the push is not the one expected")

    return {"cpu": cpu_of(receive, command["times"])}


def push_by_us(command: Command) -> Figures:
    """
    Receive it with our webhook.
    """
    hook = load("wechat_kf.webhook").Webhook(_TOKEN, _KEY, APPID)
    query, body = _push()

    def receive() -> None:
        if not hook.unwrap(query, body).content:
            raise RuntimeError("the push is not the one expected")

    return {"cpu": cpu_of(receive, command["times"])}
