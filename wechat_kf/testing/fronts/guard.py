"""
Keeping web pages out: what runs in a developer's browser can reach a stand-in on the same machine.

A page's requests say so in ``Origin``; after DNS rebinding they come from the stand-in's own origin, but their ``Host``
is a name of the attacker's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

__all__ = ["why_foreign"]

# Programs that have WeChat's own hosts built in come by the hosts file or through a proxy.
_WECHAT: Final = "weixin.qq.com"


def why_foreign(headers: Mapping[str, str], hosts: Collection[str] | None) -> str | None:
    """
    Tell why a request is none of a program's or of the stand-in's own pages; None: it is.

    Args:
        headers: By lower-case name.

        hosts: The names by which the stand-in may be called, besides ``localhost``, addresses and WeChat's own; None:
            any.
    """
    host = headers.get("host")
    if host is not None and hosts is not None and not _is_own(_name_of(host), hosts):
        return f"the Host {host!r} is not the stand-in's; allow it with --allow-host, or serve(allow_hosts=...)"
    origin = headers.get("origin")
    if origin is not None and (host is None or origin.partition("://")[2].lower() != host.lower()):
        return f"the Origin {origin!r} is another site's"
    site, mode = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode")
    if site not in ("none", "same-origin") and mode != "navigate":
        return "it comes from another site's page"
    return None


def _is_own(name: str, hosts: Collection[str]) -> bool:
    return (
        name in ("localhost", _WECHAT)
        or name.endswith((".localhost", f".{_WECHAT}"))
        or name in hosts
        or _is_address(name)
    )


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _name_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
