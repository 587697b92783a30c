"""
An account with customers who wait, and the calls that tests make to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from wechat_kf import AsyncKfClient, Text
from wechat_kf.testing import FakeWeChat

__all__ = ["CALLS", "CUSTOMERS", "LIST", "SEND", "account", "send_to_each"]

SEND = "/cgi-bin/message/custom/send"
AVATAR = "/customservice/kfaccount/uploadheadimg"
LIST = "/cgi-bin/customservice/getkflist"
AGENT = "test1@test"
CUSTOMERS = ("o1", "o2", "o3")
JPEG = b"\xff\xd8\xff\xe0" + bytes(300_000)


async def read(kf: AsyncKfClient) -> object:
    """
    Read: may be repeated.
    """
    return await kf.get_kf_list()


async def upload(kf: AsyncKfClient) -> object:
    """
    Upload: may be repeated.
    """
    return await kf.upload_kf_head_img(AGENT, JPEG)


async def send(kf: AsyncKfClient) -> object:
    """
    Send: may not be repeated.
    """
    return await kf.send_custom_message("o1", Text("你好"))


async def send_to_each(kf: AsyncKfClient) -> object:
    """
    Send many.
    """
    errors = [o.error async for o in kf.send_each([(openid, Text("你好")) for openid in CUSTOMERS])]
    assert errors == [None] * len(CUSTOMERS)
    return errors


CALLS: dict[str, tuple[str, Callable[[AsyncKfClient], Awaitable[object]]]] = {
    "read": (LIST, read),
    "upload": (AVATAR, upload),
    "send": (SEND, send),
}


def account() -> FakeWeChat:
    """
    Make an account with an agent, whom three customers have written to.
    """
    fake = FakeWeChat()
    fake.agent_online(AGENT)
    for openid in CUSTOMERS:
        fake.user_says(openid, "在吗")
    return fake
