"""
What is measured besides sending: pages of the history, uploads, pushes and the token; commands in, figures out.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

from .senders import APPID, SECRET, block_extras, load
from .server import PAGE_RECORDS, history_page

__all__: list[str] = []

Command: TypeAlias = dict[str, Any]
Figures: TypeAlias = dict[str, float]


def _cpu_of(step: Callable[[], object], times: int) -> float:
    """
    Return the processor's seconds of one step of several; the first, which fills caches, is not counted.
    """
    step()
    gc.collect()
    start = time.process_time()
    for _ in range(times):
        step()
    return (time.process_time() - start) / times


# ---- a page of the history: bytes in, values out -----------------------------------------------------------------


def _tuple_of(kind: Any) -> Any:
    return tuple[kind, ...]


def _page_by_pydantic(command: Command) -> Figures:
    pydantic = load("pydantic")
    record: Any = pydantic.create_model(
        "Record",
        __config__=pydantic.ConfigDict(frozen=True),
        openid=(str, ...),
        opercode=(int, ...),
        text=(str, ""),
        time=(datetime | None, None),
        worker=(str, ""),
    )
    page = pydantic.create_model("Page", recordlist=(_tuple_of(record), ()), number=(int, 0), msgid=(int, 0))
    body = history_page()
    return {"cpu": _cpu_of(lambda: page.model_validate_json(body), command["times"]) / PAGE_RECORDS}


def _page_by_json(command: Command) -> Figures:
    body = history_page()
    return {"cpu": _cpu_of(lambda: json.loads(body), command["times"]) / PAGE_RECORDS}


def _page_by_us(command: Command) -> Figures:
    endpoint, read = load("wechat_kf.api.records").GET_MSG_LIST, load("wechat_kf._wire.reply").read_reply
    body = history_page()
    return {"cpu": _cpu_of(lambda: read(endpoint, 200, body), command["times"]) / PAGE_RECORDS}


# ---- the event loop's gaps ---------------------------------------------------------------------------------------


async def _longest_gap(work: Callable[[], Awaitable[object]]) -> float:
    """
    Return the longest time for which the event loop did not turn while something was done.
    """
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            asleep = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - asleep - 0.001)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0)
    await work()
    ticking.cancel()
    return longest


def _gap_by_us(command: Command) -> Figures:
    async def measure() -> Figures:
        async with load("wechat_kf").AsyncKfClient(APPID, SECRET, base_url=command["base"]) as kf:

            async def page() -> None:
                found = await kf.get_msg_list(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
                if len(found.recordlist) != PAGE_RECORDS:
                    raise RuntimeError("the page is not whole")

            await page()
            gc.collect()
            still = await _longest_gap(lambda: asyncio.sleep(0.1))
            return {"gap": await _longest_gap(page), "still": still}

    return asyncio.run(measure())


# ---- uploads -----------------------------------------------------------------------------------------------------


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
    gap = await _longest_gap(lambda: upload(command["file"]))
    took, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {"grown": _memory("VmHWM") - before, "gap": gap, "wall": took, "cpu": cpu}


def _upload_by_aiohttp(command: Command) -> Figures:
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


def _upload_by_us(command: Command) -> Figures:
    package, part = load("wechat_kf"), load("wechat_kf._wire.multipart").FilePart
    endpoint = package.Endpoint("POST", "/cgi-bin/media/upload", dict)

    async def measure() -> Figures:
        async with package.AsyncKfClient(APPID, SECRET, base_url=command["base"]) as kf:

            async def upload(path: str) -> None:
                file = await part.prepare(path, limit=1 << 40)
                await kf.request(package.Call(endpoint, {"type": "image"}, file=file))

            return await _uploaded(upload, command)

    return asyncio.run(measure())


# ---- pushes ------------------------------------------------------------------------------------------------------

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


def _push_by_wechatpy(command: Command) -> Figures:
    package = load("wechatpy")
    crypto = load("wechatpy.crypto").WeChatCrypto(_TOKEN, _KEY, APPID)
    query, body = _push()

    def receive() -> None:
        xml = crypto.decrypt_message(body, query["msg_signature"], query["timestamp"], query["nonce"])
        if not package.parse_message(xml).content:
            raise RuntimeError("the push is not the one expected")

    return {"cpu": _cpu_of(receive, command["times"])}


def _push_by_us(command: Command) -> Figures:
    hook = load("wechat_kf.webhook").Webhook(_TOKEN, _KEY, APPID)
    query, body = _push()

    def receive() -> None:
        if not hook.unwrap(query, body).content:
            raise RuntimeError("the push is not the one expected")

    return {"cpu": _cpu_of(receive, command["times"])}


# ---- the token ---------------------------------------------------------------------------------------------------


def _token_by_us(command: Command) -> Figures:
    token, clock = load("wechat_kf.tokens"), load("wechat_kf._clock")
    given = token.Token("T" * 136, datetime(2100, 1, 1, tzinfo=UTC))

    async def fetch() -> Any:
        return given

    provider = token.RenewingToken(APPID, fetch, store=token.MemoryTokenStore(), clock=clock.SystemClock(), patience=30)
    asyncio.run(provider.get())

    def get() -> None:
        # Without an event loop: what waits for anything, a lock included, cannot come through.
        try:
            provider.get().send(None)
        except StopIteration as end:
            if end.value != given.value:
                raise RuntimeError("the token is not the one expected") from None
            return
        raise RuntimeError("the token was waited for")

    return {"cpu": _cpu_of(get, command["times"])}


_SUBJECTS: Final[dict[str, Callable[[Command], Figures]]] = {
    "page:json.loads": _page_by_json,
    "page:pydantic": _page_by_pydantic,
    "page:wechat_kf": _page_by_us,
    "gap:wechat_kf": _gap_by_us,
    "upload:aiohttp": _upload_by_aiohttp,
    "upload:wechat_kf": _upload_by_us,
    "push:wechatpy": _push_by_wechatpy,
    "push:wechat_kf": _push_by_us,
    "token:wechat_kf": _token_by_us,
}


def _main(subject: str) -> None:
    name = subject.removesuffix("[fast]")
    if name == subject:
        block_extras()
    os.environ.pop("http_proxy", None)
    for line in sys.stdin:
        print(json.dumps(_SUBJECTS[name](json.loads(line))), flush=True)  # noqa: T201 - this is how figures are told


if __name__ == "__main__":
    _main(*sys.argv[1:])
