"""
The front for clients in the same process: a transport for httpx.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx

from ..._clock import Clock
from ..machine.request import Receive, Request
from ..machine.response import PlannedResponse

__all__ = ["FakeTransport"]


class FakeTransport(httpx.AsyncBaseTransport):
    """
    Hand requests to the stand-in, whatever their host.

    Args:
        receive: Takes a request in.

        clock: What delays are waited for with.
    """

    def __init__(self, receive: Receive, clock: Clock) -> None:
        self._receive = receive
        self._clock = clock

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """
        Answer a request, as slowly or badly as the faults say.
        """
        body = await request.aread()
        await self._clock.sleep(0)
        planned = await self._receive(
            Request(
                request.method,
                request.url.raw_path.decode("ascii"),
                {name.lower(): value for name, value in request.headers.items()},
                body,
                f"{request.url.scheme}://{request.url.netloc.decode('ascii')}",
            )
        )
        wait = _Wait(self._clock, request)
        await wait(planned.delay)
        response = planned.response
        if response is None:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)
        headers = {"content-type": response.content_type, **response.headers}
        if planned.more is None:
            headers["content-length"] = str(len(response.body))
        return httpx.Response(response.status, headers=headers, stream=_PacedBody(planned, wait), request=request)


class _Wait:
    """
    Wait with the clock, but no longer than the request's read timeout.
    """

    def __init__(self, clock: Clock, request: httpx.Request) -> None:
        self.request = request
        self._clock = clock
        timeouts: dict[str, Any] = request.extensions.get("timeout", {})
        self._limit: float | None = timeouts.get("read")

    async def __call__(self, seconds: float) -> None:
        if self._limit is not None and seconds > self._limit:
            await self._clock.sleep(self._limit)
            raise httpx.ReadTimeout("The read operation timed out", request=self.request)
        await self._clock.sleep(seconds)


class _PacedBody(httpx.AsyncByteStream):
    def __init__(self, planned: PlannedResponse, wait: _Wait) -> None:
        self._planned = planned
        self._wait = wait

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for pause, piece in self._planned.pieces():
            await self._wait(pause)
            yield piece
        while self._planned.more is not None:
            yield await self._planned.more()
        if self._planned.breaks:
            raise httpx.RemoteProtocolError(
                "peer closed connection without sending complete message body", request=self._wait.request
            )
