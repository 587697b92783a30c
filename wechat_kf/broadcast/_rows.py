"""
The rows of a broadcast, compared with what an earlier run left of them.

Strategy. A journal belongs to one list: the same rows in the same order; more may follow. Rows are compared as they
come. What an earlier run delivered, or may have, is told and not sent. The others are held until every row that the
journal knows has been seen: a list that has changed is refused before anything of it is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import attrs

from .._errors import DeliveryUncertain, JournalError, KfError
from ..api.message_kinds import Message
from ._journal import Entry, digest_of

__all__ = ["Earlier", "Outcome", "Pair", "Row", "row_of", "wrong"]

Pair: TypeAlias = tuple[str, Message | str]


@attrs.frozen
class Row:
    """
    One message of the list.
    """

    index: int
    touser: str
    message: Message | str
    digest: str


@attrs.frozen
class Outcome:
    """
    How one message fared.

    Attributes:
        index: Its place among the pairs, from 0.

        touser: The customer.

        error: None if WeChat took it; else why not, and by `KfError.effect` whether it may have arrived all the same.
            For a pair that is wrong, ``__cause__`` is the `ValueError` or `TypeError` that says how.

        is_earlier: Whether the journal tells it of an earlier run; it was not sent by this one.
    """

    index: int
    touser: str
    error: KfError | None
    is_earlier: bool = False


def row_of(index: int, pair: Any, *, with_digest: bool) -> Row | Outcome:
    """
    Take a pair apart; if it is wrong, that is its outcome.
    """
    touser: Any = ""
    try:
        touser, message = pair
        # It is what the customers' queues are found by.
        hash(touser)
        return Row(index, touser, message, digest_of(touser, message) if with_digest else "")
    except (TypeError, ValueError) as error:
        return Outcome(index, touser if isinstance(touser, str) else "", wrong(error))


def wrong(error: Exception) -> KfError:
    """
    Make the error of a pair that is wrong.
    """
    failure = KfError(f"The pair is wrong, so nothing was sent for it: {error}", effect="none")
    failure.__cause__ = error
    return failure


class Earlier:
    """
    What an earlier run left.

    Args:
        entries: The last entry of each row.
    """

    def __init__(self, entries: Mapping[int, Entry]) -> None:
        self._entries = dict(entries)
        self._last = max(entries, default=-1)
        self._held: list[Row] = []

    def compare(self, row: Row | Outcome) -> Iterator[Row | Outcome]:
        """
        Compare the next row; return what can be sent or told by now.

        Raises:
            JournalError: The journal is of another list.
        """
        entry = self._entries.pop(row.index, None)
        if entry is not None and entry.digest and (isinstance(row, Outcome) or row.digest != entry.digest):
            raise _refused(f"row {row.index} differs from the row in the journal")
        if isinstance(row, Outcome):
            yield row
        elif entry is None or entry.state == "failed":
            self._held.append(row)
        else:
            yield Outcome(row.index, row.touser, _error_of(entry), is_earlier=True)
        if row.index >= self._last:
            held, self._held = self._held, []
            yield from held

    def end(self) -> None:
        """
        See that no row is missing.

        Raises:
            JournalError: The list has ended before the last row that the journal knows.
        """
        if self._entries:
            raise _refused(f"row {self._last}, which the journal knows, is missing")


def _refused(why: str) -> JournalError:
    return JournalError(
        f"The journal is of another list: {why}. Nothing of this list was sent. Give the same rows in the same order "
        "(more may follow), or another journal"
    )


def _error_of(entry: Entry) -> KfError | None:
    if entry.state == "delivered":
        return None
    how = f"failed: {entry.error}" if entry.state == "uncertain" else "ended while this message was on its way"
    return DeliveryUncertain(f"An earlier run {how}. The message may have arrived, so it is not sent again")
