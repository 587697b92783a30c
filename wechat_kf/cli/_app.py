"""
All commands put together, and how any of them ends.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, CycloptsError, Parameter

from .._errors import ApiError, KfError
from . import _accounts, _completion, _doctor, _history, _maintenance, _send, _sessions
from ._exits import EXITS, CommandError, Exit, describe, exit_of
from ._output import Output, prepare_streams, visible
from ._stopping import Stopped

__all__ = ["make_app", "run"]


def _simulate() -> None:
    """
    Stand in for WeChat on a port; see wechat-kf simulate --help.
    """


def make_app() -> App:
    """
    Put the commands together.
    """
    codes = "\n".join(f"{code:>3}  {meaning}" for code, meaning in EXITS.items())
    app = App(
        name="wechat-kf",
        help="Tools for WeChat's customer-service API. WECHAT_APPID and WECHAT_SECRET say which account.",
        help_epilogue=f"Exit codes:\n\n{codes}",
        help_format="plaintext",
        version=version("wechat-kf"),
        default_parameter=Parameter(negative=""),
        suppress_keyboard_interrupt=False,
    )
    app.command(_simulate, name="simulate")
    for part in (_doctor, _accounts, _sessions, _send, _history, _maintenance, _completion):
        part.add_to(app)
    return app


def run(arguments: Sequence[str]) -> int:
    """
    Run a command and tell how it ended.

    Returns:
        The exit code.
    """
    prepare_streams()
    try:
        try:
            return _run(arguments)
        finally:
            sys.stdout.flush()
    except OSError as error:
        # Python would complain again when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return Exit.BROKEN_PIPE
        Output(as_json=False).note(f"The output, or a file, cannot be written: {error.strerror}.")
        return Exit.FILE


def _run(arguments: Sequence[str]) -> int:
    out = Output("--json" in arguments)
    try:
        return _call(arguments)
    except (KfError, CommandError, Stopped) as error:
        return _end(out, error)


def _end(out: Output, error: KfError | CommandError | Stopped) -> int:
    if isinstance(error, Stopped):
        out.note(str(error))
        return error.exit
    if isinstance(error, CommandError):
        out.failure(str(error), error.exit, {})
        return error.exit
    ended, text = exit_of(error), describe(error)
    about: dict[str, object] = {"kind": type(error).__name__, "effect": error.effect}
    if isinstance(error, ApiError):
        about |= {"errcode": error.errcode, "rid": error.rid}
    out.failure(text, ended, about)
    return ended


def _call(arguments: Sequence[str]) -> int:
    try:
        ended = make_app()(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        raise CommandError(Exit.USAGE, f"{_one_line(error)} See {_help_of(error)}.") from None
    except OSError as error:
        if error.filename is None:
            # Writing failed, most likely to the output.
            raise
        raise CommandError(Exit.FILE, f"{error.filename} cannot be used: {error.strerror}.") from error
    except ValueError as error:
        # What the client's methods say of their arguments.
        raise CommandError(Exit.USAGE, f"Nothing was sent: {error}.") from error
    return ended if isinstance(ended, int) else Exit.DONE


def _one_line(error: CycloptsError) -> str:
    return visible(" ".join(str(error).split()))


def _help_of(error: CycloptsError) -> str:
    names = " ".join(error.command_chain or ())
    return f"wechat-kf {names} --help" if names else "wechat-kf --help"
