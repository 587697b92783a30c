"""
What all pushes share, and the push of a kind without a class.

A field's name is the wire's in snake_case, its annotation says how it is read: a field that may be None may be absent,
empty or unreadable (a customer's message is not lost for an ornament), every other one must be there and fit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

import attrs

__all__ = [
    "Event",
    "Push",
    "UnknownPush",
    "UserMessage",
]


@attrs.frozen(kw_only=True)
class Push:
    """
    Anything that WeChat pushes.

    Attributes:
        to_user_name: The account's original id, ``gh_…``.

        from_user_name: The customer's openid; also as `openid`.

        create_time: When it happened, aware, in UTC.

        msg_type: The wire's ``MsgType``.

        raw: Every field as it came, by its wire name: strings from XML, native values from JSON.

        is_json: Whether it came as JSON, and so is answered in JSON.

        attempt: 1; more if a worker of a bot died or left while it handled the push, and this is another.
    """

    to_user_name: str
    from_user_name: str
    create_time: datetime
    msg_type: str
    raw: Mapping[str, Any] = attrs.field(factory=dict[str, Any], repr=False, hash=False)
    is_json: bool = attrs.field(default=False, repr=False, eq=False)
    attempt: int = attrs.field(default=1, repr=False, eq=False)

    # What tells two pushes of one customer and one second apart.
    _details: ClassVar[tuple[str, ...]] = ("msg_type",)

    @property
    def openid(self) -> str:
        """
        The customer's openid.
        """
        return self.from_user_name

    @property
    def dedupe_key(self) -> str:
        """
        The same for every repetition of this push, and for nothing else.
        """
        # WeChat names sender and second; two events can happen in one.
        details = [getattr(self, name) or "" for name in self._details]
        return ":".join([self.from_user_name, str(int(self.create_time.timestamp())), *details])


@attrs.frozen(kw_only=True)
class UserMessage(Push):
    """
    A message that a customer wrote.

    Attributes:
        msg_id: WeChat's 64-bit number of the message; it stays the same when the push is repeated.

        msg_data_id: The article that the customer answers to, if any.

        idx: The position of that article in its issue, from 1.
    """

    msg_id: int
    msg_data_id: int | None = None
    idx: int | None = None

    @property
    def dedupe_key(self) -> str:
        """
        Sender and message id.
        """
        return f"{self.from_user_name}:{self.msg_id}"


@attrs.frozen(kw_only=True)
class Event(Push):
    """
    Something that a customer or an agent did.

    Attributes:
        event: The wire's ``Event``; WeChat's names mix upper and lower case.
    """

    _details: ClassVar[tuple[str, ...]] = ("event",)

    msg_type: Literal["event"] = "event"
    event: str


@attrs.frozen(kw_only=True)
class UnknownPush(Push):
    """
    A push of a kind that this library does not know; `raw` has everything.
    """

    _details = ("event", "event_key")

    event: str | None = None
    event_key: str | None = None
    msg_id: int | None = None

    @property
    def dedupe_key(self) -> str:
        """
        As of a message if it has a message id, else as of an event, and of all that it says.
        """
        if self.msg_id is not None:
            return f"{self.from_user_name}:{self.msg_id}"
        # Two template messages or two cards of one second differ in nothing but fields of their own.
        raw = json.dumps(self.raw, sort_keys=True, default=str).encode()
        return f"{super().dedupe_key}:{hashlib.sha1(raw, usedforsecurity=False).hexdigest()[:16]}"
