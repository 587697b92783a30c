"""
What arrives: a request as the machine sees it, and as a test looks at it afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

import attrs

from .json_values import object_of, parse_json, text_of
from .response import PlannedResponse, Refusal
from .upload import Part, read_parts

__all__ = ["Receive", "ReceivedCall", "Request", "base_url_of"]

# A JSON escape, not the two characters after an escaped backslash.
_ESCAPE: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u[0-9A-Fa-f]{4}")


def _path_of(request: Request) -> str:
    return request.target.partition("?")[0]


def _query_of(request: Request) -> Mapping[str, str]:
    return dict(parse_qsl(request.target.partition("?")[2], keep_blank_values=True))


@attrs.frozen
class Request:
    """
    A request as it arrived, and when: everything the machine looks at.

    Attributes:
        method: The HTTP method.

        target: The path with the query, undecoded.

        headers: By lower-case name.

        body: The whole body.

        base_url: Scheme and host that the caller used.

        client_ip: The caller's address.

        at: When it arrived, in Unix seconds; a front leaves it to the machine.

        path: The path, undecoded.

        query: The decoded query.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    base_url: str
    client_ip: str = "127.0.0.1"
    at: float = 0.0
    path: str = attrs.field(init=False, default=attrs.Factory(_path_of, takes_self=True))
    query: Mapping[str, str] = attrs.field(init=False, default=attrs.Factory(_query_of, takes_self=True))

    def json(self) -> dict[str, Any]:
        """
        Read the body as WeChat does: UTF-8, one object, no escapes.
        """
        if not self.body.strip():
            raise Refusal(44002)
        if _ESCAPE.search(self.body):
            raise Refusal(40033)
        try:
            value = parse_json(self.body)
        except ValueError:
            raise Refusal(47001) from None
        body = object_of(value)
        if body is None:
            raise Refusal(47001)
        return body

    def body_field(self, name: str) -> object:
        """
        Read a field of a body that may be anything; None: it has none.
        """
        try:
            return (object_of(parse_json(self.body)) or {}).get(name)
        except ValueError:
            return None

    def text(self, name: str) -> str:
        """
        Read a string of the JSON body; anything else is empty.
        """
        return text_of(self.json(), name)

    def upload(self) -> Part | None:
        """
        Find the file part named ``media``.
        """
        for part in read_parts(self.headers.get("content-type", ""), self.body):
            if part.name == "media" and part.filename is not None:
                return part
        return None


@attrs.frozen
class ReceivedCall:
    """
    A request that arrived, also one that was refused or dropped.

    Attributes:
        method: The HTTP method.

        path: The path.

        query: The decoded query, with the token.

        json: The parsed body; None if there is none or it is not JSON.

        headers: By lower-case name.

        size: The bytes of the body.

        file: The file part of an upload.

        at: When it arrived.
    """

    method: str
    path: str
    query: Mapping[str, str]
    json: Any
    headers: Mapping[str, str]
    size: int
    file: Part | None
    at: datetime

    @classmethod
    def of(cls, request: Request, at: datetime) -> ReceivedCall:
        """
        Remember a request.
        """
        try:
            parsed = parse_json(request.body)
        except ValueError:
            parsed = None
        size, file = len(request.body), request.upload()
        return cls(request.method, request.path, request.query, parsed, request.headers, size, file, at)


Receive: TypeAlias = Callable[[Request], Awaitable[PlannedResponse]]
"""
How a front hands a request in.
"""


def base_url_of(scheme: str, headers: Mapping[str, str]) -> str:
    """
    Write the scheme and host that the caller used, also one who came through a proxy.

    Args:
        scheme: That of the connection itself.

        headers: By lower-case name.
    """
    forwarded = headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    return f"{forwarded if forwarded in ('http', 'https') else scheme}://{headers.get('host', '')}"
