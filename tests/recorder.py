"""
A hook that keeps all that it is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wechat_kf.instrumentation import Hook

__all__ = ["Recorder", "recording"]


class Recorder(Hook):
    """
    Keeps the details, in the order in which it is told of them.
    """

    told: list[Any]

    def of(self, kind: type[Any]) -> list[Any]:
        """
        List the details of a class.
        """
        return [each for each in self.told if isinstance(each, kind)]


def recording() -> Recorder:
    """
    Make one whose every method, whichever there are, keeps what it is told.
    """
    told: list[Any] = []

    def keep(_: Hook, details: Any) -> Callable[[Any], None]:
        told.append(details)
        return told.append

    methods = {name: keep for name in vars(Hook) if not name.startswith("_") and name != "carry"}
    recorder: Recorder = type("Recording", (Recorder,), methods)()
    recorder.told = told
    return recorder
