"""
Delivering pushes: five seconds for each attempt, a few attempts, and what the answer does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from itertools import count
from random import Random
from typing import Any, Final
from urllib.parse import urlencode

import anyio
import anyio.lowlevel
import attrs
import httpx
from anyio.abc import TaskGroup

from ..._clock import Clock
from ..._redact import get_logger
from .._clock import SteppedClock
from .._feed import PushAttempt
from ..fronts.asgi import AsgiApp
from ..machine.limits import Limits
from .app_call import call_app
from .outgoing import OutgoingPush, Seal
from .replies import ReplyMistake

__all__ = ["OUT_OF_SERVICE", "Callback", "Courier"]

_log: Final = get_logger("wechat_kf.testing")

# No reply is as long; of one that does not end, memory would.
_BODY_LIMIT: Final = 1024 * 1024

OUT_OF_SERVICE: Final = "该公众号暂时无法提供服务，请稍后再试"
"""
What a customer reads when the account's server does not answer.
"""


@attrs.frozen
class Callback:
    """
    Where pushes go.

    Attributes:
        target: A URL or an ASGI app.

        seal: How they are written.

        path: Where in an app they go; None for ``/``. A URL has its own.

        real_time: Whether they carry the real time, though the stand-in's was moved ahead.
    """

    target: str | AsgiApp
    seal: Seal
    path: str | None = None
    real_time: bool = False

    def __attrs_post_init__(self) -> None:
        if self.path is not None and not self.path.startswith("/"):
            raise ValueError("path must begin with a slash")
        if not isinstance(self.target, str):
            return
        if self.path is not None:
            raise ValueError("path is for an ASGI app; a URL has its own")
        try:
            url = httpx.URL(self.target)
        except httpx.InvalidURL as error:
            raise ValueError(f"the callback is no URL: {error}") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError("the callback must be an http or https URL")

    async def call(
        self, method: str, query: Mapping[str, str], body: bytes, background: TaskGroup
    ) -> tuple[int, bytes] | None:
        """
        Call the server; how long that takes is not limited here.

        Args:
            method: The HTTP method.

            query: The query's parameters.

            body: The body.

            background: Where an app works on after its answer.

        Returns:
            The status and the body; None if the connection failed.
        """
        if not isinstance(self.target, str):
            # The path, like a URL, may have a query of its own.
            path = self.path or "/"
            target = f"{path}{'&' if '?' in path else '?'}{urlencode(query)}"
            return await call_app(self.target, method, target, body, background, headers=self.seal.headers)
        # The URL may have a query of its own.
        url = httpx.URL(self.target).copy_merge_params(query)
        headers = {
            "content-type": "application/json" if self.seal.format == "json" else "text/xml",
            # The answer is taken as it comes, not decoded.
            "accept-encoding": "identity",
            **self.seal.headers,
        }
        # Whether a developer's own server has a proper certificate is not its customers' business.
        async with httpx.AsyncClient(timeout=None, verify=False, trust_env=False) as client:  # noqa: S113, S501
            try:
                async with client.stream(method, url, content=body, headers=headers) as response:
                    body = b""
                    async for piece in response.aiter_raw():
                        # Left before its end, httpx's generator would be the garbage collector's on trio.
                        if len(body) <= _BODY_LIMIT:
                            body += piece
                    return response.status_code, body
            except httpx.RequestError:
                return None


@attrs.frozen
class _Errand:
    """
    A push, and where it goes, whatever callback is set afterwards.
    """

    callback: Callback
    push: OutgoingPush


class Courier:
    """
    The pushes on their way.

    Args:
        take: Does what a reply says: push, message.

        notice: Tells a customer that the account is out of service: openid.

        see: Is shown each attempt when it begins and when it is over.
    """

    def __init__(
        self,
        limits: Limits,
        clock: Clock,
        random: Random,
        *,
        take: Callable[[OutgoingPush, dict[str, Any]], None],
        notice: Callable[[str], None],
        see: Callable[[PushAttempt], None],
    ) -> None:
        self.callback: Callback | None = None
        self._limits = limits
        self._clock = clock
        self._random = random
        self._take = take
        self._notice = notice
        self._see = see
        self._ids = count(1)
        self._queue: deque[_Errand] = deque()
        self._arrived: set[anyio.Event] = set()
        self._deliveries = 0
        self._ended: set[anyio.Event] = set()

    def add(self, push: OutgoingPush) -> None:
        """
        Queue a push, if there is anybody to tell.
        """
        if self.callback is None:
            return
        # What cannot be written is the mistake of who asks for it, and must not end the deliveries.
        (push.openid or "").encode()
        self.callback.seal.write(push, self._now(), self._random)
        push = attrs.evolve(push, at=push.at - self._ahead_of(self.callback))
        self._queue.append(_Errand(self.callback, push))
        for event in self._arrived:
            event.set()

    async def verify(self) -> bool:
        """
        Check the URL as the console does: whether it answers the echostr, and nothing else.
        """
        callback = self.callback
        if callback is None:
            raise ValueError("no callback is set")
        if callback.seal.mode == "cloud-run":
            return await self._verify_path(callback)
        echostr = str(self._random.randrange(10**18, 10**19))
        query = callback.seal.check(echostr, self._now() - self._ahead_of(callback), self._random)
        answer: tuple[int, bytes] | None = None
        async with anyio.create_task_group() as background:
            answer = await self._attempt(callback, "GET", query, b"", background)
        if answer == (200, echostr.encode()):
            return True
        reason = "the body is not the echostr" if answer is not None and answer[0] == 200 else _describe(answer)
        _log.warning("The callback failed the check of its URL: %s.", reason)
        return False

    async def _verify_path(self, callback: Callback) -> bool:
        answer: tuple[int, bytes] | None = None
        async with anyio.create_task_group() as background:
            answer = await self._attempt(callback, "POST", {}, callback.seal.check_of_path(), background)
        return answer == (200, b"success")

    async def deliver(self) -> None:
        """
        Deliver what is queued, each customer's pushes in order; return when none is left and apps have done their work.
        """
        self._deliveries += 1
        try:
            while self._queue:
                by_customer: dict[str | None, list[_Errand]] = {}
                while self._queue:
                    errand = self._queue.popleft()
                    by_customer.setdefault(errand.push.openid, []).append(errand)
                async with anyio.create_task_group() as tasks:
                    for errands in by_customer.values():
                        tasks.start_soon(self._deliver_all, errands, tasks)
        finally:
            self._deliveries -= 1
            for event in self._ended:
                event.set()

    async def settle(self) -> None:
        """
        Deliver what is queued, and wait for what others are delivering, such as `pump`.
        """
        await self.deliver()
        while self._deliveries:
            ended = anyio.Event()
            self._ended.add(ended)
            try:
                await ended.wait()
            finally:
                self._ended.remove(ended)

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

    async def _deliver_all(self, errands: list[_Errand], background: TaskGroup) -> None:
        for errand in errands:
            await self._deliver_one(errand.callback, errand.push, background)

    async def _deliver_one(self, callback: Callback, push: OutgoingPush, background: TaskGroup) -> None:
        for attempt in range(1, 2 + self._limits.push_retries):
            answer, mistake = await self._try_one(callback, push, attempt, background)
            if mistake is not None:
                _log.warning("The reply to the push %r is refused: %s.", push.kind, mistake)
                break
            if answer is not None:
                return
        else:
            attempts = 1 + self._limits.push_retries
            _log.warning("The push %r was not answered in time, %d times.", push.kind, attempts)
        if push.is_message and push.openid is not None:
            self._notice(push.openid)

    async def _try_one(
        self, callback: Callback, push: OutgoingPush, attempt: int, background: TaskGroup
    ) -> tuple[tuple[int, bytes] | None, str | None]:
        """
        Make an attempt. Returns the answer, if one came in time, and why it is refused, if it is.
        """
        now, began = self._clock.now(), self._clock.monotonic()
        query, body = callback.seal.write(push, now.timestamp() - self._ahead_of(callback), self._random)
        text = body.decode("utf-8", "replace")
        seen = PushAttempt(next(self._ids), push.openid, push.kind, push.fields, attempt, now, query, text)
        self._see(seen)
        answer = await self._attempt(callback, "POST", query, body, background)
        mistake = None
        try:
            if answer is not None:
                self._read(callback, push, answer)
        except ReplyMistake as refused:
            mistake = str(refused)
        status, content = (None, b"") if answer is None else answer
        seconds = self._clock.monotonic() - began
        answered = content.decode("utf-8", "replace")
        self._see(attrs.evolve(seen, seconds=seconds, status=status, answer=answered, mistake=mistake))
        return answer, mistake

    def _read(self, callback: Callback, push: OutgoingPush, answer: tuple[int, bytes]) -> None:
        status, body = answer
        if status != 200:
            raise ReplyMistake(_describe(answer))
        message = callback.seal.read(push, body)
        if message is not None:
            self._take(push, message)

    async def _attempt(
        self, callback: Callback, method: str, query: Mapping[str, str], body: bytes, background: TaskGroup
    ) -> tuple[int, bytes] | None:
        """
        Call the server; None if no answer came in time.
        """
        answer: tuple[int, bytes] | None = None

        async def cut() -> None:
            await self._clock.sleep(self._limits.push)
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cut)
            answer = await callback.call(method, query, body, background)
            tasks.cancel_scope.cancel()
        return answer

    def _ahead_of(self, callback: Callback) -> float:
        """
        Tell how far the stand-in's time is ahead of the one that pushes carry.
        """
        return self._clock.ahead if callback.real_time and isinstance(self._clock, SteppedClock) else 0.0

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _describe(answer: tuple[int, bytes] | None) -> str:
    if answer is None:
        return "no answer came"
    # An app that is mounted redirects from its path without a slash to the one with.
    redirect = ", a redirect, which WeChat does not follow" if 300 <= answer[0] < 400 else ""
    return f"it has HTTP status {answer[0]}{redirect}"
