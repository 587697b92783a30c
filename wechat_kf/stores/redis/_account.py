"""
One account's inbox in Redis: what a bot asks of it, each call one script.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final

from ...bot import Allowance, Arrival, Arrived, News, Place
from ._commands import Script
from ._heart import RESTORE, Heart, restoring
from ._knowledge import REPLY_SECONDS, Knowledge, Record
from ._link import LIFE, Link, Settings, decode, encode, milliseconds
from ._news import Listener

__all__ = ["Account"]

_ARRIVE: Final = Script("inbox_arrive")
_HAND_OVER: Final = Script("inbox_hand_over")
_REPLY: Final = Script("inbox_reply")
_SEND: Final = Script("inbox_send")
_VALUE: Final = Script("value_and_life")

# How many pushes are given away in one step.
_BATCH: Final = 100

# What `inbox_reply` and `inbox_send` return of a push that Redis does not know.
_UNKNOWN: Final = 2


class Account:
    """
    One account, as one worker sees it.

    Args:
        name: The account.

        settings: What all accounts share.

        notify: Takes news.

        changed: Called when Redis has failed, with the error, and when it works again, with None.

    Attributes:
        heart: To be kept beating.

        listener: To be kept listening.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        notify: Callable[[News], None],
        changed: Callable[[Exception | None], None],
    ) -> None:
        def changes(error: Exception | None) -> None:
            changed(error)
            if error is not None:
                # Nobody knows of the others, so nobody waits for them.
                self._knowledge.pass_turns()

        self._settings = settings
        self._knowledge = Knowledge(notify, settings.keep, settings.clock)
        self._link = Link(name, settings, changes)
        self.heart = Heart(self._link, self._knowledge, notify)
        self.listener = Listener(self._link, self._knowledge)

    async def arrive(self, arrival: Arrival) -> Arrived:
        """
        Note a delivery.
        """
        known = self._knowledge.known(arrival.key)
        if known is not None:
            return known
        with self._knowledge.arriving(arrival.key):
            answer = await self._link.ask(_ARRIVE, *self._arrival(arrival))
            if answer is None:
                return self._knowledge.arrive(arrival)
            return self._arrived(arrival, answer)

    def _arrival(self, arrival: Arrival) -> tuple[list[bytes], list[Any]]:
        openid, key, link = arrival.openid, arrival.key, self._link
        allowance = arrival.allowance or Allowance(0, 0)
        keys = [
            *link.keys(key, openid),
            link.key("workers"),
            link.key("reply", key),
            link.key("allowance", openid),
            link.key("news"),
        ]
        return keys, [
            encode(key),
            self._settings.worker,
            encode(openid),
            secrets.token_hex(4),
            milliseconds(self._settings.lease),
            LIFE,
            arrival.payload,
            int(arrival.at_once),
            int(arrival.interrupt),
            allowance.messages,
            milliseconds(allowance.seconds),
            int(self._knowledge.holds(key)),
        ]

    def _arrived(self, arrival: Arrival, answer: list[Any]) -> Arrived:
        is_given, request, attempt, is_turn, reply, is_stranger, interrupted = answer
        knowledge = self._knowledge
        if is_stranger and knowledge.held:
            # Redis has lost what it knew.
            self._link.differ()
        for key in interrupted:
            knowledge.interrupt(decode(key))
        record = knowledge.held.get(arrival.key)
        if record is not None:
            record.request = max(request, record.request + 1)
            record.is_repeated = reply is not None
            return Arrived(record.request, reply=reply)
        # It may have been done since Redis said that it is given.
        known = knowledge.known(arrival.key)
        if known is not None:
            return known
        if not is_given:
            return Arrived(request, reply=reply)
        place = Place(arrival.account, arrival.openid, arrival.key, attempt)
        now = self._settings.clock.monotonic()
        knowledge.hold(Record(place, arrival.payload, now, arrival.at_once, request, bool(is_turn)))
        return Arrived(request, place, bool(is_turn), reply)

    async def reply(self, place: Place, request: int, body: bytes) -> bool:
        """
        Mark a push as replied to.
        """
        record = self._knowledge.find(place)
        if record is None:
            return False
        keys, fence = self._fence(place)
        answer = await self._ask_of(record, _REPLY, keys, [*fence, request, body, milliseconds(REPLY_SECONDS)])
        may = record.request == request if answer is None else answer == 1
        if may:
            record.state, record.reply = "replying", body
        return may

    async def send(self, place: Place, number: int) -> bool:
        """
        Mark a message as about to be sent.
        """
        record = self._knowledge.find(place)
        if record is None:
            return False
        keys, fence = self._fence(place)
        keys.append(self._link.key("allowance", place.openid))
        answer = await self._ask_of(record, _SEND, keys, [*fence, number])
        may = not record.is_repeated if answer is None else answer == 1
        if may:
            record.state, record.messages, record.reply = "sending", number, None
        return may

    def _fence(self, place: Place) -> tuple[list[bytes], list[Any]]:
        link = self._link
        keys = [link.key("push", place.key), link.key("owners"), link.key("reply", place.key)]
        return keys, [encode(place.key), link.owner(place.openid), place.attempt]

    async def _ask_of(self, record: Record, script: Script, keys: list[bytes], arguments: list[Any]) -> Any:
        """
        Ask about a push that is held; if Redis has lost it, tell it first.
        """
        answer = await self._link.ask(script, keys, arguments)
        if answer == _UNKNOWN:
            # It may have lost more.
            self._link.differ()
            await self._link.ask(RESTORE, *restoring(self._link, record))
            answer = await self._link.ask(script, keys, arguments)
        return answer

    async def done(self, place: Place) -> None:
        """
        Settle a push.
        """
        record = self._knowledge.find(place)
        if record is not None:
            await self.heart.settle(record)

    async def hand_over(self, places: Sequence[Place]) -> bool:
        """
        Give pushes away.
        """
        link = self._link
        self.heart.sweeps = False
        held = [record for place in places if (record := self._knowledge.find(place)) is not None]
        for record in held:
            self._knowledge.drop(record)
        is_kept = True
        for at in range(0, len(held), _BATCH):
            batch = [record.place for record in held[at : at + _BATCH]]
            keys = [link.key("owners"), link.key("workers"), link.key("news")]
            arguments: list[Any] = [self._settings.worker, LIFE]
            for place in batch:
                keys += [link.key("push", place.key), link.key("reply", place.key)]
                arguments += [encode(place.key), encode(place.openid), place.attempt]
            is_kept = await link.ask(_HAND_OVER, keys, arguments) is not None and is_kept
        return is_kept

    async def allowance(self, openid: str) -> Allowance | None:
        """
        Return what may still be sent to a customer.
        """
        answer = await self._link.ask(_VALUE, [self._link.key("allowance", openid)], [])
        if not answer or answer[0] is None or answer[1] <= 0:
            return None
        return Allowance(int(answer[0]), answer[1] / 1000)
