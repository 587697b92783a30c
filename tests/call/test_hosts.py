"""
Several base URLs: who is asked, who is left alone, and what is never sent twice.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.abc
import pytest

from wechat_kf import AsyncKfClient, DeliveryUncertain, NotSent, Text
from wechat_kf._call.hosts import Hosts
from wechat_kf.testing import FakeWeChat, ManualClock

from ..conftest import Connect

AGENT = "test1@test"
TOKEN = "/cgi-bin/stable_token"


def account() -> FakeWeChat:
    """
    Make an account with an agent and a customer who has written.
    """
    fake = FakeWeChat()
    fake.agent_online(AGENT)
    fake.user_says("o1", "在吗")
    return fake


def free_port() -> int:
    """
    Find a port where nobody listens.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def asked(fake: FakeWeChat, port: int) -> list[str]:
    """
    Return the paths of the calls that came to a port.
    """
    return [call.path for call in fake.calls if call.headers["host"].endswith(f":{port}")]


def port_of(url: str) -> int:
    """
    Return the port of a base URL.
    """
    return int(url.rpartition(":")[2])


@asynccontextmanager
async def hanging_up() -> AsyncGenerator[tuple[str, list[bytes]]]:
    """
    Listen, read the beginning of what is sent, and hang up.
    """
    heard: list[bytes] = []

    async def hang_up(stream: anyio.abc.ByteStream) -> None:
        async with stream:
            heard.append(await stream.receive())

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, hang_up)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - not Django's
        yield f"http://127.0.0.1:{port}", heard
        tasks.cancel_scope.cancel()


async def read(kf: AsyncKfClient) -> object:
    """
    Read.
    """
    return await kf.get_kf_list()


async def upload(kf: AsyncKfClient) -> object:
    """
    Upload.
    """
    return await kf.upload_kf_head_img(AGENT, b"\xff\xd8\xff\xe0" + bytes(1000))


async def send(kf: AsyncKfClient) -> object:
    """
    Send.
    """
    return await kf.send_custom_message("o1", Text("你好"))


CALLS: dict[str, Callable[[AsyncKfClient], Awaitable[object]]] = {"read": read, "upload": upload, "send": send}


@pytest.mark.parametrize("name", CALLS)
async def test_first_is_down_and_comes_back(name: str, connect: Connect) -> None:
    """
    While the first cannot be reached, everything goes to the second, and half a minute later to the first again.
    """
    call = CALLS[name]
    fake, clock, port = account(), ManualClock(), free_port()
    async with fake.serve() as second:
        kf = connect((f"http://127.0.0.1:{port}", second), appid=fake.appid, secret=fake.secret, clock=clock)
        await call(kf)
        async with fake.serve(port=port):
            # It is back, and nobody looks.
            clock.advance(29)
            await call(kf)
            ignored = asked(fake, port)
            clock.advance(1)
            for _ in range(2):
                await call(kf)
    to_second, to_first = asked(fake, port_of(second)), asked(fake, port)

    # The token was fetched from the second, too.
    assert to_second[0] == TOKEN
    assert len(to_second) == 3
    assert ignored == []
    assert to_first == [to_second[1]] * 2


async def test_what_may_have_arrived_goes_nowhere_else(connect: Connect) -> None:
    """
    If the first hangs up after it was written to, a read goes to the second, and a send does not.
    """
    fake = account()
    async with hanging_up() as (first, heard), fake.serve() as second:
        token = connect(second, appid=fake.appid, secret=fake.secret)
        await token.get_kf_list()
        kf = connect((first, second), token=fake.calls[-1].query["access_token"], clock=ManualClock())
        await kf.get_kf_list()
        with pytest.raises(DeliveryUncertain):
            await kf.send_custom_message("o1", Text("你好"))

    assert len(heard) == 2
    assert fake.sent == []


async def test_nobody_can_be_reached(connect: Connect) -> None:
    """
    If none can be reached, all are tried, and the call was certainly not sent; the first that is back is used at once.
    """
    fake = account()
    ports = free_port(), free_port()
    kf = connect(
        tuple(f"http://127.0.0.1:{port}" for port in ports),
        appid=fake.appid,
        secret=fake.secret,
        clock=ManualClock(),
        max_retries=1,
    )
    with pytest.raises(NotSent):
        await send(kf)
    async with fake.serve(port=ports[1]):
        await send(kf)

    assert [sent.text for sent in fake.sent] == ["你好"]


def test_one_sees_whether_a_host_is_back() -> None:
    """
    After half a minute one call tries the host that was down, while the others go on with the next.
    """
    clock = ManualClock()
    hosts = Hosts(("http://a", "http://b"), clock)
    hosts.mark_unreachable("http://a")
    assert hosts.pick() == "http://b"

    clock.advance(30)
    assert [hosts.pick() for _ in range(3)] == ["http://a", "http://b", "http://b"]

    hosts.mark_reached("http://a")
    assert [hosts.pick() for _ in range(2)] == ["http://a", "http://a"]


def test_hosts_all_down() -> None:
    """
    When all are down the first is tried, and by one call each of them.
    """
    hosts = Hosts(("http://a", "http://b"), ManualClock())
    for url in ("http://a", "http://b"):
        hosts.mark_unreachable(url)

    assert hosts.pick() == "http://a"
    assert hosts.pick(["http://a"]) == "http://b"
    assert hosts.pick(["http://a", "http://b"]) == "http://a"
    assert hosts.has_untried(["http://a"])
    assert not hosts.has_untried(["http://a", "http://b"])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.weixin.qq.com",
        "ftp://api.weixin.qq.com",
        "https://",
        "https://host:0",
        "https://host:99999",
        "https://host:port",
        "https://[::1",
        "https://host?a=b",
        "https://host#a",
        (),
        ("https://host", ""),
    ],
)
def test_bad_base_url(url: Any) -> None:
    """
    A base URL is a scheme and a host, with a port or a path at most.
    """
    with pytest.raises(ValueError, match=r".") as caught:
        AsyncKfClient(token="any", base_url=url)

    assert type(caught.value) is ValueError
