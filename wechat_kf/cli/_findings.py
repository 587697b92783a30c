"""
What the doctor finds.
"""

from __future__ import annotations

from enum import StrEnum

import attrs

__all__ = ["Finding", "State"]


class State(StrEnum):
    """
    How it stands with what was looked at.
    """

    OK = "ok"
    WRONG = "wrong"
    NOTE = "note"
    SKIPPED = "skipped"


@attrs.frozen
class Finding:
    """
    What was looked at, and how it stands.

    Attributes:
        check: What was looked at.

        state: How it stands; only `State.WRONG` is not well.

        why: What was seen, as a sentence.

        remedy: What to do; empty if nothing.
    """

    check: str
    state: State
    why: str
    remedy: str = ""
