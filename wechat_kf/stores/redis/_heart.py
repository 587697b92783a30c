"""
A worker's heartbeat for one account: it says that it lives, hears whose turn it is, and takes over from the dead.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import anyio

from ...bot import Lost, News, Orphan, Place
from ._commands import RedisRefused, Script
from ._knowledge import Knowledge, Record
from ._link import LIFE, Link, decode, encode, milliseconds

__all__ = ["RESTORE", "Heart", "restoring"]

_BEAT: Final = Script("inbox_beat")
_DONE: Final = Script("inbox_done")
_LEAVE: Final = Script("inbox_leave")
_TAKE: Final = Script("inbox_take")

RESTORE: Final = Script("inbox_restore")
"""
Tells Redis of a push that it has lost.
"""

_MAX_ATTEMPTS: Final = 3

# How many pushes of the dead one worker takes at each beat, so that several share them.
_BATCH: Final = 100

# At every so many beats the owners are read through even if nobody is known to be dead.
_EVERY: Final = 20

# What `inbox_beat` says of a worker that Redis did not know.
_MISSING: Final = 2


class Heart:
    """
    One worker's heart for one account.

    Args:
        link: The account's link.

        knowledge: What the worker knows.

        notify: Takes news.

    Attributes:
        sweeps: Whether it looks for what the dead hold; not while it is about to leave.
    """

    def __init__(self, link: Link, knowledge: Knowledge, notify: Callable[[News], None]) -> None:
        self.sweeps = True
        self._link = link
        self._settings = link.settings
        self._knowledge = knowledge
        self._notify = notify
        self._sweeps_from = link.settings.clock.monotonic() + link.settings.lease
        self._beats = 0
        self._differed = False

    async def live(self) -> None:
        """
        Beat for as long as nobody cancels it.
        """
        link, settings = self._link, self._settings
        while True:
            link.nudge = anyio.Event()
            await self.beat()
            pause = settings.interval if link.works else min(settings.interval, settings.timeout)
            with anyio.move_on_after(pause):
                await link.nudge.wait()

    async def beat(self) -> None:
        """
        Say that this worker lives, and hear what there is for it.
        """
        link, now = self._link, self._settings.clock.monotonic()
        was_away = not link.works
        differs, link.differs = link.differs or was_away, False
        if was_away:
            self._sweeps_from = now + self._settings.lease
        is_whole = False
        try:
            # Not behind the guard, where thousands may wait.
            late, heads, found = await link.run(_BEAT, *self._beating(now, lists_own=differs or self._differed))
            # A command whose outcome is not known may come to Redis after this one.
            self._differed = differs
            if late:
                self._sweeps_from = now + self._settings.lease
            if late == _MISSING or differs:
                await self._catch_up()
                # What was told has changed whose turn it is.
                link.nudge.set()
            is_whole = True
        except Exception as error:  # noqa: BLE001 - whatever the client raises
            link.fail(error)
            return
        finally:
            link.differs = link.differs or (differs and not is_whole)
        link.recover()
        for head in heads:
            self._knowledge.turn(decode(head))
        for key, owner in zip(found[::2], found[1::2], strict=True):
            former, _, openid = decode(owner).partition(" ")
            await self._take(decode(key), former, openid)

    def _beating(self, now: float, *, lists_own: bool) -> tuple[list[bytes], list[Any]]:
        link = self._link
        # What was given away needs no proof that its worker is dead.
        sweeps = int(self.sweeps)
        lists_own = lists_own or self._beats % _EVERY == 0
        if self.sweeps and now >= self._sweeps_from:
            sweeps = 3 if self._beats % _EVERY == 0 else 2
            self._beats += 1
        queues = [link.key("queue", openid) for openid in self._knowledge.waiting()]
        return [link.key("workers"), link.key("owners"), *queues], [
            self._settings.worker,
            milliseconds(self._settings.lease),
            LIFE,
            sweeps,
            int(self.sweeps and lists_own),
            _BATCH,
        ]

    async def _catch_up(self) -> None:
        """
        Tell Redis what this worker holds, and what it has done meanwhile; also what comes while it is told.
        """
        link, knowledge = self._link, self._knowledge
        told: set[str] = set()
        while True:
            records = [record for key, record in knowledge.held.items() if key not in told]
            places = knowledge.untold()
            if not records and not places:
                return
            for record in records:
                told.add(record.place.key)
                if await link.run(RESTORE, *restoring(link, record)) == 0:
                    # Another has it, who took this worker for dead.
                    knowledge.drop(record)
            for place in places:
                await link.run(_DONE, *_settling(link, place))
                knowledge.tell(place)

    async def _take(self, key: str, former: str, openid: str) -> None:
        """
        Take over the push of a dead worker.
        """
        knowledge = self._knowledge
        # A worker that has given its pushes away must not take them back.
        if not self.sweeps or knowledge.has(key):
            return
        if former == self._settings.worker and (done := knowledge.done(key)) is not None:
            # Done since Redis said so; or it was told so, has lost that, and was told late of what was held before.
            await self._tell_done(done)
            return
        with knowledge.taking(key):
            await self._take_over(key, former, openid)

    async def _take_over(self, key: str, former: str, openid: str) -> None:
        link, knowledge, settings = self._link, self._knowledge, self._settings
        keys = [*link.keys(key, openid), link.key("workers"), link.key("reply", key)]
        stale = milliseconds(settings.stale)
        answer = await link.ask(
            _TAKE, keys, [encode(key), settings.worker, encode(openid), former, stale, _MAX_ATTEMPTS]
        )
        if not answer or answer[0] == b"gone":
            return
        state, attempt, payload, is_turn, request, at_once, messages, age, reply = answer
        place = Place(link.account, openid, key, attempt)
        since = settings.clock.monotonic() - age / 1000
        record = Record(place, payload, since, bool(at_once), request, bool(is_turn))
        knowledge.hold(record)
        if state == b"orphan":
            self._notify(Orphan(place, payload, bool(is_turn)))
            return
        if state == b"replying":
            # For a repetition, which this worker answers from now on.
            record.state, record.reply = "replying", reply
        else:
            self._notify(Lost(place, payload, max(0, messages - 1), state == b"sending"))
        await self.settle(record)

    async def settle(self, record: Record) -> None:
        """
        Settle a push that is held, and pass the turn on.
        """
        self._knowledge.settle(record)
        await self._tell_done(record.place)

    async def _tell_done(self, place: Place) -> None:
        knowledge = self._knowledge
        answer = await self._link.ask(_DONE, *_settling(self._link, place))
        if answer is None:
            knowledge.pass_turn(place.openid)
            return
        knowledge.tell(place)
        if answer:
            knowledge.turn(decode(answer))

    async def stop(self) -> None:
        """
        Stop the heart: what is still held is a dead worker's.
        """
        with suppress(RedisRefused):
            await self._link.ask(_LEAVE, [self._link.key("workers")], [self._settings.worker])


def restoring(link: Link, record: Record) -> tuple[list[bytes], list[Any]]:
    """
    Write a push that is held for `RESTORE`.
    """
    place, settings = record.place, link.settings
    return [*link.keys(place.key, place.openid), link.key("workers")], [
        encode(place.key),
        link.owner(place.openid),
        LIFE,
        record.payload,
        int(record.at_once),
        place.attempt,
        record.state,
        record.messages,
        milliseconds(settings.clock.monotonic() - record.since),
        milliseconds(settings.lease),
    ]


def _settling(link: Link, place: Place) -> tuple[list[bytes], list[Any]]:
    """
    Write a push that is done.
    """
    settings = link.settings
    fence = [encode(place.key), settings.worker, encode(place.openid), place.attempt]
    return [*link.keys(place.key, place.openid), link.key("news")], [*fence, milliseconds(settings.keep)]
