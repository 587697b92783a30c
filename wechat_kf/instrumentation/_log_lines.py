"""
The log lines, at DEBUG: what the library tells where no hook is given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from .._redact import get_logger
from ._details import CallEnd, CallStart, PushEnd, PushStart, RequestEnd, RequestStart, Retry, TokenChange
from ._hook import Hook

__all__ = ["LogLines"]

_call = get_logger("wechat_kf.call")
_token = get_logger("wechat_kf.token")
_bot = get_logger("wechat_kf.bot")

_REASONS = {
    "first": "the first",
    "refused": "WeChat refused the one before",
    "due": "the one before was about to end",
}


class LogLines(Hook):
    """
    Writes a line for each call, retry, token, push and request.

    The values stand in the line, and beside it in the record's attribute ``wechat_kf``, a dict, for those who write
    JSON.
    """

    def call(self, start: CallStart, /) -> Callable[[CallEnd], object]:
        def end(end: CallEnd) -> None:
            _call.debug(
                "%s: %s at %s, attempt %d, errcode %s, effect %s, %.1f ms, rid %s",
                *(start.operation, end.error or "done", end.host or "no host", end.attempts, end.errcode),
                *(end.effect, end.seconds * 1000, end.rid),
                extra=_values(start, end),
            )

        return end

    def retry(self, retry: Retry, /) -> None:
        how = "with another token" if retry.reason == "token" else f"in {retry.seconds:.2f} s"
        if retry.other_host:
            how = "at another host"
        _call.debug(
            "%s: attempt %d failed (%s, errcode %s); made again %s",
            *(retry.operation, retry.attempt, retry.error, retry.errcode, how),
            extra=_values(retry),
        )

    def token(self, change: TokenChange, /) -> None:
        _token.debug("Using another access token: %s", _REASONS[change.reason], extra=_values(change))

    def request(self, start: RequestStart, /) -> Callable[[RequestEnd], object]:
        def end(end: RequestEnd) -> None:
            _bot.debug(
                "%s: answered with %s, %.1f ms",
                *(start.method, end.status or "nothing", end.seconds * 1000),
                extra=_values(start, end),
            )

        return end

    def push(self, start: PushStart, /) -> Callable[[PushEnd], object]:
        def end(end: PushEnd) -> None:
            _bot.debug(
                "%s: %s, attempt %d, %d messages, waited %.1f ms, handled %.1f ms",
                *(start.kind, end.outcome, start.attempt, end.messages, end.waited * 1000, end.handled * 1000),
                extra=_values(start, end),
            )

        return end


def _values(*details: attrs.AttrsInstance) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for each in details:
        values |= attrs.asdict(each)
    return {"wechat_kf": values}
