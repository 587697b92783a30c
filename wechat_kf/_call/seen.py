"""
One call as its observers see it: when it and its attempts begin and end, and how.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from .._clock import Clock
from .._errors import ApiError, KfError
from .._wire.endpoint import Call
from .._wire.request import Request
from ..api import endpoints
from ..instrumentation import AttemptEnd, AttemptStart, CallEffect, CallEnd, CallStart, Retry
from ..instrumentation.observers import Observing

__all__ = ["SeenCall", "Unseen"]

_OPERATIONS: Final[dict[str, str]] = {getattr(endpoints, name).path: name.lower() for name in endpoints.__all__}


class Unseen:
    """
    What stands for a call that nobody looks at.
    """

    def attempt(self, url: str, request: Request | None = None) -> None:
        """
        Note that an attempt begins.
        """

    def answered(self, status: int, size: int = 0) -> None:
        """
        Note that an answer came.
        """

    def attempt_ended(self, error: BaseException | None) -> None:
        """
        Note how the attempt ended.
        """

    def retried(self, error: KfError, seconds: float, *, token: bool = False, other_host: bool = False) -> None:
        """
        Note that another attempt follows.
        """

    def ended(self, error: BaseException | None) -> None:
        """
        Note how the call ended, and its attempt if that has not.
        """


class SeenCall(Unseen):
    """
    A call that somebody looks at.

    Args:
        observing: Who.

        clock: The clock.

        call: The call.
    """

    def __init__(self, observing: Observing, clock: Clock, call: Call[Any]) -> None:
        endpoint = call.endpoint
        self._observing = observing
        self._clock = clock
        self._reads = endpoint.reads
        self._start = CallStart(
            operation=_OPERATIONS.get(endpoint.path, endpoint.path), method=endpoint.method, path=endpoint.path
        )
        self._began = self._attempt_began = clock.monotonic()
        self._attempts = 0
        self._host = ""
        self._sent = self._received = 0
        self._status: int | None = None
        self._end_attempt: Callable[[object], None] | None = None
        self._end = observing.begin("call", self._start)

    def attempt(self, url: str, request: Request | None = None) -> None:
        """
        Note that an attempt begins.
        """
        self._attempts += 1
        self._attempt_began = self._clock.monotonic()
        self._host, port = _host_of(url)
        self._sent, self._received, self._status = _size(request), 0, None
        start = AttemptStart(
            operation=self._start.operation,
            method=self._start.method,
            path=self._start.path,
            host=self._host,
            port=port,
            attempt=self._attempts,
        )
        self._end_attempt = self._observing.begin("attempt", start)

    def answered(self, status: int, size: int = 0) -> None:
        """
        Note that an answer came.
        """
        self._status, self._received = status, size

    def attempt_ended(self, error: BaseException | None) -> None:
        """
        Note how the attempt ended.
        """
        end, self._end_attempt = self._end_attempt, None
        if end is not None:
            seconds = self._clock.monotonic() - self._attempt_began
            end(AttemptEnd(status=self._status, seconds=seconds, **self._outcome(error)))

    def retried(self, error: KfError, seconds: float, *, token: bool = False, other_host: bool = False) -> None:
        """
        Note that another attempt follows.
        """
        self._observing.tell(
            "retry",
            Retry(
                operation=self._start.operation,
                attempt=self._attempts,
                reason="token" if token else "failure",
                error=type(error).__name__,
                errcode=error.errcode if isinstance(error, ApiError) else None,
                seconds=seconds,
                other_host=other_host,
            ),
        )

    def ended(self, error: BaseException | None) -> None:
        """
        Note how the call ended, and its attempt if that has not.
        """
        self.attempt_ended(error)
        seconds = self._clock.monotonic() - self._began
        self._end(CallEnd(host=self._host, attempts=self._attempts, seconds=seconds, **self._outcome(error)))

    def _outcome(self, error: BaseException | None) -> dict[str, Any]:
        errcode, rid = (error.errcode, error.rid) if isinstance(error, ApiError) else (None, None)
        return {
            "error": _name_of(error),
            "errcode": 0 if error is None else errcode,
            "effect": self._effect(error),
            "rid": rid,
            "sent": self._sent,
            "received": self._received,
        }

    def _effect(self, error: BaseException | None) -> CallEffect:
        if error is None:
            return "done"
        if self._reads or not self._attempts:
            return "none"
        return error.effect if isinstance(error, KfError) else "unknown"


def _name_of(error: BaseException | None) -> str | None:
    if error is None:
        return None
    # Each event loop has a class of its own for a cancellation.
    return type(error).__name__ if isinstance(error, Exception) else "Cancelled"


def _host_of(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # An address that WeChat named may be anything.
        return "", 0
    return parts.hostname or "", port or (443 if parts.scheme == "https" else 80)


def _size(request: Request | None) -> int:
    if request is None:
        return 0
    return len(request.body) if isinstance(request.body, bytes) else int(request.body.headers["Content-Length"])
