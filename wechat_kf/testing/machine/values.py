"""
What goes into the state machine and what comes out: requests, replies, refusals.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, TypeGuard
from urllib.parse import parse_qsl

import attrs

from .upload import Part, read_parts

__all__ = [
    "OK",
    "Answer",
    "Exchange",
    "Handler",
    "Receive",
    "ReceivedCall",
    "Refusal",
    "Reply",
    "Request",
    "Shown",
    "Via",
    "list_of",
    "object_of",
    "text_of",
]

# A JSON escape, not the two characters after an escaped backslash.
_ESCAPE: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u[0-9A-Fa-f]{4}")

_DROPS_PER_SECOND: Final = 10


class Refusal(Exception):
    """
    WeChat says no.
    """

    def __init__(self, errcode: int, errmsg: str | None = None) -> None:
        super().__init__(errcode, errmsg)
        self.errcode = errcode
        self.errmsg = errmsg


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

        at: When it arrived, in Unix seconds; a mouth leaves it to the machine.

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
            value = json.loads(self.body.decode())
        except (ValueError, RecursionError):
            raise Refusal(47001) from None
        body = object_of(value)
        if body is None:
            raise Refusal(47001)
        return body

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


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def object_of(value: object) -> dict[str, Any] | None:
    """
    Read an object; anything else is None.
    """
    return value if _is_object(value) else None


def list_of(value: object) -> list[Any]:
    """
    Read a list; anything else is empty.
    """
    return value if _is_list(value) else []


def text_of(body: Mapping[str, Any], name: str) -> str:
    """
    Read a string of an object; anything else is empty.
    """
    value = body.get(name)
    return value if isinstance(value, str) else ""


@attrs.frozen
class Reply:
    """
    An HTTP answer.
    """

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])

    @classmethod
    def of_json(cls, value: Mapping[str, Any], content_type: str = "application/json; encoding=utf-8") -> Reply:
        """
        Write an answer in JSON, with literal characters.
        """
        return cls(200, content_type, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


@attrs.frozen
class Exchange:
    """
    How an answer goes out.

    Attributes:
        reply: The answer; None: the connection is dropped instead.

        delay: Seconds before the answer begins.

        bytes_per_second: The pace of the body; None: at once.

        keep: How many bytes of the body go out before the connection breaks; None: all, and it does not break.
    """

    reply: Reply | None
    delay: float = 0.0
    bytes_per_second: float | None = None
    keep: int | None = None

    @property
    def breaks(self) -> bool:
        """
        Whether the connection breaks before the whole answer is out.
        """
        return self.reply is None or (self.keep is not None and self.keep < len(self.reply.body))

    def pieces(self) -> Iterator[tuple[float, bytes]]:
        """
        Cut the body into what goes out at once, each piece after the seconds to wait before it.
        """
        body = b"" if self.reply is None else self.reply.body[: self.keep]
        if self.bytes_per_second is None:
            yield 0.0, body
            return
        size = max(1, round(self.bytes_per_second / _DROPS_PER_SECOND))
        for start in range(0, len(body), size):
            piece = body[start : start + size]
            yield len(piece) / self.bytes_per_second, piece


Answer: TypeAlias = Mapping[str, Any] | Reply
Handler: TypeAlias = Callable[[Request], Answer]

Receive: TypeAlias = Callable[[Request], Exchange]
"""
How a mouth hands a request in.
"""

OK: Final[Mapping[str, Any]] = {"errcode": 0, "errmsg": "ok"}


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


Via: TypeAlias = Literal["custom", "passive", "agent", "notice"]


@attrs.frozen
class Shown:
    """
    Something a customer sees.

    Attributes:
        openid: The customer.

        payload: The message: ``msgtype``, the object named so, and what came with it.

        kf_account: The agent in whose name it came.

        at: When.

        via: ``custom`` (sent with the API), ``passive`` (the answer to a push), ``agent`` (an agent wrote it) or
            ``notice`` (WeChat itself did).
    """

    openid: str
    payload: dict[str, Any]
    kf_account: str | None
    at: datetime
    via: Via

    @property
    def text(self) -> str:
        """
        The content of a text; of anything else its kind, as in ``[image]``.
        """
        msgtype = self.payload["msgtype"]
        return str(self.payload["text"]["content"]) if msgtype == "text" else f"[{msgtype}]"
