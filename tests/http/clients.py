"""
Clients of the pool as the tests use it, and requests held, queued, or cancelled at a chosen step.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.abc
import httpx
import pytest

from wechat_kf._http import asyncio_connection
from wechat_kf._http.parser import ResponseParser
from wechat_kf._http.pooled_body import PooledBody

from ..http_server import Server

__all__ = [
    "NOW",
    "PARSERS",
    "Queue",
    "Stepwise",
    "client",
    "exchange",
    "hold",
    "open_sockets",
    "parser_class",
    "read",
    "use_parser",
]

# Where the extra `fast` is not installed there is one.
PARSERS: Final = ["h11", *(["httptools"] if find_spec("httptools") else [])]

# Nothing free at once is a failure at once.
NOW: Final = httpx.Timeout(30, pool=0)


def parser_class(name: str) -> type[ResponseParser]:
    """
    Find a parser by its name.
    """
    module: Any = importlib.import_module(f"wechat_kf._http.{name}_parser")
    found: type[ResponseParser] = module.H11Parser if name == "h11" else module.HttptoolsParser
    return found


def use_parser(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Let the connections on asyncio read responses with one of the parsers, whatever is installed.
    """
    monkeypatch.setattr(asyncio_connection, "response_parser", lambda: parser_class(name))


def open_sockets() -> set[str]:
    """
    List the open sockets of this process.
    """
    found: set[str] = set()
    for each in Path("/proc/self/fd").iterdir():
        # What lists them is one of them, and gone by now.
        with suppress(OSError):
            found.add(str(each.readlink()))
    return {each for each in found if each.startswith("socket:")}


def client(transport: httpx.AsyncBaseTransport, server: Server, timeout: httpx.Timeout = NOW) -> httpx.AsyncClient:
    """
    Make the client through which the tests, like users, reach the transport.
    """
    return httpx.AsyncClient(transport=transport, base_url=server.url, timeout=timeout)


class Queue:
    """
    Requests that wait for a place, each put into the queue only when the one before it is there.
    """

    def __init__(self, group: anyio.abc.TaskGroup, http: httpx.AsyncClient) -> None:
        self._group = group
        self._http = http

    async def join(self, path: str) -> anyio.CancelScope:
        """
        Send a request that has to wait, and return what cancels it.
        """
        waits = anyio.Event()
        scope = anyio.CancelScope()

        async def trace(event: str, info: dict[str, object]) -> None:
            if event == "wechat_kf.wait.started":
                assert info == {}
                waits.set()

        async def get() -> None:
            with scope:
                await self._http.get(path, timeout=30, extensions={"trace": trace})

        self._group.start_soon(get)
        await waits.wait()
        return scope


async def hold(http: httpx.AsyncClient) -> httpx.Response:
    """
    Take a connection and keep it.
    """
    return await http.send(http.build_request("GET", "/held"), stream=True)


async def read(http: httpx.AsyncClient) -> PooledBody:
    """
    Take a connection and read its answer; closing what this returns gives the place back and lets no other task run.
    """
    transport = http._transport
    request = http.build_request("GET", "/held")
    body = (await transport.handle_async_request(request)).stream
    assert isinstance(body, PooledBody)
    async for _ in body:
        pass
    await body._parts.aclose()
    return body


class Stepwise:
    """
    Wait for something, act when it is about to wait for the ``step``-th time, and tell whether it came so far.
    """

    def __init__(self, awaitable: Awaitable[object], step: int, act: Callable[[], object]) -> None:
        self._awaitable = awaitable
        self._step = step
        self._act = act

    def __await__(self) -> Generator[Any, Any, bool]:
        steps = self._awaitable.__await__()
        go_on: Callable[[], Any] = partial(next, steps)
        count = 0
        while True:
            try:
                waits_for = go_on()
            except StopIteration:
                return count >= self._step
            count += 1
            if count == self._step:
                self._act()
            try:
                go_on = partial(steps.send, (yield waits_for))
            except BaseException as error:  # noqa: BLE001 - it is for what is waited for to raise
                go_on = partial(steps.throw, error)


async def exchange(http: httpx.AsyncClient) -> None:
    """
    Send a request with a body, read half of the answer's parts, and close it.
    """
    async with http.stream("POST", "/x", content=b"y" * 100) as response:
        await response.aread()
