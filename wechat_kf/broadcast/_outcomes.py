"""
What the caller of `send_each` iterates over: an outcome for each message, as it settles.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from typing import Self

import anyio

from .._clock import Clock
from .._concurrency import FreeTask
from ..api.message_kinds import Message
from ._counts import Counts
from ._journal import Journal, NoJournal
from ._rows import Outcome, Pair
from ._sending import Sending

__all__ = ["Outcomes"]


class Outcomes:
    """
    An async iterator over what became of each message, in the order in which that is known.

    When the pairs themselves fail, those without an outcome were not sent.
    """

    # Not an async generator, which must not be left in the middle on trio.

    _task: FreeTask | None = None

    def __init__(
        self,
        pairs: Iterable[Pair] | AsyncIterable[Pair],
        send: Callable[[str, Message | str], Awaitable[object]],
        concurrency: int,
        clock: Clock,
        *,
        journal: Journal | None = None,
        account: str = "",
    ) -> None:
        if concurrency < 1:
            raise ValueError("concurrency must be at least 1")
        self._sending = Sending(
            pairs,
            send,
            concurrency,
            clock,
            journal=NoJournal() if journal is None else journal,
            account=account,
            with_digest=journal is not None,
        )

    @property
    def counts(self) -> Counts:
        """
        How many messages have fared how, up to now, those not yet taken from the loop included.
        """
        return self._sending.counts.copy()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        if self._task is None:
            self._task = FreeTask(self._sending.run)
        try:
            return await self._sending.outcome()
        except anyio.get_cancelled_exc_class():
            self._task.cancel()
            with anyio.CancelScope(shield=True):
                await self._task.wait()
            raise

    async def aclose(self) -> None:
        """
        Begin nothing more, and wait until what is on its way has settled; its outcomes can still be taken.

        If this is cancelled, what is on its way is cancelled too.
        """
        self._sending.leave()
        if self._task is None:
            return
        try:
            await self._task.wait()
        finally:
            self._task.cancel()
            with anyio.CancelScope(shield=True):
                await self._task.wait()

    def __del__(self) -> None:
        if self._task is not None and not self._task.has_ended:
            # This may be another thread's garbage collection.
            self._task.call_soon(self._sending.leave)
