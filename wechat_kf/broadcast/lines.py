"""
A journal's lines: an entry as JSON, and the header that names the account.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast

import attrs

from .._errors import JournalError
from ._journal import Entry

__all__ = ["check_header", "entry_line", "header_line", "read_entry"]

_KIND: Final = "wechat_kf broadcast"
_VERSION: Final = 1

_STATES: Final = ("sending", "delivered", "uncertain", "failed")


def header_line(account: str) -> bytes:
    """
    Write the header of an account's journal.
    """
    return _line({"journal": _KIND, "version": _VERSION, "account": account})


def check_header(line: bytes, account: str, journal: object) -> None:
    """
    Check that a journal's header is the one of this account.

    Raises:
        JournalError: It is not.
    """
    found, own = _fields(line), _fields(header_line(account))
    if found.get("journal") != _KIND:
        raise JournalError(f"{journal} is not a journal of a broadcast")
    if found.get("version") != _VERSION:
        raise JournalError(f"{journal} is of a version that this library does not know")
    if found != own:
        raise JournalError(f"{journal} is of the account {found.get('account')!r}, not {account!r}")


def entry_line(entry: Entry) -> bytes:
    """
    Write an entry.
    """
    return _line({name: value for name, value in attrs.asdict(entry).items() if value != ""})


def read_entry(line: bytes) -> Entry | None:
    """
    Read an entry; None if it is none.
    """
    fields = _fields(line)
    index, state = fields.get("index"), fields.get("state")
    touser, digest, error = (fields.get(name, "") for name in ("touser", "digest", "error"))
    if type(index) is not int or index < 0 or state not in _STATES:
        return None
    if not (isinstance(touser, str) and isinstance(digest, str) and isinstance(error, str)):
        return None
    return Entry(index, touser, digest, state, error)


def _line(fields: Mapping[str, object]) -> bytes:
    # ASCII, so that half an emoji can be written too.
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def _fields(line: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", fields) if isinstance(fields, dict) else {}
