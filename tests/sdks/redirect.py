"""
Run a script for which ``api.weixin.qq.com`` is a port of this machine, as an entry in the hosts file would have it.

``python redirect.py PORT SCRIPT ARGUMENT...``; it stands by itself, for the environments of other SDKs.
"""

from __future__ import annotations

import runpy
import socket
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["redirected"]

HOST = "api.weixin.qq.com"


def redirected(port: int) -> Callable[..., Any]:
    """
    Make a `socket.getaddrinfo` by which https goes to the port; plain HTTP, which WeChat refuses, finds nobody.
    """
    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, service: Any, *arguments: Any, **options: Any) -> Any:
        if host != HOST:
            return look_up(host, service, *arguments, **options)
        return look_up("127.0.0.1", port if service == 443 else service, *arguments, **options)

    return getaddrinfo


if __name__ == "__main__":
    socket.getaddrinfo = redirected(int(sys.argv[1]))
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")
