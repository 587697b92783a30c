"""
All that the stand-in knows of one third-party platform: its rules, its pushes, and what arrived.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

import anyio
import attrs

from .._clock import ManualClock, SteppedClock
from .._faults import Faults
from ..fronts.asgi import AsgiApp
from ..machine.limits import Limits
from ..machine.platform import Platform
from ..machine.request import ReceivedCall, Request
from ..machine.response import PlannedResponse
from ..pushes.courier import Callback, Courier
from ..pushes.outgoing import OutgoingPush, Seal
from ..pushes.replies import ReplyMistake
from .state import AccountState

__all__ = ["PlatformState"]

_APPID: Final = "$APPID$"


class PlatformState:
    """
    One platform, and everything that happened to it.

    Args:
        find: Finds an account.

    Attributes:
        calls: The requests that arrived, also those refused or dropped.

        faults: What goes wrong with the next calls.

        courier: The pushes on their way to the platform itself.

        machine: The rules.
    """

    def __init__(
        self, appid: str, secret: str, clock: ManualClock | SteppedClock, find: Callable[[str], AccountState]
    ) -> None:
        self.appid = appid
        self.clock = clock
        self.limits: Limits = Limits()
        self.calls: list[ReceivedCall] = []
        self.faults: Faults = Faults()
        self._find = find
        # Tokens and ids need not be secret here, but two stand-ins must not make the same.
        random = Random()  # noqa: S311
        self.courier: Courier = Courier(
            self.limits, clock, random, take=_take_reply, notice=_do_nothing, see=_do_nothing
        )
        self.machine: Platform = Platform(
            appid,
            secret,
            limits=self.limits,
            random=random,
            tokens_of=lambda appid: find(appid).machine.tokens,
            push_ticket=self.push_ticket,
        )
        self._messages: Callable[[AccountState], Callback] | None = None

    def now(self) -> float:
        """
        Return the time in Unix seconds.
        """
        return self.clock.now().timestamp()

    def handle(self, request: Request) -> PlannedResponse:
        """
        Take a request in and remember it; answer it by the rules, or as a fault says.
        """
        now = self.clock.now()
        request = attrs.evolve(request, at=now.timestamp())
        self.calls.append(ReceivedCall.of(request, now))
        fault = self.faults.take(request.path)
        if fault is None:
            return PlannedResponse(self.machine.handle(request))
        return fault.meet(request, self.machine)

    def set_callback(
        self, target: str | AsgiApp, token: str, encoding_aes_key: str, events: str, messages: str | None
    ) -> None:
        """
        Set where pushes go: those to the platform, and those of the accounts that authorise it.
        """

        def callback(original_id: str, path: str) -> Callback:
            seal = Seal(
                token=token,
                encoding_aes_key=encoding_aes_key,
                appid=self.appid,
                original_id=original_id,
                mode="safe",
                format="xml",
            )
            if isinstance(target, str):
                return Callback(target.rstrip("/") + path, seal)
            return Callback(target, seal, path)

        self.courier.callback = callback("", events)
        self._messages = None
        if messages is not None:
            self._messages = lambda account: callback(account.original_id, messages.replace(_APPID, account.appid))

    def push(self, info_type: str, fields: dict[str, Any]) -> None:
        """
        Push something to the platform, if a callback is set.
        """
        self.courier.add(OutgoingPush(None, {"InfoType": info_type, **fields}, self.now()))

    def push_ticket(self) -> str:
        """
        Push a ticket. Returns it.
        """
        ticket = self.machine.new_ticket(self.now())
        self.push("component_verify_ticket", {"ComponentVerifyTicket": ticket})
        return ticket

    def authorize(self, appid: str) -> str:
        """
        Let an account authorise the platform. Returns the code.
        """
        account = self._find(appid)
        code, end = self.machine.new_code(appid, self.now())
        fields = {
            "AuthorizerAppid": appid,
            "AuthorizationCode": code,
            "AuthorizationCodeExpiredTime": int(end),
            "PreAuthCode": self.machine.new_pre_auth_code(),
        }
        self.push("updateauthorized" if self.machine.is_authorized(appid) else "authorized", fields)
        if self._messages is not None:
            account.courier.callback = self._messages(account)
        return code

    def unauthorize(self, appid: str) -> None:
        """
        Let an account withdraw its authorisation.
        """
        self._find(appid).courier.callback = None
        self.machine.end_authorization(appid, self.now())
        self.push("unauthorized", {"AuthorizerAppid": appid})

    async def pump(self) -> None:
        """
        Deliver pushes as they come, and push a ticket every ten minutes, until cancelled.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.courier.pump)
            while True:
                await self.clock.sleep(self.limits.ticket_apart)
                self.push_ticket()


def _take_reply(_: OutgoingPush, __: dict[str, Any]) -> None:
    raise ReplyMistake("nobody can be answered; reply success")


def _do_nothing(_: object) -> None:
    # No customer is concerned, and no page shows it.
    pass
