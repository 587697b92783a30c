"""
The default transport, on real sockets: it never loses a connection, and every connection it opens gets closed.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import ipaddress
import ssl
import types
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any, Final, TypeAlias

import anyio
import anyio.abc
import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from anyio.lowlevel import checkpoint
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from wechat_kf._http import pool as _transport
from wechat_kf._http.pool import StackTransport, _Body, _Place

from ..http_server import Server, port_of, serve

ROUNDS: Final = 50
AT_ONCE: Final = 20
FEW: Final = 5

# Nothing free at once is a failure at once.
NOW: Final = httpx.Timeout(30, pool=0)


@pytest.fixture(autouse=True)
def _no_proxy_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def server() -> AsyncGenerator[Server]:
    """
    Serve in the event loop of the test.
    """
    async with serve() as running:
        yield running


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Make a certificate of 127.0.0.1, signed by itself, and write it with its key to a PEM file.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path_factory.mktemp("certificate") / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return pem


@pytest.fixture
async def secure(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Server]:
    """
    Serve over TLS, with a certificate that the machine trusts.
    """
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with serve(context) as running:
        yield running


def client(transport: httpx.AsyncBaseTransport, server: Server, timeout: httpx.Timeout = NOW) -> httpx.AsyncClient:
    """
    Make the client through which the tests, like users, reach the transport.
    """
    return httpx.AsyncClient(transport=transport, base_url=server.url, timeout=timeout)


class Line:
    """
    Requests that wait for a place, each put in line only when the one before it stands there.
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


async def read(http: httpx.AsyncClient) -> _Body:
    """
    Take a connection and read its answer; closing what this returns gives the place back and lets no other task run.
    """
    transport = http._transport
    request = http.build_request("GET", "/held")
    body = (await transport.handle_async_request(request)).stream
    assert isinstance(body, _Body)
    async for _ in body:
        pass
    await body._parts.aclose()
    return body


# -- reuse, the limit, waiting


async def test_connection_used_last_is_used_first(server: Server) -> None:
    """
    Of several idle connections the one that was used last takes the next request.
    """
    async with client(StackTransport(), server) as http:
        first, second, third = await hold(http), await hold(http), await hold(http)
        for response in (second, third, first):
            await response.aread()
            await response.aclose()
        for _ in range(3):
            await http.get("/again")

    assert server.accepted == 3
    assert [connection for connection, _ in server.seen] == [0, 1, 2, 0, 0, 0]


async def test_each_origin_has_its_connections(server: Server) -> None:
    """
    A connection is used again for its own origin only, however many others lie above it.
    """
    async with serve() as other, client(StackTransport(), server) as http:
        for url in (server.url, other.url, server.url, other.url):
            await http.get(f"{url}/x")

        assert (server.accepted, other.accepted) == (1, 1)


async def test_idle_connection_of_another_origin_makes_room(server: Server) -> None:
    """
    With all places taken by idle connections to other origins, the one idle for longest is closed.
    """
    async with serve() as other, serve() as third, client(StackTransport(max_connections=2), server) as http:
        await http.get("/first")
        await http.get(f"{other.url}/second")
        await http.get(f"{third.url}/third")
        await server.until(lambda: server.open == 0)

        assert (other.open, third.open) == (1, 1)


async def test_limit_holds(server: Server) -> None:
    """
    Many requests at once share the few connections there may be.
    """
    async with (
        client(StackTransport(max_connections=FEW), server, httpx.Timeout(30)) as http,
        anyio.create_task_group() as group,
    ):
        for number in range(AT_ONCE * 5):
            group.start_soon(http.get, f"/{number}")

    assert len(server.seen) == AT_ONCE * 5
    assert server.accepted == FEW


async def test_limit_must_leave_one() -> None:
    """
    A transport without any connection is refused.
    """
    with pytest.raises(ValueError, match="max_connections must be at least 1"):
        StackTransport(max_connections=0)


async def test_pool_timeout(server: Server) -> None:
    """
    Waiting ends in PoolTimeout when the request's pool timeout is over, and nothing was sent.
    """
    async with client(StackTransport(max_connections=1), server, httpx.Timeout(30, pool=0.01)) as http:
        held = await hold(http)
        with pytest.raises(httpx.PoolTimeout) as failure:
            await http.get("/late")
        await held.aclose()
        await http.get("/after")

    assert str(failure.value) == "No connection came free in time."
    assert failure.value.request.url.path == "/late"
    assert [target for _, target in server.seen] == ["/held", "/after"]


async def test_first_come_first_served(server: Server) -> None:
    """
    Places go to requests in the order in which these began to wait; one that comes later overtakes nobody.
    """
    async with client(StackTransport(max_connections=1), server) as http:
        held = await hold(http)
        async with anyio.create_task_group() as group:
            line = Line(group, http)
            for number in range(6):
                await line.join(f"/{number}")
            await held.aread()
            await held.aclose()
            await http.get("/late", timeout=30)

    assert [target for _, target in server.seen] == ["/held", *(f"/{number}" for number in range(6)), "/late"]
    assert server.accepted == 1


async def test_wait_for_a_place_that_led_elsewhere(server: Server, secure: Server) -> None:
    """
    A waiting request gets the next place even if its connection leads to another origin, and connects anew.
    """
    async with client(StackTransport(max_connections=1), server) as http:
        held = await hold(http)
        async with anyio.create_task_group() as group:
            await Line(group, http).join(f"{secure.url}/elsewhere")
            await held.aread()
        await server.until(lambda: server.open == 0)
        await http.get(f"{secure.url}/again")

    assert secure.seen == [(0, "/elsewhere"), (0, "/again")]


async def test_cancelled_while_waiting(server: Server) -> None:
    """
    A request cancelled in line leaves it; those behind it move up.
    """
    async with client(StackTransport(max_connections=1), server) as http:
        held = await hold(http)
        async with anyio.create_task_group() as group:
            line = Line(group, http)
            given_up = await line.join("/given-up")
            await line.join("/next")
            given_up.cancel()
            await checkpoint()
            await held.aread()
            await held.aclose()

    assert [target for _, target in server.seen] == ["/held", "/next"]


@pytest.mark.parametrize("handed_first", [True, False])
async def test_cancelled_when_handed_a_place(server: Server, handed_first: bool) -> None:
    """
    A request cancelled in the very moment in which it is handed a place loses nothing: the next one gets it.
    """
    async with client(StackTransport(max_connections=1), server) as http:
        held = await read(http)
        async with anyio.create_task_group() as group:
            line = Line(group, http)
            given_up = await line.join("/given-up")
            await line.join("/next")
            if handed_first:
                await held.aclose()
                given_up.cancel()
            else:
                given_up.cancel()
                await held.aclose()

    assert [target for _, target in server.seen] == ["/held", "/next"]
    # What was handed over and not used is as good as before.
    assert server.accepted == 1


async def test_closed_when_handed_a_place(server: Server) -> None:
    """
    A request cancelled in the moment in which it is handed a place, while the transport closes, closes the connection.
    """
    http = client(StackTransport(max_connections=1), server)
    held = await read(http)
    async with anyio.create_task_group() as group:
        given_up = await Line(group, http).join("/given-up")
        given_up.cancel()
        await held.aclose()
        await http.aclose()
    await server.until(lambda: server.open == 0)

    assert server.seen == [(0, "/held")]


# -- failures, and answers not read


@pytest.mark.parametrize(
    ("path", "error"),
    [("/drop", httpx.RemoteProtocolError), ("/half", httpx.ReadTimeout), ("/hold", httpx.ReadTimeout)],
)
async def test_failed_connection_is_forgotten(server: Server, path: str, error: type[httpx.HTTPError]) -> None:
    """
    After a failure, before the answer or within it, the connection is closed and its place is free.
    """
    async with client(StackTransport(max_connections=1), server) as http:
        with pytest.raises(error):
            await http.get(path, timeout=httpx.Timeout(30, read=0.01, pool=0))
        await server.until(lambda: server.open == 0)
        await http.get("/after")

    assert server.seen == [(0, path), (1, "/after")]


async def test_no_server(server: Server) -> None:
    """
    A refused connection is the HTTP library's ConnectError, and its place is free again.
    """
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = port_of(listener)
    await listener.aclose()
    async with client(StackTransport(max_connections=1), server) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(f"http://127.0.0.1:{port}/")
        await http.get("/after")

    assert server.seen == [(0, "/after")]


async def test_unread_answer(server: Server) -> None:
    """
    A connection whose answer was not read to the end is closed, and the next request turns to one that lives.
    """
    async with client(StackTransport(max_connections=2), server) as http:
        async with http.stream("GET", "/unread"):
            await http.get("/read")
        await http.get("/after")
        await server.until(lambda: server.open == 1)

    assert server.seen == [(0, "/unread"), (1, "/read"), (1, "/after")]


async def test_answer_closed_twice(server: Server) -> None:
    """
    Closing an answer again gives no place back twice.
    """
    async with client(StackTransport(max_connections=1), server) as http:
        body = await read(http)
        await body.aclose()
        await body.aclose()
        held = await hold(http)
        with pytest.raises(httpx.PoolTimeout, match="No connection came free in time"):
            await http.get("/second")
        await held.aclose()

    assert server.seen == [(0, "/held"), (0, "/held")]


async def test_answer_that_breaks_and_is_not_closed(server: Server) -> None:
    """
    An answer that breaks off while it is read gives its place back, though nobody closes it.
    """
    transport = StackTransport(max_connections=1)
    request = httpx.Request("GET", f"{server.url}/half", extensions={"timeout": {"read": 0.01}})
    response = await transport.handle_async_request(request)
    assert isinstance(response.stream, httpx.AsyncByteStream)
    with pytest.raises(httpx.ReadTimeout):
        async for _ in response.stream:
            pass
    async with client(transport, server) as http:
        await http.get("/after")

    assert server.seen == [(0, "/half"), (1, "/after")]


async def test_server_that_closes_every_connection(server: Server) -> None:
    """
    A server that ends each connection with its answer costs the caller no error.
    """
    async with client(StackTransport(max_connections=1), server) as http:
        for _ in range(3):
            await http.get("/last")

    assert server.seen == [(0, "/last"), (1, "/last"), (2, "/last")]


async def test_server_closes_idle_connections(server: Server) -> None:
    """
    Connections that the server closed while they were idle cost the caller no error.
    """
    async with client(StackTransport(max_connections=3), server) as http:
        held = [await hold(http) for _ in range(3)]
        for response in held:
            await response.aread()
        await server.hang_up()
        for number in range(5):
            await http.get(f"/{number}")

    assert [connection for connection, _ in server.seen] == [0, 1, 2, 3, 3, 3, 3, 3]


@pytest.mark.parametrize("proxied", [False, True])
async def test_answer_that_nobody_asked_for(server: Server, monkeypatch: pytest.MonkeyPatch, proxied: bool) -> None:
    """
    What comes in one piece with an answer, and is none of it, is not taken for the answer to the next request.
    """
    if proxied:
        monkeypatch.setenv("http_proxy", server.url)
    async with client(StackTransport(max_connections=1), server) as http:
        first = await http.get("/twice")
        second = await http.get("/next")

    assert first.text.endswith("/twice")
    assert second.text.endswith("/next")
    assert [connection for connection, _ in server.seen] == [0, 1]


async def test_expiry(server: Server) -> None:
    """
    Idle connections are used until they expire; then the next request closes all that have.
    """
    now = 0.0
    async with client(StackTransport(clock=lambda: now, keepalive_expiry=15), server) as http:
        held = [await hold(http) for _ in range(3)]
        for response in held:
            await response.aread()
        now = 15.0
        await http.get("/in-time")
        now = 15.1
        await http.get("/again")
        await server.until(lambda: server.open == 1)
        now = 31.0
        await http.get("/too-late")

    assert server.seen[3:] == [(2, "/in-time"), (2, "/again"), (3, "/too-late")]


# -- cancellation


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


# -- event loops


@pytest.fixture
def elsewhere() -> Generator[tuple[BlockingPortal, Server]]:
    """
    Serve in the event loop of another thread, and give the way there.
    """
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serve()) as running:
        yield portal, running


# The connections of an event loop that is closed can only be left to the garbage collector, which remarks on it.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_one_loop_after_another(elsewhere: tuple[BlockingPortal, Server], anyio_backend: str) -> None:
    """
    In another event loop the connections of the one before are forgotten, and it works as before.
    """
    portal, server = elsewhere
    transport = StackTransport(max_connections=1)
    http = client(transport, server)
    loops_known: list[int] = []

    async def get_twice() -> None:
        await http.get("/1")
        await http.get("/2")
        loops_known.append(len(transport._stacks))

    for _ in range(3):
        anyio.run(get_twice, backend=anyio_backend)
        gc.collect()
    anyio.run(http.aclose, backend=anyio_backend)
    gc.collect()
    portal.call(server.until, lambda: server.open == 0)

    assert [connection for connection, _ in server.seen] == [0, 0, 1, 1, 2, 2]
    assert loops_known == [1, 1, 1]


def test_loops_in_two_threads(elsewhere: tuple[BlockingPortal, Server], anyio_backend: str) -> None:
    """
    Two event loops in two threads use one transport at the same time, each with as many connections as it may have.
    """
    portal, server = elsewhere
    transport = StackTransport(max_connections=2)
    both_ready = Barrier(2, timeout=30)

    def run(name: str) -> list[str]:
        return anyio.run(get_many, name, backend=anyio_backend)

    async def get_many(name: str) -> list[str]:
        answers: list[str] = []

        async def get(path: str) -> None:
            answers.append((await http.get(path)).text)

        http = client(transport, server, httpx.Timeout(30))
        both_ready.wait()
        async with anyio.create_task_group() as group:
            for number in range(200):
                group.start_soon(get, f"/{name}/{number}")
        held = [await hold(http), await hold(http)]
        both_ready.wait()
        for response in held:
            await response.aclose()
        await transport.aclose()
        return answers

    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(run, "ab", timeout=60))
    portal.call(server.until, lambda: server.open == 0)

    for name, answers in zip("ab", results, strict=True):
        assert sorted(answers) == sorted(f"/{name}/{number}" for number in range(200))
    assert server.most == 4


# -- closing


async def test_closed_transport_refuses(server: Server) -> None:
    """
    After aclose every idle connection is closed, a request is refused, and closing again does no harm.
    """
    transport = StackTransport()
    http = client(transport, server)
    await http.get("/before")
    await transport.aclose()
    await server.until(lambda: server.open == 0)
    with pytest.raises(RuntimeError, match="Cannot send a request, as the transport has been closed"):
        await http.get("/after")
    await transport.aclose()

    assert server.seen == [(0, "/before")]


async def test_closed_with_requests_in_flight(server: Server) -> None:
    """
    A request in flight during aclose ends as it should, then closes its connection; others are refused.
    """
    transport = StackTransport(max_connections=1)
    http = client(transport, server)
    held = await hold(http)
    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="has been closed")):
        async with anyio.create_task_group() as group:
            await Line(group, http).join("/waiting")
            await transport.aclose()
            with pytest.raises(RuntimeError, match="has been closed"):
                await http.get("/late")
            await held.aread()
    await server.until(lambda: server.open == 0)

    assert held.text == "/held"
    assert server.seen == [(0, "/held")]


# -- what is passed on


async def test_trace_of_the_caller(server: Server) -> None:
    """
    The caller's trace sees all that httpx tells, whether the connection is new or not.
    """
    events: list[str] = []

    async def trace(event: str, _: object) -> None:
        events.append(event)

    async with client(StackTransport(), server) as http:
        await http.get("/new", extensions={"trace": trace})
        new, events = events, []
        await http.get("/again", extensions={"trace": trace})

    assert new == ["connection.connect_tcp.started", "connection.connect_tcp.complete", *events]
    assert events[0] == "http11.send_request_headers.started"
    assert events[-1] == "http11.response_closed.complete"


# -- TLS


async def test_certificates_are_read_once(server: Server, secure: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    All connections share one SSLContext, which is made when the first of them needs it.
    """
    contexts: list[ssl.SSLContext] = []
    create = httpx.create_ssl_context

    def count() -> ssl.SSLContext:
        contexts.append(create())
        return contexts[-1]

    monkeypatch.setattr(httpx, "create_ssl_context", count)
    async with client(StackTransport(), secure) as http:
        await http.get(f"{server.url}/plain")
        before = len(contexts)
        held = [await hold(http) for _ in range(3)]
        for response in held:
            await response.aread()
        await http.get("/again")

    assert before == 0
    assert len(contexts) == 1
    assert secure.accepted == 3


async def test_certificate_of_a_stranger(secure: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A certificate that the machine does not trust is refused.
    """
    monkeypatch.delenv("SSL_CERT_FILE")
    async with client(StackTransport(max_connections=1), secure) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get("/x")

    assert secure.seen == []


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


class Reluctant(httpx.AsyncHTTPTransport):
    """
    A transport whose network stream closes slowly, or never, or fails to.
    """

    def __init__(self, manner: str) -> None:
        super().__init__(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        self._manner = manner
        self.closed: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """
        Tell the trace of a stream, as httpx does.
        """
        stream = types.SimpleNamespace(aclose=self._close_stream)
        await request.extensions["trace"]("connection.connect_tcp.complete", {"return_value": stream})
        return httpx.Response(200)

    async def aclose(self) -> None:
        """
        Close without any delay.
        """
        self.closed.append("transport")

    async def _close_stream(self) -> None:
        await checkpoint()
        if self._manner == "never":
            await anyio.sleep_forever()
        if self._manner == "fails":
            raise OSError
        self.closed.append("stream")


@pytest.mark.parametrize("manner", ["slowly", "never", "fails"])
async def test_closing_is_shielded_and_bounded(monkeypatch: pytest.MonkeyPatch, manner: str) -> None:
    """
    Closing a connection goes on though the request is cancelled, but not for ever, and its failure is nobody's concern.
    """
    if manner == "never":
        monkeypatch.setattr(_transport, "_CLOSING", 0.01)
    connection = Reluctant(manner)
    place = _Place()
    await place.send(
        httpx.Request("GET", "http://wechat.invalid"), ("http", "wechat.invalid", None), lambda _: connection
    )
    with anyio.CancelScope() as scope:
        scope.cancel()
        await place.close()

    assert connection.closed == (["stream", "transport"] if manner == "slowly" else ["transport"])
    assert place.origin is None


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


# -- proxies


async def test_proxy_of_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A plain request goes through the proxy that HTTP_PROXY names, with or without its scheme.
    """
    for proxy in (server.url, server.url.removeprefix("http://")):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("http_proxy", proxy)
        async with client(StackTransport(), server) as http:
            await http.get("http://wechat.invalid/a")
            await http.get("http://wechat.invalid/b")

    assert [target for _, target in server.seen] == ["http://wechat.invalid/a", "http://wechat.invalid/b"] * 2
    assert server.accepted == 2


@pytest.mark.parametrize("name", ["https_proxy", "all_proxy"])
async def test_proxy_for_tls(server: Server, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """
    A request over TLS asks the proxy for a tunnel; if that is refused, it is the HTTP library's ProxyError.
    """
    monkeypatch.setenv(name, server.url)
    async with client(StackTransport(max_connections=1), server) as http:
        with pytest.raises(httpx.ProxyError, match="403"):
            await http.get("https://wechat.invalid/a")
        await server.until(lambda: server.open == 0)

    assert server.seen == [(0, "wechat.invalid:443")]


async def test_proxy_that_speaks_tls(secure: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A proxy may itself speak TLS; its certificate is checked as any other.
    """
    monkeypatch.setenv("http_proxy", secure.url)
    async with client(StackTransport(), secure) as http:
        await http.get("http://wechat.invalid/a")

    assert secure.seen == [(0, "http://wechat.invalid/a")]


@pytest.mark.parametrize("listed", ["127.0.0.1", "example.com, 127.0.0.1:{port}", "*"])
async def test_no_proxy(server: Server, monkeypatch: pytest.MonkeyPatch, listed: str) -> None:
    """
    A host that NO_PROXY lists is reached directly.
    """
    port = httpx.URL(server.url).port
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", listed.format(port=port))
    async with client(StackTransport(), server) as http:
        await http.get("/direct")

    assert server.seen == [(0, "/direct")]


async def test_proxy_of_an_unknown_kind(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A proxy that cannot be used is an error at each request, and costs no place.
    """
    monkeypatch.setenv("http_proxy", "gopher://127.0.0.1:1")
    async with client(StackTransport(max_connections=1), server) as http:
        for _ in range(2):
            with pytest.raises(ValueError, match="Unknown scheme for proxy URL"):
                await http.get("/x")
        monkeypatch.delenv("http_proxy")
        await http.get("/direct")

    assert server.seen == [(0, "/direct")]
