"""
One third-party platform (第三方平台) of the stand-in, with everything that can be done to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import anyio

from .._wire.endpoint import Endpoint
from ._account import FakeAccount
from ._clock import ManualClock, SteppedClock
from ._faults import Fault
from .controls.platform_state import PlatformState
from .fronts.asgi import AsgiApp
from .machine.limits import Limits
from .machine.request import ReceivedCall
from .machine.shown import Via

__all__ = ["FakePlatform"]

_GO_LIVE_APPID: Final = "wx570bc396a51b8ff8"
_GO_LIVE_NAME: Final = "gh_3c884a361561"
_GO_LIVE_OPENID: Final = "oGoLiveTesterOfWeChat0000001"
_GO_LIVE_TEXT: Final = "TESTCOMPONENT_MSG_TYPE_TEXT"
_GO_LIVE_EVENT: Final = {"MsgType": "event", "Event": "LOCATION", "Latitude": 23.1, "Longitude": 113.3, "Precision": 65}

# How long the go-live test waits for what is done after the answer to a push.
_PATIENCE: Final = 10.0
_STEP: Final = 0.02


class FakePlatform:
    """
    A platform, which accounts of the stand-in may authorise.

    A server of the stand-in's delivers its pushes, and a ticket every ten minutes; else call `deliver`.

    Attributes:
        appid: The platform.

        secret: Its secret.

        clock: The clock.

        limits: The numbers it goes by.
    """

    def __init__(
        self,
        appid: str,
        secret: str,
        clock: ManualClock | SteppedClock,
        state: PlatformState,
        account: Callable[[str, str], FakeAccount],
    ) -> None:
        self._state = state
        self._account = account
        self.appid = appid
        self.secret = secret
        self.clock = clock
        self.limits: Limits = state.limits

    @property
    def calls(self) -> list[ReceivedCall]:
        """
        The requests of the platform's own that arrived, also those refused or dropped.
        """
        return self._state.calls

    def set_callback(
        self,
        target: str | AsgiApp,
        *,
        token: str,
        encoding_aes_key: str,
        events: str = "/events",
        messages: str | None = "/messages/$APPID$",
    ) -> None:
        """
        Set where pushes go, as in the platform's console.

        Args:
            target: A URL, or an ASGI app.

            token: What pushes are signed with, those of customers too.

            encoding_aes_key: What they are encrypted with.

            events: The path of tickets and authorisations.

            messages: The path of what customers of the accounts do, with ``$APPID$`` for the account's appid; set for
                each account when it authorises. None: accounts keep their own callbacks.
        """
        self._state.set_callback(target, token, encoding_aes_key, events, messages)

    def push_ticket(self) -> str:
        """
        Push a ticket now. Returns it.
        """
        return self._state.push_ticket()

    def authorize(self, appid: str) -> str:
        """
        Let an account's owner authorise the platform, for the first time or anew. Returns the authorisation's code.
        """
        return self._state.authorize(appid)

    def unauthorize(self, appid: str) -> None:
        """
        Let an account's owner withdraw the authorisation: its tokens end, and its pushes.
        """
        self._state.unauthorize(appid)

    def expire_tokens(self) -> None:
        """
        Let the platform's own tokens be out of time.
        """
        self._state.machine.expire_tokens(self._state.now())

    def fault(self, path: str | Endpoint[Any], fault: Fault, times: int = 1, *, after: int = 0) -> None:
        """
        Let something go wrong with calls of a path, after the faults queued for it before.

        Args:
            path: The exact path, or the endpoint.

            fault: What goes wrong.

            times: With how many calls.

            after: How many calls go well before.
        """
        self._state.faults.add(path.path if isinstance(path, Endpoint) else path, fault, times, after)

    async def deliver(self) -> None:
        """
        Deliver the pushes that wait for the platform; those of customers are the accounts'.
        """
        await self._state.courier.deliver()

    async def settle(self) -> None:
        """
        Wait until every push is answered or given up, also those that a server of the stand-in's is delivering.
        """
        await self._state.courier.settle()

    async def go_live_test(self) -> tuple[str, ...]:
        """
        Test the platform's server as WeChat does before it goes live (全网发布).

        A ticket and an authorisation of WeChat's own account come first; then a text and an event are answered at once,
        and a code that a customer sends is answered with the API, in the account's name; at the end the authorisation
        is withdrawn.

        Returns:
            What went wrong; nothing if the test is passed.
        """
        account = self._account(_GO_LIVE_APPID, _GO_LIVE_NAME)
        machine, problems = self._state.machine, list[str]()

        def is_shown(text: str, via: Via) -> bool:
            return (text, via) in [(each.text, each.via) for each in account.shown_to(_GO_LIVE_OPENID)]

        self.push_ticket()
        await self.settle()
        self.authorize(account.appid)
        await self.settle()
        if not await _comes(lambda: machine.is_authorized(account.appid)):
            problems.append("the code of the authorisation was not exchanged")
        account.user_says(_GO_LIVE_OPENID, _GO_LIVE_TEXT)
        await account.settle()
        if not is_shown(f"{_GO_LIVE_TEXT}_callback", "passive"):
            problems.append(f"the text was not answered at once with {_GO_LIVE_TEXT}_callback")
        account.user_sends(_GO_LIVE_OPENID, _GO_LIVE_EVENT)
        await account.settle()
        if not is_shown("LOCATIONfrom_callback", "passive"):
            problems.append("the event was not answered at once with LOCATIONfrom_callback")
        before = len(account.shown_to(_GO_LIVE_OPENID))
        code, _ = machine.new_code(account.appid, self._state.now())
        account.user_says(_GO_LIVE_OPENID, f"QUERY_AUTH_CODE:{code}")
        await account.settle()
        if not await _comes(lambda: is_shown(f"{code}_from_api", "custom")):
            problems.append("the code was not answered with the API, with itself and _from_api")
        if any(each.via != "custom" for each in account.shown_to(_GO_LIVE_OPENID)[before:]):
            problems.append("the code was not answered at once with nothing")
        self.unauthorize(account.appid)
        await self.settle()
        return tuple(problems)


async def _comes(holds: Callable[[], bool]) -> bool:
    """
    Wait in real time for what an app does after its answer.
    """
    for _ in range(int(_PATIENCE / _STEP)):
        if holds():
            return True
        await anyio.sleep(_STEP)
    return holds()
