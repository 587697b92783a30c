"""
How the application is told of what went wrong: by a log line, and by its hooks, in bounded time.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from .._redact import get_logger
from ..webhook import Push
from ._answers import Answerable
from ._callbacks import contained, limited
from ._failures import Failure
from ._job import Job, describe
from ._options import Options
from ._seen import SeenPush

__all__ = ["Telling"]

_log = get_logger("wechat_kf.bot")

# How long the application's own hooks may take.
_HOOK_SECONDS: Final = 10.0


class Telling:
    """
    Tells the application.

    Attributes:
        failed: How many pushes failed.

        lost: How many were lost.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self.failed = 0
        self.lost = 0

    async def failure(self, job: Job, error: Exception) -> Answerable:
        """
        Log a failure, and return what `on_error` says to it.

        Raises:
            Exception: `on_error` failed.
        """
        self.failed += 1
        _log.error("The push %s was not%s answered.", job.name, " wholly" if job.sent else "", exc_info=error)
        on_error = self._options.on_error
        if on_error is None:
            return None
        failure = Failure(job.push, error, job.answer, tuple(job.sent), tuple(job.unsent))
        return cast("Answerable", await self._call("on_error", lambda: on_error(failure)))

    async def lost_push(self, push: Push, carried: Mapping[str, str], sent: int, uncertain: bool) -> None:
        """
        Log a push that nobody will answer, and tell `on_lost`.
        """
        self.lost += 1
        with self._options.seen.push(push, SeenPush("lost", messages=sent, carried=carried), from_inbox=True):
            await self._tell_lost(push, sent, uncertain)

    async def _tell_lost(self, push: Push, sent: int, uncertain: bool) -> None:
        name = describe(push.dedupe_key)
        _log.error(
            "The push %s is lost: its worker ended. Messages sent: %d%s.",
            name,
            sent,
            ", and one that may have arrived" if uncertain else "",
        )
        on_lost = self._options.on_lost
        if on_lost is None:
            return
        try:
            await self._call("on_lost", lambda: on_lost(push, sent, uncertain))
        except Exception:  # noqa: BLE001 - logged
            _log.exception("on_lost failed for the push %s.", name)

    async def _call(self, name: str, hook: Callable[[], Any]) -> object:
        """
        Call a function of the application's, which may be async, in bounded time.
        """
        async with limited(self._options.clock, min(_HOOK_SECONDS, self._options.handler_timeout), name):
            with contained():
                result = hook()
                return await result if inspect.isawaitable(result) else result
