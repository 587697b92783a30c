"""
Calls cancelled at every turn: the client goes on, and nothing is sent twice.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from wechat_kf._call import attempts

from ..conftest import Connect
from .accounts import CALLS, CUSTOMERS, SEND, account, send_to_each

Cancelling: TypeAlias = Callable[[int, Callable[[], Awaitable[object]]], Awaitable[bool]]

# More turns than any call takes.
MANY = 5000


async def cancelled_by_scope(turns: int, call: Callable[[], Awaitable[object]]) -> bool:
    """
    Call, and cancel it after so many turns of the event loop; tell whether it was quicker.
    """
    has_ended = False

    async def run() -> None:
        nonlocal has_ended
        await call()
        has_ended = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        for _ in range(turns):
            if has_ended:
                break
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    return has_ended


async def cancelled_by_asyncio(turns: int, call: Callable[[], Awaitable[object]]) -> bool:
    """
    Do the same with asyncio's own cancellation, which no scope shields from.
    """
    task = asyncio.ensure_future(call())
    for _ in range(turns):
        if task.done():
            break
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    return not task.cancelled() and task.exception() is None


async def cancel_at_every_turn(
    name: str, connected: bool, connect: Connect, cancelling: Cancelling, http: Callable[[], Any] = lambda: None
) -> None:
    """
    Cancel a call at its first turn, then another at its second, and so on until one completes.

    After each the client, which has one connection and no time to lose, works; and nothing was sent twice.
    """
    fake, (_, call) = account(), {**CALLS, "send_each": (SEND, send_to_each)}[name]
    expected = {"send": ["o1"], "send_each": list(CUSTOMERS)}.get(name, [])
    async with fake.serve() as base:
        turns, completes = 0, False
        while not completes and turns < MANY:
            for openid in CUSTOMERS:
                fake.user_says(openid, "在吗")
            kf = connect(base, appid=fake.appid, secret=fake.secret, http=http(), max_connections=1, max_retries=0)
            if connected:
                await kf.get_callback_ip()
            before = len(fake.sent)
            completes = await cancelling(turns, partial(call, kf))
            with anyio.fail_after(5):
                await kf.get_callback_ip()
            arrived = sorted(sent.openid for sent in fake.sent[before:])
            assert arrived == expected if completes else set(arrived) <= set(expected)
            assert len(arrived) == len(set(arrived))
            turns += 1

    assert completes
    assert turns > 5


async def test_cancelled_while_a_page_is_read(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A call whose large answer is being read in a worker thread does not wait for the thread when it is cancelled.
    """
    begun, may_end = threading.Event(), threading.Event()
    ended: list[bool] = []

    def read_slowly(*args: object, **options: object) -> None:
        begun.set()
        ended.append(may_end.wait(10))

    monkeypatch.setattr(attempts, "read_reply", read_slowly)
    monkeypatch.setattr(attempts, "_LARGE", 0)
    async with account().serve() as base, anyio.create_task_group() as tasks:
        tasks.start_soon(connect(base, token="token").get_kf_list)
        await anyio.to_thread.run_sync(begun.wait, 10)
        tasks.cancel_scope.cancel()
    has_waited = bool(ended)
    may_end.set()

    assert begun.is_set()
    assert not has_waited


@pytest.mark.parametrize("connected", [False, True])
@pytest.mark.parametrize("name", [*CALLS, "send_each"])
async def test_cancelled_at_every_turn(name: str, connected: bool, connect: Connect) -> None:
    """
    Wherever a call is cancelled, fetching its token or at work, the client goes on and nothing is sent twice.
    """
    await cancel_at_every_turn(name, connected, connect, cancelled_by_scope)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("connected", [False, True])
@pytest.mark.parametrize("name", [*CALLS, "send_each"])
async def test_cancelled_by_asyncio_at_every_turn(name: str, connected: bool, connect: Connect) -> None:
    """
    Asyncio's own cancellation, which no scope shields from, does no harm either.
    """
    await cancel_at_every_turn(name, connected, connect, cancelled_by_asyncio)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("connected", [False, True])
@pytest.mark.parametrize("library", ["httpx", "httpx2"])
async def test_cancelled_by_asyncio_over_an_injected_client(library: str, connected: bool, connect: Connect) -> None:
    """
    Nor does it over an injected client, whose pool would lose its connections to it (encode/httpcore#658).
    """
    module: Any = importlib.import_module(library)
    made: list[Any] = []

    def http() -> Any:
        made.append(module.AsyncClient(limits=module.Limits(max_connections=1), verify=False))
        return made[-1]

    await cancel_at_every_turn("send", connected, connect, cancelled_by_asyncio, http)
    for each in made:
        await each.aclose()
