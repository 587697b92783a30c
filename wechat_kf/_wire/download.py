"""
An answer that is a file, still on its way.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any, Protocol

import attrs

__all__ = ["Body", "Download"]


class Body(Protocol):
    """
    The chunks of a body, which hold a connection until it is closed.
    """

    def __aiter__(self) -> AsyncIterator[bytes]: ...
    def aclose(self) -> Awaitable[object]: ...


@attrs.frozen(eq=False)
class Download:
    """
    An answer whose body is not read yet. Whoever asked for it closes the body.

    Attributes:
        headers: The answer's headers.

        body: The chunks of the file; none if the answer was JSON.

        json: The answer, if it was JSON and no file; the body is closed then.
    """

    headers: Mapping[str, str]
    body: Body = attrs.field(repr=False)
    json: dict[str, Any] | None = None
