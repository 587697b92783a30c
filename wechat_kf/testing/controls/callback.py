"""
Where pushes go.
"""

from __future__ import annotations

from ..fronts.asgi import AsgiApp
from ..pushes.courier import Callback
from ..pushes.outgoing import Format, Mode, Seal
from .state import AccountState

__all__ = ["CallbackControls"]


class CallbackControls:
    """
    The part of the account's own server.
    """

    _state: AccountState

    def set_callback(
        self,
        target: str | AsgiApp,
        *,
        token: str,
        encoding_aes_key: str | None = None,
        mode: Mode | None = None,
        format: Format = "xml",
    ) -> None:
        """
        Set where pushes go, as in the console.

        `serve`, the ASGI app's lifespan and the command deliver them by themselves; else call `deliver`.

        Args:
            target: A URL, or an ASGI app.

            token: What pushes are signed with.

            encoding_aes_key: What they are encrypted with.

            mode: ``plain``, ``compatible`` or ``safe``; by default safe with a key, plain without.

            format: ``xml`` or ``json``.
        """
        if mode is None:
            mode = "plain" if encoding_aes_key is None else "safe"
        seal = Seal(
            token=token,
            encoding_aes_key=encoding_aes_key,
            appid=self._state.appid,
            original_id=self._state.original_id,
            mode=mode,
            format=format,
        )
        self._state.courier.callback = Callback(target, seal)

    async def verify_callback(self) -> bool:
        """
        Check the callback as the console does: whether it answers the echostr.
        """
        return await self._state.courier.verify()

    async def deliver(self) -> None:
        """
        Deliver the pushes that wait, with the five seconds for each attempt, the retries, and what the answers do.
        """
        await self._state.courier.deliver()
