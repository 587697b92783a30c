"""
Uploads of a file.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from .measuring import Command, Figures, longest_gap
from .senders import APPID, SECRET, load

__all__ = ["upload_by_aiohttp", "upload_by_us"]


def _memory(field: str) -> int:
    """
    Return a figure of this process from Linux, in bytes: ``VmRSS``, or ``VmHWM``, the most there has been.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{field}:")[2].split(maxsplit=1)[0]) * 1024


async def _uploaded(upload: Callable[[str], Awaitable[object]], command: Command) -> Figures:
    for _ in range(2):
        await upload(command["small"])
    gc.collect()
    # Linux begins the most anew.
    Path("/proc/self/clear_refs").write_text("5")  # noqa: ASYNC240 - no file, and nothing else runs
    before = _memory("VmRSS")
    start, cpu = time.perf_counter(), time.process_time()
    gap = await longest_gap(lambda: upload(command["file"]))
    took, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {"grown": _memory("VmHWM") - before, "gap": gap, "wall": took, "cpu": cpu}


def upload_by_aiohttp(command: Command) -> Figures:
    """
    Upload with aiohttp.
    """
    aiohttp = load("aiohttp")

    async def measure() -> Figures:
        async with aiohttp.ClientSession() as session:

            async def upload(path: str) -> None:
                with Path(path).open("rb") as file:  # noqa: ASYNC230 - opening blocks no longer than a turn
                    form = aiohttp.FormData()
                    form.add_field("media", file, filename="picture.jpg", content_type="image/jpeg")
                    async with session.post(f"{command['base']}/cgi-bin/media/upload", data=form) as response:
                        await response.read()

            return await _uploaded(upload, command)

    return asyncio.run(measure())


def upload_by_us(command: Command) -> Figures:
    """
    Upload with our client.
    """
    package, part = load("wechat_kf"), load("wechat_kf._wire.multipart").FilePart
    endpoint = package.Endpoint("POST", "/cgi-bin/media/upload", dict)

    async def measure() -> Figures:
        async with package.AsyncKfClient(APPID, SECRET, base_url=command["base"]) as kf:

            async def upload(path: str) -> None:
                file = await part.prepare(path, limit=1 << 40)
                await kf.request(package.Call(endpoint, {"type": "image"}, file=file))

            return await _uploaded(upload, command)

    return asyncio.run(measure())
