"""
Text as WeChat takes it: cut to its limits where a reader would cut, whole or as it streams.

Pure functions on strings, and iterators around them.
"""

from __future__ import annotations

from ._markdown import markdown_to_text, stream_markdown
from ._pack import Packed, pack
from ._split import split_text
from ._streams import TextStream

__all__ = ["Packed", "TextStream", "markdown_to_text", "pack", "split_text", "stream_markdown"]
