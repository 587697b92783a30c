"""
What the chapters have in common.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar

from .._wire.endpoint import Call

__all__ = ["Chapter"]

T = TypeVar("T")


class Chapter(ABC):
    """
    What a chapter of the manual needs from the client it is mixed into.
    """

    @abstractmethod
    async def request(self, call: Call[T]) -> T:
        """
        Make a call.
        """
