"""
What happens with an account, one thing after the other, for those who watch: a page, a test.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from secrets import token_hex
from typing import Any, Final, TypeAlias

import anyio
import attrs

from .machine.json_values import object_of
from .machine.request import ReceivedCall
from .machine.response import Response
from .machine.shown import Shown

__all__ = ["AnsweredCall", "Changed", "Entry", "Feed", "Happened", "PushAttempt"]

_KEPT: Final = 2000


@attrs.frozen
class AnsweredCall:
    """
    A call with its answer.

    Attributes:
        call: The call.

        response: The answer; None: the connection is dropped instead.
    """

    call: ReceivedCall
    response: Response | None

    @property
    def openid(self) -> str | None:
        """
        The customer whom it is about; None: none.
        """
        body = object_of(self.call.json) or {}
        named = body.get("touser") or body.get("openid") or self.call.query.get("openid")
        return named if isinstance(named, str) else None


@attrs.frozen
class PushAttempt:
    """
    A push that is or was delivered: one attempt, from its first byte to what became of it.

    Attributes:
        id: The same for what is told of this attempt at its begin and at its end.

        openid: The customer; None in what concerns the account as a whole.

        kind: What is pushed: ``text``, ``event CLICK``.

        fields: The push's fields, without time and the names of the two sides.

        attempt: 1 for the first, more for each repetition.

        at: When it began.

        query: The query it is sent with.

        body: Its body as it is sent.

        seconds: How long it took; None: it is under way.

        status: The answer's HTTP status; None: there is none.

        answer: The answer's body.

        mistake: Why WeChat does not take the answer; None: it does.
    """

    id: int
    openid: str | None
    kind: str
    fields: Mapping[str, Any]
    attempt: int
    at: datetime
    query: Mapping[str, str]
    body: str
    seconds: float | None = None
    status: int | None = None
    answer: str = ""
    mistake: str | None = None


@attrs.frozen
class Happened:
    """
    What a customer wrote or did, or what became of their session.

    Attributes:
        openid: The customer; None in what concerns the account as a whole.

        fields: The fields of a push by their wire names.

        at: When.

        kf_account: The agent who reads it, in a session; None: the account's server is told.
    """

    openid: str | None
    fields: Mapping[str, Any]
    at: datetime
    kf_account: str | None = None


@attrs.frozen
class Changed:
    """
    Something else changed: with a customer, or with the agents, the time or the callback.

    Attributes:
        openid: The customer; None: no customer.
    """

    openid: str | None = None


Entry: TypeAlias = AnsweredCall | Changed | Happened | PushAttempt | Shown
"""
Something that happened.
"""


class Feed:
    """
    The latest entries, numbered from 1.

    Attributes:
        run: Tells this feed's numbers from those of another run.

        end: The number of the newest entry; 0 before the first.
    """

    def __init__(self) -> None:
        self.run: str = token_hex(4)
        self.end: int = 0
        self._entries: deque[Entry] = deque(maxlen=_KEPT)
        self._waiting: set[anyio.Event] = set()

    def add(self, entry: Entry) -> None:
        """
        Add an entry; those who wait for it are told.
        """
        self._entries.append(entry)
        self.end += 1
        for event in self._waiting:
            event.set()

    def since(self, number: int) -> list[Entry] | None:
        """
        List the entries after one; None: some of them are kept no longer.
        """
        missing = self.end - number
        if not 0 <= missing <= len(self._entries):
            return None
        return list(self._entries)[len(self._entries) - missing :]

    def latest(self) -> list[Entry]:
        """
        List the entries that are kept.
        """
        return list(self._entries)

    async def wait_after(self, number: int) -> None:
        """
        Wait until there is an entry after one.
        """
        while self.end <= number:
            event = anyio.Event()
            self._waiting.add(event)
            try:
                await event.wait()
            finally:
                self._waiting.remove(event)
