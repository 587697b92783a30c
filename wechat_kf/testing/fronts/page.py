"""
The front for people: the page's files, and what keeps it up to date.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Final

from ..machine.request import Request
from ..machine.response import PlannedResponse, Response
from .controls import PREFIX
from .events import EventStream, Watched
from .headers import SAFE

__all__ = ["PageFront"]

_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


class PageFront:
    """
    Gives browsers the page.

    Args:
        find: Finds an account by its appid, or the first one.

        appids: Lists all accounts.
    """

    def __init__(self, find: Callable[[str | None], Watched], appids: Callable[[], list[str]]) -> None:
        self._find = find
        self._appids = appids
        self._folder = files("wechat_kf.testing.page")

    def handle(self, request: Request) -> PlannedResponse | None:
        """
        Answer a request; None: it is none of the page's.
        """
        if request.method not in ("GET", "HEAD"):
            return None
        if request.path == "/" and "text/html" in request.headers.get("accept", ""):
            return PlannedResponse(Response(307, "text/plain", b"", {"location": PREFIX}))
        name = request.path.removeprefix(PREFIX)
        if name == request.path:
            return None
        if name == "":
            return PlannedResponse(self._read("index.html"))
        if name.startswith("page/"):
            return PlannedResponse(self._read(name.removeprefix("page/")))
        return self._watch(request) if name == "feed" else None

    def _read(self, name: str) -> Response:
        kind = _TYPES.get(name.rpartition(".")[2])
        file = self._folder / name
        if "/" in name or kind is None or not file.is_file():
            return Response(404, "text/plain", b"There is no such file.", SAFE)
        return Response(200, kind, file.read_bytes(), SAFE)

    def _watch(self, request: Request) -> PlannedResponse:
        try:
            account = self._find(request.query.get("appid"))
        except ValueError as error:
            return PlannedResponse(Response(404, "text/plain; charset=utf-8", str(error).encode("utf-8", "replace")))
        stream = EventStream(account, self._appids(), request.headers.get("last-event-id", ""))
        # A second later, should the stand-in be started again.
        response = Response(200, "text/event-stream; charset=utf-8", b"retry: 1000\n\n", SAFE)
        return PlannedResponse(response, more=stream.more)
