"""
Which proxy a URL is reached through, as the environment says.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Final
from urllib.request import getproxies, proxy_bypass

import httpx

from .._errors import NotSent

__all__ = ["environment_proxy"]

_SCHEMES: Final = ("http", "https", "socks5", "socks5h")


def environment_proxy(url: httpx.URL) -> httpx.Proxy | None:
    """
    Return the proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, or the system's settings, ask for.

    Raises:
        NotSent: It cannot be used.
    """
    proxies = getproxies()
    kind = url.scheme if proxies.get(url.scheme) else "all"
    proxy = proxies.get(kind)
    if not proxy or proxy_bypass(url.host) or proxy_bypass(url.netloc.decode("ascii")):
        return None
    scheme, separator, _ = proxy.partition("://")
    if separator and scheme.lower() not in _SCHEMES:
        raise _unusable(kind, f"names a proxy of the kind {scheme[:20]!r}", f"Name one of {', '.join(_SCHEMES)}")
    if separator and scheme.lower().startswith("socks") and find_spec("socksio") is None:
        raise _unusable(kind, "names a SOCKS proxy, for which socksio is not installed", "Install wechat-kf[socks]")
    try:
        return httpx.Proxy(proxy if separator else f"http://{proxy}")
    except httpx.InvalidURL:
        # What it says may hold a password.
        raise _unusable(kind, "does not name a proxy", "Write it as http://host:port") from None


def _unusable(kind: str, problem: str, remedy: str) -> NotSent:
    names = [name for name in (f"{kind}_proxy", f"{kind}_proxy".upper()) if os.environ.get(name)]
    where = f"The environment variable {names[0]}" if names else f"The system's setting for {kind} proxies"
    failure = NotSent(f"{where} {problem}. {remedy}, or list the host in NO_PROXY.")
    failure.is_lasting = True
    return failure
