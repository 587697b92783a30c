"""
What a bot is doing, as a health check sees it.
"""

from __future__ import annotations

from typing import Literal

import attrs

__all__ = ["BotStatus"]


@attrs.frozen
class BotStatus:
    """
    What a bot is doing, for a health check.

    Attributes:
        state: ``"stopped"`` before it is entered and after it is left, ``"running"``, or ``"leaving"``.

        under_way: Pushes that have not been settled.

        handling: Those of them that are being handled or answered; the others wait for their customer's turn.

        failed: Pushes since it was entered that `on_error` was told of.

        lost: Pushes since it was entered that `on_lost` was told of.

        inbox_works: Whether the inbox can be reached.
    """

    state: Literal["stopped", "running", "leaving"]
    under_way: int = 0
    handling: int = 0
    failed: int = 0
    lost: int = 0
    inbox_works: bool = True
