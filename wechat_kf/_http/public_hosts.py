"""
Whether a host stands in the public internet.
"""

from __future__ import annotations

import socket
from ipaddress import IPv6Address, ip_address
from typing import Any

import anyio

__all__ = ["PrivateAddress", "check_peer", "is_public"]


class PrivateAddress(Exception):
    """
    A connection leads into a private network, though its host was public when it was looked up.
    """


async def is_public(host: str) -> bool:
    """
    Look a host up; tell whether all its addresses are public. One that has none is: nothing can be sent there.
    """
    try:
        found = await anyio.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return True
    return all(_is_public(str(address[0])) for *_, address in found)


def check_peer(stream: Any) -> None:
    """
    Look at what a connection leads to: its host may have had another address when it was looked up.

    Args:
        stream: A network stream of httpx or a transport of asyncio.

    Raises:
        PrivateAddress: Its address is not public.
    """
    address = stream.get_extra_info("server_addr") or stream.get_extra_info("peername")
    if not address or not _is_public(str(address[0])):
        raise PrivateAddress


def _is_public(text: str) -> bool:
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_global and not address.is_multicast
