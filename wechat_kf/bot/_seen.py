"""
The pushes and requests of a bot as its observers see them, and what has become of them, counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

import attrs

from .._clock import Clock
from .._redact import get_logger
from ..instrumentation import (
    HandlerEnd,
    HandlerStart,
    PushEnd,
    PushOutcome,
    PushStart,
    RequestEnd,
    RequestStart,
)
from ..instrumentation.observers import Observers
from ..webhook import Push
from ._asgi import Event, Send

__all__ = ["Seen", "SeenPush"]

_log = get_logger("wechat_kf.bot")


@attrs.define(eq=False)
class SeenPush:
    """
    A push while it is looked at; who handles it notes how it fares.

    Attributes:
        outcome: How it ended; until somebody says otherwise, the worker left first.

        error: Why it failed.

        messages: How many messages were sent for it.

        is_late: Whether WeChat did not wait any more when it was first answered otherwise than by the passive reply;
            None if it was not.

        carried: What is to travel with it.
    """

    outcome: PushOutcome = "left"
    error: Exception | None = None
    messages: int = 0
    is_late: bool | None = None
    carried: Mapping[str, str] = attrs.field(factory=dict[str, str])
    began: float = 0.0
    turn: float | None = None
    handled: float = 0.0

    def end(self, outcome: PushOutcome, error: Exception | None = None) -> None:
        """
        Note how it ended.
        """
        self.outcome, self.error = outcome, error


class Seen:
    """
    What a bot's observers see.

    Args:
        observers: They.

        clock: The clock.
    """

    def __init__(self, observers: Observers, clock: Clock) -> None:
        self._counts: Counter[str] = Counter()
        self._observers = observers
        self._clock = clock

    def counts(self) -> dict[str, int]:
        """
        Count the pushes that ended in each way.
        """
        return dict(self._counts)

    @contextmanager
    def push(self, push: Push, seen: SeenPush, *, from_inbox: bool = False) -> Generator[None]:
        """
        Look at a push while the body runs.

        Args:
            push: The push.

            seen: What is noted of it; if it comes from the inbox, with what travelled with it.

            from_inbox: Whether it comes out of the inbox, not from WeChat.
        """
        seen.began = self._clock.monotonic()
        observing = self._observers.at(_log)
        end: Callable[[object], None] | None = None
        if observing:
            start = PushStart(
                kind=type(push).__name__, attempt=push.attempt, is_taken_over=from_inbox, carried=seen.carried
            )
            end = observing.begin("push", start)
            if not from_inbox:
                seen.carried = observing.carry()
        try:
            yield
        finally:
            self._counts[seen.outcome] += 1
            if end is not None:
                end(self._end_of(seen))

    def _end_of(self, seen: SeenPush) -> PushEnd:
        turn = self._clock.monotonic() if seen.turn is None else seen.turn
        return PushEnd(
            outcome=seen.outcome,
            error=_name_of(seen.error),
            messages=seen.messages,
            waited=turn - seen.began,
            handled=seen.handled,
        )

    def note(self, push: Push, outcome: PushOutcome, error: Exception | None = None) -> None:
        """
        Note of a push what is known at once.
        """
        with self.push(push, SeenPush(outcome, error)):
            pass

    @contextmanager
    def handler(self, push: Push, seen: SeenPush) -> Generator[None]:
        """
        Look at the handling of a push while the body runs.
        """
        seen.turn = self._clock.monotonic()
        observing = self._observers.at(_log)
        end = observing.begin("handler", HandlerStart(kind=type(push).__name__, waited=seen.turn - seen.began))
        try:
            yield
        finally:
            seen.handled = self._clock.monotonic() - seen.turn
            end(HandlerEnd(seconds=seen.handled, error=_name_of(seen.error)))

    @contextmanager
    def request(self, method: str, send: Send) -> Generator[Send]:
        """
        Look at a request while the body runs, which answers it by what it is given.
        """
        observing = self._observers.at(_log)
        if not observing:
            yield send
            return
        status: int | None = None

        async def send_and_look(event: Event) -> None:
            nonlocal status
            if event["type"] == "http.response.start":
                status = event["status"]
            await send(event)

        began = self._clock.monotonic()
        end = observing.begin("request", RequestStart(method=method))
        try:
            yield send_and_look
        finally:
            end(RequestEnd(status=status, seconds=self._clock.monotonic() - began))


def _name_of(error: Exception | None) -> str | None:
    return None if error is None else type(error).__name__
