"""
Maintenance: calls a day and a minute, clearing them, and looking failures up.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import attrs

from .json_values import text_of
from .limits import Limits
from .request import Request
from .response import OK, Refusal, Result

__all__ = ["Maintenance", "day_of"]

# The vendor's days end at midnight in Beijing.
_BEIJING: Final = timedelta(hours=8)

_RID: Final = re.compile(r"[0-9a-f]+-[0-9a-f]+-[0-9a-f]+")


def day_of(at: float) -> date:
    """
    Tell which day it is in Beijing.
    """
    return (datetime.fromtimestamp(at, UTC) + _BEIJING).date()


@attrs.frozen
class _Failure:
    at: float
    request: Request
    reply: bytes


class Maintenance:
    """
    What was called how often, and what failed.

    Args:
        appid: This account.

        paths: Every path there is.

        check_credentials: Refuses a wrong appid or secret.
    """

    def __init__(
        self, appid: str, limits: Limits, paths: Collection[str], check_credentials: Callable[[object, object], None]
    ) -> None:
        self._limits = limits
        self._appid = appid
        self._paths = paths
        self._check_credentials = check_credentials
        self._day: date | None = None
        self._today: Counter[str] = Counter()
        self._minute = 0
        self._this_minute: Counter[str] = Counter()
        self._cleared: list[tuple[int, int]] = []
        self._cleared_one: list[tuple[int, int]] = []
        self._failures: dict[str, _Failure] = {}

    def count(self, request: Request) -> None:
        """
        Count a call, or refuse it.
        """
        path = request.path
        self._turn(request.at)
        if self._this_minute[path] >= self._limits.calls_a_minute.get(path, self._this_minute[path] + 1):
            raise Refusal(45011)
        if self._today[path] >= self._daily(path):
            raise Refusal(45009)
        self._today[path] += 1
        self._this_minute[path] += 1

    def remember(self, rid: str, request: Request, reply: bytes) -> None:
        """
        Keep a failure for `rid_info`.
        """
        if len(self._failures) >= self._limits.remembered:
            del self._failures[next(iter(self._failures))]
        self._failures[rid] = _Failure(request.at, request, reply)

    def clear(self, request: Request) -> Result:
        """
        Answer ``clear_quota``.
        """
        if request.json().get("appid") != self._appid:
            raise Refusal(40013)
        return self._clear(request.at)

    def clear_with_secret(self, request: Request) -> Result:
        """
        Answer ``clear_quota/v2``, which takes no token.
        """
        body = request.json()
        self._check_credentials(body.get("appid"), body.get("appsecret"))
        return self._clear(request.at)

    def clear_one(self, request: Request) -> Result:
        """
        Answer ``openapi/quota/clear``.
        """
        path = self._known_path(request.text("cgi_path"))
        self._use(self._cleared_one, self._limits.clear_one_quota, request.at)
        del self._today[path]
        return OK

    def get(self, request: Request) -> Result:
        """
        Answer ``openapi/quota/get``.
        """
        path = self._known_path(request.text("cgi_path"))
        limit, used = self._daily(path), self._today[path]
        answer: dict[str, Any] = {**OK, "quota": {"daily_limit": limit, "used": used, "remain": limit - used}}
        if path in self._limits.calls_a_minute:
            answer["rate_limit"] = {"call_count": self._limits.calls_a_minute[path], "refresh_second": 60}
        return answer

    def rid_info(self, request: Request) -> Result:
        """
        Answer ``openapi/rid/get``.
        """
        rid = text_of(request.json(), "rid")
        if _RID.fullmatch(rid) is None:
            raise Refusal(76002)
        failure = self._failures.get(rid)
        if failure is None:
            raise Refusal(76001)
        if request.at - failure.at > self._limits.rid:
            raise Refusal(76004)
        return {
            **OK,
            "request": {
                "invoke_time": int(failure.at),
                "cost_in_ms": 30,
                "request_url": failure.request.target.partition("?")[2],
                "request_body": failure.request.body.decode("utf-8", "replace"),
                "response_body": failure.reply.decode(),
                "client_ip": failure.request.client_ip,
            },
        }

    def callback_ips(self, _: Request) -> Result:
        """
        Answer ``getcallbackip``.
        """
        return {"ip_list": ["106.55.206.146", "106.55.206.211"]}

    def domain_ips(self, _: Request) -> Result:
        """
        Answer ``get_api_domain_ip``.
        """
        return {"ip_list": ["101.89.47.18", "101.91.34.103", "183.3.224.0/24"]}

    def _turn(self, at: float) -> None:
        if (day := day_of(at)) != self._day:
            self._day = day
            self._today.clear()
        if (minute := int(at // 60)) != self._minute:
            self._minute = minute
            self._this_minute.clear()

    def _daily(self, path: str) -> int:
        return self._limits.calls_a_day.get(path, self._limits.calls_a_day_else)

    def _known_path(self, path: str) -> str:
        if not path.startswith("/"):
            raise Refusal(76003)
        if path not in self._paths:
            raise Refusal(76021)
        return path

    def _clear(self, at: float) -> Result:
        self._use(self._cleared, self._limits.clear_quota, at)
        self._today.clear()
        return OK

    def _use(self, uses: list[tuple[int, int]], limit: int, at: float) -> None:
        day = day_of(at)
        month = (day.year, day.month)
        if uses.count(month) >= limit:
            raise Refusal(48006)
        uses.append(month)
