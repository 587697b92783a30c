"""
The stand-in itself: the state machine, its mouths, and the controls for what customers and agents do.
"""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any, Final

import attrs
import httpx

from .._clock import Clock, SystemClock
from .._wire import Endpoint
from ._clock import ManualClock, SteppedClock
from ._faults import Fault, Faults
from ._http import FakeTransport
from ._limits import Limits
from ._machine import Machine
from ._socket import listen
from ._values import Exchange, ReceivedCall, Request, Shown

__all__ = ["FakeWeChat"]

_SYSTEM_CLOCK: Final = SystemClock()


class FakeWeChat:
    """
    A stand-in for WeChat's customer service: one account, its agents and its customers.

    Args:
        appid: The account; no other is known.

        secret: Its secret.

        clock: What time it is. A `ManualClock` stands still until it is moved.

    Attributes:
        appid: The account.

        secret: Its secret.

        clock: The clock; give the same to the client, so that `advance` moves both.

        limits: Every number that the stand-in goes by.

        calls: The requests that arrived, also those refused or dropped.

        sent: What was sent to customers with the API.
    """

    def __init__(
        self,
        *,
        appid: str = "wx5afe0ca11ab1e000",
        secret: str = "0123456789abcdef0123456789abcdef",  # noqa: S107 - it opens nothing
        clock: Clock = _SYSTEM_CLOCK,
    ) -> None:
        self.appid = appid
        self.secret = secret
        self.clock = clock if isinstance(clock, ManualClock) else SteppedClock(clock)
        self.limits = Limits()
        self.calls: list[ReceivedCall] = []
        self.sent: list[Shown] = []
        self._shown: dict[str, list[Shown]] = {}
        self._faults = Faults()
        self._machine = Machine(appid, secret, self.limits, self._push, self._show)

    # Mouths.

    def client(self) -> httpx.AsyncClient:
        """
        Make an HTTP client whose requests come here, whatever their host. It need not be closed.
        """
        return httpx.AsyncClient(transport=FakeTransport(self._receive, self.clock))

    def serve(self, host: str = "127.0.0.1", port: int = 0) -> AbstractAsyncContextManager[str]:
        """
        Serve on a real socket: ``async with fake.serve() as base_url:``.

        Args:
            host: The address to listen on.

            port: The port; 0 for a free one.
        """
        return listen(self._receive, self.clock, host, port)

    # What customers do.

    def user_says(self, openid: str, text: str) -> None:
        """
        Let a customer write; one who is not known follows the account already.
        """
        self._user_sends(openid, text, {"MsgType": "text", "Content": text})

    # What agents do.

    def agent_online(self, kf_account: str, *, auto_accept: int = 0) -> None:
        """
        Log an agent in; make the account and bind a person to it if need be.

        Args:
            kf_account: Full account name, ``prefix@suffix``.

            auto_accept: How many sessions the agent takes without asking.
        """
        self._machine.accounts.set_online(kf_account, auto_accept)
        self._machine.sessions.assign(self._at())

    def accept_invitation(self, kf_account: str) -> None:
        """
        Let the person invited to an account accept.
        """
        self._machine.accounts.answer_invitation(kf_account, self._at(), accept=True)

    # What goes wrong, and when.

    def fault(self, path: str | Endpoint[Any], fault: Fault, times: int = 1, *, after: int = 0) -> None:
        """
        Let something go wrong with calls of a path, after those queued for it before.

        Args:
            path: The exact path, or the endpoint.

            fault: What goes wrong.

            times: With how many calls.

            after: How many calls go well before.
        """
        self._faults.add(path.path if isinstance(path, Endpoint) else path, fault, times, after)

    def advance(self, seconds: float) -> None:
        """
        Move the time.
        """
        self.clock.advance(seconds)

    # The rest is how the mouths speak.

    def _at(self) -> float:
        at = self.clock.now().timestamp()
        self._machine.sessions.settle(at)
        return at

    def _receive(self, request: Request) -> Exchange:
        now = self.clock.now()
        request = attrs.evolve(request, at=now.timestamp())
        self._remember(request, now)
        fault = self._faults.take(request.path)
        if fault is None:
            return Exchange(self._machine.handle(request))
        return fault.meet(request, self._machine)

    def _remember(self, request: Request, now: datetime) -> None:
        try:
            parsed = json.loads(request.body)
        except (ValueError, RecursionError):
            parsed = None
        call = ReceivedCall(
            request.method,
            request.path,
            request.query,
            parsed,
            request.headers,
            len(request.body),
            request.upload(),
            now,
        )
        self.calls.append(call)
        if len(self.calls) > self.limits.remembered:
            del self.calls[: self.limits.remembered // 2]

    def _user_sends(self, openid: str, text: str, fields: dict[str, Any]) -> None:
        at = self._at()
        customer = self._machine.customers.meet(openid)
        customer.grant(self.limits.message, at)
        customer.last_exchange = at
        if not self._machine.sessions.hear(openid, text, at):
            self._push(openid, fields, at)

    def _push(self, openid: str, fields: dict[str, Any], at: float) -> None:
        pass

    def _show(self, openid: str, payload: dict[str, Any], kf_account: str | None, at: float) -> None:
        shown = Shown(openid, payload, kf_account, datetime.fromtimestamp(at, UTC))
        self.sent.append(shown)
        self._shown.setdefault(openid, []).append(shown)
