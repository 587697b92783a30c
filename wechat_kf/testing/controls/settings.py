"""
What the account's owner does, what goes wrong, and when.
"""

from __future__ import annotations

from typing import Any

from ..._wire.endpoint import Endpoint
from .._faults import Fault
from .state import AccountState

__all__ = ["SettingControls"]


class SettingControls:
    """
    The part of the account's owner, and of nature.
    """

    _state: AccountState

    def add_material(self, type: str, content: bytes, media_id: str | None = None) -> str:
        """
        Keep a file for good, as in the console. Returns its media_id.

        Args:
            type: ``image``, ``voice``, ``video``, ``thumb`` or ``mpnews``.

            content: The file.

            media_id: The id it is to have.
        """
        return self._state.machine.media.keep(type, content, media_id)

    def expire_tokens(self) -> None:
        """
        Let every token be out of time.
        """
        self._state.machine.tokens.expire(self._state.now())

    def revoke_tokens(self) -> None:
        """
        Let every token be replaced, as if another program had renewed it.
        """
        self._state.machine.tokens.revoke()

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

    def advance(self, seconds: float) -> None:
        """
        Move the time.
        """
        self._state.advance(seconds)
