"""
Which proxy a URL is reached through, as the environment says.
"""

from __future__ import annotations

from urllib.request import getproxies, proxy_bypass

import httpx

__all__ = ["environment_proxy"]


def environment_proxy(url: httpx.URL) -> httpx.Proxy | None:
    """
    Return the proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, or the system's settings, ask for.
    """
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(url.host) or proxy_bypass(url.netloc.decode("ascii")):
        return None
    return httpx.Proxy(proxy if "://" in proxy else f"http://{proxy}")
