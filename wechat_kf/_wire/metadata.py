"""
What the metadata of an answer's fields may declare.
"""

from __future__ import annotations

from typing import Final

__all__ = ["FORMERLY", "NOT_SENT", "READ_BY"]

FORMERLY: Final = "formerly"
"""
The key of a field's older wire name.
"""

READ_BY: Final = "read by"
"""
The key of the function that reads the field, in place of its type's.
"""

NOT_SENT: Final = "not sent"
"""
The key that says that the field is no field of the wire.
"""
