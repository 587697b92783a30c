"""
Responses read by h11: pure Python, and installed wherever httpx is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, cast

import h11

from .parser import MAX_HEAD, MAX_PARTS, BadResponse

__all__ = ["H11Parser"]

# h11 wants to know of a request before it reads a response, but not of which: `Endpoint` knows only GET and POST,
# whose responses end alike.
_REQUEST: Final = h11.Request(method=b"GET", target=b"/", headers=[(b"Host", b"-")])
_REQUEST_END: Final = h11.EndOfMessage()


class H11Parser:
    """
    A `ResponseParser` on h11.
    """

    def __init__(self) -> None:
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        self.status: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.fields_size = 0
        self.is_complete = True
        self.keeps_alive = True

    def begin(self) -> None:
        """
        Expect a response.
        """
        connection = self._connection
        if connection.our_state is h11.DONE:
            connection.start_next_cycle()
        connection.send(_REQUEST)
        connection.send(_REQUEST_END)
        self.status = None
        self.headers = []
        self.fields_size = 0
        self.is_complete = False

    def feed(self, data: bytes) -> list[bytes]:
        """
        Read what came, and return the parts of the body in it.
        """
        connection = self._connection
        connection.receive_data(data)
        parts: list[bytes] = []
        problem = ""
        while not self.is_complete and not problem:
            try:
                event = connection.next_event()
            except h11.RemoteProtocolError as error:
                # What follows the colon is quoted from the response.
                problem = str(error).partition(":")[0]
                continue
            if event is h11.NEED_DATA:
                break
            if isinstance(event, h11.Data):
                parts.append(bytes(event.data))
                problem = "the chunks are too small" if len(parts) > MAX_PARTS else ""
            elif isinstance(event, h11.Response):
                self.headers = self._counted(event.headers)
                self.status = event.status_code
            elif isinstance(event, h11.InformationalResponse):
                self._counted(event.headers)
            else:
                self._counted(cast("h11.EndOfMessage", event).headers)
                self.is_complete = True
                # More than the response is no answer to anything.
                self.keeps_alive = connection.their_state is h11.DONE and not connection.trailing_data[0]
        if problem:
            raise BadResponse(problem)
        return parts

    def _counted(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        fields = list(headers)
        self.fields_size += sum(len(name) + len(value) + 4 for name, value in fields)
        return fields
