"""
Show "typing" while an answer is prepared, within WeChat's rules.

The state lasts 15 seconds, cannot be renewed while it lasts, and needs a message within the last 30 seconds.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, Literal

import anyio

from .._clock import Clock
from .._concurrency import FreeTask
from .._errors import ApiError, KfError, NotSent
from .._redact import get_logger, redact

__all__ = ["keep_typing"]

_log = get_logger("wechat_kf.typing")

_INTERVAL: Final = 15.5
# Entering waits no longer than this for the indicator to appear, leaving no longer for it to go.
_ENTER_SECONDS: Final = 1.0
_EXIT_SECONDS: Final = 3.0

_NO_RECENT_MESSAGE: Final = 45080
_ALREADY_TYPING: Final = 45081


@asynccontextmanager
async def keep_typing(
    typing: Callable[[str, Literal["Typing", "CancelTyping"]], Awaitable[object]], openid: str, clock: Clock
) -> AsyncGenerator[None]:
    """
    Call `typing` for a customer until the block ends, then cancel it. Failures are logged and never raised.
    """
    shown = False
    first = anyio.Event()

    async def send(command: Literal["Typing", "CancelTyping"]) -> bool:
        """
        Make one call; return whether another one makes sense.
        """
        nonlocal shown
        # Set before the call returns: one that is cancelled may have taken effect.
        shown = command == "Typing"
        try:
            await typing(openid, command)
        except Exception as error:  # noqa: BLE001 - it must not reach the block
            errcode = error.errcode if isinstance(error, ApiError) else None
            if errcode != _ALREADY_TYPING:
                shown = isinstance(error, KfError) and error.effect == "unknown"
                if errcode != _NO_RECENT_MESSAGE:
                    _log.warning("%s failed: %s", command, error if isinstance(error, KfError) else redact(repr(error)))
                # What was refused once will be refused again.
                return shown or isinstance(error, NotSent)
        return True

    async def repeat() -> None:
        goes_on = await send("Typing")
        first.set()
        while goes_on:
            await clock.sleep(_INTERVAL)
            goes_on = await send("Typing")

    # Not in a task group, which would wrap the block's own exceptions.
    repeating = FreeTask(repeat)
    try:
        with anyio.move_on_after(_ENTER_SECONDS):
            await first.wait()
        yield
    finally:
        repeating.cancel()
        with anyio.move_on_after(_EXIT_SECONDS, shield=True) as leaving:
            await repeating.wait()
            if shown:
                await send("CancelTyping")
        if leaving.cancelled_caught:
            _log.warning("CancelTyping was not answered within %g seconds", _EXIT_SECONDS)
