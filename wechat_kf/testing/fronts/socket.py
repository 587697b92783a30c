"""
The front on a real socket: a small HTTP/1.1 server, so that drops, drips and delays are real.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final, cast

import anyio
import attrs
import h11
from anyio.abc import ByteStream, SocketAttribute

from ..._clock import Clock
from ..._redact import get_logger
from ..machine.request import Receive, Request, base_url_of
from ..machine.response import PlannedResponse, Response
from .tls import HandshakeListener

__all__ = ["address_of", "listen"]

_log: Final = get_logger("wechat_kf.testing")

_CONNECTIONS: Final = 1024
_IDLE_SECONDS: Final = 75.0
_BODY_LIMIT: Final = 32 * 1024 * 1024

_STATUSES: Final = frozenset(HTTPStatus)
_WITHOUT_BODY: Final = frozenset({204, 304})

_GONE: Final = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, h11.RemoteProtocolError)

# To any other answer to CONNECT no body could be written.
_NO_PROXY: Final = PlannedResponse(Response(405, "text/plain", b"The stand-in is no proxy; call it directly."))
_TOO_LARGE: Final = PlannedResponse(
    Response(413, "text/html", b"<html><body><h1>413 Request Entity Too Large</h1></body></html>")
)


@asynccontextmanager
async def listen(
    receive: Receive,
    clock: Clock,
    host: str,
    port: int,
    pump: Callable[[], Coroutine[Any, Any, None]],
    *,
    tls: ssl.SSLContext | None = None,
) -> AsyncGenerator[str]:
    """
    Serve on a port until the block ends; every connection ends with it.

    Args:
        receive: Takes a request in.

        clock: What delays are waited for with.

        host: The address to listen on.

        port: The port; 0 for a free one.

        pump: Delivers pushes meanwhile.

        tls: The certificate; None: plain HTTP.

    Yields:
        The base URL.
    """
    scheme = "http" if tls is None else "https"
    server = _Server(receive, clock, scheme)
    failure: Exception | None = None
    async with await anyio.create_tcp_listener(local_host=host, local_port=port) as listener:
        bound = listener.extra(SocketAttribute.local_port)  # noqa: S610 - not Django's
        async with anyio.create_task_group() as tasks:
            connections = listener if tls is None else HandshakeListener(listener, tls, standard_compatible=False)
            tasks.start_soon(connections.serve, server.converse)
            tasks.start_soon(pump)
            try:
                yield f"{scheme}://{address_of(host, bound)}"
            except Exception as error:  # noqa: BLE001 - raised again below
                # The task group would wrap it.
                failure = error
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


@attrs.frozen
class _Arrival:
    method: str
    target: str
    headers: dict[str, str]
    # None: too large.
    body: bytes | None


class _Server:
    def __init__(self, receive: Receive, clock: Clock, scheme: str) -> None:
        self._receive = receive
        self._scheme = scheme
        self._clock = clock
        self._slots = anyio.Semaphore(_CONNECTIONS)

    async def converse(self, stream: ByteStream) -> None:
        """
        Answer the requests of one connection, one after the other.
        """
        async with stream, self._slots:
            try:
                connection = h11.Connection(h11.SERVER)
                while await self._answer_one(stream, connection):
                    connection.start_next_cycle()
            except _GONE:
                # The client's business; what it asked for is done or not, as with WeChat.
                return
            except Exception:  # noqa: BLE001 - logged
                # One request must not end the server for all.
                _log.exception("A request was not answered.")

    async def _answer_one(self, stream: ByteStream, connection: h11.Connection) -> bool:
        arrival = None
        with anyio.move_on_after(_IDLE_SECONDS):
            arrival = await _read(stream, connection)
        if arrival is None:
            return False
        if arrival.method == "CONNECT":
            planned = _NO_PROXY
        elif arrival.body is None:
            planned = _TOO_LARGE
        else:
            planned = await self._receive(
                Request(
                    arrival.method,
                    arrival.target,
                    arrival.headers,
                    arrival.body,
                    base_url_of(self._scheme, arrival.headers),
                    str(stream.extra(SocketAttribute.remote_address)[0]),  # noqa: S610 - not Django's
                )
            )
        await self._clock.sleep(planned.delay)
        response = planned.response
        if response is None:
            return False
        if arrival.method == "HEAD" or response.status in _WITHOUT_BODY:
            response = attrs.evolve(response, body=b"")
            planned = attrs.evolve(planned, response=response, more=None)
        await self._write(stream, connection, planned, response)
        return connection.our_state is connection.their_state is h11.DONE

    async def _write(
        self, stream: ByteStream, connection: h11.Connection, planned: PlannedResponse, response: Response
    ) -> None:
        headers = [("Content-Type", response.content_type), *response.headers.items()]
        if planned.more is None:
            headers.append(("Content-Length", str(len(response.body))))
        head = (
            connection.send(h11.Response(status_code=response.status, headers=headers, reason=_phrase(response.status)))
            or b""
        )
        for pause, piece in planned.pieces():
            if pause:
                await stream.send(head)
                head = b""
                await self._clock.sleep(pause)
            # One write for a small answer: head and body in one packet.
            await stream.send(head + (connection.send(h11.Data(piece)) or b""))
            head = b""
        while planned.more is not None:
            await stream.send(connection.send(h11.Data(await planned.more())) or b"")
        if not planned.breaks:
            await stream.send(head + (connection.send(h11.EndOfMessage()) or b""))


def address_of(host: str, port: int) -> str:
    """
    Write an address as URLs have it, an IPv6 one in brackets.
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in _STATUSES else ""


async def _read(stream: ByteStream, connection: h11.Connection) -> _Arrival:
    # Before the end of the stream, which is raised, h11 tells nothing but a request, its data and its end.
    request = cast("h11.Request", await _event(stream, connection))
    body = bytearray()
    while isinstance(event := await _event(stream, connection), h11.Data):
        body += event.data
        if len(body) > _BODY_LIMIT:
            return _arrival(request, None)
    return _arrival(request, bytes(body))


async def _event(stream: ByteStream, connection: h11.Connection) -> object:
    while (event := connection.next_event()) is h11.NEED_DATA:
        if connection.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
            await stream.send(connection.send(go_on) or b"")
        connection.receive_data(await stream.receive(65536))
    return event


def _arrival(request: h11.Request, body: bytes | None) -> _Arrival:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
    return _Arrival(request.method.decode(), request.target.decode("latin-1"), headers, body)
