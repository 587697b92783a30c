"""
Wechatpy: an account, a file, a message.
"""

from __future__ import annotations

import importlib
import io
import sys
from typing import Any

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\xff\xd9"

appid, secret, openid = sys.argv[1:]
wechatpy: Any = importlib.import_module("wechatpy")
client = wechatpy.WeChatClient(appid, secret)
client.customservice.add_account("wechatpy@test", "wechatpy", "password")
picture = io.BytesIO(JPEG)
picture.name = "a.jpg"
client.message.send_image(openid, client.media.upload("image", picture)["media_id"])
client.message.send_text(openid, "wechatpy")
