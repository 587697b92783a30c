"""
What agents do in their console.
"""

from __future__ import annotations

from .._feed import Changed
from .state import AccountState

__all__ = ["AgentControls"]


class AgentControls:
    """
    The part of agents.
    """

    _state: AccountState

    def agent_online(self, kf_account: str, *, auto_accept: int = 0) -> None:
        """
        Log an agent in; make the account and bind a person to it if need be.

        Args:
            kf_account: Full account name, ``prefix@suffix``.

            auto_accept: How many sessions the agent has at most without accepting each.
        """
        self._state.machine.accounts.set_online(kf_account, auto_accept)
        self._state.machine.sessions.assign(self._state.now())
        self._state.feed.add(Changed())

    def agent_offline(self, kf_account: str) -> None:
        """
        Log an agent out; open sessions stay.
        """
        self._state.machine.accounts.find(kf_account).status = 0
        self._state.feed.add(Changed())

    def accept_invitation(self, kf_account: str) -> None:
        """
        Let the person invited to an account accept.
        """
        self._state.machine.accounts.answer_invitation(kf_account, self._state.now(), accept=True)
        self._state.feed.add(Changed())

    def reject_invitation(self, kf_account: str) -> None:
        """
        Let the person invited to an account reject.
        """
        self._state.machine.accounts.answer_invitation(kf_account, self._state.now(), accept=False)
        self._state.feed.add(Changed())

    def works_elsewhere(self, invite_wx: str, accounts: int) -> None:
        """
        Say how many accounts of other companies a person serves.
        """
        self._state.machine.accounts.bound_elsewhere[invite_wx] = accounts

    def user_waits(self, openid: str, kf_account: str | None = None) -> None:
        """
        Put a customer into the queue, as a `TransferReply` does.

        Args:
            openid: The customer.

            kf_account: The agent they wait for; None: any.
        """
        at = self._state.now()
        self._state.machine.sessions.transfer(self._state.follower(openid).openid, kf_account, None, at)
        self._state.feed.add(Changed(openid))

    def agent_accepts(self, kf_account: str, openid: str | None = None) -> str:
        """
        Let an agent take a customer who waits. Returns whom.

        Args:
            kf_account: The agent.

            openid: The customer; None: the one who has waited longest.
        """
        return self._state.machine.sessions.accept(kf_account, openid, self._state.now())

    def agent_says(self, openid: str, text: str) -> None:
        """
        Let the agent who serves a customer write to them.
        """
        at = self._state.now()
        customer = self._state.follower(openid)
        kf_account = self._state.machine.sessions.speak(openid, text, at)
        customer.last_exchange = customer.typing_until = at
        self._state.show(openid, {"msgtype": "text", "text": {"content": text}}, kf_account, at, via="agent")

    def agent_switches(self, openid: str, kf_account: str) -> None:
        """
        Let the agent who serves a customer hand them to another.
        """
        self._state.machine.sessions.switch(openid, kf_account, self._state.now())

    def agent_closes(self, openid: str) -> None:
        """
        Let the agent who serves a customer end the session.
        """
        self._state.machine.sessions.finish(openid, self._state.now())
