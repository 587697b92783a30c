"""
The handlers of a bot: how they are registered, and which one is for a push.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar, overload

from ..webhook import Push
from ._answers import Answer

__all__ = ["Handlers"]

_P = TypeVar("_P", bound=Push)
_P2 = TypeVar("_P2", bound=Push)
_P3 = TypeVar("_P3", bound=Push)
_R = TypeVar("_R", bound=Answer | Awaitable[Answer] | AsyncIterator[Answer])


class Handlers:
    """
    Handlers in the order of their registration.
    """

    def __init__(self) -> None:
        self._handlers: list[
            tuple[type[Push] | tuple[type[Push], ...], Callable[[Any], bool] | None, Callable[[Any], Any]]
        ] = []

    @overload
    def on(
        self, kind: tuple[type[_P], type[_P2]], predicate: Callable[[_P | _P2], bool] | None = None
    ) -> Callable[[Callable[[_P | _P2], _R]], Callable[[_P | _P2], _R]]: ...

    @overload
    def on(
        self, kind: tuple[type[_P], type[_P2], type[_P3]], predicate: Callable[[_P | _P2 | _P3], bool] | None = None
    ) -> Callable[[Callable[[_P | _P2 | _P3], _R]], Callable[[_P | _P2 | _P3], _R]]: ...

    @overload
    def on(
        self, kind: type[_P] | tuple[type[_P], ...], predicate: Callable[[_P], bool] | None = None
    ) -> Callable[[Callable[[_P], _R]], Callable[[_P], _R]]: ...

    def on(
        self, kind: type[_P] | tuple[type[_P], ...], predicate: Callable[[_P], bool] | None = None
    ) -> Callable[[Callable[[_P], _R]], Callable[[_P], _R]]:
        """
        Register a handler for pushes of a class or its subclasses; the first registered that fits is called.

        The handler may be

        - a coroutine function that returns a message, a reply, text or None: it leaves as the passive reply if it is
          ready in time, else as a message. A long text is cut into several messages.
        - an async generator that yields any number of these (any function that returns an async iterator): each leaves
          as a message at once. None is a passive reply, because WeChat does not say whether it would arrive before the
          message sent next.

        Args:
            kind: The class of the push, or several in a tuple; `Push` for all.

            predicate: A further condition.

        Raises:
            TypeError: `kind` is no class of push.
        """
        kinds: tuple[object, ...] = kind if isinstance(kind, tuple) else (kind,)
        if not all(isinstance(each, type) and issubclass(each, Push) for each in kinds):
            raise TypeError("on takes a class of push, such as TextMessage, or a tuple of them")

        def register(handler: Callable[[_P], _R]) -> Callable[[_P], _R]:
            self._handlers.append((kind, predicate, handler))
            return handler

        return register

    def find(self, push: Push) -> Callable[[Any], Any] | None:
        for kind, predicate, handler in self._handlers:
            if isinstance(push, kind) and (predicate is None or predicate(push)):
                return handler
        return None
