"""
The inbox: what a bot's workers keep together, so that no accepted push is lost and no message is sent twice.

`Inbox` and `InboxWorker` are the contract that `MemoryInbox` keeps for one process and a shared store for several; the
values that pass between them and a bot stand here too. There is no IO here, and nothing that knows a store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

import attrs

__all__ = [
    "Allowance",
    "Arrival",
    "Arrived",
    "Inbox",
    "InboxWorker",
    "Interrupt",
    "Lost",
    "News",
    "Orphan",
    "Place",
    "Turn",
]


@attrs.frozen
class Allowance:
    """
    What may still be sent to a customer.

    Attributes:
        messages: How many messages.

        seconds: For how long, counted from now.
    """

    messages: int
    seconds: float


@attrs.frozen
class Arrival:
    """
    One delivery of a push by WeChat, which repeats a push until it is told 200.

    Attributes:
        account: The account that was written to, ``gh_…``. It belongs into every key of a shared store.

        openid: The customer.

        key: The same for every delivery of this push, and for no other push of the account.

        payload: The push itself, for another worker to handle; opaque to the inbox, and personal data.

        at_once: The push does not queue behind the customer's others.

        interrupt: The other pushes in the customer's queue are to be ended: their holders hear `Interrupt`.

        allowance: What the push allows to send; None if nothing.
    """

    account: str
    openid: str
    key: str
    payload: bytes = attrs.field(repr=False)
    at_once: bool = False
    interrupt: bool = False
    allowance: Allowance | None = None


@attrs.frozen
class Place:
    """
    A push that a worker holds; only its holder may settle it.

    Attributes:
        account: The account.

        openid: The customer.

        key: The push's key.

        attempt: 1, and one more each time that the push changes hands after its handler may have begun. Worker and
            attempt together are the fence: what a former holder asks is refused or ignored.
    """

    account: str
    openid: str
    key: str
    attempt: int = 1


@attrs.frozen
class Arrived:
    """
    What the inbox says of a delivery.

    Attributes:
        request: The number of this delivery, from 1. Only the latest delivery's request may carry the passive reply,
            since a repetition proves that the one before was given up.

        place: Set if the push is the caller's to handle; None if it is known: held by a worker, this one or another,
            or done.

        is_turn: With a place: whether the push may be handled now; else `Turn` says when.

        reply: The bytes of the passive reply with which the push was answered within the last 20 seconds. WeChat did
            not get them, so this delivery is answered with the same.
    """

    request: int
    place: Place | None = None
    is_turn: bool = False
    reply: bytes | None = attrs.field(default=None, repr=False)


@attrs.frozen
class Turn:
    """
    News to a holder: the push is the first of its customer's queue.
    """

    place: Place


@attrs.frozen
class Interrupt:
    """
    News to a holder: the customer wrote something for which this push is to be ended.
    """

    place: Place


@attrs.frozen
class Orphan:
    """
    News to a new holder: the push of a worker that died or left, to be handled at the place that it had.

    Attributes:
        place: The push, now held by who hears this.

        payload: What its `Arrival` held.

        is_turn: Whether it may be handled now; else `Turn` says when.
    """

    place: Place
    payload: bytes = attrs.field(repr=False)
    is_turn: bool


@attrs.frozen
class Lost:
    """
    News to one worker, once: a push whose holder died, and which is not handled again. It is done.

    Attributes:
        place: The push, as it was last held.

        payload: What its `Arrival` held.

        sent: How many messages were sent for it for certain.

        uncertain: Whether one more may have been sent.
    """

    place: Place
    payload: bytes = attrs.field(repr=False)
    sent: int
    uncertain: bool


News: TypeAlias = Turn | Interrupt | Orphan | Lost
"""
What a worker is told by the inbox without having asked.
"""


class Inbox(Protocol):
    """
    Knows repetitions, keeps each customer's order, and holds every push until it is settled.

    A push is in one of these states. "Dead" is a worker whose heartbeat has stopped; there is one heartbeat for each
    worker, not a limit for each push, since a handler may take long.

    ============  ====================================  ===============================================================
    state         set by                                if its holder is dead
    ============  ====================================  ===============================================================
    handling      `InboxWorker.arrive`, in one step     another worker holds it from then on at the same place, and
                  with the place in the customer's      hears `Orphan`; its `attempt` is one more if it was its turn.
                  queue and the payload                 After the third attempt, or when it is older than `stale`, it
                                                        is done, and one worker hears `Lost` (0, not uncertain).
    replying      `InboxWorker.reply`, with the bytes   it is done: WeChat repeats what it did not get, and is given the
                                                        bytes, which are kept 20 seconds
    sending i     `InboxWorker.send`, before message i  it is done; one worker hears `Lost` (i - 1, uncertain)
    done          `InboxWorker.done`, in one step with  remembered for ten minutes at least, without its payload, so
                  leaving the queue                     that repetitions are known
    ============  ====================================  ===============================================================

    Where a dead worker's push leaves the queue, the turn passes on as with `InboxWorker.done`.
    """

    def join(
        self, notify: Callable[[News], None], *, stale: float, appid: str | None = None
    ) -> AbstractAsyncContextManager[InboxWorker]:
        """
        Take part as a worker for as long as the block lasts.

        While the block lasts the worker's heart beats, and the inbox looks for what dead workers left, from the start
        on. When it is left, the heartbeat ends at once, and whatever the worker still holds counts as that of a dead
        one. Several bots may join one inbox in one process.

        Args:
            notify: Called with each piece of news, in the event loop of the block; it does not block and does not
                raise. It may be called as soon as the block is entered, and is not called after it.

            stale: Seconds after its arrival from which a dead worker's push is not handled any more.

            appid: What the workers of one bot have in common, if it is known, since the account is known from its
                pushes only: by it a worker finds what earlier ones left before a push has come to it.
        """
        ...


class InboxWorker(Protocol):
    """
    One worker's part in an inbox. One call is one step, which happens whole or not at all: a script, in a store.

    Every call is bounded in time. A store that cannot be reached is no error: the call is answered from what this
    worker knows, that is logged once, `works` is False, and the store is told later what was done meanwhile. What will
    not pass (a missing permission, a wrong set-up) is raised. If a call is cancelled, its step may have happened or
    not; what is held by a worker that does not know of it is given to others when the worker leaves, at the latest.

    A bot calls `arrive` for one customer's pushes one after the other, in the order in which they came to it; all else
    may be called at the same time.
    """

    @property
    def works(self) -> bool:
        """
        Whether the store can be reached.
        """
        ...

    async def arrive(self, arrival: Arrival) -> Arrived:
        """
        Note a delivery.

        A push that is new is held by this worker from then on, at the end of its customer's queue, and the allowance
        grows: to the larger number, and to the later end. One that is known gets the next request number. One whose
        holder is dead may be given to the caller, as `Orphan` would.
        """
        ...

    async def reply(self, place: Place, request: int, body: bytes) -> bool:
        """
        Mark the push as replied to, before its passive reply is written.

        Args:
            place: The push.

            request: The delivery that is to be answered.

            body: The bytes to be written, kept 20 seconds for repetitions.

        Returns:
            False if that must not be: another worker holds the push, or a later delivery has come. Nothing has changed
            then, and the holder may `send`.
        """
        ...

    async def send(self, place: Place, number: int) -> bool:
        """
        Mark that message `number`, from 1, is about to be sent for the push; those before it were sent.

        The customer's allowance is one less. After `reply` this may follow too, if the reply was not written.

        Returns:
            False if it must not be sent: another worker holds the push, or a repetition was given the bytes of `reply`.
        """
        ...

    async def done(self, place: Place) -> None:
        """
        Settle the push, and pass the turn to the next of the customer's queue, whose holder hears `Turn`.

        Nothing happens if another worker holds the push.
        """
        ...

    async def hand_over(self, places: Sequence[Place]) -> bool:
        """
        Give pushes of one account away at once, since this worker is about to leave.

        Nothing was sent for any of them, whatever they were marked for; they are in the state handling again.
        They keep their places. Other workers hear `Orphan`, or those that join later. The next attempt counts as one
        more where it was a push's turn, yet handing over, unlike a death, does not end a push after its third attempt.

        Returns:
            Whether the pushes are kept for others. False if there is nobody to keep them for: then they are forgotten,
            so that a repetition is handled as new.
        """
        ...

    async def allowance(self, account: str, openid: str) -> Allowance | None:
        """
        Return what may still be sent to a customer, as far as the workers know; None if they know nothing.
        """
        ...
