"""
A message sent with each client, as its users would write it, in a process of its own: commands in, figures out.

A command is a line of JSON on the standard input: how many at a time, and for how many seconds. The answer is a line of
JSON: how many were sent, the seconds they took, and the processor's seconds of this process.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any, Final, TypeAlias

__all__ = ["APPID", "SECRET", "SENDERS", "block_extras", "load"]

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


def _check(answer: Any) -> None:
    if answer["errcode"] != 0:
        raise RuntimeError("the answer is not the one expected")


# ---- this library ------------------------------------------------------------------------------------------------


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


# ---- the others --------------------------------------------------------------------------------------------------


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
        _check(response.json())

    return send


async def _aiohttp(stack: AsyncExitStack, base: str, at_once: int) -> Send:
    aiohttp = load("aiohttp")
    connector = aiohttp.TCPConnector(limit=at_once)
    session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))

    async def send() -> None:
        async with session.post(f"{base}{PATH}", params={"access_token": TOKEN}, json=_message()) as response:
            _check(await response.json())

    return send


async def _pyreqwest(stack: AsyncExitStack, base: str, _: int) -> Send:
    client = await stack.enter_async_context(load("pyreqwest.client").ClientBuilder().build())

    async def send() -> None:
        request = client.post(f"{base}{PATH}").query({"access_token": TOKEN}).body_json(_message()).build()
        response = await request.send()
        _check(await response.json())

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


# ---- how they are driven -----------------------------------------------------------------------------------------


async def _drive(open_sender: Opened, base: str, command: dict[str, Any]) -> dict[str, float]:
    at_once, seconds, idle = command["at_once"], command["seconds"], command.get("idle", 0)
    async with AsyncExitStack() as stack:
        send = await open_sender(stack, base, max(at_once, idle))
        # Connections are made, caches filled. With `idle` connections, so many are left idle.
        for _ in range(2):
            await asyncio.gather(*(send() for _ in range(max(at_once, idle))))
        gc.collect()
        done = 0
        least = 3 * at_once
        cpu, start = time.process_time(), time.perf_counter()
        deadline = start + seconds

        async def repeat() -> None:
            nonlocal done
            while done < least or time.perf_counter() < deadline:
                await send()
                done += 1

        await asyncio.gather(*(repeat() for _ in range(at_once)))
        return {"count": done, "cpu": time.process_time() - cpu, "wall": time.perf_counter() - start}


def _drive_wechatpy(base: str, command: dict[str, Any]) -> dict[str, float]:
    at_once, seconds = command["at_once"], command["seconds"]
    client = load("wechatpy").WeChatClient(APPID, SECRET, access_token=TOKEN)
    client.API_BASE_URL = f"{base}/cgi-bin/"
    # By default requests keeps ten connections only; a pool as large as the threads are many is to its advantage.
    adapter = load("requests.adapters").HTTPAdapter(pool_maxsize=at_once)
    client._http.mount("http://", adapter)

    def send(_: object = None) -> None:
        _check(client.message.send_text(OPENID, WORDS))

    with ThreadPoolExecutor(at_once) as pool:
        for _ in range(2):
            list(pool.map(send, range(at_once)))
        gc.collect()
        least = max(3 * at_once // at_once, 1)
        cpu, start = time.process_time(), time.perf_counter()
        deadline = start + seconds

        def repeat(_: object) -> int:
            done = 0
            while done < least or time.perf_counter() < deadline:
                send()
                done += 1
            return done

        count = sum(pool.map(repeat, range(at_once)))
        figures = {"count": count, "cpu": time.process_time() - cpu, "wall": time.perf_counter() - start}
    client._http.close()
    return figures


def _main(name: str, base: str) -> None:
    for line in sys.stdin:
        command = json.loads(line)
        if name == "wechatpy":
            figures = _drive_wechatpy(base, command)
        else:
            open_sender, loop_factory = SENDERS[name]
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                figures = runner.run(_drive(open_sender, base, command))
        print(json.dumps(figures), flush=True)  # noqa: T201 - this is how the figures are told


if __name__ == "__main__":
    _main(*sys.argv[1:])
