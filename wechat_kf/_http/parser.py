"""
What a parser of HTTP/1.1 responses does.

Each parser is a module of its own, `h11_parser` and `httptools_parser`; both read the same responses alike.
"""

from __future__ import annotations

from typing import Final, Protocol

__all__ = ["MAX_HEAD", "MAX_PARTS", "BadResponse", "ResponseParser"]

MAX_HEAD: Final = 100 * 1024
"""
How many bytes the head of a response and its trailers may have together.
"""


MAX_PARTS: Final = 4096
"""
In how many parts a body may come at once. Chunks of a byte would keep the event loop busy with hardly anything.
"""


class BadResponse(Exception):
    """
    What the server sent is not a response; the text quotes none of it, since it might be an echo of the request.
    """


class ResponseParser(Protocol):
    """
    Reads the responses of one connection, one after the other. Those that only announce another (1xx) are passed over.

    Attributes:
        status: The status, as soon as the head is there; None before.

        headers: The head's fields; names in lower case.

        fields_size: How many bytes the fields have so far, those of trailers and of 1xx responses included.

        is_complete: Whether the response has ended; true before the first.

        keeps_alive: Whether another request may follow. Said when it is complete.
    """

    status: int | None
    headers: list[tuple[bytes, bytes]]
    fields_size: int
    is_complete: bool
    keeps_alive: bool

    def begin(self) -> None:
        """
        Expect a response.
        """
        ...

    def feed(self, data: bytes) -> list[bytes]:
        """
        Read what came, and return the parts of the body in it.

        Raises:
            BadResponse: It is not HTTP/1.1.
        """
        ...
