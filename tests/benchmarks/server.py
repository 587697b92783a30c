"""
The server that every client is measured against, in a process of its own: fixed answers, ready as bytes, keep-alive.

It reads as little of a request as it can, counts a body's bytes to know where it ends, and prints its port. It ends
with its standard input.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from contextlib import suppress
from typing import Final, cast

__all__ = ["PAGE", "PAGE_RECORDS", "history_page"]

PAGE_RECORDS: Final = 10_000


def history_page(records: int = PAGE_RECORDS) -> bytes:
    """
    Make a page of the history as WeChat writes it, with texts of 5 to 30 characters.
    """
    sentence = (
        "您好，请问我昨天下单的那件商品什么时候可以发货呢？订单号是20260101，麻烦帮我看一下，谢谢！Thanks a lot :)"
    )
    recordlist = [
        {
            "openid": f"oDF3iY9WMaswOPWjCIp_f3B{number % 500:05d}",
            "opercode": 2002 + number % 2,
            "text": sentence[: 5 + number * 7 % 26],
            "time": 1_767_225_600 + number,
            "worker": "test1@gh_0123456789ab",
        }
        for number in range(records)
    ]
    page = {"recordlist": recordlist, "number": records, "msgid": 20_165_267}
    return json.dumps(page, ensure_ascii=False, separators=(",", ":")).encode()


PAGE: Final = "/customservice/msgrecord/getmsglist"


def _answer(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json; encoding=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


_OK: Final = _answer(b'{"errcode":0,"errmsg":"ok"}')
_TOKEN: Final = _answer(json.dumps({"access_token": "T" * 136, "expires_in": 7200}).encode())
_ANSWERS: Final = {
    b"/cgi-bin/message/custom/send": _OK,
    b"/cgi-bin/stable_token": _TOKEN,
    b"/cgi-bin/token": _TOKEN,
    PAGE.encode(): _answer(history_page()),
}


class _Connection(asyncio.Protocol):
    _transport: asyncio.Transport
    _kept: bytes

    def __init__(self) -> None:
        self._kept = b""
        self._body = 0
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not of asyncio's class.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        while data:
            if self._body:
                taken = min(self._body, len(data))
                self._body -= taken
                data = data[taken:]
            else:
                data = self._head(data)
            if self._answer and not self._body:
                self._transport.write(self._answer)
                self._answer = b""

    def _head(self, data: bytes) -> bytes:
        data = self._kept + data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._kept = data
            return b""
        self._kept = b""
        head = data[:end].lower()
        if b"\r\ntransfer-encoding:" in head:
            raise RuntimeError("a chunked body: no client here needs one")
        at = head.find(b"\r\ncontent-length:")
        self._body = 0 if at < 0 else int(head[at + 17 :].split(b"\r\n", 1)[0])
        path = data[data.index(b" ") + 1 :].split(b" ", 1)[0].partition(b"?")[0]
        self._answer = _ANSWERS.get(path, _OK)
        return data[end + 4 :]


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - this is how the port is told
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def _main() -> None:
    loop_factory = None
    with suppress(ImportError):
        loop_factory = importlib.import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_serve())


if __name__ == "__main__":
    _main()
