"""
The work of a bot while it is entered: every push under way, handled in its customer's order and answered.

Two tasks meet over each push: its request's, which waits for a limited time, and one that works through its customer's
queue. `Job` is where they meet.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, nullcontext
from typing import Any, Final, cast

import anyio
import attrs
from anyio.abc import TaskGroup

from .._client import AsyncKfClient
from .._concurrency import background_tasks
from .._redact import get_logger
from ..webhook import Push, Webhook
from ._answers import Answer, as_messages, as_reply, is_blank
from ._callbacks import contained
from ._handlers import Handlers
from ._order import STORE_SECONDS, Order, Turn
from ._seen import Seen

__all__ = ["Job", "Work"]

_log = get_logger("wechat_kf.bot")

# More pushes than this under way are refused with 503: the customer learns that the account is out of service.
_BACKLOG: Final = 10_000


@attrs.define(eq=False)
class Job:
    """
    A push under way, where the request's task and the worker meet.

    Attributes:
        offered: Set by the worker when it has an answer for the request: `body`, or None for ``success``.

        settled: Set by the request when it has answered or gone.

        has_failed: The push was not handled, and WeChat is told so.

        is_taken: The request answered with `body`.

        is_thinking: The handler has yet to answer.

        has_sent: A message was sent, or may have been.

        turn: The place in the customer's queue, if processes share one.
    """

    push: Push
    query: Mapping[str, str]
    key: str
    offered: anyio.Event = attrs.field(factory=anyio.Event)
    settled: anyio.Event = attrs.field(factory=anyio.Event)
    body: bytes | None = None
    has_failed: bool = False
    is_taken: bool = False
    is_thinking: bool = True
    has_sent: bool = False
    turn: Turn | None = None


class Work:
    """
    What is under way while a bot is entered: `jobs`, by dedupe key.
    """

    def __init__(
        self,
        tasks: TaskGroup,
        handlers: Handlers,
        *,
        webhook: Webhook,
        kf: AsyncKfClient,
        seen: Seen,
        order: Order | None,
        typing: bool,
        concurrency: int,
        on_error: Callable[[Push, Exception], object] | None,
    ) -> None:
        self._tasks = tasks
        self._handlers = handlers
        self._webhook = webhook
        self._kf = kf
        self._seen = seen
        self._order = order
        self._typing = typing
        self._slots = anyio.Semaphore(concurrency)
        self._on_error = on_error
        self.jobs: dict[str, Job] = {}
        # Those of each customer, the first of which is being handled.
        self._queues: dict[str, deque[Job]] = {}
        self._idle = anyio.Event()
        self._is_closing = False

    @property
    def takes_more(self) -> bool:
        """
        Whether another push can be taken on.
        """
        return not self._is_closing and len(self.jobs) < _BACKLOG

    async def close(self) -> None:
        """
        Take nothing on any more, and wait until nothing is left.
        """
        self._is_closing = True
        if self.jobs:
            await self._idle.wait()

    def put(self, job: Job) -> None:
        """
        Take a push on, behind those of the same customer.
        """
        self.jobs[job.key] = job
        queue = self._queues.get(job.push.openid)
        if queue is None:
            queue = self._queues[job.push.openid] = deque()
            self._tasks.start_soon(self._work, job.push.openid, queue)
        if self._order is not None:
            job.turn = Turn(self._order, job.push.openid)
            self._tasks.start_soon(job.turn.hold, queue[-1].turn if queue else None)
        queue.append(job)

    async def _work(self, openid: str, queue: deque[Job]) -> None:
        """
        Handle one customer's pushes in order until there are none.
        """
        try:
            while queue:
                job = queue[0]
                if job.turn is not None:
                    await job.turn.come()
                await self._handle(job)
                if job.turn is not None:
                    await job.turn.end()
                queue.popleft()
        finally:
            del self._queues[openid]
            if queue:
                _log.warning("Cancelled before they were answered: the pushes %s.", ", ".join(job.key for job in queue))
            for job in queue:
                job.has_failed = True
                self._end(job)

    async def _handle(self, job: Job) -> None:
        if not await self._claim(job):
            self._end(job)
            return
        is_answered = False
        try:
            async with self._slots:
                await self._answer(job)
            is_answered = True
        except _TakenOver:
            _log.warning("The push %s was taken on by another process, so nothing is sent for it here.", job.key)
        except Exception as error:  # noqa: BLE001 - a handler may raise anything
            await self._report(job, error)
        finally:
            if not job.has_sent:
                await self._conclude(job, keep=is_answered or job.is_taken)
        self._end(job)

    async def _claim(self, job: Job) -> bool:
        try:
            with anyio.fail_after(STORE_SECONDS), contained():
                return await self._seen.claim(job.key)
        except Exception:  # noqa: BLE001 - logged
            _log.exception("The push %s was refused: whether it was seen before is not known.", job.key)
            job.has_failed = True
            return False

    async def _conclude(self, job: Job, *, keep: bool) -> bool:
        """
        Note what became of a push; False if another process has taken it on.
        """
        try:
            with anyio.fail_after(STORE_SECONDS, shield=True), contained():
                if keep:
                    return await self._seen.done(job.key) is not False
                await self._seen.release(job.key)
        except Exception:  # noqa: BLE001 - logged
            _log.exception("It could not be noted that the push %s was %s.", job.key, "done" if keep else "not done")
        return True

    async def _report(self, job: Job, error: Exception) -> None:
        _log.error("The push %s was not answered.", job.key, exc_info=error)
        if self._on_error is None:
            return
        try:
            with contained():
                noted = self._on_error(job.push, error)
                if inspect.isawaitable(noted):
                    await noted
        except Exception:  # noqa: BLE001 - logged
            _log.exception("on_error failed for the push %s.", job.key)

    async def _answer(self, job: Job) -> None:
        handler = self._handlers.find(job.push)
        if handler is None:
            return
        async with self._shown_typing(job) if self._typing else nullcontext():
            # Inside, since a group of tasks takes any cancellation for its own.
            with contained():
                await self._answer_with(handler, job)

    async def _answer_with(self, handler: Callable[[Any], Any], job: Job) -> None:
        given = handler(job.push)
        if isinstance(given, AsyncIterator):
            answers = cast("AsyncIterator[Answer]", given)
            generator = cast("AsyncGenerator[Answer]", given) if isinstance(given, AsyncGenerator) else None
            await _settle(job)
            async with nullcontext() if generator is None else aclosing(generator):
                async for answer in answers:
                    await self._send(job, answer)
            return
        answer = cast("Answer", await given if inspect.isawaitable(given) else given)
        job.is_thinking = False
        if is_blank(answer):
            return
        reply = as_reply(answer)
        if reply is not None and not job.settled.is_set():
            job.body = self._webhook.wrap(reply, job.push, job.query)
        await _settle(job)
        if not job.is_taken:
            await self._send(job, answer)

    async def _send(self, job: Job, answer: Answer) -> None:
        if is_blank(answer):
            return
        for message in as_messages(answer):
            if not job.has_sent:
                # Should this process die with the message on its way, the push must not be handled by another.
                job.has_sent = True
                if not await self._conclude(job, keep=True):
                    raise _TakenOver
            await self._kf.send_custom_message(job.push.openid, message)

    def _end(self, job: Job) -> None:
        """
        Take a push off, and tell its request.
        """
        job.offered.set()
        if self.jobs.pop(job.key, None) and self._is_closing and not self.jobs:
            self._idle.set()

    @asynccontextmanager
    async def _shown_typing(self, job: Job) -> AsyncGenerator[None]:
        async def show() -> None:
            await job.settled.wait()
            if job.is_thinking:
                async with self._kf.typing_indicator(job.push.openid):
                    await anyio.sleep_forever()

        async with background_tasks() as tasks:
            tasks.start_soon(show)
            yield


class _TakenOver(Exception):
    """
    Another process took the push on, since this one seemed to be dead.
    """


async def _settle(job: Job) -> None:
    """
    Let the request answer with what there is, and wait until it has.
    """
    job.offered.set()
    await job.settled.wait()
