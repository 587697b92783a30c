"""
Connecting to a host of several addresses, on asyncio and on uvloop.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack
from typing import Any

import anyio
import pytest

from wechat_kf._http import happy_eyeballs
from wechat_kf._http.happy_eyeballs import Address, by_turns, connect

from .clients import open_sockets

V4, V6, STREAM = socket.AF_INET, socket.AF_INET6, socket.SOCK_STREAM


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop-asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """
    Run on both event loops of asyncio's kind.
    """
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
async def open_port() -> AsyncGenerator[int]:
    """
    Listen.
    """
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    """
    Find a port where nobody listens.
    """
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


@pytest.fixture
def silent_port() -> Generator[int]:
    """
    Listen without accepting, with the queue full: the kernel drops what else would connect.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def resolve_to(monkeypatch: pytest.MonkeyPatch, *ports: int) -> None:
    """
    Let every host have these addresses.
    """

    async def resolve(host: str, port: int) -> list[Address]:
        return [(V4, STREAM, 0, ("127.0.0.1", port)) for port in ports]

    monkeypatch.setattr(happy_eyeballs, "resolve", resolve)


def test_families_take_turns() -> None:
    """
    Addresses of both families are tried by turns, in the resolver's order otherwise.
    """
    addresses: list[Address] = [
        (V6, STREAM, 0, "a"),
        (V6, STREAM, 0, "b"),
        (V6, STREAM, 0, "c"),
        (V4, STREAM, 0, "d"),
        (V4, STREAM, 0, "e"),
    ]

    assert "".join(to for *_, to in by_turns(addresses)) == "adbec"


async def test_host_by_name(open_port: int) -> None:
    """
    A host is found by its name.
    """
    connected = await connect("localhost", open_port)
    peer = connected.getpeername()[1]
    connected.close()

    assert peer == open_port
    assert not connected.getblocking()


async def test_next_address_after_a_refusal(open_port: int, closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where an address refuses, the next one is tried at once.
    """
    monkeypatch.setattr(happy_eyeballs, "HEAD_START", 30)
    resolve_to(monkeypatch, closed_port, closed_port, open_port)
    connected = await connect("wechat.invalid", 80)
    peer = connected.getpeername()[1]
    connected.close()

    assert peer == open_port


async def test_next_address_after_silence(open_port: int, silent_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where an address does not answer, the next one is tried beside it after 250 ms, and the loser's socket is closed.
    """
    resolve_to(monkeypatch, silent_port, open_port)
    before = open_sockets()
    start = time.monotonic()
    connected = await connect("wechat.invalid", 80)
    took = time.monotonic() - start
    peer = connected.getpeername()[1]
    left = open_sockets() - before
    connected.close()

    assert peer == open_port
    assert took >= happy_eyeballs.HEAD_START == 0.25
    # The winner and the server's end of it, or the server has closed that already.
    assert len(left) <= 2


async def test_silent_address_may_still_win(open_port: int, closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An attempt whose head start is over goes on beside the others.
    """
    monkeypatch.setattr(happy_eyeballs, "HEAD_START", 0)
    resolve_to(monkeypatch, open_port, closed_port)
    connected = await connect("wechat.invalid", 80)
    peer = connected.getpeername()[1]
    connected.close()

    assert peer == open_port


async def test_several_win(open_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Of two connections made at the same moment one is kept and one closed.
    """
    monkeypatch.setattr(happy_eyeballs, "HEAD_START", 0)
    resolve_to(monkeypatch, *[open_port] * 5)
    for _ in range(20):
        connected = await connect("wechat.invalid", 80)
        connected.close()
    before = open_sockets()
    connected = await connect("wechat.invalid", 80)
    connected.close()
    await asyncio.sleep(0.05)

    assert open_sockets() <= before


async def test_two_win_in_one_turn(open_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Of two attempts that succeed before either can be ended, one is used and the other closed.
    """
    loop = asyncio.get_running_loop()
    both: asyncio.Future[None] = loop.create_future()
    attempts: list[socket.socket] = []

    async def sock_connect(attempt: socket.socket, _: object) -> None:
        attempts.append(attempt)
        if len(attempts) == 2:
            both.set_result(None)
        await both

    monkeypatch.setattr(loop, "sock_connect", sock_connect)
    monkeypatch.setattr(happy_eyeballs, "HEAD_START", 0)
    resolve_to(monkeypatch, open_port, open_port)
    connected = await connect("localhost", open_port)
    closed = [each.fileno() == -1 for each in attempts]
    connected.close()

    assert sorted(closed) == [False, True]
    assert connected in attempts


async def test_no_address(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where no address can be reached, the error is that of the first.
    """
    resolve_to(monkeypatch, closed_port, closed_port)
    with pytest.raises(ConnectionRefusedError):
        await connect("wechat.invalid", 80)


async def test_name_that_is_unknown() -> None:
    """
    A name that nobody knows is an OSError.
    """
    with pytest.raises(OSError, match=r"\[Errno -?\d+\]"):
        await connect("wechat.invalid", 80)


async def test_cancelled(silent_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Whoever is cancelled while connecting leaves no socket open.
    """
    resolve_to(monkeypatch, *[silent_port] * 3)
    before = open_sockets()
    with anyio.move_on_after(0.6) as scope:
        await connect("wechat.invalid", 80)

    assert scope.cancelled_caught
    assert open_sockets() <= before


async def test_cancelled_at_the_moment_of_success(open_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Whoever is cancelled at any step of connecting leaves no socket open, not even the one that was connected.
    """
    resolve_to(monkeypatch, open_port)
    before = open_sockets()
    outcomes: set[bool] = set()
    for steps in range(30):
        task = asyncio.create_task(connect("wechat.invalid", 80))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        outcomes.add(task.cancelled())
        if not task.cancelled():
            task.result().close()
    await asyncio.sleep(0.05)

    assert True in outcomes
    assert open_sockets() <= before
