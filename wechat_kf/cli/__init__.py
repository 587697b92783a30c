"""
The ``wechat-kf`` command, a subcommand a module. ``simulate`` runs on any install; the others need the extra ``cli``.

Arguments are read by cyclopts, which takes names, types and defaults from a function's signature and the help from its
docstring, in the form that this project's docstrings have anyway; it is typed, and completion is included. Typer would
want the same said again in ``typer.Option(help=...)``. Tables and progress bars are rich's, which cyclopts brings.
``simulate`` reads its own with argparse: a newcomer's first steps install no extra.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

__all__ = ["main"]

_STOPPED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command.

    Args:
        arguments: Its arguments; those of the process by default.

    Returns:
        The exit status.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    # What is imported in here is not waited for by the others, and Ctrl-C may come meanwhile.
    try:
        if given[:1] == ["simulate"]:
            return _stand_in(given[1:])
        try:
            from ._app import run  # noqa: PLC0415
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in ("cyclopts", "rich"):
                raise
            sys.stderr.write("wechat-kf: Install wechat-kf[cli] for all commands but simulate.\n")
            return 2
        return run(given)
    except KeyboardInterrupt:
        sys.stderr.write("wechat-kf: Stopped.\n")
        return _STOPPED


def _stand_in(arguments: Sequence[str]) -> int:
    from ._simulate import add_arguments, simulate  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog="wechat-kf simulate", description=simulate.__doc__)
    add_arguments(parser)
    return simulate(parser.parse_args(arguments))
