"""
Ctrl-C and SIGTERM: the first asks a command to stop, or ends it if it cannot be asked; the second ends it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio

from ._exits import Exit

__all__ = ["Stop", "Stopped"]


class Stopped(Exception):
    """
    The command was ended by a signal.

    Args:
        exit: The exit code, 128 and the signal's number.

        text: What to say, as a sentence.
    """

    def __init__(self, exit: int, text: str) -> None:
        super().__init__(text)
        self.exit = exit


class Stop:
    """
    Runs a command's work until it ends or is stopped.

    Args:
        changes: Whether the work changes something.

    Attributes:
        exit: The exit code after a signal; None as long as there was none.

        asked: Set by the first signal.
    """

    def __init__(self, *, changes: bool) -> None:
        self._changes = changes
        self.exit: int | None = None
        self.asked = anyio.Event()
        self._is_heard = False
        self._scope = anyio.CancelScope()

    def listen(self) -> None:
        """
        Promise to end soon once `asked` is set, so that only a second signal cancels the work.
        """
        self._is_heard = True

    async def run(self, work: Callable[[], Awaitable[int]]) -> int:
        """
        Do the work.

        Raises:
            Stopped: It was cancelled by a signal.
        """
        if sys.platform == "win32":  # pragma: no cover - there Ctrl-C is a KeyboardInterrupt
            return await work()
        ended: int | Exception | None = None
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._watch, signals)
                with self._scope:
                    try:
                        ended = await work()
                    except Exception as error:  # noqa: BLE001 - raised below: it must not come out in a group
                        ended = error
                tasks.cancel_scope.cancel()
        return self._result(ended)

    def _result(self, ended: int | Exception | None) -> int:
        if isinstance(ended, Exception):
            raise ended
        if ended is not None:
            return ended
        text = "Stopped; what was under way may have taken effect." if self._changes else "Stopped."
        raise Stopped(self.exit or Exit.STOPPED, text)

    async def _watch(self, signals: AsyncIterator[signal.Signals]) -> None:
        async for number in signals:
            if not self._is_heard or self.exit is not None:
                self._scope.cancel()
            self.exit = self.exit or 128 + number
            self.asked.set()
