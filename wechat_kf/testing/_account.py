"""
One account of the stand-in, with everything that can be done to it.
"""

from __future__ import annotations

from ._clock import ManualClock, SteppedClock
from ._feed import Feed
from .controls.agents import AgentControls
from .controls.callback import CallbackControls
from .controls.customers import CustomerControls
from .controls.looks import LookControls
from .controls.settings import SettingControls
from .controls.state import AccountState
from .machine.limits import Limits
from .machine.request import ReceivedCall
from .machine.shown import Shown

__all__ = ["FakeAccount"]


class FakeAccount(CustomerControls, AgentControls, SettingControls, CallbackControls, LookControls):
    """
    An account, its agents and its customers.

    Attributes:
        appid: The account.

        secret: Its secret.

        original_id: The account's name in pushes, ``gh_…``.

        clock: The clock; give the same to the client, so that `advance` moves both.

        limits: Every number that the stand-in goes by.

        sent: What was sent to customers with the API.

        feed: What happens, for those who watch.
    """

    def __init__(
        self,
        appid: str,
        secret: str,
        clock: ManualClock | SteppedClock,
        states: list[AccountState],
        original_id: str | None = None,
    ) -> None:
        self._state = AccountState(appid, secret, clock, states, original_id)
        self.appid = appid
        self.secret = secret
        self.original_id: str = self._state.original_id
        self.clock = clock
        self.limits: Limits = self._state.limits
        self.sent: list[Shown] = self._state.sent
        self.feed: Feed = self._state.feed

    @property
    def calls(self) -> list[ReceivedCall]:
        """
        The requests that arrived, also those refused or dropped; a list of one's own may be put in its place.
        """
        return self._state.calls

    @calls.setter
    def calls(self, calls: list[ReceivedCall]) -> None:
        self._state.calls = calls
