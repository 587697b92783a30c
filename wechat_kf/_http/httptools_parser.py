"""
Responses read by httptools, whose parser (llhttp) is compiled.

llhttp is strict by default. It is told to be as lenient as h11 is, and what it would let through besides is refused
here, so that the extra ``fast`` changes the speed and nothing else.
"""

from __future__ import annotations

import re
from typing import Final

import httptools

from .parser import MAX_PARTS, BadResponse

__all__ = ["HttptoolsParser"]


# Of the control characters h11 takes all but these.
_FORBIDDEN: Final = re.compile(rb"[\x00\v\f]")


class HttptoolsParser:
    """
    A `ResponseParser` on httptools, which calls its ``on_`` methods while it is fed.
    """

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_chunked_length=True,
            lenient_version=True,
            lenient_spaces_after_chunk_size=True,
        )
        self._parts: list[bytes] = []
        self._problem = ""
        self.status: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.fields_size = 0
        self.is_complete = True
        self.keeps_alive = True

    def begin(self) -> None:
        """
        Expect a response.
        """
        # In the head only: where a chunk's size is wrong, its end would be taken for data.
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True)
        self.status = None
        self.headers = []
        self.fields_size = 0
        self.is_complete = False

    def feed(self, data: bytes) -> list[bytes]:
        """
        Read what came, and return the parts of the body in it.
        """
        problem = ""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            # llhttp quotes nothing of the response.
            problem = self._problem or str(error)
        parts, self._parts = self._parts, []
        if len(parts) > MAX_PARTS:
            raise BadResponse("the chunks are too small")
        if problem:
            if not self.is_complete:
                raise BadResponse(problem)
            # The response itself is whole; what follows it is no answer to anything.
            self.keeps_alive = False
        return parts

    def on_message_begin(self) -> None:
        """
        Refuse a second response.
        """
        if self.is_complete:
            self._refuse("more than one response")

    def on_status(self, reason: bytes) -> None:
        """
        Look at the words behind the status.
        """
        if _FORBIDDEN.search(reason):
            self._refuse("illegal status line")

    def on_header(self, name: bytes, value: bytes) -> None:
        """
        Keep a field, unless it is a trailer.
        """
        self.fields_size += len(name) + len(value) + 4
        if self.status is not None:
            return
        name = name.lower()
        if name.endswith(b" ") or _FORBIDDEN.search(value):
            self._refuse("illegal header line")
        # With blanks behind it, llhttp does not take it for what it is.
        if name == b"transfer-encoding" and (
            value.lower() != b"chunked" or any(known == name for known, _ in self.headers)
        ):
            self._refuse("Only Transfer-Encoding: chunked is supported")
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """
        Note the status, unless it is one that announces another response.
        """
        status = self._parser.get_status_code()
        if status < 100:
            self._refuse("illegal status line")
        if status == 101:
            self._refuse("the server changed to another protocol")
        if status < 200:
            self.headers = []
        else:
            self.status = status
            self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=False)

    def on_body(self, body: bytes) -> None:
        """
        Keep a part of the body.
        """
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """
        Note that the response is complete, unless it announced another.
        """
        if self.status is not None:
            self.is_complete = True
            self.keeps_alive = self._parser.should_keep_alive()

    def _refuse(self, problem: str) -> None:
        # It ends in an exception of httptools' own.
        self._problem = problem
        raise BadResponse(problem)
