"""
How a command ends: its exit codes, and one line for each error.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from .._errcodes import errcode_of
from .._errors import ApiError, AuthError, JournalError, KfError

__all__ = ["EXITS", "CommandError", "Exit", "describe", "exit_of"]


class Exit(IntEnum):
    """
    The exit codes; `EXITS` says what each means.
    """

    DONE = 0
    PARTLY = 1
    USAGE = 2
    CREDENTIALS = 3
    REFUSED = 4
    NO_ANSWER = 5
    UNCERTAIN = 6
    FILE = 7
    STOPPED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


EXITS: Final[dict[Exit, str]] = {
    Exit.DONE: "All is done; for doctor: all is well.",
    Exit.PARTLY: "Of several messages some were not sent; for doctor: something is not well.",
    Exit.USAGE: "The arguments or a file of openids are wrong, or the extra cli is missing.",
    Exit.CREDENTIALS: "Appid or secret are missing, or WeChat refuses them.",
    Exit.REFUSED: "WeChat refused; its errcode is told.",
    Exit.NO_ANSWER: "No connection, or no usable answer; nothing was changed.",
    Exit.UNCERTAIN: "It may have taken effect: look before you do it again.",
    Exit.FILE: "A file cannot be read or written, or a journal is another run's or another list's.",
    Exit.STOPPED: "Stopped by Ctrl-C; what was done is told.",
    Exit.BROKEN_PIPE: "The program that read the output has gone.",
    Exit.TERMINATED: "Stopped by SIGTERM; what was done is told.",
}
"""
What each exit code means.
"""


class CommandError(Exception):
    """
    Something that ends the command.

    Args:
        exit: The exit code.

        text: What is wrong, as a sentence.
    """

    def __init__(self, exit: Exit, text: str) -> None:
        super().__init__(text)
        self.exit = exit


def exit_of(error: KfError) -> Exit:
    """
    Choose the exit code for an error.
    """
    if error.effect == "unknown":
        return Exit.UNCERTAIN
    if isinstance(error, JournalError):
        return Exit.FILE
    if isinstance(error, AuthError):
        return Exit.CREDENTIALS
    return Exit.REFUSED if isinstance(error, ApiError) else Exit.NO_ANSWER


def describe(error: KfError) -> str:
    """
    Tell in one line what happened, whether it may have taken effect, and what to do.
    """
    if not isinstance(error, ApiError):
        return str(error)
    known = errcode_of(error.errcode, error.endpoint)
    meaning = known.meaning or "WeChat refused"
    about = f"{error.errcode} {error.errmsg}".rstrip() + (f", rid {error.rid}" if error.rid else "")
    doubt = " It may have taken effect: look before you do it again." if error.effect == "unknown" else ""
    return f"{meaning[0].upper()}{meaning[1:]} ({about}). {known.remedy}{doubt}"
