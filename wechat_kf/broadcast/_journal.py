"""
What a journal keeps of a broadcast, so that a run that was killed can be started again: an entry for each row begun.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from hashlib import sha256
from typing import Final, Literal, Protocol, TypeAlias

import attrs

from .._wire.arguments import required
from .._wire.json import encode_sendable
from ..api.message_kinds import Message
from ..api.messages import msgtype_and_body

__all__ = ["Entry", "Journal", "NoJournal", "OpenJournal", "State", "digest_of"]

State: TypeAlias = Literal["sending", "delivered", "uncertain", "failed"]
"""
``sending``: it was about to be sent. ``delivered``: WeChat took it. ``uncertain``: it may have arrived. ``failed``: it
certainly did not, so the next run sends it.
"""

# Of SHA-256, as hexadecimal digits: enough to tell rows apart, and short to read.
_DIGEST_LENGTH: Final = 32


@attrs.frozen
class Entry:
    """
    What became of one row.

    Attributes:
        index: The row's place among the pairs, from 0.

        touser: The customer.

        digest: Of the customer and the message, by which the row is known again; empty if it is not known.

        state: How far it got.

        error: Why it failed or is uncertain.
    """

    index: int
    touser: str
    digest: str
    state: State
    error: str = ""


class OpenJournal(Protocol):
    """
    A journal that belongs to one run, and to no other.
    """

    @property
    def entries(self) -> Mapping[int, Entry]:
        """
        The last entry of each row, by its index, as earlier runs left them.
        """
        ...

    async def write(self, entry: Entry) -> None:
        """
        Write an entry; return when a crash cannot undo it any more. Many may be under way at once.

        For a state other than ``sending`` it is enough that the program's own end does not undo it.

        Raises:
            JournalError: It cannot be written, or the journal is another run's by now. Nothing more is sent.
        """
        ...


class Journal(Protocol):
    """
    Where `send_each` notes what became of each row: `FileJournal`, `RedisJournal`, or one of your own.
    """

    def open(self, account: str) -> AbstractAsyncContextManager[OpenJournal]:
        """
        Take the journal for one run.

        Args:
            account: The account's appid; empty if the client does not know it.

        Raises:
            JournalError: Another run has it, it cannot be read, or it is of another account.
        """
        ...


class NoJournal:
    """
    For a run that needs none.
    """

    @property
    def entries(self) -> Mapping[int, Entry]:
        """
        Return none.
        """
        return {}

    @asynccontextmanager
    async def open(self, account: str) -> AsyncGenerator[OpenJournal]:  # noqa: ARG002
        """
        Take nothing.
        """
        yield self

    async def write(self, entry: Entry) -> None:
        """
        Write nothing.
        """


def digest_of(touser: str, message: Message | str) -> str:
    """
    Make the digest by which a row is known again.

    Raises:
        TypeError: The row is wrong.

        ValueError: The row is wrong.
    """
    msgtype, body = msgtype_and_body(message)
    row = {"touser": required("touser", touser), "msgtype": msgtype, "body": body}
    return sha256(encode_sendable(row)).hexdigest()[:_DIGEST_LENGTH]
