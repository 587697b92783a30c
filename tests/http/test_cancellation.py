"""
Cancellation at every step of a request, and storms of it, on asyncio with each parser, on uvloop, and on trio.

Every place comes back, no socket stays open, and each response is that to its own request.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, TypeAlias

import anyio
import httpx
import pytest
from anyio.lowlevel import checkpoint

from wechat_kf._http.pool import StackTransport

from ..http_server import Server
from .clients import PARSERS, Stepwise, client, exchange, hold, open_sockets, use_parser

ROUNDS: Final = 50
AT_ONCE: Final = 20
FEW: Final = 5

ON_ASYNCIO: Final = [*(f"{parser}-asyncio" for parser in PARSERS), "uvloop-asyncio"]

# httpx leaves a generator behind when the writing of a body is cancelled (encode/httpx#3597), and trio remarks on it.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")

only_on_asyncio = pytest.mark.parametrize("loop", ON_ASYNCIO, indirect=True)


@pytest.fixture(params=[*ON_ASYNCIO, "trio"])
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """
    Choose the event loop, and the parser on it.
    """
    name = str(request.param)
    if (parser := name.removesuffix("-asyncio")) in PARSERS:
        use_parser(parser, monkeypatch)
    return name


@pytest.fixture
def anyio_backend(loop: str) -> Any:
    """
    Run on it.
    """
    return "trio" if loop == "trio" else ("asyncio", {"use_uvloop": loop.startswith("uvloop")})


Attempt: TypeAlias = Callable[[httpx.AsyncClient, int], Coroutine[Any, Any, bool]]


async def cancelled_by_scope(http: httpx.AsyncClient, step: int) -> bool:
    """
    Send, and cancel it at this step as anyio does; tell whether it came so far.
    """
    with anyio.CancelScope() as scope:
        return await Stepwise(exchange(http), step, scope.cancel)
    return True


async def cancelled_by_task(http: httpx.AsyncClient, step: int, again: int = 0) -> bool:
    """
    Cancel it with asyncio's own means, which no shield holds off; perhaps once more, so many steps later.
    """

    async def attempt() -> bool:
        task = asyncio.current_task()
        assert task is not None
        cancelling = Stepwise(exchange(http), step, task.cancel)
        return await cancelling if again == 0 else await Stepwise(cancelling, step + again, task.cancel)

    task = asyncio.create_task(attempt())
    await asyncio.wait([task])
    return task.cancelled() or task.result()


async def at_every_step(server: Server, attempt: Attempt, *, connected: bool) -> int:
    """
    Cancel a request at its first step, another at its second, and so on, and see that a next one finds its place.
    """
    before = open_sockets()
    async with client(StackTransport(max_connections=1), server) as http:
        step, came_so_far = 0, True
        while came_so_far:
            step += 1
            if connected:
                await http.get("/before")
            came_so_far = await attempt(http, step)
            after = await http.get("/after")
            await server.until(lambda: server.open == 1)
            if not connected:
                await server.hang_up()

            assert after.text == "/after"
    await server.until(lambda: server.open == 0)
    await checkpoint()

    assert open_sockets() <= before
    return step


@pytest.mark.parametrize("connected", [False, True])
async def test_cancelled_at_every_step(server: Server, connected: bool) -> None:
    """
    Wherever a request is cancelled, with a new connection or an idle one, nothing is held afterwards.
    """
    assert await at_every_step(server, cancelled_by_scope, connected=connected) > 1


# Where two cancellations fall, no task is left that could close what the first one left half closed.
@only_on_asyncio
@pytest.mark.parametrize("connected", [False, True])
@pytest.mark.parametrize("again", range(5))
async def test_task_cancelled_at_every_step(server: Server, connected: bool, again: int) -> None:
    """
    The same with asyncio's own cancellation, once or twice.
    """
    assert await at_every_step(server, partial(cancelled_by_task, again=again), connected=connected) > 1


async def test_tls_cancelled_at_every_step(secure: Server) -> None:
    """
    Wherever a request over TLS is cancelled, on the way to its connection or later, nothing is held afterwards.
    """
    assert await at_every_step(secure, cancelled_by_scope, connected=False) > 5


@only_on_asyncio
@pytest.mark.parametrize("again", [0, 1])
async def test_tls_task_cancelled_at_every_step(secure: Server, again: int) -> None:
    """
    The same with asyncio's own cancellation, once or twice.
    """
    assert await at_every_step(secure, partial(cancelled_by_task, again=again), connected=False) > 3


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
    if not task.cancelled():
        task.result()


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

    async def get(path: str) -> None:
        response = await http.get(path, timeout=30)

        assert response.text == path

    for turn in range(ROUNDS):
        async with anyio.create_task_group() as group:
            for number in range(AT_ONCE):
                group.start_soon(cancelling, turn % 25, partial(get, f"/{turn}/{number}"))


@asynccontextmanager
async def all_places_there(server: Server) -> AsyncGenerator[httpx.AsyncClient]:
    """
    See after the body that every connection there may be can be used, and that none is open besides.
    """
    before = open_sockets()
    async with client(StackTransport(max_connections=FEW), server) as http:
        yield http
        held = [await hold(http) for _ in range(FEW)]
        await server.until(lambda: server.open == FEW)
        for response in held:
            await response.aclose()

    await server.until(lambda: server.open == 0)
    await checkpoint()
    assert open_sockets() <= before


@pytest.mark.parametrize("cancelling", [cancelled_after, moved_on_after])
async def test_churn(server: Server, cancelling: Cancelling) -> None:
    """
    A storm of cancelled requests costs no place and no socket, and no response goes astray.
    """
    async with all_places_there(server) as http:
        await churn(http, cancelling)


@only_on_asyncio
async def test_churn_of_tasks(server: Server) -> None:
    """
    The same with asyncio's own cancellation.
    """
    async with all_places_there(server) as http:
        await churn(http, task_cancelled_after)


async def test_churn_over_tls(secure: Server) -> None:
    """
    The same over TLS.
    """
    async with all_places_there(secure) as http:
        await churn(http, cancelled_after)


@pytest.mark.parametrize("loop", ["h11-asyncio"], indirect=True)
async def test_churn_is_too_much_for_httpx(server: Server) -> None:
    """
    The pool of httpx does not survive that (encode/httpcore#1093): the reason why there is a pool of ours.
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
