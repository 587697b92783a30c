"""
Which parser of responses is used: httptools where the extra ``fast`` is installed, else h11.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from .parser import ResponseParser

__all__ = ["response_parser"]


@cache
def response_parser() -> Callable[[], ResponseParser]:
    """
    Look once which parser there is.
    """
    # Nothing is imported before it is needed.
    try:
        from .httptools_parser import HttptoolsParser  # noqa: PLC0415
    except ImportError:
        from .h11_parser import H11Parser  # noqa: PLC0415

        return H11Parser
    return HttptoolsParser
