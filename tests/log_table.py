"""
Writes the table of the log lines that ``docs/observing.md`` ends with: ``python -m tests.log_table``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import wechat_kf

_PACKAGE: Final = Path(str(wechat_kf.__file__)).parent
_PAGE: Final = Path(__file__).parents[1] / "docs" / "observing.md"
_LEVELS: Final = {"debug": "DEBUG", "info": "INFO", "warning": "WARNING", "error": "ERROR", "exception": "ERROR"}


def log_rows() -> str:
    """
    Return the table: a row for each line of each logger, with a mark for what is filled in.
    """
    paths = (path for path in _PACKAGE.rglob("*.py") if path.relative_to(_PACKAGE).parts[0] != "testing")
    found = {line for path in paths for line in _lines_of(ast.parse(path.read_text(encoding="utf-8")))}
    levels = list(dict.fromkeys(_LEVELS.values()))
    order = sorted(found, key=lambda line: (line[0], -levels.index(line[1]), line[2]))
    rows = [f"| `{logger}` | {level} | {text} |" for logger, level, text in order]
    return "\n".join(["| logger | level | line |", "|---|---|---|", *rows]) + "\n"


def _lines_of(module: ast.Module) -> Iterator[tuple[str, str, str]]:
    loggers: dict[str, str] = {}
    for node in ast.walk(module):
        match node:
            case ast.Assign(
                targets=[ast.Name(name)],
                value=ast.Call(func=ast.Name("get_logger"), args=[ast.Constant(str(logger))]),
            ):
                loggers[name] = logger
            case _:
                pass
    for node in ast.walk(module):
        match node:
            case ast.Call(func=ast.Attribute(ast.Name(name), level)) if name in loggers and level in _LEVELS:
                # A text that is put together has no place in a table: this raises.
                text = str(ast.literal_eval(node.args[0]))
                yield loggers[name], _LEVELS[level], re.sub(r"(%[\d.]*[a-z])+", "…", text)
            case _:
                pass


if __name__ == "__main__":
    text = _PAGE.read_text(encoding="utf-8")
    head, _, _ = text.rpartition("\n\n| logger | level | line |")
    _PAGE.write_text(f"{head}\n\n{log_rows()}", encoding="utf-8")
