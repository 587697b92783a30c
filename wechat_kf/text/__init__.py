"""
Text as WeChat takes it: cut to its limits where a reader would cut, whole or as it streams.

Pure functions on strings, and iterators around them.
"""

from __future__ import annotations

from ._pack import Packed, pack
from ._split import split_text

__all__ = ["Packed", "pack", "split_text"]
