"""
An ASGI app served on a real port in another thread, with a date of its own if wanted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import uvicorn

__all__ = ["dated", "serving"]


@contextmanager
def serving(app: Any, **options: Any) -> Generator[str]:
    """
    Serve an app; give its address, without a slash at the end.
    """
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="off", **options))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"{'https' if 'ssl_certfile' in options else 'http'}://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def dated(app: Any, date: str) -> Any:
    """
    Let an app's answers have this date.
    """

    async def with_date(scope: Any, receive: Any, send: Any) -> None:
        async def add(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"date", date.encode())]}
            await send(message)

        await app(scope, receive, add)

    return with_date
