"""
WeRoBot: a file, a message, and a bot whose port it prints.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from typing import Any
from wsgiref.simple_server import make_server

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\xff\xd9"

appid, secret, openid, token, encoding_aes_key = sys.argv[1:]
werobot: Any = importlib.import_module("werobot")
robot = werobot.WeRoBot(
    token=token, app_id=appid, app_secret=secret, encoding_aes_key=encoding_aes_key, enable_session=False
)


def answer(message: Any) -> str:
    """
    Answer a text.
    """
    return f"WeRoBot: {message.content}"


robot.text(answer)
with tempfile.NamedTemporaryFile(suffix=".jpg") as picture:
    picture.write(JPEG)
    picture.seek(0)
    media_id = robot.client.upload_media("image", picture)["media_id"]
robot.client.send_image_message(openid, media_id)
robot.client.send_text_message(openid, "WeRoBot")
with make_server("127.0.0.1", 0, robot.wsgi) as server:
    print(server.server_port, flush=True)  # noqa: T201 - the one who started it reads it
    server.serve_forever()
