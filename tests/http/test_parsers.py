"""
The parsers beside each other, fed with responses that were spoilt at random.
"""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Final, TypeAlias

import pytest

from wechat_kf._http.h11_parser import H11Parser
from wechat_kf._http.parser import BadResponse, ResponseParser

from .clients import PARSERS, parser_class

WHOLE: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
    b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
)

WORDS: Final = (
    *(b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b";", b",", b'"', b"0", b"1", b"f", b"\0", b"\1", b"\xff"),
    *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n"),
    *(b"Connection: close\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 103 Hints\r\n\r\n"),
)

Read: TypeAlias = tuple[int | None, bytes] | None


def spoilt(random: Random) -> list[bytes]:
    """
    Make a response with a few mistakes, cut into a few pieces.
    """
    response = bytearray(random.choice(WHOLE))
    for _ in range(random.randint(1, 3)):
        at = random.randrange(5, len(response))
        match random.randrange(3):
            case 0:
                response[at:at] = random.choice(WORDS)
            case 1:
                del response[at : at + random.randint(1, 4)]
            case _:
                response[at] = random.randrange(256)
    cuts = [0, *sorted(random.choices(range(1, len(response)), k=random.randint(0, 4))), len(response)]
    return [bytes(response[start:end]) for start, end in pairwise(cuts) if start < end]


def read(parser: ResponseParser, pieces: list[bytes]) -> Read:
    """
    Read a response; None if that is refused, or not whole.
    """
    parser.begin()
    body = b""
    try:
        for piece in pieces:
            body += b"".join(parser.feed(piece))
            if parser.is_complete:
                return parser.status, body
    except BadResponse:
        pass
    return None


@pytest.mark.parametrize("name", PARSERS)
def test_no_response_is_read_in_two_ways(name: str) -> None:
    """
    Whatever is read whole has the same status and body for every parser, however it was spoilt and cut.
    """
    random = Random(20260101)  # noqa: S311 - it spoils responses
    whole = 0
    for _ in range(5000):
        pieces = spoilt(random)
        one, other = read(H11Parser(), pieces), read(parser_class(name)(), pieces)
        whole += one is not None

        assert one == other or one is None or other is None, pieces

    assert whole > 500
