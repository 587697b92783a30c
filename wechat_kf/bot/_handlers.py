"""
The handlers of a bot: how they are registered, and which one is for a push.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar, overload

import attrs

from ..webhook import Push
from ._answers import Answerable

__all__ = ["Handler", "Handlers"]

_P = TypeVar("_P", bound=Push)
_P2 = TypeVar("_P2", bound=Push)
_P3 = TypeVar("_P3", bound=Push)
_R = TypeVar("_R", bound=Answerable | AsyncIterator[Answerable] | Awaitable[Answerable | AsyncIterator[Answerable]])


@attrs.frozen
class Handler:
    """
    A function and the pushes that it is for.
    """

    kind: type[Push] | tuple[type[Push], ...]
    predicate: Callable[[Any], bool] | None
    function: Callable[[Any], Any]
    at_once: bool
    interrupt: bool


class Handlers:
    """
    Handlers in the order of their registration.
    """

    def __init__(self) -> None:
        self._handlers: list[Handler] = []

    # Of several classes mypy would take what they have in common, where a handler's annotation is their union.
    @overload
    def on(
        self,
        kind: tuple[type[_P], type[_P2]],
        predicate: Callable[[_P | _P2], bool] | None = None,
        *,
        at_once: bool = False,
        interrupt: bool = False,
    ) -> Callable[[Callable[[_P | _P2], _R]], Callable[[_P | _P2], _R]]: ...

    @overload
    def on(
        self,
        kind: tuple[type[_P], type[_P2], type[_P3]],
        predicate: Callable[[_P | _P2 | _P3], bool] | None = None,
        *,
        at_once: bool = False,
        interrupt: bool = False,
    ) -> Callable[[Callable[[_P | _P2 | _P3], _R]], Callable[[_P | _P2 | _P3], _R]]: ...

    @overload
    def on(
        self,
        kind: type[_P] | tuple[type[_P], ...],
        predicate: Callable[[_P], bool] | None = None,
        *,
        at_once: bool = False,
        interrupt: bool = False,
    ) -> Callable[[Callable[[_P], _R]], Callable[[_P], _R]]: ...

    def on(
        self,
        kind: type[_P] | tuple[type[_P], ...],
        predicate: Callable[[_P], bool] | None = None,
        *,
        at_once: bool = False,
        interrupt: bool = False,
    ) -> Callable[[Callable[[_P], _R]], Callable[[_P], _R]]:
        """
        Register a handler for pushes of a class or its subclasses; the first registered that fits is called.

        The handler may be

        - a function or coroutine function that returns a message, a reply, text, an `Answer` or None: it leaves as the
          passive reply if it is ready in time, else as a message. A long text is cut into several messages.
        - an async generator that yields any number of these, or any function or coroutine function that returns an
          async iterator: each leaves as a message at once. None is a passive reply, because WeChat does not say whether
          it would arrive before the message sent next. What `wechat_kf.text.pack` makes of a stream fits into as many
          messages as may answer the push.

        It runs in the context variables of its push's request. It may run again for a push whose worker died or left
        (`Push.attempt` says so); its messages are not sent again.

        Args:
            kind: The class of the push, or several in a tuple; `Push` for all.

            predicate: A further condition, a plain function, asked when the push arrives. One that raises counts as a
                failed handler.

            at_once: Do not queue behind the customer's other pushes, nor for one of the bot's `concurrency`.

            interrupt: End the customer's other pushes, those being handled and those that wait. What has been sent for
                them stands.

        Raises:
            TypeError: `kind` is no class of push, `predicate` a coroutine function, or the handler a generator that is
                not async.
        """
        kinds: tuple[object, ...] = kind if isinstance(kind, tuple) else (kind,)
        if not all(isinstance(each, type) and issubclass(each, Push) for each in kinds):
            raise TypeError("on takes a class of push, such as TextMessage, or a tuple of them")
        if inspect.iscoroutinefunction(predicate):
            raise TypeError("a predicate is a plain function, which does not wait for anything; await in the handler")

        def register(handler: Callable[[_P], _R]) -> Callable[[_P], _R]:
            if inspect.isgeneratorfunction(handler):
                raise TypeError("a handler that yields is an async generator: write `async def`")
            self._handlers.append(Handler(kind, predicate, handler, at_once, interrupt))
            return handler

        return register

    def find(self, push: Push) -> Handler | None:
        """
        Return the first handler that fits.
        """
        for handler in self._handlers:
            if isinstance(push, handler.kind) and (handler.predicate is None or handler.predicate(push)):
                return handler
        return None
