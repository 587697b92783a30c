"""
Keep "typing" shown while something is being prepared, by WeChat's rules: it lasts 15 seconds, cannot be renewed while it
lasts, and needs a message within the last 30 seconds.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, Literal

import anyio

from ._clock import Clock
from ._errors import ApiError, KfError

__all__ = ["keep_typing"]

_log = logging.getLogger("wechat_kf.typing")

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
        # Before the answer: a call that was cut off may have taken effect.
        shown = command == "Typing"
        try:
            await typing(openid, command)
        except ApiError as error:
            shown = error.errcode == _SHOWN
            if error.errcode not in (_OVER, _SHOWN):
                _log.warning("%s failed: %s", command, error)
            return shown
        except KfError as error:
            _log.warning("%s failed: %s", command, error)
        return True

    async def keep() -> None:
        going_on = await say("Typing")
        first.set()
        while going_on:
            await clock.sleep(_EVERY)
            going_on = await say("Typing")

    # The body's own error must come out as it is, not in a group with the task's.
    failure: Exception | None = None
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keep)
            with anyio.move_on_after(_FIRST_SECONDS):
                await first.wait()
            try:
                yield
            except Exception as error:
                failure = error
            tasks.cancel_scope.cancel()
    finally:
        if shown:
            with anyio.move_on_after(_LAST_SECONDS, shield=True):
                await say("CancelTyping")
    if failure is not None:
        raise failure
