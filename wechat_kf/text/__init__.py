"""
Text as WeChat takes it: cut to its limits where a reader would cut.

Pure functions on strings.
"""

from __future__ import annotations

from ._split import split_text

__all__ = ["split_text"]
