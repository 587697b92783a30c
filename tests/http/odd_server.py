"""
A server in threads of its own that says exactly the bytes it is told, cut into TCP segments and TLS records as told.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, Literal, TypeAlias

import attrs

__all__ = ["ECHO", "Endless", "OddServer", "Reads", "Step", "answer", "odd_server"]

# Seconds after which it gives up whatever it does.
_PATIENCE: Final = 20.0


@attrs.frozen
class Endless:
    """
    The same bytes again and again, with a pause of so many seconds in between.
    """

    data: bytes
    pause: float = 0.0


ECHO: Final = b"<token>"
"""
Stands in a step for the token of the request.
"""

Reads: TypeAlias = Literal["first", "later", "no"]

Step: TypeAlias = bytes | tuple[bytes, ...] | float | Endless
"""
A segment, a segment of several TLS records, a pause in seconds, or something endless.
"""


def answer(who: str) -> bytes:
    """
    Write a plain answer.
    """
    body = b'{"errcode":0,"who":"%b"}' % who.encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class OddServer:
    """
    Says its steps to every request but one for ``/next``, which gets a plain answer.

    Attributes:
        url: Where it listens.

        accepted: How many connections there were.

        served: The path of each request.
    """

    def __init__(
        self,
        listener: socket.socket,
        ssl_context: ssl.SSLContext | None,
        steps: Sequence[Step],
        *,
        hangs_up: bool,
        reads: Reads,
    ) -> None:
        scheme = "http" if ssl_context is None else "https"
        self.url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        self.accepted = 0
        self.served: list[str] = []
        self._listener = listener
        self._ssl_context = ssl_context
        self._steps = steps
        self._hangs_up = hangs_up
        self._reads = reads
        self._is_over = threading.Event()
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def start(self, work: Callable[[], None]) -> None:
        """
        Work in a thread.
        """
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def accept(self) -> None:
        """
        Serve each connection in a thread, until the listener is closed.
        """
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.settimeout(_PATIENCE)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.accepted += 1
                self._connections.append(connection)
                self.start(lambda connection=connection: self._serve(connection))  # type: ignore[misc]

    def close(self) -> None:
        """
        Close everything, and wait for the threads.
        """
        self._is_over.set()
        for each in (self._listener, *self._connections):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(_PATIENCE)

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, ssl.SSLError), connection:
            wire = _Wire(connection, self._ssl_context)
            while request := wire.receive_head():
                self.served.append(request.split(b" ")[1].partition(b"?")[0].decode())
                if self.served[-1] != "/next":
                    if self._reads == "first":
                        wire.receive_body(request)
                    self._say_odd(wire, request)
                    if self._hangs_up:
                        if self._reads == "no":
                            wire.linger()
                        return
                    if self._reads == "no":
                        self._is_over.wait(_PATIENCE)
                    elif self._reads == "later":
                        wire.receive_body(request)
                else:
                    wire.receive_body(request)
                    wire.send([answer("next")])

    def _say_odd(self, wire: _Wire, request: bytes) -> None:
        for step in self._steps:
            if isinstance(step, int | float):
                time.sleep(step)
            elif isinstance(step, Endless):
                while not self._is_over.wait(step.pause):
                    wire.send([step.data])
            else:
                token = request.split(b" ")[1].partition(b"access_token=")[2]
                wire.send([record.replace(ECHO, token) for record in (step if isinstance(step, tuple) else [step])])


class _Wire:
    """
    A connection with TLS or without; each segment and each record is sent on its own.
    """

    def __init__(self, connection: socket.socket, ssl_context: ssl.SSLContext | None) -> None:
        self._connection = connection
        self._received = b""
        self._tls: ssl.SSLObject | None = None
        if ssl_context is not None:
            self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
            self._tls = ssl_context.wrap_bio(self._in, self._out, server_side=True)
            while not self._handshake(self._tls):
                self._in.write(connection.recv(65536))

    def send(self, records: Sequence[bytes]) -> None:
        """
        Send one segment.
        """
        if self._tls is None:
            self._connection.sendall(b"".join(records))
            return
        for record in records:
            self._tls.write(record)
        self._connection.sendall(self._out.read())

    def receive_head(self) -> bytes:
        """
        Read the head of a request; nothing at the end of the connection.
        """
        while b"\r\n\r\n" not in self._received:
            if not self._receive():
                return b""
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        return head

    def receive_body(self, head: bytes) -> None:
        """
        Read the body that belongs to this head.
        """
        _, _, length = head.lower().partition(b"content-length: ")
        left = int(length.split(b"\r\n")[0] or b"0")
        while left > len(self._received):
            left -= len(self._received)
            self._received = b""
            if not self._receive():
                return
        self._received = self._received[left:]

    def linger(self) -> None:
        """
        Say that no more will come, and pass over all that does, as careful servers do.

        To close a socket with something unread in it is to reset the connection, which may destroy what was said.
        """
        if self._tls is not None:
            # It complains of what the client still sends.
            with suppress(ssl.SSLError):
                self._tls.unwrap()
            self._connection.sendall(self._out.read())
        self._connection.shutdown(socket.SHUT_WR)
        while self._connection.recv(65536):
            pass

    def _receive(self) -> bool:
        data = self._connection.recv(65536) if self._tls is None else self._decrypted(self._tls)
        self._received += data
        return bool(data)

    def _decrypted(self, tls: ssl.SSLObject) -> bytes:
        while True:
            # What came with the end of the handshake lies here already.
            try:
                return tls.read(65536)
            except ssl.SSLWantReadError:
                data = self._connection.recv(65536)
                if not data:
                    return b""
                self._in.write(data)

    def _handshake(self, tls: ssl.SSLObject) -> bool:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self._connection.sendall(self._out.read())
        return True


@contextmanager
def odd_server(
    steps: Sequence[Step],
    ssl_context: ssl.SSLContext | None = None,
    *,
    hangs_up: bool = False,
    reads: Reads = "first",
) -> Generator[OddServer]:
    """
    Run a server.

    Args:
        steps: What it says.

        ssl_context: Its certificate, if it is to speak TLS.

        hangs_up: Whether it closes the connection then.

        reads: Whether it reads that request's body ``first``, ``later``, or not at all (``no``).
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # So that a client soon has to wait for whoever does not read.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        server = OddServer(listener, ssl_context, steps, hangs_up=hangs_up, reads=reads)
        server.start(server.accept)
        try:
            yield server
        finally:
            server.close()
