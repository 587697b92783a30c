"""
What all pushes share, and the pushes of kinds without a class.

A field's name is the wire's in snake_case, its annotation says how it is read. A field with a default may be absent,
empty or unreadable (a customer's message is not lost for an ornament); every other one must be there and fit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final, Literal

import attrs

__all__ = [
    "CheckContainerPathPush",
    "Event",
    "Push",
    "UnknownMessage",
    "UnknownPush",
    "UserMessage",
]

# A key stands in log lines and in the stores of several workers.
_LONGEST_KEY: Final = 200

# What WeChat makes anew for every repetition, where a push stands beside its own ciphertext.
_ENVELOPE: Final = frozenset({"Encrypt", "MsgSignature", "Nonce", "TimeStamp"})


def _key(*parts: str) -> str:
    key = ":".join(parts)
    if len(key) <= _LONGEST_KEY and key.isprintable():
        return key
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


@attrs.frozen(kw_only=True)
class Push:
    """
    Anything that WeChat pushes.

    Attributes:
        to_user_name: The account's original id, ``gh_…``; empty if the push has none.

        from_user_name: Who WeChat names as the sender, as a rule the customer: see `openid`.

        create_time: When it happened, aware, in UTC; when WeChat sent it, if the push does not say.

        msg_type: The wire's ``MsgType``.

        raw: Every field as it came, by its wire name: strings from XML, native values from JSON.

        is_json: Whether it came as JSON, and so is answered in JSON.

        attempt: 1; more if a worker of a bot died or left while it handled the push, and this is another.

        sealed_by: Which of the webhook's tokens and keys it came with, the first being 0; it is answered with the same.
    """

    to_user_name: str
    from_user_name: str
    create_time: datetime
    msg_type: str
    raw: Mapping[str, Any] = attrs.field(factory=dict[str, Any], repr=False, hash=False)
    is_json: bool = attrs.field(default=False, repr=False, eq=False)
    attempt: int = attrs.field(default=1, repr=False, eq=False)
    sealed_by: tuple[int, int] = attrs.field(default=(0, 0), repr=False, eq=False)

    # What tells two pushes of one customer and one second apart.
    _details: ClassVar[tuple[str, ...]] = ("msg_type",)

    @property
    def openid(self) -> str:
        """
        The customer's openid; empty if no customer is concerned.
        """
        return self.from_user_name

    @property
    def account(self) -> str:
        """
        Whom it was pushed to: the account's original id, or a platform's appid.
        """
        return self.to_user_name

    @property
    def dedupe_key(self) -> str:
        """
        The same for every repetition of this push, and for nothing else: at most 200 printable characters.
        """
        # WeChat names sender and second; two events can happen in one.
        details = [getattr(self, name) or "" for name in self._details]
        return _key(self.from_user_name, str(int(self.create_time.timestamp())), *details)


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
        return _key(self.from_user_name, str(self.msg_id))


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
class CheckContainerPathPush(Push):
    """
    The check that cloud-run's console (微信云托管) makes of the path for pushes; answer ``success``.
    """

    to_user_name: str = ""
    from_user_name: str = ""
    msg_type: Literal[""] = ""


@attrs.frozen(kw_only=True)
class UnknownPush(Push):
    """
    A push of a kind that this library does not know, or one that lacks what its kind must have; `raw` has everything.
    """

    @property
    def account(self) -> str:
        """
        Whom it was pushed to: the account's original id, or a platform's appid.
        """
        return self.to_user_name or self._text("AppId") or ""

    @property
    def event(self) -> str | None:
        """
        The wire's ``Event``, if it is a text.
        """
        return self._text("Event")

    @property
    def event_key(self) -> str | None:
        """
        The wire's ``EventKey``, if it is a text.
        """
        return self._text("EventKey")

    @property
    def dedupe_key(self) -> str:
        """
        Sender, kind, and a digest of all that it says but for what WeChat makes anew for every repetition.
        """
        # Two template messages or two cards of one second differ in nothing but fields of their own.
        said = {name: value for name, value in self.raw.items() if name not in _ENVELOPE}
        digest = hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:32]
        return _key(self.from_user_name, self.event or self._text("InfoType") or self.msg_type, digest)

    def _text(self, name: str) -> str | None:
        value = self.raw.get(name)
        return value if isinstance(value, str) and value else None


@attrs.frozen(kw_only=True)
class UnknownMessage(UserMessage, UnknownPush):
    """
    A customer's message of a kind that this library does not know, or that lacks what its kind must have.

    It is both a `UserMessage` and an `UnknownPush`.
    """
