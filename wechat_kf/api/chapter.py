"""
What the chapters have in common.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from .._clock import Clock
from .._wire.endpoint import Call, Download

__all__ = [
    "Chapter",
]

T = TypeVar("T")


class Chapter(ABC):
    """
    What a chapter of the manual needs from the client it is mixed into.
    """

    _clock: Clock
    _appid: str | None

    @abstractmethod
    async def request(self, call: Call[T]) -> T:
        """
        Make a call.
        """

    @abstractmethod
    def _download(self, call: Call[Any] | str) -> AbstractAsyncContextManager[Download | dict[str, Any]]:
        """
        Open the answer to a call, or an absolute URL that WeChat named, as a stream; an answer in JSON comes read.
        """
