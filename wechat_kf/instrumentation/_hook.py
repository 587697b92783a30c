"""
What a hook is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ._details import (
    AttemptEnd,
    AttemptStart,
    CallEnd,
    CallStart,
    HandlerEnd,
    HandlerStart,
    PushEnd,
    PushStart,
    RequestEnd,
    RequestStart,
    Retry,
    TokenChange,
)

__all__ = ["Hook"]


class Hook:
    """
    Is told what a client and a bot do. Derive from it, and define what you want to hear of.

    ::

        class Slow(Hook):
            def call(self, start: CallStart) -> Callable[[CallEnd], object]:
                return lambda end: end.seconds > 1 and print("slow:", start.operation, end.seconds)

        kf = AsyncKfClient(appid, secret, hooks=[Slow()])

    What lasts is told when it begins, and the method may return a function that is called with how it ended. Every
    such function is called once, in the same task and context variables, also if the call is cancelled; those of
    several hooks in the reverse order. These are functions, and no context managers, since a context manager would be
    given the exception, with all that its frames hold, and could swallow it; and since no number is needed to find the
    end that belongs to a start.

    The functions are called between two steps of the event loop: they must not block, and are not async. What one
    raises is logged, the first time, and harms nothing.
    """

    def call(self, start: CallStart, /) -> Callable[[CallEnd], object] | None:  # noqa: ARG002
        """
        Hear that a call begins: yours, a bot's, or the fetch of a token.
        """
        return None

    def attempt(self, start: AttemptStart, /) -> Callable[[AttemptEnd], object] | None:  # noqa: ARG002
        """
        Hear that an attempt of a call begins.
        """
        return None

    def retry(self, retry: Retry, /) -> object:
        """
        Hear that a call is made again.
        """

    def token(self, change: TokenChange, /) -> object:
        """
        Hear that another token is used from now on.
        """

    def request(self, start: RequestStart, /) -> Callable[[RequestEnd], object] | None:  # noqa: ARG002
        """
        Hear that an HTTP request came to the bot.
        """
        return None

    def push(self, start: PushStart, /) -> Callable[[PushEnd], object] | None:  # noqa: ARG002
        """
        Hear that a bot looks at a push.
        """
        return None

    def handler(self, start: HandlerStart, /) -> Callable[[HandlerEnd], object] | None:  # noqa: ARG002
        """
        Hear that the turn of a push has come.
        """
        return None

    def carry(self) -> Mapping[str, str]:
        """
        Return what is to travel with a push to the worker that takes it over, should this one die.

        It is asked after `push`, in the same context variables. Keep it small: it lies in the inbox.
        """
        return {}
