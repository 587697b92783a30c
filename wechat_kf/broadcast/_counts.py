"""
How many messages have fared how.
"""

from __future__ import annotations

from typing import Self

import attrs

from .._errors import ApiError, KfError

__all__ = ["Counts"]


@attrs.define
class Counts:
    """
    How many messages have fared how; those of an earlier run, which the journal tells, are among them.

    Attributes:
        delivered: WeChat took them.

        refused: WeChat refused them, by errcode. They had no effect.

        uncertain: They may have arrived.

        not_sent: WeChat never got them: no connection, a pair that is wrong, or a quota that was used up before.
    """

    delivered: int = 0
    refused: dict[int, int] = attrs.field(factory=dict[int, int])
    uncertain: int = 0
    not_sent: int = 0

    @property
    def total(self) -> int:
        """
        How many there are in all.
        """
        return self.delivered + sum(self.refused.values()) + self.uncertain + self.not_sent

    def add(self, error: KfError | None) -> None:
        """
        Count one more.

        Args:
            error: Why it failed; None if it was delivered.
        """
        if error is None:
            self.delivered += 1
        elif error.effect == "unknown":
            self.uncertain += 1
        elif isinstance(error, ApiError):
            self.refused[error.errcode] = self.refused.get(error.errcode, 0) + 1
        else:
            self.not_sent += 1

    def copy(self) -> Self:
        """
        Copy it, so that it does not change any more.
        """
        return attrs.evolve(self, refused=dict(self.refused))
