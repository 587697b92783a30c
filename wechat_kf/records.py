"""
The history of sessions: one page, or an iterator over any span of time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

import attrs

from ._errors import ReplyError
from ._wire import Call, Chapter, Endpoint, Timestamp, unix_seconds

__all__ = ["GET_MSG_LIST", "MsgList", "MsgRecord", "Records"]

_DAY: Final = 24 * 60 * 60
_PAGE: Final = 10_000


@attrs.frozen
class MsgRecord:
    """
    One line of the history.

    Attributes:
        openid: The customer.

        opercode: 2002 the agent wrote, 2003 the customer wrote; older accounts have more.

        text: What was said; ``[image]``, ``[voice]``, ``[video]`` for those.

        time: When.

        worker: The agent's account; of old records only its prefix.
    """

    openid: str
    opercode: int
    text: str = ""
    time: Timestamp = None
    worker: str = ""


@attrs.frozen
class MsgList:
    """
    One page of the history.

    Attributes:
        recordlist: The records, oldest first.

        number: How many.

        msgid: Where the next page begins.
    """

    recordlist: tuple[MsgRecord, ...] = ()
    number: int = 0
    msgid: int = 0


GET_MSG_LIST: Final = Endpoint(
    "POST",
    "/customservice/msgrecord/getmsglist",
    MsgList,
    manual="https://developers.weixin.qq.com/doc/service/api/customer/message/api_getmsglist.html",
    repeatable=True,
)


class Records(Chapter):
    """
    The chapter on the history.
    """

    async def get_msg_list(
        self, starttime: datetime | int, endtime: datetime | int, *, msgid: int = 1, number: int = _PAGE
    ) -> MsgList:
        """
        Get one page of the history: what passed in sessions with agents within a span of at most 24 hours.

        If `MsgList.number` equals `number` there may be more: ask again with the same span and `MsgList.msgid`.
        `iter_msg_records` does this for you. Messages sent by `send_custom_message` are not in it.

        Args:
            starttime: An aware datetime or Unix seconds.

            endtime: Likewise, at most 24 hours later.

            msgid: Where the page begins; 1 is the start.

            number: Records to get, 1 to 10,000.

        Raises:
            ValueError: A naive datetime, milliseconds, or a span, msgid or number out of bounds; nothing was sent.

            InvalidArgument: WeChat does not take the span (65416, 65417).

        Manual: https://developers.weixin.qq.com/doc/service/api/customer/message/api_getmsglist.html
        """
        start, end = unix_seconds("starttime", starttime), unix_seconds("endtime", endtime)
        if not start <= end <= start + _DAY:
            raise ValueError("endtime must be at or up to 24 hours after starttime; iter_msg_records takes any span")
        if msgid < 1:
            raise ValueError("msgid must be at least 1; 0 is what an empty page carries, not a place to go on from")
        if not 1 <= number <= _PAGE:
            raise ValueError(f"number must be 1 to {_PAGE}")
        body = {"starttime": start, "endtime": end, "msgid": msgid, "number": number}
        return await self.request(Call(GET_MSG_LIST, json=body))

    async def iter_msg_records(self, start: datetime | int, end: datetime | int) -> AsyncIterator[MsgRecord]:
        """
        Iterate over the history of any span, oldest first, in windows of 24 hours and pages of 10,000 records.

        Records that stand at the border of two pages or windows are given once.

        Args:
            start: An aware datetime or Unix seconds.

            end: Likewise, at or after it.

        Raises:
            ValueError: A naive datetime, milliseconds, or an end before the start; nothing was sent.

            ReplyError: The cursor of a full page stands still; what is left cannot be read.

        Manual: https://developers.weixin.qq.com/doc/service/api/customer/message/api_getmsglist.html
        """
        first, last = unix_seconds("start", start), unix_seconds("end", end)
        if last < first:
            raise ValueError("end must not be before start")
        # Whether the cursor and the ends of a span are inclusive is not documented: what was given of the latest second
        # is remembered, and as many equal records are passed over when the next page begins with them.
        given: Counter[MsgRecord] = Counter()
        opening = first
        while True:
            closing = min(opening + _DAY, last)
            msgid = 1
            while True:
                page = await self.get_msg_list(opening, closing, msgid=msgid)
                passed_over = Counter(given)
                for record in page.recordlist:
                    if passed_over[record] > 0:
                        passed_over[record] -= 1
                        continue
                    yield record
                if page.recordlist:
                    latest = page.recordlist[-1].time
                    given = Counter(record for record in page.recordlist if record.time == latest)
                if page.number < _PAGE:
                    break
                if page.msgid <= msgid:
                    raise ReplyError(
                        "The cursor of a full page stands still, so the rest of the history cannot be read.",
                        where="$.msgid",
                        endpoint=GET_MSG_LIST.path,
                    )
                msgid = page.msgid
            if closing >= last:
                return
            opening = closing
