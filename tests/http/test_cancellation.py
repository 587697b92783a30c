"""
Cancellation at every step of a request, and storms of it: every place comes back, and no socket stays open.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, TypeAlias

import anyio
import httpx
import pytest
from anyio.lowlevel import checkpoint

from wechat_kf._http.pool import StackTransport

from ..http_server import Server
from .clients import Stepwise, client, exchange, hold

ROUNDS: Final = 50
AT_ONCE: Final = 20
FEW: Final = 5


# httpx leaves a generator behind when the writing of a body is cancelled, and trio remarks on it.
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
@pytest.mark.parametrize("connected", [False, True])
async def test_cancelled_at_every_step(server: Server, connected: bool) -> None:
    """
    Wherever a request is cancelled, with a new connection or an idle one, nothing is held afterwards.
    """
    async with client(StackTransport(max_connections=1), server) as http:
        step, came_so_far = 0, True
        while came_so_far:
            step += 1
            if connected:
                await http.get("/before")
            with anyio.CancelScope() as scope:
                came_so_far = await Stepwise(exchange(http), step, scope.cancel)
            await http.get("/after")
            await server.until(lambda: server.open == 1)
            if not connected:
                await server.hang_up()

    assert step > 1


# Where two cancellations fall, no task is left that could close what the first one left half closed.
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("connected", [False, True])
@pytest.mark.parametrize("again", range(5))
async def test_task_cancelled_at_every_step(server: Server, connected: bool, again: int) -> None:
    """
    The same with asyncio's own cancellation, which no shield holds off, also when a second one comes on its heels.
    """

    async def attempt(step: int) -> bool:
        task = asyncio.current_task()
        assert task is not None
        cancelling = Stepwise(exchange(http), step, task.cancel)
        return await cancelling if again == 0 else await Stepwise(cancelling, step + again, task.cancel)

    async with client(StackTransport(max_connections=1), server) as http:
        step, came_so_far = 0, True
        while came_so_far:
            step += 1
            if connected:
                await http.get("/before")
            task = asyncio.create_task(attempt(step))
            await asyncio.wait([task])
            came_so_far = task.cancelled() or task.result()
            await http.get("/after")
            await server.until(lambda: server.open == 1)
            if not connected:
                await server.hang_up()

    assert step > 1


Send: TypeAlias = Callable[[], Coroutine[Any, Any, object]]
Cancelling: TypeAlias = Callable[[int, Send], Coroutine[Any, Any, None]]


async def cancelled_after(steps: int, send: Send) -> None:
    """
    Send, and cancel it after so many turns of the event loop.
    """
    async with anyio.create_task_group() as group:
        group.start_soon(send)
        for _ in range(steps):
            await checkpoint()
        group.cancel_scope.cancel()


async def task_cancelled_after(steps: int, send: Send) -> None:
    """
    Send in a task of asyncio's own, and cancel that.
    """
    task = asyncio.ensure_future(send())
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])


async def moved_on_after(steps: int, send: Send) -> None:
    """
    Send, and move on after a time of the order of an exchange.
    """
    with anyio.move_on_after(steps * 0.000_3):
        await send()


async def churn(http: httpx.AsyncClient, cancelling: Cancelling) -> None:
    """
    Send many requests over few connections, and cancel each a few turns of the event loop later.
    """
    for number in range(ROUNDS):
        async with anyio.create_task_group() as group:
            for _ in range(AT_ONCE):
                group.start_soon(cancelling, number % 25, partial(http.get, "/churn", timeout=30))


@pytest.mark.parametrize("cancelling", [cancelled_after, moved_on_after])
async def test_churn(server: Server, cancelling: Cancelling) -> None:
    """
    After a storm of cancelled requests every connection there may be can be used, and none is open besides.
    """
    async with client(StackTransport(max_connections=FEW), server) as http:
        await churn(http, cancelling)
        held = [await hold(http) for _ in range(FEW)]
        await server.until(lambda: server.open == FEW)
        for response in held:
            await response.aclose()

    assert len(held) == FEW


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_churn_of_tasks(server: Server) -> None:
    """
    The same with asyncio's own cancellation.
    """
    async with client(StackTransport(max_connections=FEW), server) as http:
        await churn(http, task_cancelled_after)
        held = [await hold(http) for _ in range(FEW)]
        await server.until(lambda: server.open == FEW)
        for response in held:
            await response.aclose()

    assert len(held) == FEW


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_churn_is_too_much_for_httpx(server: Server) -> None:
    """
    The pool of httpx does not survive that: the reason why there is a transport of ours.
    """
    limits = httpx.Limits(max_connections=FEW)
    async with httpx.AsyncClient(base_url=server.url, limits=limits) as http:
        await churn(http, task_cancelled_after)
        with pytest.raises(httpx.PoolTimeout):
            await http.get("/after", timeout=httpx.Timeout(30, pool=0.1))


@pytest.mark.parametrize("connected_before", [False, True])
async def test_cancelled_in_the_handshake(secure: Server, connected_before: bool) -> None:
    """
    A request cancelled while the server keeps it waiting in the TLS handshake leaves no socket open.
    """
    gc.disable()  # it would close what nobody else does
    try:
        async with client(StackTransport(max_connections=1), secure) as http:
            if connected_before:
                await http.get("/before")
                await secure.hang_up()
            secure.mute = True
            async with anyio.create_task_group() as group:
                group.start_soon(http.get, "/in-vain")
                await secure.until(lambda: secure.seen[-1:] == [(secure.accepted - 1, "...")])
                group.cancel_scope.cancel()
            await secure.until(lambda: secure.open == 0)
    finally:
        gc.enable()

    assert secure.accepted == (2 if connected_before else 1)


@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
async def test_tls_cancelled_at_every_step(secure: Server) -> None:
    """
    Wherever a request over TLS is cancelled, on the way to its connection or later, nothing is held afterwards.
    """
    async with client(StackTransport(max_connections=1), secure) as http:
        step, came_so_far = 0, True
        while came_so_far:
            step += 1
            with anyio.CancelScope() as scope:
                came_so_far = await Stepwise(exchange(http), step, scope.cancel)
            await http.get("/after")
            await secure.until(lambda: secure.open == 1)
            await secure.hang_up()

    assert step > 5
