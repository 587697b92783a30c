"""
The requests made for an HTTP library: the same URL as one parsed whole, and no memory of the queries.
"""

from __future__ import annotations

from typing import Any

import pytest

from wechat_kf import Ack, Call, Endpoint
from wechat_kf._http.library import Library
from wechat_kf._wire.request import Request, build_request, get_request

LIBRARIES = ["httpx", "httpx2"]


async def trace(event: str, info: dict[str, Any]) -> None:
    """
    Hear nothing.
    """


def made(library: Library, request: Request) -> Any:
    """
    Make the library's own request.
    """
    return library.request(request, trace, 1.0, None)


@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.parametrize("query", [{}, {"media_id": "a b&c=d", "name": "在吗"}])
def test_url_is_the_same_as_one_parsed(name: str, query: dict[str, str]) -> None:
    """
    A URL put together from a kept address and a query equals the one that the library parses from the whole.
    """
    library = Library(name)
    call = Call(Endpoint("GET", "/cgi-bin/media/get", Ack), query)
    for token in ("65_first", "65_sec+ond/="):
        request = build_request(call, "https://api.weixin.qq.com:8443/prefix", token)
        url = made(library, request).url

        assert url == library.module.URL(f"{request.address}?{request.query}")
        assert dict(url.params) == {"access_token": token, **query}


@pytest.mark.parametrize("name", LIBRARIES)
def test_memory_of_addresses(name: str) -> None:
    """
    Of calls to paths that are another each time no more is kept than so many addresses, and no token.
    """
    library = Library(name)
    for number in range(300):
        made(library, build_request(Call(Endpoint("GET", f"/cgi-bin/{number}", Ack)), "https://a.test", "65_secret"))
    made(library, get_request("https://b.test/video?key=65_secret"))

    assert 0 < len(library._addresses) <= 128
    assert "65_secret" not in repr(library._addresses)


@pytest.mark.parametrize("name", LIBRARIES)
def test_address_that_is_none(name: str) -> None:
    """
    What the library finds wrong with an address is a `ValueError`.
    """
    with pytest.raises(ValueError, match="do not make a URL"):
        made(Library(name), get_request("http://exa\x7fmple"))
