"""
What hooks are told: frozen values without a token, a secret, an openid or a text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import attrs

__all__ = [
    "AttemptEnd",
    "AttemptStart",
    "CallEffect",
    "CallEnd",
    "CallStart",
    "HandlerEnd",
    "HandlerStart",
    "PushEnd",
    "PushOutcome",
    "PushStart",
    "RequestEnd",
    "RequestStart",
    "Retry",
    "TokenChange",
]

CallEffect: TypeAlias = Literal["done", "none", "unknown"]
"""
What a call did: all that it was made for, certainly nothing, or nobody knows.
"""

PushOutcome: TypeAlias = Literal[
    "replied",
    "sent",
    "late",
    "silent",
    "failed",
    "interrupted",
    "repeated",
    "taken_over",
    "left",
    "lost",
    "refused",
]
"""
How a push ended:

- ``"replied"``: the passive reply was written.
- ``"sent"``: messages answered it, the first while WeChat still waited.
- ``"late"``: messages answered it, the first after that.
- ``"silent"``: there was no handler, or it had nothing to say.
- ``"failed"``: it was not, or not wholly, answered; `on_error` was told.
- ``"interrupted"``: another push of the customer ended it.
- ``"repeated"``: WeChat delivered again what is known already.
- ``"taken_over"``: another worker has it by now, or a repetition was given its reply.
- ``"left"``: this worker left first. Others handle it, WeChat repeats it, or it is told as lost.
- ``"lost"``: nobody will answer it; `on_lost` was told.
- ``"refused"``: it was not taken on, so WeChat repeats it: too much is under way, the bot is leaving, or the inbox
  failed.
"""


@attrs.frozen(kw_only=True)
class CallStart:
    """
    A call begins.

    Attributes:
        operation: The name of the client's method, such as ``send_custom_message``; ``stable_token`` and
            ``classic_token`` for the fetching of a token; the path of an endpoint that this library does not know.

        method: ``GET`` or ``POST``.

        path: The path of the endpoint.
    """

    operation: str
    method: str
    path: str


@attrs.frozen(kw_only=True)
class CallEnd:
    """
    A call has ended. That of a download ends when its file begins to come.

    Attributes:
        host: The host that was asked last; empty if none was.

        attempts: How many attempts were made.

        error: The class of the exception, ``Cancelled`` if it was cancelled; None if all went well.

        errcode: WeChat's code: 0 if all went well; None if there is none.

        effect: ``"done"``, or whether the call that failed may have taken effect: ``"none"``, ``"unknown"``.

        rid: WeChat's id of the request, which it tells with most refusals.

        seconds: How long it took, waiting for a token and pauses included.

        sent: Bytes of the last attempt's body.

        received: Bytes of its answer, decoded; 0 for a file.
    """

    host: str
    attempts: int
    error: str | None
    errcode: int | None
    effect: CallEffect
    rid: str | None
    seconds: float
    sent: int
    received: int


@attrs.frozen(kw_only=True)
class AttemptStart:
    """
    An attempt of a call begins: its token is there.

    Attributes:
        operation: See `CallStart`.

        method: ``GET`` or ``POST``.

        path: The path of the endpoint.

        host: The host that is asked.

        port: Its port.

        attempt: 1 for the first.
    """

    operation: str
    method: str
    path: str
    host: str
    port: int
    attempt: int


@attrs.frozen(kw_only=True)
class AttemptEnd:
    """
    An attempt has ended.

    Attributes:
        status: The HTTP status; None if no answer came.

        error: The class of the exception, ``Cancelled`` if it was cancelled; None if all went well.

        errcode: WeChat's code: 0 if all went well; None if there is none.

        effect: ``"done"``, or whether the attempt that failed may have taken effect: ``"none"``, ``"unknown"``.

        rid: WeChat's id of the request, which it tells with most refusals.

        seconds: How long it took.

        sent: Bytes of its body.

        received: Bytes of its answer, decoded; 0 for a file.
    """

    status: int | None
    error: str | None
    errcode: int | None
    effect: CallEffect
    rid: str | None
    seconds: float
    sent: int
    received: int


@attrs.frozen(kw_only=True)
class Retry:
    """
    A call whose attempt failed is made again.

    Attributes:
        operation: See `CallStart`.

        attempt: The number of the attempt that failed.

        reason: ``"failure"``, or ``"token"`` if WeChat refused a token that can be renewed.

        error: The class of the exception.

        errcode: WeChat's code, if there is one.

        seconds: The pause before the next attempt.

        other_host: Whether that goes to another host.
    """

    operation: str
    attempt: int
    reason: Literal["failure", "token"]
    error: str
    errcode: int | None
    seconds: float
    other_host: bool


@attrs.frozen(kw_only=True)
class TokenChange:
    """
    A client uses another token from now on: fetched, taken from the store, or given by the provider.

    Attributes:
        reason: ``"first"``; ``"refused"`` if WeChat refused the one before; ``"due"`` if that one was about to end.
    """

    reason: Literal["first", "refused", "due"]


@attrs.frozen(kw_only=True)
class RequestStart:
    """
    An HTTP request came to the bot.

    Attributes:
        method: ``POST`` for a push, ``GET`` when WeChat checks the URL.
    """

    method: str


@attrs.frozen(kw_only=True)
class RequestEnd:
    """
    It was answered.

    Attributes:
        status: The HTTP status; None if the connection broke, or the request was cancelled.

        seconds: How long it took.
    """

    status: int | None
    seconds: float


@attrs.frozen(kw_only=True)
class PushStart:
    """
    A bot looks at a push. What it does in answer is done before `PushEnd`, in the same context variables.

    Attributes:
        kind: The class of the push, such as ``TextMessage``.

        attempt: 1; more if a worker died or left while it handled the push, and this is another.

        is_taken_over: Whether it comes out of the inbox, from a worker that died or left, not from WeChat.

        carried: What `Hook.carry` returned where WeChat delivered it.
    """

    kind: str
    attempt: int
    is_taken_over: bool
    carried: Mapping[str, str]


@attrs.frozen(kw_only=True)
class PushEnd:
    """
    A push is settled, as far as this worker is concerned.

    Attributes:
        outcome: How.

        error: The class of the exception, if it failed.

        messages: How many messages were sent for it.

        waited: Seconds from its arrival until its handler began: for the inbox, its customer's turn, a free slot.

        handled: Seconds from then until it was answered; 0 if it was not handled.
    """

    outcome: PushOutcome
    error: str | None
    messages: int
    waited: float
    handled: float


@attrs.frozen(kw_only=True)
class HandlerStart:
    """
    The turn of a push has come: its handler is called. This lies between the push's start and its end.

    Attributes:
        kind: The class of the push.

        waited: Seconds since its arrival.
    """

    kind: str
    waited: float


@attrs.frozen(kw_only=True)
class HandlerEnd:
    """
    The push is answered, or its handler failed.

    Attributes:
        seconds: How long it took, the sending included.

        error: The class of the exception, if it failed.
    """

    seconds: float
    error: str | None
