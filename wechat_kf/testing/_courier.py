"""
Delivering pushes: five seconds for each attempt, a few attempts, and what the answer does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from random import Random
from typing import Any, Final, cast

import anyio
import anyio.lowlevel
import attrs
import httpx

from .._clock import Clock
from ._asgi import AsgiApp
from ._limits import Limits
from ._push import Push, ReplyMistake, Seal

__all__ = ["OUT_OF_SERVICE", "Callback", "Courier"]

OUT_OF_SERVICE: Final = "该公众号暂时无法提供服务，请稍后再试"
"""
What a customer reads when the account's server does not answer.
"""

_WHOLE_URL: Final = "http://callback.invalid/"


@attrs.frozen
class Callback:
    """
    Where pushes go.

    Attributes:
        target: A URL or an ASGI app.

        seal: How they are written.
    """

    target: str | AsgiApp
    seal: Seal

    def client(self) -> httpx.AsyncClient:
        """
        Make the HTTP client that reaches the server; how long it waits is not its business.
        """
        if isinstance(self.target, str):
            # The courier bounds each attempt; and whom a developer's own server calls itself is not its business.
            return httpx.AsyncClient(timeout=None, verify=False, trust_env=False)  # noqa: S113, S501
        transport = httpx.ASGITransport(app=cast("Any", self.target), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport)

    @property
    def url(self) -> str:
        """
        The URL to call.
        """
        return self.target if isinstance(self.target, str) else _WHOLE_URL


class Courier:
    """
    The pushes on their way.

    Args:
        take: Does what an answer says: push, message.

        notice: Tells a customer that the account is out of service: openid.
    """

    def __init__(
        self,
        limits: Limits,
        clock: Clock,
        random: Random,
        take: Callable[[Push, dict[str, Any]], None],
        notice: Callable[[str], None],
    ) -> None:
        self.callback: Callback | None = None
        self._limits = limits
        self._clock = clock
        self._random = random
        self._take = take
        self._notice = notice
        self._queue: deque[Push] = deque()
        self._arrived: set[anyio.Event] = set()

    def add(self, push: Push) -> None:
        """
        Queue a push, if there is anybody to tell.
        """
        if self.callback is not None:
            self._queue.append(push)
            for event in self._arrived:
                event.set()

    async def verify(self) -> bool:
        """
        Check the URL as the console does: whether it answers the echostr, and nothing else.
        """
        callback = self._the_callback()
        echostr = str(self._random.randrange(10**18, 10**19))
        query = callback.seal.check(echostr, self._now(), self._random)
        async with callback.client() as client:
            request = client.build_request("GET", callback.url, params=query)
            answer = await self._attempt(client, request)
        return answer is not None and answer.status_code == 200 and answer.content == echostr.encode()

    async def deliver(self) -> None:
        """
        Deliver what is queued, each customer's pushes in order; return when none is left.
        """
        while self._queue:
            callback = self._the_callback()
            by_customer: dict[str, list[Push]] = {}
            while self._queue:
                push = self._queue.popleft()
                by_customer.setdefault(push.openid, []).append(push)
            async with callback.client() as client, anyio.create_task_group() as tasks:
                for pushes in by_customer.values():
                    tasks.start_soon(self._deliver_all, callback, client, pushes)

    async def pump(self) -> None:
        """
        Deliver pushes as they come, until cancelled.
        """
        async with anyio.create_task_group() as tasks:
            while True:
                arrived = anyio.Event()
                self._arrived.add(arrived)
                try:
                    if not self._queue:
                        await arrived.wait()
                finally:
                    self._arrived.remove(arrived)
                tasks.start_soon(self.deliver)
                # Let it take what is queued.
                await anyio.lowlevel.checkpoint()

    async def _deliver_all(self, callback: Callback, client: httpx.AsyncClient, pushes: list[Push]) -> None:
        for push in pushes:
            await self._deliver_one(callback, client, push)

    async def _deliver_one(self, callback: Callback, client: httpx.AsyncClient, push: Push) -> None:
        for _ in range(1 + self._limits.push_retries):
            query, body = callback.seal.write(push, self._now(), self._random)
            content_type = "application/json" if callback.seal.format == "json" else "text/xml"
            request = client.build_request(
                "POST", callback.url, params=query, content=body, headers={"content-type": content_type}
            )
            answer = await self._attempt(client, request)
            if answer is None:
                continue
            try:
                self._read(push, query, answer)
            except ReplyMistake:
                break
            return
        if push.is_message:
            self._notice(push.openid)

    def _read(self, push: Push, query: Mapping[str, str], answer: httpx.Response) -> None:
        if answer.status_code != 200:
            raise ReplyMistake(f"HTTP {answer.status_code}")
        message = self._the_callback().seal.read(push, query, answer.content)
        if message is not None:
            self._take(push, message)

    async def _attempt(self, client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response | None:
        """
        Send a request; None if no answer came in time.
        """
        answer: httpx.Response | None = None

        async def cut() -> None:
            await self._clock.sleep(self._limits.push)
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cut)
            with suppress(httpx.TransportError):
                answer = await client.send(request)
            tasks.cancel_scope.cancel()
        return answer

    def _the_callback(self) -> Callback:
        if self.callback is None:
            raise ValueError("no callback is set")
        return self.callback

    def _now(self) -> float:
        return self._clock.now().timestamp()
