"""
``wechat-kf history``: what passed between agents and customers, in a file.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from ._exits import CommandError, Exit
from ._export import Export, Format, Span
from ._options import COMMON, Common, Session
from ._output import BEIJING

__all__ = ["add_to", "export"]

_DAY: Final = 24 * 60 * 60
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")


def add_to(app: App) -> None:
    """
    Add the command.
    """
    history = App(name="history", help="Save what passed between agents and customers.")
    history.command(export)
    app.command(history)


def export(
    file: Annotated[Path, Parameter(name="FILE")],
    /,
    *,
    start: Annotated[str, Parameter(name="--from")],
    end: Annotated[str | None, Parameter(name="--to")] = None,
    format: Format | None = None,
    common: Common = COMMON,
) -> int:
    """
    Save the history of any span, day by day. Stopped, it is taken up by the same command.

    Times are such as 2026-01-31 or 2026-01-31T18:30, in Beijing's time unless they name another (2026-01-31T18:30Z).

    Args:
        file: Where to; until it is whole, FILE.part and FILE.state stand beside it.

        start: From when on; of a date its beginning.

        end: Until when; of a date its end. Now, by default.

        format: JSON, one record a line, or CSV; by default as the file's name ends.
    """
    by_name: dict[str, Format] = {".jsonl": "jsonl", ".csv": "csv"}
    kind = format or by_name.get(file.suffix.lower())
    if kind is None:
        raise CommandError(Exit.USAGE, "Say --format jsonl or --format csv, or give FILE a name that ends so.")
    first = _seconds("--from", start, is_end=False)
    until = None if end is None else _seconds("--to", end, is_end=True)
    if first > (int(datetime.now(UTC).timestamp()) if until is None else until):
        raise CommandError(Exit.USAGE, "--to must not be before --from, nor --from in the future.")
    return common.run(partial(_export, file=file, first=first, until=until, format=kind))


def _seconds(name: str, text: str, *, is_end: bool) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            Exit.USAGE, f"{name} must be such as 2026-01-31 or 2026-01-31T18:30, not {text!r}."
        ) from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=BEIJING)
    if is_end and _DATE.fullmatch(text):
        time += timedelta(days=1, seconds=-1)
    return int(time.timestamp())


async def _export(session: Session, file: Path, first: int, until: int | None, format: Format) -> int:
    output = Export(file, Span(session.kf.appid or "", first, until, format), datetime.now(UTC))
    if output.resumed:
        session.out.note(f"Going on after {output.records} records.")
    try:
        with session.out.progress() as progress:
            days = max(1, -(-(output.last - first) // _DAY))
            task = progress.add_task("Days", total=days, completed=(output.next - first) // _DAY)
            while True:
                end = min(output.next + _DAY, output.last)
                await _export_day(session, output, end)
                output.end_day(end)
                progress.update(task, advance=1, description=f"Days ({output.records} records)")
                if end == output.last:
                    break
    except BaseException:
        session.out.note(f"{output.records} records so far; the same command goes on.")
        raise
    finally:
        output.leave()
    output.publish()
    about = {"file": str(file), "records": output.records}
    session.out.value(about, f"Saved {output.records} records in {file}.")
    return Exit.DONE


async def _export_day(session: Session, output: Export, end: int) -> None:
    until = datetime.fromtimestamp(end, UTC)
    async for record in session.kf.iter_msg_records(output.next, end):
        output.add(record, until)
