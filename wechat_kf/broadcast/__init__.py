"""
Sending to many: the outcome of each message as it settles, and the journals by which a killed run goes on.

Each customer's messages stay in order.
"""

from __future__ import annotations

from ._counts import Counts
from ._file_journal import FileJournal
from ._journal import Entry, Journal, OpenJournal
from ._outcomes import Outcomes
from ._rows import Outcome, Pair

__all__ = ["Counts", "Entry", "FileJournal", "Journal", "OpenJournal", "Outcome", "Outcomes", "Pair"]
