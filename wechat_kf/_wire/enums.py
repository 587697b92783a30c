"""
Numbers with names.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self

__all__ = ["OpenIntEnum"]


class OpenIntEnum(IntEnum):
    """
    An `enum.IntEnum` that keeps numbers which have no name here: each is a value of the class, named ``UNKNOWN_…``.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if type(value) is not int:
            return None
        unknown = int.__new__(cls, value)
        unknown._name_ = f"UNKNOWN_{value}"
        unknown._value_ = value
        return unknown
