"""
One push under way in this process, and the requests by which WeChat delivers it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import anyio
import attrs

from .._clock import Clock
from ..api.message_kinds import Message
from ..webhook import (
    ClickEvent,
    Push,
    ScanCodeEvent,
    ScanEvent,
    SubscribeEvent,
    TextMessage,
    UserMessage,
)
from ._answers import Answerable
from ._handlers import Handler
from ._inbox import Allowance, Arrival, Place
from ._payload import pack_push
from ._seen import SeenPush

__all__ = ["Job", "Request", "describe"]

_AFTER_MESSAGE: Final = Allowance(5, 48 * 3600.0)
_AFTER_EVENT: Final = Allowance(3, 60.0)


@attrs.define(eq=False)
class Request:
    """
    One delivery of a push, where the request's task and the push's meet.

    Attributes:
        query: The parameters of the request.

        deadline: When WeChat is about to give it up, on the bot's clock.

        number: The inbox's number of the delivery.

        noted: Set when the inbox knows of the delivery. Before that WeChat is not told ``success``.

        offered: Set when it is decided what is answered: `body`, or ``success`` if that is None.

        is_replay: `body` was given to an earlier request, and is written however late it is: nothing else follows.

        has_failed: WeChat is told 503, so that it repeats the push.

        settled: Set by the request's task when it has answered or gone.

        is_taken: The request was answered with `body`, wholly or in part.
    """

    # Its signature stands in no report, where the variables of a frame are shown.
    query: Mapping[str, str] = attrs.field(repr=False)
    deadline: float
    number: int = 1
    noted: anyio.Event = attrs.field(factory=anyio.Event)
    offered: anyio.Event = attrs.field(factory=anyio.Event)
    body: bytes | None = attrs.field(default=None, repr=False)
    is_replay: bool = False
    has_failed: bool = False
    settled: anyio.Event = attrs.field(factory=anyio.Event)
    is_taken: bool = False

    def offer(self, body: bytes | None) -> None:
        """
        Let the request answer with a passive reply, or with ``success``.
        """
        if not self.offered.is_set():
            self.body = body
            self.offered.set()

    def note(self, number: int, reply: bytes | None) -> None:
        """
        Record the inbox's answer: the number of the delivery, and the reply to write again.
        """
        self.number = number
        self.noted.set()
        if reply is not None:
            self.is_replay = True
            self.offer(reply)

    def fail(self) -> None:
        """
        Let WeChat repeat the push.
        """
        if not self.offered.is_set():
            self.has_failed = True
            self.offered.set()

    @property
    def is_waiting(self) -> bool:
        """
        Whether its task still waits for what it is to answer: it has not been told, and the server has not cut it.
        """
        return not (self.offered.is_set() or self.settled.is_set())

    def is_open(self, clock: Clock) -> bool:
        """
        Whether WeChat still waits for the answer.
        """
        return not self.offered.is_set() and clock.monotonic() < self.deadline


@attrs.define(eq=False)
class Job:
    """
    A push under way.

    Attributes:
        push: The push.

        handler: Its handler, if there is one.

        request: The latest delivery that came to this process; None if the push was taken over.

        place: The push in the inbox, once it is this worker's.

        arrived: Set when the inbox has noted the push, or failed to.

        turn: Set when the push may be handled.

        step: Around the handler, while it runs.

        end_with: Why the handler is to end.

        sent: The messages that were sent for certain.

        unsent: Those of the present answer that were not.

        answer: The present answer.

        spent: How many messages were sent, or may have been.

        is_sending: A message is on its way.

        is_replied: The push was marked as replied to.

        is_answered: The work is over, but for telling the inbox.

        seen: What is noted of it for those who look.

        key: The account and the push's key.
    """

    push: Push
    handler: Handler | None = None
    request: Request | None = None
    place: Place | None = None
    arrived: anyio.Event = attrs.field(factory=anyio.Event)
    turn: anyio.Event = attrs.field(factory=anyio.Event)
    step: anyio.CancelScope | None = None
    end_with: Exception | None = None
    sent: list[Message] = attrs.field(factory=list[Message])
    unsent: list[Message] = attrs.field(factory=list[Message])
    answer: Answerable = None
    spent: int = 0
    is_sending: bool = False
    is_thinking: bool = True
    is_replied: bool = False
    is_answered: bool = False
    seen: SeenPush = attrs.field(factory=SeenPush)
    key: tuple[str, str] = attrs.field(init=False)

    @key.default  # pyright: ignore[reportAttributeAccessIssue, reportUntypedFunctionDecorator, reportUnknownMemberType]
    def _key(self) -> tuple[str, str]:
        return self.push.account, self.push.dedupe_key

    @property
    def customer(self) -> tuple[str, str]:
        """
        The account and the customer.
        """
        return self.push.account, self.push.openid

    @property
    def name(self) -> str:
        """
        The push's key as it may stand in a log line, which it must not break.
        """
        return describe(self.key[1])

    @property
    def limit(self) -> int:
        """
        How many messages may answer the push.
        """
        return (_allowance(self.push) or _AFTER_EVENT).messages

    def arrival(self) -> Arrival:
        """
        Return a delivery as the inbox sees it.
        """
        push, handler = self.push, self.handler
        return Arrival(
            push.account,
            push.openid,
            self.key[1],
            pack_push(push, self.seen.carried),
            at_once=handler is not None and handler.at_once,
            interrupt=handler is not None and handler.interrupt,
            allowance=_allowance(push),
        )

    def end(self, error: Exception) -> None:
        """
        End the handler, now or when its turn comes.
        """
        self.end_with = error
        if self.step is not None:
            self.step.cancel()


def _allowance(push: Push) -> Allowance | None:
    """
    Return what a push allows to send. WeChat pushes nothing when a customer has paid.
    """
    match push:
        case TextMessage(bizmsgmenuid=str()):
            # The manual can be read both ways; this is the stricter one.
            return _AFTER_EVENT
        case UserMessage():
            return _AFTER_MESSAGE
        case SubscribeEvent() | ScanEvent() | ClickEvent() | ScanCodeEvent():
            return _AFTER_EVENT
        case _:
            return None


def describe(text: Any) -> str:
    """
    Write a text that came from outside so that it stays within its log line.
    """
    return repr(str(text))[1:-1]
