"""
The hooks of a client or a bot, called so that none does harm; the log lines are one of them.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from .._redact import get_logger
from ._hook import Hook
from ._log_lines import LogLines

__all__ = ["Observers", "Observing", "Step"]

_log = get_logger("wechat_kf.hooks")

Step: TypeAlias = Literal["call", "attempt", "retry", "token", "request", "push", "handler"]
"""
The methods of a hook that are told something.
"""


class Observers:
    """
    Hooks, and the log lines where somebody reads them.

    Args:
        hooks: The hooks.

    Raises:
        TypeError: One is none, or one of its methods is async.
    """

    def __init__(self, hooks: Iterable[Hook] = ()) -> None:
        self.hooks: tuple[Hook, ...] = tuple(hooks)
        guarded = [_Guarded(_checked(hook)) for hook in self.hooks]
        self._without_log = Observing(guarded)
        self._with_log = Observing([_Guarded(LogLines()), *guarded])

    def at(self, log: logging.Logger) -> Observing:
        """
        Return those to be told of what is logged there; false if there are none.
        """
        return self._with_log if log.isEnabledFor(logging.DEBUG) else self._without_log


def _checked(hook: object) -> Hook:
    if not isinstance(hook, Hook):
        raise TypeError(f"a hook must be an instance of a class derived from Hook, not {hook!r}")
    for name, method in inspect.getmembers(hook, inspect.iscoroutinefunction):
        if hasattr(Hook, name):
            raise TypeError(f"{method.__qualname__} must not be async: a hook is called between two steps")
    return hook


class _Guarded:
    """
    A hook that may raise what it likes.
    """

    def __init__(self, hook: Hook) -> None:
        self.hook = hook
        self._has_failed = False

    def call(self, function: Callable[..., Any], *arguments: object) -> Any:
        """
        Call one of its functions; None if that fails.
        """
        try:
            return function(*arguments)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001 - no cancellation comes here, where nothing is awaited: it is the hook's own
            if not self._has_failed:
                self._has_failed = True
                _log.exception("The hook %s failed; this is said once.", type(self.hook).__qualname__)
            return None


class Observing:
    """
    Those that are told, in their order.
    """

    def __init__(self, hooks: Sequence[_Guarded]) -> None:
        self._hooks = hooks

    def __bool__(self) -> bool:
        return bool(self._hooks)

    def tell(self, step: Step, details: object) -> None:
        """
        Tell of what has happened.
        """
        for each in self._hooks:
            each.call(getattr(each.hook, step), details)

    def begin(self, step: Step, details: object) -> Callable[[object], None]:
        """
        Tell of what begins; return what is to be called with its end.
        """
        ends = [(each, each.call(getattr(each.hook, step), details)) for each in self._hooks]

        def end_all(details: object) -> None:
            for each, end in reversed(ends):
                if end is not None:
                    each.call(end, details)

        return end_all

    def carry(self) -> dict[str, str]:
        """
        Ask what is to travel with a push.
        """
        carried: dict[str, str] = {}
        for each in self._hooks:
            more: Mapping[str, str] = each.call(each.hook.carry) or {}
            each.call(carried.update, more)
        return carried
