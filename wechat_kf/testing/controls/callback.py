"""
Where pushes go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._feed import Changed
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
        token: str = "",
        encoding_aes_key: str | None = None,
        mode: Mode | None = None,
        format: Format = "xml",
        path: str | None = None,
        real_time: bool | None = None,
    ) -> None:
        """
        Set where pushes go, as in the console.

        `serve`, the ASGI app's lifespan and the command deliver them by themselves; else call `deliver`.

        Args:
            target: A URL, or an ASGI app.

            token: What pushes are signed with; not through cloud-run.

            encoding_aes_key: What they are encrypted with.

            mode: ``plain``, ``compatible``, ``safe`` or ``cloud-run``; by default safe with a key, plain without.

            format: ``xml`` or ``json``.

            path: Where in an ASGI app, ``/`` by default. As WeChat does not follow redirects, a bot under
                ``app.mount("/wechat", bot)`` is at ``/wechat/``, one under ``Route("/wechat", bot)`` at ``/wechat``.

            real_time: Whether pushes carry the real time, though `advance` has moved the stand-in's: a server with a
                clock of its own would refuse the other. By default so for a URL, but not for an app.
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
        is_real = isinstance(target, str) if real_time is None else real_time
        self._state.courier.callback = Callback(target, seal, path, is_real)
        self._state.feed.add(Changed())

    def platform_pushes(self, info_type: str, fields: Mapping[str, Any] | None = None) -> None:
        """
        Push what third-party platforms (第三方平台) are told: the callback is then the platform's.

        Args:
            info_type: Such as ``component_verify_ticket``, ``authorized`` or ``unauthorized``.

            fields: The push's other fields by their wire names, such as ``ComponentVerifyTicket``.

        Raises:
            ValueError: The callback's pushes are not encrypted XML, as a platform's always are.
        """
        callback = self._state.courier.callback
        if callback is not None and (callback.seal.mode, callback.seal.format) != ("safe", "xml"):
            raise ValueError("a platform's pushes are encrypted XML: set the callback with an encoding_aes_key")
        self._state.push(None, {"InfoType": info_type, **(fields or {})}, self._state.now())

    async def verify_callback(self) -> bool:
        """
        Check the callback as the console does: whether it answers the echostr.
        """
        return await self._state.courier.verify()

    async def settle(self) -> None:
        """
        Wait until every push is answered or given up, also those that a server of the stand-in's is delivering.
        """
        await self._state.courier.settle()

    async def deliver(self) -> None:
        """
        Deliver the pushes that wait, with the five seconds for each attempt, the retries, and what the answers do.
        """
        await self._state.courier.deliver()
