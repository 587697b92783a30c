"""
The stand-in itself: its accounts, and the ways into it.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import httpx
from anyio.abc import TaskGroup

from .._clock import Clock, SystemClock
from ._account import FakeAccount
from ._clock import ManualClock, SteppedClock
from ._platform import FakePlatform
from .controls.platform_state import PlatformState
from .controls.state import AccountState
from .fronts.access import Access
from .fronts.asgi import AsgiApp, AsgiFront
from .fronts.controls import PREFIX, ControlsFront
from .fronts.guard import why_foreign
from .fronts.in_process import FakeTransport
from .fronts.page import PageFront
from .fronts.socket import listen
from .fronts.tls import make_tls_context
from .machine.platform import COMPONENT
from .machine.request import Request
from .machine.response import PlannedResponse, Response

__all__ = ["FakeWeChat"]

_SYSTEM_CLOCK: Final = SystemClock()
_ANY_ADDRESS: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - nothing is bound here


class FakeWeChat(FakeAccount):
    """
    A stand-in for WeChat's customer service: an account, its agents and its customers, and more accounts if wanted.

    Args:
        appid: The account.

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
        states: list[AccountState] = []
        super().__init__(appid, secret, clock if isinstance(clock, ManualClock) else SteppedClock(clock), states)
        self._states = states
        self._accounts: dict[str, FakeAccount] = {appid: self}
        self._platforms: dict[str, FakePlatform] = {}
        self._platform_states: list[PlatformState] = []
        self._pumps: set[TaskGroup] = set()
        self._controls = ControlsFront(self._find)
        self._page = PageFront(self._find_account, lambda: list(self._accounts))

    @property
    def accounts(self) -> tuple[FakeAccount, ...]:
        """
        All accounts, this one first.
        """
        return tuple(self._accounts.values())

    def add_account(
        self,
        appid: str,
        secret: str = "fedcba9876543210fedcba9876543210",  # noqa: S107 - it opens nothing
        *,
        original_id: str | None = None,
    ) -> FakeAccount:
        """
        Add another account, with agents, customers, limits and a callback of its own. Returns it.

        It is reached by the same ways; which account a call is for is told by its token or appid.

        Args:
            appid: The account.

            secret: Its secret.

            original_id: Its name in pushes, ``gh_…``; None: one that comes of the appid.

        Raises:
            ValueError: There is one with this appid.
        """
        self._check_new(appid)
        account = FakeAccount(appid, secret, self.clock, self._states, original_id)
        self._accounts[appid] = account
        for pumps in self._pumps:
            pumps.start_soon(self._states[-1].courier.pump)
        return account

    def add_platform(self, appid: str, secret: str = "00112233445566778899aabbccddeeff") -> FakePlatform:  # noqa: S107
        """
        Add a third-party platform (第三方平台), which the accounts may authorise. Returns it.

        Raises:
            ValueError: There is a platform or an account with this appid.
        """
        self._check_new(appid)
        state = PlatformState(appid, secret, self.clock, self._find_state)
        self._platform_states.append(state)
        self._platforms[appid] = platform = FakePlatform(appid, secret, self.clock, state, self._find_or_add)
        for pumps in self._pumps:
            pumps.start_soon(state.pump)
        return platform

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
        return AsgiFront(self._receive, self.clock, self._pump)

    def serve(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        ca_file: str | Path | None = None,
        allow_hosts: Collection[str] = (),
        page_token: str | None = None,
    ) -> AbstractAsyncContextManager[str]:
        """
        Serve on a real socket, and deliver pushes meanwhile: ``async with fake.serve() as base_url:``.

        Requests of web pages, and those for another host than this machine or WeChat, are refused.

        Args:
            host: The address to listen on.

            port: The port; 0 for a free one.

            ca_file: Serve https instead. A certificate is made, for WeChat's hosts too; what its clients must trust is
                written to this file. Needs the extra ``webhook``.

            allow_hosts: More names by which this machine is called, such as that of a container.

            page_token: What the controls and the page then ask for: ``Authorization: Bearer ...``, or ``?token=...``
                once in the page's address. WeChat's own paths are called as ever.
        """
        hosts = [name.lower() for name in (*allow_hosts, host) if name not in _ANY_ADDRESS]
        tls = None if ca_file is None else make_tls_context(ca_file, hosts)
        access = None if page_token is None else Access(page_token, PREFIX)
        return listen(partial(self._receive, hosts=hosts, access=access), self.clock, host, port, self._pump, tls=tls)

    async def _receive(
        self, request: Request, *, hosts: Collection[str] | None = None, access: Access | None = None
    ) -> PlannedResponse:
        foreign = why_foreign(request.headers, hosts)
        if foreign is not None:
            text = f"This request is refused, as a web page might have sent it: {foreign}."
            return PlannedResponse(Response(403, "text/plain; charset=utf-8", text.encode("utf-8", "replace")))
        if request.path.startswith(PREFIX) and access is not None:
            refusal = access.refuse(request)
            if refusal is not None:
                return PlannedResponse(refusal)
        page = self._page.handle(request)
        if page is not None:
            return page
        if request.path.startswith(PREFIX):
            return PlannedResponse(await self._controls.handle(request))
        if request.path.startswith(COMPONENT) and self._platform_states:
            return self._platform_for(request).handle(request)
        return self._state_for(request).handle(request)

    async def _pump(self) -> None:
        """
        Deliver the pushes of all accounts, until cancelled.
        """
        async with anyio.create_task_group() as pumps:
            self._pumps.add(pumps)
            try:
                for state in self._states:
                    pumps.start_soon(state.courier.pump)
                for platform in self._platform_states:
                    pumps.start_soon(platform.pump)
                await anyio.sleep_forever()
            finally:
                self._pumps.remove(pumps)

    def _check_new(self, appid: str) -> None:
        if appid in self._accounts or appid in self._platforms:
            raise ValueError(f"there is an account {appid} already")

    def _find(self, appid: str | None) -> FakeAccount | FakePlatform:
        platform = None if appid is None else self._platforms.get(appid)
        return platform or self._find_account(appid)

    def _find_account(self, appid: str | None) -> FakeAccount:
        if appid is None:
            return self
        if appid not in self._accounts:
            raise ValueError(f"there is no account {appid}")
        return self._accounts[appid]

    def _find_state(self, appid: str) -> AccountState:
        for state in self._states:
            if state.appid == appid:
                return state
        raise ValueError(f"there is no account {appid}")

    def _find_or_add(self, appid: str, original_id: str) -> FakeAccount:
        return self._accounts.get(appid) or self.add_account(appid, original_id=original_id)

    def _platform_for(self, request: Request) -> PlatformState:
        """
        Tell which platform a call is for; one that names none that is known is for the first.
        """
        appid = request.body_field("component_appid")
        return next((state for state in self._platform_states if state.appid == appid), self._platform_states[0])

    def _state_for(self, request: Request) -> AccountState:
        """
        Tell which account a call is for; one that says nothing that is known is for the first.
        """
        return next((state for state in self._states if state.machine.is_meant(request)), self._states[0])
