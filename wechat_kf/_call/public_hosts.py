"""
Whether a host stands in the public internet.
"""

from __future__ import annotations

import socket
from ipaddress import IPv6Address, ip_address

import anyio

__all__ = ["is_public"]


async def is_public(host: str) -> bool:
    """
    Look a host up; tell whether all its addresses are public. One that has none is: nothing can be sent there.
    """
    try:
        found = await anyio.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return True
    return all(_is_public(str(address[0])) for *_, address in found)


def _is_public(text: str) -> bool:
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_global and not address.is_multicast
