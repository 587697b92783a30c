"""
A page of the history: bytes in, values out; and how long the event loop stands still meanwhile.
"""

from __future__ import annotations

import asyncio
import gc
import json
from datetime import UTC, datetime
from typing import Any

from .measuring import Command, Figures, cpu_of, longest_gap
from .senders import APPID, SECRET, load
from .server import PAGE_RECORDS, history_page

__all__ = ["gap_by_us", "page_by_json", "page_by_pydantic", "page_by_us"]


def _tuple_of(kind: Any) -> Any:
    return tuple[kind, ...]


def page_by_pydantic(command: Command) -> Figures:
    """
    Read it into pydantic models.
    """
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
    return {"cpu": cpu_of(lambda: page.model_validate_json(body), command["times"]) / PAGE_RECORDS}


def page_by_json(command: Command) -> Figures:
    """
    Read it into dictionaries.
    """
    body = history_page()
    return {"cpu": cpu_of(lambda: json.loads(body), command["times"]) / PAGE_RECORDS}


def page_by_us(command: Command) -> Figures:
    """
    Read it into our values.
    """
    endpoint, read = load("wechat_kf.api.records").GET_MSG_LIST, load("wechat_kf._wire.reply").read_reply
    body = history_page()
    return {"cpu": cpu_of(lambda: read(endpoint, 200, body), command["times"]) / PAGE_RECORDS}


def gap_by_us(command: Command) -> Figures:
    """
    Fetch it, and see how long the event loop stands still.
    """

    async def measure() -> Figures:
        async with load("wechat_kf").AsyncKfClient(APPID, SECRET, base_url=command["base"]) as kf:

            async def page() -> None:
                found = await kf.get_msg_list(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
                if len(found.recordlist) != PAGE_RECORDS:
                    raise RuntimeError("the page is not whole")

            await page()
            gc.collect()
            still = await longest_gap(lambda: asyncio.sleep(0.1))
            return {"gap": await longest_gap(page), "still": still}

    return asyncio.run(measure())
