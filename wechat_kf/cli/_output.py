"""
What a command writes: tables for people, tab-separated lines for a pipe, JSON for programs.

A customer's nickname or text may hold what a terminal obeys. Whatever is shown is made visible first.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import Any, Final

import attrs
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

__all__ = ["BEIJING", "Output", "pick", "prepare_streams", "visible"]

BEIJING: Final = timezone(timedelta(hours=8))
"""
The time of WeChat's days, and of the console.
"""

# What a terminal obeys, what begins a line, what turns the direction of writing around, and halves of an emoji.
_INVISIBLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")

# What JSON may hold as it is, though a terminal obeys it.
_NOT_IN_JSON: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


def visible(text: str) -> str:
    r"""
    Make visible what a terminal would obey: ``\x1b``, ``\n``.
    """
    return _INVISIBLE.sub(lambda found: found[0].encode("unicode_escape", "backslashreplace").decode(), text)


def pick(value: object, names: Sequence[str]) -> dict[str, Any]:
    """
    Take fields of a value as a row.
    """
    return {name: getattr(value, name) for name in names}


def prepare_streams() -> None:
    """
    Let no character be refused by the terminal's encoding.
    """
    for name in ("stdout", "stderr"):
        stream: io.TextIOWrapper | None = getattr(sys, name)
        if stream is None:
            # It was closed from the beginning.
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        else:
            stream.reconfigure(errors="backslashreplace")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, datetime):
        return value.astimezone(BEIJING).isoformat(" ", "seconds")
    return visible(str(value))


def _time(value: datetime) -> str:
    return value.isoformat()


@attrs.frozen
class Output:
    """
    Where results go.

    Attributes:
        as_json: Whether the reader is a program.
    """

    as_json: bool

    def value(self, value: object, sentence: str) -> None:
        """
        Tell one result: as JSON, or as a sentence.
        """
        if self.as_json:
            self._json(value)
        else:
            self.line(sentence)

    def rows(self, names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
        """
        Tell a list: as JSON, as a table, or as lines with tabs between.
        """
        if self.as_json:
            self._json([{name: row[name] for name in names} for row in rows])
            return
        cells = [[_cell(row[name]) for name in names] for row in rows]
        if not sys.stdout.isatty():
            sys.stdout.write("".join("\t".join(line) + "\n" for line in [names, *cells]))
            return
        console = Console(highlight=False)
        table = Table(*names, box=SIMPLE_HEAD, pad_edge=False)
        for line in cells:
            table.add_row(*map(Text, line))
        if console.measure(table, options=console.options.update(max_width=10_000)).maximum <= console.width:
            console.print(table)
            return
        # Too narrow for a table: what is cut could not be copied.
        widest = max(map(len, names))
        blocks = [[f"{name:{widest}}  {cell}\n" for name, cell in zip(names, line, strict=True)] for line in cells]
        sys.stdout.write("\n".join(map("".join, blocks)))

    def line(self, text: str) -> None:
        """
        Write a line for people.
        """
        sys.stdout.write(f"{visible(text)}\n")
        # What is told while work goes on is read while it goes on.
        sys.stdout.flush()

    def labelled(self, label: str, style: str, text: str) -> None:
        """
        Write a line for people that begins with a word in colour.
        """
        if sys.stdout.isatty():
            console = Console(highlight=False)
            console.print(Text.assemble((f"{label:8} ", style), visible(text)), soft_wrap=True)
        else:
            self.line(f"{label:8} {text}")

    def note(self, text: str) -> None:
        """
        Tell people something beside the result, on stderr.
        """
        # That nobody reads it is no reason to end what is under way.
        with suppress(OSError):
            sys.stderr.write(f"wechat-kf: {visible(text)}\n")
            sys.stderr.flush()

    def progress(self) -> Progress:
        """
        Make a progress bar on stderr, which shows itself on a terminal only.
        """
        console = Console(stderr=True)
        return Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def failure(self, text: str, exit: int, about: Mapping[str, object]) -> None:
        """
        Tell an error: a line on stderr, and as JSON for programs.
        """
        self.note(text)
        if self.as_json:
            self._json({"error": {"message": text, "exit": exit, **about}})

    def _json(self, value: object) -> None:
        text = json.dumps(value, ensure_ascii=False, indent=2, default=_time)
        sys.stdout.write(_NOT_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")
