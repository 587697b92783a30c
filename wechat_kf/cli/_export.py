"""
The file of an export, which can be left at any time and taken up again.

Strategy. The records are written to ``FILE.part``. After each whole day ``FILE.state`` says how much of it is good, and
where to go on: it is replaced at once, after the records are on the disk, so that the two always fit. Whoever takes it
up cuts off what came after. When all is there, ``FILE.part`` becomes ``FILE``, and the state goes.

A record at the border of two days is in the answers for both. Those that the day before ended with are kept in the
state, and passed over once.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import attrs

from ..api.records import MsgRecord
from ._exits import CommandError, Exit
from ._output import BEIJING

__all__ = ["Export", "Format", "Span", "csv_lines", "json_lines"]

Format: TypeAlias = Literal["jsonl", "csv"]

_COLUMNS: Final = ("time", "openid", "opercode", "worker", "text")

# A spreadsheet takes what begins so for a formula, which a customer may have written.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

_Key: TypeAlias = tuple[str, int, str, str]


@attrs.frozen
class Span:
    """
    Which records, and how they are written.

    Attributes:
        appid: Whose.

        first: From when on, in Unix seconds.

        until: Until when; None for the time at which it was begun.

        format: How.
    """

    appid: str
    first: int
    until: int | None
    format: Format


def _fields(record: MsgRecord) -> dict[str, Any]:
    time = None if record.time is None else record.time.astimezone(BEIJING).isoformat()
    about = {"openid": record.openid, "opercode": int(record.opercode), "worker": record.worker, "text": record.text}
    return {"time": time, **about}


def json_lines(records: Iterable[MsgRecord]) -> bytes:
    """
    Write records as JSON, one a line.
    """
    lines = [json.dumps(_fields(record), ensure_ascii=False, separators=(",", ":")) + "\n" for record in records]
    # In JSON what stands for half an emoji is its escape.
    return "".join(lines).encode("utf-8", "backslashreplace")


def csv_lines(records: Iterable[MsgRecord]) -> bytes:
    """
    Write records as CSV; a text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    for record in records:
        cells = ["" if value is None else str(value) for value in _fields(record).values()]
        writer.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
    return text.getvalue().encode("utf-8", "backslashreplace")


# The byte order mark tells spreadsheets that it is UTF-8.
_HEADERS: Final[dict[Format, bytes]] = {"jsonl": b"", "csv": f"\ufeff{','.join(_COLUMNS)}\r\n".encode()}


class Export:
    """
    A file that grows day by day.

    Args:
        path: Where it is to be.

        span: What is to be in it.

        now: The time, beyond which there is nothing.

    Attributes:
        last: Where it ends, in Unix seconds.

        next: Where to go on, in Unix seconds.

        records: How many records are in it.

        resumed: Whether there was something.
    """

    def __init__(self, path: Path, span: Span, now: datetime) -> None:
        self._path = path
        self._span = span
        self._part = path.with_name(f"{path.name}.part")
        self._state = path.with_name(f"{path.name}.state")
        self._border: Counter[_Key] = Counter()
        self._latest: Counter[_Key] = Counter()
        self._good = 0
        at = int(now.timestamp())
        self.last = max(span.first, at if span.until is None else min(at, span.until))
        self.next = span.first
        self.records = 0
        self.resumed = False
        if path.exists():
            raise CommandError(Exit.FILE, f"{path} is there already; it is left as it is.")
        if self._state.exists():
            self._resume()
        elif self._part.exists():
            raise CommandError(Exit.FILE, f"{self._part} is there, but no {self._state.name} that says what it is.")
        self._file = self._part.open("r+b" if self.resumed else "xb")
        if self.resumed:
            self._file.truncate(self._good)
            self._file.seek(self._good)
        else:
            self._file.write(_HEADERS[span.format])
            self._save()

    def add(self, record: MsgRecord, end: datetime) -> None:
        """
        Write a record.

        Args:
            record: The record.

            end: The end of its day.
        """
        key = (record.openid, int(record.opercode), record.worker, record.text)
        if record.time == end:
            self._latest[key] += 1
        if record.time is not None and record.time.timestamp() == self.next and self._border[key] > 0:
            self._border[key] -= 1
            return
        self._file.write(json_lines((record,)) if self._span.format == "jsonl" else csv_lines((record,)))
        self.records += 1

    def end_day(self, end: int) -> None:
        """
        Keep what was written since the last day.
        """
        self._border, self._latest = self._latest, Counter()
        self.next = end
        self._save()

    def publish(self) -> None:
        """
        Put the whole file, which was left, in its place.
        """
        self._part.replace(self._path)
        self._state.unlink()

    def leave(self) -> None:
        """
        Close the file, and cut off what belongs to no whole day.
        """
        with self._file:
            self._file.truncate(self._good)

    def _save(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._good = self._file.tell()
        about = {"last": self.last, "next": self.next, "bytes": self._good, "records": self.records}
        text = json.dumps({**attrs.asdict(self._span), **about, "border": [*self._border.elements()]})
        temporary = self._state.with_name(f"{self._state.name}.new")
        with temporary.open("w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._state)

    def _resume(self) -> None:
        try:
            state = json.loads(self._state.read_bytes())
            span = Span(**{each.name: state[each.name] for each in attrs.fields(Span)})
            self.last, self.next = int(state["last"]), int(state["next"])
            self._good, self.records = int(state["bytes"]), int(state["records"])
            self._border = Counter((str(a), int(b), str(c), str(d)) for a, b, c, d in state["border"])
            size = self._part.stat().st_size
        except (OSError, ValueError, TypeError, KeyError):
            raise CommandError(Exit.FILE, f"{self._state} and {self._part} cannot be taken up; remove them.") from None
        if span != self._span:
            raise CommandError(
                Exit.FILE, f"{self._part} is of another export: give the same account, times and format, or remove it."
            )
        if size < self._good:
            raise CommandError(Exit.FILE, f"{self._part} is shorter than {self._state.name} says; remove both.")
        self.resumed = True
