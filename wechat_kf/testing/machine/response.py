"""
What goes out: an answer, how it is sent, and refusals.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import attrs

__all__ = ["OK", "PlannedResponse", "Refusal", "Response", "Result"]

_DROPS_PER_SECOND: Final = 10


class Refusal(Exception):
    """
    WeChat says no.
    """

    def __init__(self, errcode: int, errmsg: str | None = None) -> None:
        super().__init__(errcode, errmsg)
        self.errcode = errcode
        self.errmsg = errmsg


@attrs.frozen
class Response:
    """
    An HTTP answer.
    """

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])

    @classmethod
    def of_json(cls, value: Mapping[str, Any], content_type: str = "application/json; encoding=utf-8") -> Response:
        """
        Write an answer in JSON, with literal characters.
        """
        return cls(200, content_type, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


@attrs.frozen
class PlannedResponse:
    """
    How an answer goes out.

    Attributes:
        response: The answer; None: the connection is dropped instead.

        delay: Seconds before the answer begins.

        bytes_per_second: The pace of the body; None: at once.

        keep: How many bytes of the body go out before the connection breaks; None: all, and it does not break.

        more: Waits for more of the body, which goes on until the client leaves; None: it ends.
    """

    response: Response | None
    delay: float = 0.0
    bytes_per_second: float | None = None
    keep: int | None = None
    more: Callable[[], Awaitable[bytes]] | None = None

    @property
    def breaks(self) -> bool:
        """
        Whether the connection breaks before the whole answer is out.
        """
        return self.response is None or (self.keep is not None and self.keep < len(self.response.body))

    def pieces(self) -> Iterator[tuple[float, bytes]]:
        """
        Cut the body into what goes out at once, each piece after the seconds to wait before it.
        """
        body = b"" if self.response is None else self.response.body[: self.keep]
        if self.bytes_per_second is None:
            yield 0.0, body
            return
        size = max(1, round(self.bytes_per_second / _DROPS_PER_SECOND))
        for start in range(0, len(body), size):
            piece = body[start : start + size]
            yield len(piece) / self.bytes_per_second, piece


Result: TypeAlias = Mapping[str, Any] | Response

OK: Final[Mapping[str, Any]] = {"errcode": 0, "errmsg": "ok"}
