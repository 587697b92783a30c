"""
Each customer's order where several processes serve an account: the protocol of a queue, and one push's place in it.
"""

from __future__ import annotations

from typing import Final, Protocol

import anyio

from .._redact import get_logger
from ._callbacks import contained

__all__ = ["STORE_SECONDS", "Order", "Turn"]

_log = get_logger("wechat_kf.bot")

STORE_SECONDS: Final = 2.0
"""
How long a shared store may take, also for a push that is being cancelled.
"""


class Order(Protocol):
    """
    A queue for each customer, shared by all processes that serve one account.
    """

    async def join(self, openid: str) -> str:
        """
        Join the customer's queue.

        Returns:
            The place in it.
        """
        ...

    async def wait(self, openid: str, place: str) -> None:
        """
        Wait until the place is the first; the wait must be bounded, and must not be for a process that has died.
        """
        ...

    async def leave(self, openid: str, place: str) -> None:
        """
        Leave the queue, from wherever the place is.
        """
        ...


class Turn:
    """
    One push's place in its customer's queue, held by a task of its own, so that it is left in any case.

    Whatever fails is logged, and the push is handled all the same.
    """

    def __init__(self, order: Order, openid: str) -> None:
        self._order = order
        self._openid = openid
        self._place: str | None = None
        self._taken = anyio.Event()
        self._over = anyio.Event()
        self._left = anyio.Event()

    async def hold(self, before: Turn | None) -> None:
        """
        Take the place, after the one that this process took before for the same customer, and keep it.
        """
        if before is not None:
            await before._taken.wait()
        try:
            with anyio.fail_after(STORE_SECONDS), contained():
                self._place = await self._order.join(self._openid)
        except Exception:  # noqa: BLE001 - logged
            _log.exception("Could not join the customer's shared queue; handling the push without it.")
        self._taken.set()
        try:
            await self._over.wait()
        finally:
            await self._leave()
            self._left.set()

    async def come(self) -> None:
        """
        Wait for the turn.
        """
        await self._taken.wait()
        if self._place is not None:
            try:
                with contained():
                    await self._order.wait(self._openid, self._place)
            except Exception:  # noqa: BLE001 - logged
                _log.exception("Could not wait in the customer's shared queue; handling the push without it.")

    async def end(self) -> None:
        """
        Leave the queue.
        """
        self._over.set()
        await self._left.wait()

    async def _leave(self) -> None:
        if self._place is None:
            return
        try:
            with anyio.fail_after(STORE_SECONDS, shield=True), contained():
                await self._order.leave(self._openid, self._place)
        except Exception:  # noqa: BLE001 - logged
            _log.exception("Could not leave a customer's shared queue.")
