"""
The address of a video that WeChat's answer names: followed with care, and without any credentials.
"""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack
from ipaddress import IPv4Address
from typing import Any

import anyio
import httpx
import httpx2
import pytest

from wechat_kf import KfError, NotSent, ReplyError
from wechat_kf.api.media import DOWNLOAD_TEMP_MEDIA

from ..api.raw_server import http, serve_raw
from ..conftest import Connect

MP4 = b"\x00\x00\x00\x18ftypmp42"


def redirect(target: str, status: str = "302 Found") -> bytes:
    """
    Write an answer that sends its reader elsewhere.
    """
    return http(b"", f"Location: {target}", "Connection: close", status=status)


@pytest.mark.parametrize(
    "status",
    ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"],
)
async def test_video_that_has_moved(connect: Connect, status: str) -> None:
    """
    A redirect from a video's address is followed, also to another host, with and without its name.
    """
    file = http(MP4, "Content-Type: video/mp4")
    async with (
        serve_raw(file) as last,
        serve_raw(redirect("/b", status), redirect(f"{last.url}/c?d=e", status)) as first,
        serve_raw(http(f'{{"video_url":"{first.url}/a"}}'.encode())) as server,
        connect(server.url, token="token").download_temp_media("id") as media,
    ):
        assert await media.read() == MP4

    assert [request.split()[1] for request in (*first.requests, *last.requests)] == [b"/a", b"/b", b"/c?d=e"]


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        (["/b", "/c", "/d", "/e"], "redirects more than 3 times"),
        (["ftp://127.0.0.1/b"], "not one of HTTP"),
        (["http://127.0.0.1:99999/b"], "not one of HTTP"),
        (["http://127.0.0.1:0/b"], ": The answer names an address that is not one of HTTP"),
        (["http://user:password@127.0.0.1/b"], "not one of HTTP"),
    ],
)
async def test_video_that_moves_to_nowhere(connect: Connect, targets: list[str], said: str) -> None:
    """
    A video's address that goes round in circles, or leads out of HTTP, is given up.
    """
    async with (
        serve_raw(*map(redirect, targets)) as moved,
        serve_raw(http(f'{{"video_url":"{moved.url}/a"}}'.encode())) as server,
    ):
        with pytest.raises(ReplyError, match=said) as caught:
            async with connect(server.url, token="token").download_temp_media("id"):
                raise AssertionError

    assert caught.value.effect == "none"
    assert caught.value.where == "$.video_url"
    assert caught.value.endpoint == DOWNLOAD_TEMP_MEDIA.path
    assert len(moved.requests) == len(targets)


@pytest.mark.parametrize(
    "answer",
    [
        http(b"", status="302 Found"),
        http(b"", "Location: /b", status="304 Not Modified"),
        http(b"<html>", status="403 Forbidden"),
        http(b"", status="502 Bad Gateway"),
    ],
)
async def test_no_video_there(connect: Connect, answer: bytes) -> None:
    """
    When there is no video at its address, nothing has taken effect, and the error names the endpoint.
    """
    async with (
        serve_raw(answer) as elsewhere,
        serve_raw(http(f'{{"video_url":"{elsewhere.url}/a"}}'.encode())) as server,
    ):
        with pytest.raises(KfError) as caught:
            async with connect(server.url, token="token").download_temp_media("id"):
                raise AssertionError

    assert caught.value.effect == "none"
    assert caught.value.endpoint == DOWNLOAD_TEMP_MEDIA.path
    assert len(elsewhere.requests) == 1


async def test_video_over_tls(connect: Connect) -> None:
    """
    A video's address may be one of HTTPS, whose host is asked.
    """
    async with serve_raw(http(b'{"video_url":"https://127.0.0.1:1/a.mp4"}')) as server:
        with pytest.raises(NotSent):
            async with connect(server.url, token="token", max_retries=0).download_temp_media("id"):
                raise AssertionError


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[fe80::1%251]", "10.0.0.1", "224.0.0.1"]
)
async def test_private_address(connect: Connect, host: str) -> None:
    """
    An address in a private network is refused where that was asked for.
    """
    async with serve_raw(http(f'{{"video_url":"http://{host}/a"}}'.encode())) as server:
        kf = connect(server.url, token="token", refuse_private_addresses=True)
        with pytest.raises(ReplyError, match="in a private network"):
            async with kf.download_temp_media("id"):
                raise AssertionError


async def _public(*_: Any, **__: Any) -> Any:
    return [(2, 1, 6, "", ("93.184.215.14", 0))]


async def test_public_address(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An address in the public internet, which this machine stands for, is asked.
    """
    monkeypatch.setattr(IPv4Address, "is_global", property(lambda address: str(address) == "127.0.0.1"))
    async with (
        serve_raw(http(MP4)) as elsewhere,
        serve_raw(http(f'{{"video_url":"{elsewhere.url}/a"}}'.encode())) as server,
    ):
        kf = connect(server.url, token="token", refuse_private_addresses=True, max_retries=0)
        async with kf.download_temp_media("id") as media:
            assert await media.read() == MP4


async def test_unknown_host(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A host that nobody knows is not connected to, whether its address would be private or not.
    """

    async def look_up(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(anyio, "getaddrinfo", look_up)
    async with serve_raw(http(b'{"video_url":"http://no-such-host.invalid/a"}')) as server:
        kf = connect(server.url, token="token", refuse_private_addresses=True, max_retries=0)
        with pytest.raises(NotSent):
            async with kf.download_temp_media("id"):
                raise AssertionError


@pytest.mark.parametrize("library", [None, httpx, httpx2], ids=["own", "httpx", "httpx2"])
async def test_address_that_changes(library: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A host that is public when it is looked up, and private when it is connected to, is sent nothing.
    """
    monkeypatch.setattr(anyio, "getaddrinfo", _public)
    async with AsyncExitStack() as stack:
        elsewhere = await stack.enter_async_context(serve_raw(http(MP4)))
        url = elsewhere.url.replace("127.0.0.1", "localhost")
        server = await stack.enter_async_context(serve_raw(http(f'{{"video_url":"{url}/a"}}'.encode())))
        options = {} if library is None else {"http": await stack.enter_async_context(library.AsyncClient())}
        kf = connect(server.url, token="token", refuse_private_addresses=True, max_retries=0, **options)
        with pytest.raises(ReplyError, match="in a private network") as caught:
            async with kf.download_temp_media("id"):
                raise AssertionError

    assert caught.value.effect == "none"
    assert elsewhere.requests == []


async def test_address_behind_a_proxy(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A proxy may stand in the private network; it looks up by itself.
    """
    monkeypatch.setattr(anyio, "getaddrinfo", _public)
    async with (
        serve_raw(http(MP4)) as proxy,
        serve_raw(http(b'{"video_url":"http://video.example/a"}')) as server,
        httpx.AsyncClient(mounts={"http://video.example": httpx.AsyncHTTPTransport(proxy=proxy.url)}) as client,
    ):
        kf = connect(server.url, token="token", refuse_private_addresses=True, http=client)
        async with kf.download_temp_media("id") as media:
            assert await media.read() == MP4

    assert proxy.requests[0].startswith(b"GET http://video.example/a ")


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
async def test_credentials_stay_at_home(library: Any, connect: Connect) -> None:
    """
    The credentials of an injected client go to the API's gateway, and not to the host of a video.
    """
    seen: dict[str, str] = {}

    def answer(request: Any) -> Any:
        seen[request.url.host] = request.headers.get("authorization", "")
        if request.url.host == "elsewhere.test":
            return library.Response(200, content=MP4)
        return library.Response(200, json={"video_url": "http://elsewhere.test/v.mp4"})

    async with library.AsyncClient(transport=library.MockTransport(answer), auth=("gateway", "password")) as client:
        kf = connect("https://gateway.test", token="token", http=client)
        async with kf.download_temp_media("id") as media:
            assert await media.read() == MP4

    assert seen["gateway.test"]
    assert seen["elsewhere.test"] == ""
