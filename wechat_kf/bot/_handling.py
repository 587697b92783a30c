"""
How one push is handled: the handler is called, bounded in time, and its answers are sent.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, nullcontext, suppress
from typing import Any, TypeVar, cast

import anyio

from .._concurrency import background_tasks
from .._redact import get_logger
from ..text import Packed
from ._answers import Answerable, as_texts
from ._callbacks import contained
from ._deadlines import Deadlines
from ._failures import AnswerTooLong
from ._job import Job, Request
from ._options import Options
from ._sending import Sending, TakenOver, too_long
from ._telling import Telling

__all__ = ["Handling", "Interrupted"]

T = TypeVar("T")

_log = get_logger("wechat_kf.bot")


class Interrupted(Exception):
    """
    The customer wrote something for which the push is not answered any more.
    """


class Handling:
    """
    Calls the handlers.

    Args:
        options: The bot's options.

        sending: Sends what they answer.

        telling: Tells the application of what failed.

        deadlines: Ends handlers that take too long.
    """

    def __init__(self, options: Options, sending: Sending, telling: Telling, deadlines: Deadlines) -> None:
        self._options = options
        self._deadlines = deadlines
        self._sending = sending
        self._telling = telling

    async def handle(self, job: Job) -> None:
        """
        Handle a push; whatever fails is told.
        """
        try:
            await self._answer(job)
        except Interrupted:
            job.seen.end("interrupted")
            _log.info("The push %s was interrupted by another of its customer.", job.name)
        except TakenOver:
            job.seen.end("taken_over")
            if job.is_replied:
                _log.info("A repetition of the push %s was given its reply.", job.name)
                return
            _log.warning("The push %s is another worker's by now, so nothing is sent for it here.", job.name)
        except Exception as error:  # noqa: BLE001 - a handler may raise anything
            job.seen.end("failed", error)
            await self._report(job, error)

    async def _answer(self, job: Job) -> None:
        if job.end_with is not None:
            raise job.end_with
        if job.handler is None:
            return
        self._deadlines.begin(job)
        try:
            async with self._typing_shown(job) if self._options.typing else nullcontext():
                # Inside, since a group of tasks takes any cancellation for its own.
                with contained():
                    await self._answer_with(job.handler.function, job)
        finally:
            self._deadlines.end(job)

    async def _answer_with(self, handler: Callable[[Any], Any], job: Job) -> None:
        given = handler(job.push)
        if inspect.isawaitable(given):
            given = await self._step(job, given)
        if isinstance(given, AsyncIterator):
            await self._answer_each(cast("AsyncIterator[Answerable]", given), job)
        else:
            job.is_thinking = False
            await self._sending.answer(job, cast("Answerable", given))
        job.is_answered = True

    async def _answer_each(self, answers: AsyncIterator[Answerable], job: Job) -> None:
        error: AnswerTooLong | None = None
        async with _closing(answers):
            await self._sending.settle(job)
            if isinstance(answers, Packed):
                answers.at_most(job.limit)
            with suppress(StopAsyncIteration):
                while True:
                    if job.end_with is not None:
                        raise job.end_with
                    answer = await self._step(job, anext(answers))
                    unsent = job.unsent
                    try:
                        await self._sending.send(job, answer)
                    except AnswerTooLong as too_much:
                        error = too_much
                    # What did not fit is told when the handler has ended, all of it together.
                    job.unsent = unsent + job.unsent
        if isinstance(answers, Packed) and answers.rest:
            job.unsent += as_texts(answers.rest)
            error = too_long(job, job.unsent)
        if error is not None:
            raise error

    async def _step(self, job: Job, wait: Awaitable[T]) -> T:
        """
        Wait for the handler; it can be ended meanwhile, unlike the sending of a message.
        """
        with anyio.CancelScope() as job.step:
            return await wait
        raise cast("Exception", job.end_with)

    @asynccontextmanager
    async def _typing_shown(self, job: Job) -> AsyncGenerator[None]:
        async with background_tasks() as tasks:
            tasks.start_soon(self._show_typing, job)
            yield

    async def _show_typing(self, job: Job) -> None:
        request: Request | None = None
        # A repetition may have brought another request.
        while request is not job.request and job.request is not None:
            request = job.request
            await request.settled.wait()
        if job.is_thinking:
            async with self._options.kf.typing_indicator(job.push.openid):
                await anyio.sleep_forever()

    async def _report(self, job: Job, error: Exception) -> None:
        """
        Log a failure, tell `on_error`, and send what that returns.
        """
        try:
            answer = await self._telling.failure(job, error)
            await self._sending.settle(job)
            await self._sending.send(job, answer)
        except Exception:  # noqa: BLE001 - logged
            _log.exception("on_error failed for the push %s.", job.name)


def _closing(answers: object) -> AbstractAsyncContextManager[object]:
    return aclosing(cast("AsyncGenerator[object]", answers)) if hasattr(answers, "aclose") else nullcontext()
