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
    What a bot is doing, for a health check; `attrs.asdict` makes it a dict that can be written as JSON.

    Attributes:
        state: ``"stopped"`` before it is entered and after it is left, ``"running"``, or ``"leaving"``.

        under_way: Pushes that have not been settled.

        handling: Those of them that are being handled or answered.

        waiting: Those of them that wait: for their customer's turn, or for a free slot.

        failed: Pushes since it was entered that `on_error` was told of.

        lost: Pushes since it was entered that `on_lost` was told of.

        inbox_works: Whether the inbox can be reached.

        counts: How many pushes ended in each way since the bot was made; the ways are those of `PushOutcome`.
    """

    state: Literal["stopped", "running", "leaving"]
    under_way: int = 0
    handling: int = 0
    waiting: int = 0
    failed: int = 0
    lost: int = 0
    inbox_works: bool = True
    counts: dict[str, int] = attrs.field(factory=dict[str, int])
