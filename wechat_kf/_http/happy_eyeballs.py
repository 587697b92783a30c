"""
A TCP connection to the first address of a host that answers, as RFC 8305 says.

asyncio has this in `loop.create_connection`, uvloop has not (MagicStack/uvloop#406).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Any, Final, TypeAlias

import anyio

__all__ = ["HEAD_START", "Address", "by_turns", "connect", "resolve"]

Address: TypeAlias = tuple[int, int, int, Any]
"""
Family, type and protocol of a socket, and what it connects to: a pair for IPv4, four parts for IPv6.
"""

HEAD_START: Final = 0.25
"""
Seconds that an attempt has before the next address is tried beside it; what RFC 8305 recommends.
"""


async def connect(host: str, port: int) -> socket.socket:
    """
    Connect to a host and return the socket, which does not block. Runs on asyncio only.

    Raises:
        OSError: The name cannot be resolved, or no address of it can be reached.

        UnicodeError: The name cannot be one.
    """
    addresses = by_turns(await resolve(host, port))
    race = _Race()
    try:
        await race.run(addresses)
        return race.take()
    except BaseException:
        # Perhaps it was cancelled at the very moment when a connection was made.
        race.close()
        raise


async def resolve(host: str, port: int) -> list[Address]:
    """
    Find the addresses of a host, the best first.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, kind, protocol, to) for family, kind, protocol, _, to in found]


def by_turns(addresses: Sequence[Address]) -> list[Address]:
    """
    Let the families take turns, beginning with that of the first address, so that a broken one costs one head start.
    """
    families: dict[int, list[Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    return [address for address in chain.from_iterable(zip_longest(*families.values())) if address is not None]


class _Race:
    """
    Attempts to connect, of which the first that succeeds ends the others.
    """

    def __init__(self) -> None:
        self._winner: socket.socket | None = None
        self._failures: list[OSError] = []

    async def run(self, addresses: Sequence[Address]) -> None:
        """
        Start an attempt for each address, the next one when that before has failed or had its head start.
        """
        async with anyio.create_task_group() as attempts:
            for address in addresses:
                failed = anyio.Event()
                attempts.start_soon(self._attempt, address, failed, attempts.cancel_scope)
                with anyio.move_on_after(HEAD_START):
                    await failed.wait()

    def take(self) -> socket.socket:
        """
        Return the connected socket.
        """
        if self._winner is None:
            raise self._failures[0]
        return self._winner

    def close(self) -> None:
        """
        Close the connected socket, if there is one.
        """
        if self._winner is not None:
            self._winner.close()

    async def _attempt(self, address: Address, failed: anyio.Event, others: anyio.CancelScope) -> None:
        family, kind, protocol, to = address
        attempt: socket.socket | None = None
        try:
            attempt = socket.socket(family, kind, protocol)
            attempt.setblocking(False)
            await asyncio.get_running_loop().sock_connect(attempt, to)
            if self._winner is None:
                self._winner, attempt = attempt, None
        except OSError as error:
            self._failures.append(error)
            failed.set()
        else:
            others.cancel()
        finally:
            if attempt is not None:
                attempt.close()
