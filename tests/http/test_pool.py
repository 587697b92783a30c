"""
The default transport, on real sockets: it never loses a connection, and every connection it opens gets closed.
"""

from __future__ import annotations

import gc
import ssl
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Final

import anyio
import httpx
import pytest
from anyio.from_thread import BlockingPortal
from anyio.lowlevel import checkpoint

from wechat_kf._http.pool import StackTransport

from ..http_server import Server, port_of, serve
from .clients import Queue, client, hold, read

AT_ONCE: Final = 20
FEW: Final = 5


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
            queue = Queue(group, http)
            for number in range(6):
                await queue.join(f"/{number}")
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
            await Queue(group, http).join(f"{secure.url}/elsewhere")
            await held.aread()
        await server.until(lambda: server.open == 0)
        await http.get(f"{secure.url}/again")

    assert secure.seen == [(0, "/elsewhere"), (0, "/again")]


async def test_cancelled_while_waiting(server: Server) -> None:
    """
    A request cancelled in the queue leaves it; those behind it move up.
    """
    async with client(StackTransport(max_connections=1), server) as http:
        held = await hold(http)
        async with anyio.create_task_group() as group:
            queue = Queue(group, http)
            given_up = await queue.join("/given-up")
            await queue.join("/next")
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
            queue = Queue(group, http)
            given_up = await queue.join("/given-up")
            await queue.join("/next")
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
        given_up = await Queue(group, http).join("/given-up")
        given_up.cancel()
        await held.aclose()
        await http.aclose()
    await server.until(lambda: server.open == 0)

    assert server.seen == [(0, "/held")]


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


# The connections of an event loop that is closed can only be left to the garbage collector, which remarks on it.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_one_loop_after_another(elsewhere: tuple[BlockingPortal, Server], anyio_backend: str) -> None:
    """
    In another event loop the connections of the one before are forgotten, and it works as before.
    """
    portal, server = elsewhere
    transport = StackTransport(max_connections=1)
    http = client(transport, server)

    async def get_twice() -> None:
        await http.get("/1")
        await http.get("/2")

    for _ in range(3):
        anyio.run(get_twice, backend=anyio_backend)
        gc.collect()
    anyio.run(http.aclose, backend=anyio_backend)
    gc.collect()
    portal.call(server.until, lambda: server.open == 0)

    assert [connection for connection, _ in server.seen] == [0, 0, 1, 1, 2, 2]


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
            await Queue(group, http).join("/waiting")
            await transport.aclose()
            with pytest.raises(RuntimeError, match="has been closed"):
                await http.get("/late")
            await held.aread()
    await server.until(lambda: server.open == 0)

    assert held.text == "/held"
    assert server.seen == [(0, "/held")]


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
