"""
The history: what passed between agents and customers in sessions.
"""

from __future__ import annotations

from typing import Final

import attrs

from .limits import Limits
from .request import Request
from .response import Refusal, Result

__all__ = ["Records"]

_AGENT_SENT: Final = 2002
_AGENT_RECEIVED: Final = 2003


@attrs.frozen
class _Record:
    msgid: int
    at: float
    openid: str
    opercode: int
    text: str
    worker: str


class Records:
    """
    All of it, oldest first.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._all: list[_Record] = []
        self._next_msgid = 20165257

    def history(self, request: Request) -> Result:
        """
        Answer ``msgrecord/getmsglist``: what passed in sessions, and nothing else.
        """
        body = request.json()
        start, end, msgid, number = (body.get(name) for name in ("starttime", "endtime", "msgid", "number"))
        if not (type(start) is int and type(end) is int and type(msgid) is int and type(number) is int):
            raise Refusal(65416)
        # Milliseconds lie far in the future.
        if not (0 < start <= end < 100_000_000_000 and msgid >= 1 and 1 <= number <= self._limits.records_asked):
            raise Refusal(65416)
        if end - start > self._limits.records_span:
            raise Refusal(65417)
        if self._limits.records_cursor_repeats:
            msgid -= 1
        found = [each for each in self._all if start <= int(each.at) <= end and each.msgid > msgid]
        page = found[: min(number, self._limits.records_page)]
        # Who is told of fewer than asked for takes the page for the last one.
        cut = len(page) < min(number, len(found))
        return {
            "recordlist": [
                {
                    "openid": each.openid,
                    "opercode": each.opercode,
                    "text": each.text,
                    "time": int(each.at),
                    "worker": each.worker,
                }
                for each in page
            ],
            "number": number if cut else len(page),
            "msgid": page[-1].msgid if page else 0,
        }

    def sent(self, openid: str, kf_account: str, text: str, at: float) -> None:
        """
        Keep what an agent wrote.
        """
        self._keep(openid, _AGENT_SENT, kf_account, text, at)

    def received(self, openid: str, kf_account: str, text: str, at: float) -> None:
        """
        Keep what a customer wrote.
        """
        self._keep(openid, _AGENT_RECEIVED, kf_account, text, at)

    def _keep(self, openid: str, opercode: int, kf_account: str, text: str, at: float) -> None:
        self._next_msgid += 1
        self._all.append(_Record(self._next_msgid, at, openid, opercode, text, kf_account))
