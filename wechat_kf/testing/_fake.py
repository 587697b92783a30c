"""
The stand-in itself: an account behind the ways into it.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Final

import httpx

from .._clock import Clock, SystemClock
from ._account import FakeAccount
from ._clock import ManualClock, SteppedClock
from .fronts.asgi import AsgiApp, AsgiFront
from .fronts.controls import CONTROLS, PREFIX, ControlsFront
from .fronts.in_process import FakeTransport
from .fronts.socket import listen
from .machine.request import Request
from .machine.response import PlannedResponse

__all__ = ["FakeWeChat"]

_SYSTEM_CLOCK: Final = SystemClock()


class FakeWeChat(FakeAccount):
    """
    A stand-in for WeChat's customer service: one account, its agents and its customers.

    Args:
        appid: The account; no other is known.

        secret: Its secret.

        clock: What time it is. A `ManualClock` stands still until it is moved.
    """

    def __init__(
        self,
        *,
        appid: str = "wx5afe0ca11ab1e000",
        secret: str = "0123456789abcdef0123456789abcdef",  # noqa: S107 - it opens nothing
        clock: Clock = _SYSTEM_CLOCK,
    ) -> None:
        super().__init__(appid, secret, clock if isinstance(clock, ManualClock) else SteppedClock(clock))
        self._controls = ControlsFront({name: getattr(self, name) for name in CONTROLS}, self._state.faults.add)

    def client(self) -> httpx.AsyncClient:
        """
        Make an HTTP client whose requests come here, whatever their host. It need not be closed.
        """
        return httpx.AsyncClient(transport=FakeTransport(self._receive, self.clock))

    @property
    def asgi(self) -> AsgiApp:
        """
        An ASGI app, for any ASGI server or test client.
        """
        return AsgiFront(self._receive, self.clock, self._state.courier.pump)

    def serve(self, host: str = "127.0.0.1", port: int = 0) -> AbstractAsyncContextManager[str]:
        """
        Serve on a real socket, and deliver pushes meanwhile: ``async with fake.serve() as base_url:``.

        Args:
            host: The address to listen on.

            port: The port; 0 for a free one.
        """
        return listen(self._receive, self.clock, host, port, self._state.courier.pump)

    def _receive(self, request: Request) -> PlannedResponse:
        if request.path.startswith(PREFIX):
            return PlannedResponse(self._controls.handle(request))
        return self._state.handle(request)
