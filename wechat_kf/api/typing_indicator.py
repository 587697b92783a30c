"""
Keep "typing" shown while something is being prepared, by WeChat's rules.

It lasts 15 seconds, cannot be renewed while it lasts, and needs a message within the last 30 seconds.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, Literal

import anyio

from .._clock import Clock
from .._concurrency import FreeTask
from .._errors import ApiError, KfError, NotSent
from .._redact import get_logger

__all__ = ["keep_typing"]

_log = get_logger("wechat_kf.typing")

_EVERY: Final = 15.5
# The body does not wait longer than this for the indicator to appear, nor the exit for it to go.
_FIRST_SECONDS: Final = 1.0
_LAST_SECONDS: Final = 3.0

_OVER: Final = 45080
_SHOWN: Final = 45081


@asynccontextmanager
async def keep_typing(
    typing: Callable[[str, Literal["Typing", "CancelTyping"]], Awaitable[object]], openid: str, clock: Clock
) -> AsyncGenerator[None]:
    """
    Call `typing` for a customer until the body ends, then cancel it. Its failures never reach the body.
    """
    shown = False
    first = anyio.Event()

    async def say(command: Literal["Typing", "CancelTyping"]) -> bool:
        """
        Make one call; return whether going on makes sense.
        """
        nonlocal shown
        # Before the answer: a call that is cut off may have taken effect.
        shown = command == "Typing"
        try:
            await typing(openid, command)
        except Exception as error:  # noqa: BLE001 - the body must not suffer from it
            errcode = error.errcode if isinstance(error, ApiError) else None
            if errcode != _SHOWN:
                shown = isinstance(error, KfError) and error.effect == "unknown"
                if errcode != _OVER:
                    _log.warning("%s failed: %s", command, error if isinstance(error, KfError) else repr(error))
                # What was refused once will be again.
                return shown or isinstance(error, NotSent)
        return True

    async def keep() -> None:
        going_on = await say("Typing")
        first.set()
        while going_on:
            await clock.sleep(_EVERY)
            going_on = await say("Typing")

    # Not in a task group: the body's own exceptions would come out in an exception group.
    keeper = FreeTask(keep)
    try:
        with anyio.move_on_after(_FIRST_SECONDS):
            await first.wait()
        yield
    finally:
        keeper.cancel()
        with anyio.move_on_after(_LAST_SECONDS, shield=True) as leaving:
            await keeper.wait()
            if shown:
                await say("CancelTyping")
        if leaving.cancelled_caught:
            _log.warning("CancelTyping got no answer within %g seconds", _LAST_SECONDS)
