"""
A request as a value: method, address, query, headers, body, and what of it is shown.
"""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from wechat_kf import Ack, Call, Endpoint
from wechat_kf._wire.multipart import FilePart
from wechat_kf._wire.request import build_request, get_request

BASE = "https://api.weixin.qq.com"
TOKEN = "65_a-token/of+the=account"
READ = Endpoint("GET", "/cgi-bin/read", Ack)
WRITE = Endpoint("POST", "/cgi-bin/write", Ack)


def test_read() -> None:
    """
    A GET has its query after the token, and no body.
    """
    request = build_request(Call(READ, {"name": "在吗"}), BASE, TOKEN)

    assert (request.method, request.address, request.endpoint) == ("GET", f"{BASE}/cgi-bin/read", "/cgi-bin/read")
    assert request.query == "access_token=65_a-token%2Fof%2Bthe%3Daccount&name=%E5%9C%A8%E5%90%97"
    assert request.body == b""
    assert [name for name, _ in request.headers] == [b"User-Agent", b"Accept"]


def test_write() -> None:
    """
    A POST says how long its body is, also if there is none.
    """
    full = build_request(Call(WRITE, json={"text": "在"}), BASE, TOKEN)
    empty = build_request(Call(WRITE), BASE, TOKEN)

    assert full.body == '{"text":"在"}'.encode()
    assert (b"Content-Type", b"application/json; charset=utf-8") in full.headers
    assert (b"Content-Length", b"14") in full.headers
    assert empty.body == b""
    assert (b"Content-Length", b"0") in empty.headers


async def test_upload() -> None:
    """
    An upload has the headers of its file, which is the body.
    """
    file = await FilePart.prepare(b"\xff\xd8\xff", limit=100)
    request = build_request(Call(WRITE, {"type": "image"}, file=file), BASE, TOKEN)

    assert request.body is file
    assert (b"Content-Length", file.headers["Content-Length"].encode()) in request.headers


def test_without_a_token() -> None:
    """
    A call that needs no token is sent without one.
    """
    assert build_request(Call(READ), BASE, "").query == ""


def test_token_of_a_platform() -> None:
    """
    The endpoints of third-party platforms have another name for the token; there is no third.
    """
    platform = Endpoint("POST", "/cgi-bin/component/api", Ack, token="component_access_token")
    wrong: Any = "token"

    assert build_request(Call(platform), BASE, "65_a").query == "component_access_token=65_a"
    with pytest.raises(ValueError, match="token must be 'access_token', 'component_access_token' or None, not 'token'"):
        Endpoint("GET", "/", token=wrong)


@pytest.mark.parametrize(
    ("url", "address", "query"),
    [
        ("http://v.test/a", "http://v.test/a", ""),
        ("http://v.test/a?b=%20c#d", "http://v.test/a", "b=%20c"),
    ],
)
def test_address_that_wechat_named(url: str, address: str, query: str) -> None:
    """
    An absolute URL is taken as it is, without what a server is not told.
    """
    request = get_request(url)

    assert (request.method, request.address, request.query, request.endpoint) == ("GET", address, query, None)


def test_shows_no_secret() -> None:
    """
    Neither the repr of a request nor what is redacted for it shows a credential.
    """
    call = Call(WRITE, json={"key": "s3cr3t"}, secrets=("s3cr3t",))
    request = build_request(call, BASE, TOKEN)

    assert TOKEN not in repr(request)
    assert "s3cr3t" not in repr(request)
    assert request.redact(f"{TOKEN} {request.query} s3cr3t") == "*** access_token=*** ***"
    assert set(attrs.asdict(request)["secrets"]) == {TOKEN, "s3cr3t"}
