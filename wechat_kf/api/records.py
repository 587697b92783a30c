"""
The history of sessions: one page, or an iterator over any span of time.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Final, Self

import anyio
import attrs

from .._errors import ReplyError
from .._wire.arguments import unix_seconds
from .._wire.endpoint import Call, Endpoint
from .._wire.enums import OpenIntEnum
from .._wire.tolerant import Tolerant
from .chapter import Chapter

__all__ = ["GET_MSG_LIST", "MsgList", "MsgRecord", "OperCode", "RecordCalls"]

_DAY: Final = 24 * 60 * 60
_PAGE: Final = 10_000


class OperCode(OpenIntEnum):
    """
    What a line of the history tells. Those below 2002 are of older accounts only.
    """

    SESSION_WAITS = 1000
    SESSION_ACCEPTED = 1001
    SESSION_STARTED = 1002
    SESSION_TRANSFERRED = 1003
    SESSION_CLOSED = 1004
    SESSION_GRABBED = 1005
    ACCOUNT_RECEIVED = 2001
    AGENT_SENT = 2002
    AGENT_RECEIVED = 2003


@attrs.frozen
class MsgRecord(Tolerant):
    """
    One line of the history.

    Attributes:
        openid: The customer; empty if the answer does not say.

        opercode: Who wrote, above all: `OperCode.AGENT_SENT` (2002) or `OperCode.AGENT_RECEIVED` (2003). 0 if the
            answer does not say.

        text: What was said; ``[image]``, ``[voice]``, ``[video]`` for those.

        time: When.

        worker: The agent's account; of old records only its prefix.
    """

    openid: str = ""
    opercode: OperCode = OperCode(0)  # noqa: RUF009 - it is a value
    text: str = ""
    time: datetime | None = None
    worker: str = ""


@attrs.frozen
class MsgList(Tolerant):
    """
    One page of the history. It can be iterated over and has a length.

    Attributes:
        recordlist: The records, oldest first.

        number: How many.

        msgid: Where the next page begins.
    """

    recordlist: tuple[MsgRecord, ...] = ()
    number: int = 0
    msgid: int = 0

    def __iter__(self) -> Iterator[MsgRecord]:
        return iter(self.recordlist)

    def __len__(self) -> int:
        return len(self.recordlist)


GET_MSG_LIST: Final = Endpoint(
    "POST",
    "/customservice/msgrecord/getmsglist",
    MsgList,
    manual="https://developers.weixin.qq.com/doc/service/api/customer/message/api_getmsglist.html",
    reads=True,
)


class RecordCalls(Chapter):
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
        for name, value in (("msgid", msgid), ("number", number)):
            if type(value) is not int:
                raise TypeError(f"{name} must be an int, not {type(value).__name__}")
        if msgid < 1:
            raise ValueError("msgid must be at least 1; 0 is what an empty page carries, not a place to go on from")
        if not 1 <= number <= _PAGE:
            raise ValueError(f"number must be 1 to {_PAGE}")
        return await self.request(_page(start, end, msgid, number))

    def iter_msg_records(self, starttime: datetime | int, endtime: datetime | int) -> AsyncIterator[MsgRecord]:
        """
        Iterate over the history of any span, oldest first, in windows of 24 hours and pages of 10,000 records.

        Records that stand at the border of two pages or windows are given once. When a page fails, the iterator can be
        used on and asks for it again.

        Args:
            starttime: An aware datetime or Unix seconds.

            endtime: Likewise, at or after it.

        Raises:
            ValueError: A naive datetime, milliseconds, or an end before the start; at once, nothing was sent.

            ReplyError: The cursor of a full page stands still; what is left cannot be read.

        Manual: https://developers.weixin.qq.com/doc/service/api/customer/message/api_getmsglist.html
        """
        first, last = unix_seconds("starttime", starttime), unix_seconds("endtime", endtime)
        if last < first:
            raise ValueError("endtime must not be before starttime")
        return _History(self.request, first, last)


def _page(start: int, end: int, msgid: int, number: int) -> Call[MsgList]:
    return Call(GET_MSG_LIST, json={"starttime": start, "endtime": end, "msgid": msgid, "number": number})


class _History:
    """
    The records of a span, one page after the other.
    """

    # Not an async generator, which must not be left in the middle on trio, and is dead after an exception.

    def __init__(self, request: Callable[[Call[MsgList]], Awaitable[MsgList]], first: int, last: int) -> None:
        self._request = request
        self._last = last
        self._over = False
        self._asking = anyio.Lock()
        self._ready: deque[MsgRecord] = deque()
        # Whether the cursor and the ends of a window are inclusive is not documented. So these are passed over: the
        # first record of a page if it is the last one of the page before, and at a window's first second as many equal
        # records as the window before had at its last.
        self._latest: MsgRecord | None = None
        self._at_end: Counter[MsgRecord] = Counter()
        self._begin_window(first)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> MsgRecord:
        if not self._ready:
            # Of several tasks that take records one asks for the next page; the others would ask for the same.
            async with self._asking:
                while not self._ready:
                    await self._turn()
        return self._ready.popleft()

    async def _turn(self) -> None:
        """
        Get the next page.
        """
        if self._over:
            raise StopAsyncIteration
        if self._msgid <= self._asked:
            raise ReplyError(
                "The cursor of a full page stands still, so the rest of the history cannot be read.",
                where="$.msgid",
                endpoint=GET_MSG_LIST.path,
            )
        self._take(await self._request(_page(self._start, self._end, self._msgid, _PAGE)))

    def _begin_window(self, start: int) -> None:
        self._start, self._end = start, min(start + _DAY, self._last)
        self._asked, self._msgid = 0, 1
        self._passed_over, self._at_end = self._at_end, Counter()
        self._latest = None

    def _take(self, page: MsgList) -> None:
        records = page.recordlist
        end = datetime.fromtimestamp(self._end, UTC)
        for record in records[1:] if records[:1] == (self._latest,) else records:
            if record.time == end:
                self._at_end[record] += 1
            if self._passed_over[record] > 0:
                self._passed_over[record] -= 1
            else:
                self._ready.append(record)
        # Neither number is to be relied on alone: one may be missing, of the others some may be left out.
        if max(page.number, len(records)) >= _PAGE:
            self._asked, self._msgid = self._msgid, page.msgid
            self._latest = records[-1] if records else self._latest
        elif self._end < self._last:
            self._begin_window(self._end)
        else:
            self._over = True
