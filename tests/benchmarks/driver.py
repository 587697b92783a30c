"""
Drive one client in a process of its own: commands in, figures out.

A command is a line of JSON on the standard input: how many at a time, and for how many seconds. The answer is a line of
JSON: how many were sent, the seconds they took, and the processor's seconds of this process.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any

from .seam import SEAMS
from .senders import APPID, OPENID, SECRET, SENDERS, TOKEN, WORDS, Opened, check_answer, load

__all__: list[str] = []


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
        check_answer(client.message.send_text(OPENID, WORDS))

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
            open_sender, loop_factory = (SENDERS | SEAMS)[name]
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                figures = runner.run(_drive(open_sender, base, command))
        print(json.dumps(figures), flush=True)  # noqa: T201 - this is how the figures are told


if __name__ == "__main__":
    _main(*sys.argv[1:])
