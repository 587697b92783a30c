"""
A message sent with each client, as its users would write it.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final, TypeAlias

__all__ = [
    "APPID",
    "OPENID",
    "SECRET",
    "SENDERS",
    "TOKEN",
    "WORDS",
    "Opened",
    "Send",
    "block_extras",
    "check_answer",
    "load",
]

# What makes the client faster where it is installed.
_EXTRAS: Final = ("httptools",)

APPID: Final = "wx0123456789abcdef"
SECRET: Final = "0123456789abcdef0123456789abcdef"
OPENID: Final = "oDF3iY9WMaswOPWjCIp_f3Bnpljk"
WORDS: Final = "您好，有什么可以帮您？"
PATH: Final = "/cgi-bin/message/custom/send"
TOKEN: Final = "T" * 136

Send: TypeAlias = Callable[[], Awaitable[object]]
Opened: TypeAlias = Callable[[AsyncExitStack, str, int], Awaitable[Send]]


def block_extras() -> None:
    """
    Let the client be what it is where the extra ``fast`` is not installed.
    """
    for name in _EXTRAS:
        sys.modules[name] = None  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]


def load(name: str) -> Any:
    """
    Import a module by name, so that the type checkers need none of the rivals.
    """
    return importlib.import_module(name)


def _message() -> dict[str, object]:
    return {"touser": OPENID, "msgtype": "text", "text": {"content": WORDS}}


def check_answer(answer: Any) -> None:
    """
    See that the message was taken.
    """
    if answer["errcode"] != 0:
        raise RuntimeError("the answer is not the one expected")


async def _ours(stack: AsyncExitStack, base: str, at_once: int) -> Send:
    package = load("wechat_kf")
    kf = await stack.enter_async_context(
        package.AsyncKfClient(APPID, SECRET, base_url=base, max_connections=max(at_once, 1))
    )
    text = package.Text

    async def send() -> None:
        await kf.send_custom_message(OPENID, text(WORDS))

    return send


async def _ours_default(stack: AsyncExitStack, base: str, at_once: int) -> Send:
    block_extras()
    return await _ours(stack, base, at_once)


async def _httpx(stack: AsyncExitStack, base: str, _: int) -> Send:
    return await _naive(load("httpx"), stack, base)


async def _httpx2(stack: AsyncExitStack, base: str, _: int) -> Send:
    return await _naive(load("httpx2"), stack, base)


async def _naive(library: Any, stack: AsyncExitStack, base: str) -> Send:
    client = await stack.enter_async_context(library.AsyncClient())
    # Threads of waiting requests need a longer pool timeout than the default five seconds.
    client.timeout = library.Timeout(60)

    async def send() -> None:
        response = await client.post(f"{base}{PATH}", params={"access_token": TOKEN}, json=_message())
        check_answer(response.json())

    return send


async def _aiohttp(stack: AsyncExitStack, base: str, at_once: int) -> Send:
    aiohttp = load("aiohttp")
    connector = aiohttp.TCPConnector(limit=at_once)
    session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))

    async def send() -> None:
        async with session.post(f"{base}{PATH}", params={"access_token": TOKEN}, json=_message()) as response:
            check_answer(await response.json())

    return send


async def _pyreqwest(stack: AsyncExitStack, base: str, _: int) -> Send:
    client = await stack.enter_async_context(load("pyreqwest.client").ClientBuilder().build())

    async def send() -> None:
        request = client.post(f"{base}{PATH}").query({"access_token": TOKEN}).body_json(_message()).build()
        response = await request.send()
        check_answer(await response.json())

    return send


class _RawConnection(asyncio.Protocol):
    waiter: asyncio.Future[bytes]

    def data_received(self, data: bytes) -> None:
        if not self.waiter.done():
            self.waiter.set_result(data)


async def _raw(stack: AsyncExitStack, base: str, at_once: int) -> Send:
    loop = asyncio.get_running_loop()
    host, port = base.removeprefix("http://").split(":")
    body = json.dumps(_message(), ensure_ascii=False).encode()
    head = (
        f"POST {PATH}?access_token={TOKEN} HTTP/1.1\r\nHost: {host}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body
    free: list[tuple[asyncio.Transport, _RawConnection]] = []
    for _ in range(at_once):
        free.append(await loop.create_connection(_RawConnection, host, int(port)))
        stack.callback(free[-1][0].close)

    async def send() -> None:
        transport, protocol = free.pop()
        protocol.waiter = loop.create_future()
        transport.write(request)
        answer = await protocol.waiter
        if b'"errcode":0' not in answer:
            raise RuntimeError("the answer is not the one expected")
        free.append((transport, protocol))

    return send


def _uvloop() -> Any:
    return load("uvloop").new_event_loop()


SENDERS: Final[dict[str, tuple[Opened, Callable[[], Any] | None]]] = {
    "raw": (_raw, None),
    "pyreqwest": (_pyreqwest, None),
    "aiohttp": (_aiohttp, None),
    "wechat_kf": (_ours_default, None),
    "wechat_kf[fast]": (_ours, None),
    "wechat_kf[fast] on uvloop": (_ours, _uvloop),
    "httpx2": (_httpx2, None),
    "httpx": (_httpx, None),
}
"""
The async clients with their event loops, None for asyncio's own.
"""
