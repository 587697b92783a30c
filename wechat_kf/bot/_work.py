"""
The work of a bot while it is entered: every push under way, handled in its customer's order and answered.

Each push has a task of its own, which runs in the context variables of its request: it is noted in the inbox, waits for
its turn, calls the handler, and settles the push. Its request waits beside it for a limited time, and leaves with what
is ready then.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import nullcontext
from typing import Final, Literal, TypeVar, cast

import anyio
import attrs
from anyio.abc import TaskGroup

from .._redact import get_logger
from ..instrumentation import PushOutcome
from ..webhook import Push
from ._callbacks import contained
from ._deadlines import Deadlines
from ._handlers import Handlers
from ._handling import Handling, Interrupted
from ._inbox import Allowance, InboxWorker, Interrupt, Lost, News, Orphan, Place, Turn
from ._job import Job, Request, describe
from ._options import Options
from ._payload import unpack_push
from ._seen import SeenPush
from ._sending import Sending
from ._status import BotStatus
from ._telling import Telling

__all__ = ["MAX_PUSHES", "Work"]

T = TypeVar("T")

_log = get_logger("wechat_kf.bot")

MAX_PUSHES: Final = 10_000
"""
More pushes than this under way are refused with 503.
"""


class Work:
    """
    What is under way while a bot is entered.

    Args:
        options: The bot's options.

        handlers: The bot's handlers.

        worker: This bot's part in the inbox.
    """

    _tasks: TaskGroup

    def __init__(self, options: Options, handlers: Handlers, worker: InboxWorker) -> None:
        self._options = options
        self._seen = options.seen
        self._handlers = handlers
        self._worker = worker
        self._sending = Sending(options, worker)
        self._telling = Telling(options)
        self._deadlines = Deadlines(options.clock, options.handler_timeout)
        self._handling = Handling(options, self._sending, self._telling, self._deadlines)
        self._slots = anyio.Semaphore(options.concurrency)
        self._jobs: dict[tuple[str, str], Job] = {}
        # The customer's push that came last to this process: the next one is noted after it.
        self._latest: dict[tuple[str, str], Job] = {}
        self._idle = anyio.Event()
        self._is_over = False
        self._is_closing = False
        self._account: str | None = None
        self._active = 0

    def start(self, tasks: TaskGroup) -> None:
        """
        Begin.

        Args:
            tasks: Where the pushes' tasks run.
        """
        self._tasks = tasks
        tasks.start_soon(self._deadlines.run)

    def take(self, push: Push, request: Request) -> bool:
        """
        Take on a delivery; False if there is too much under way, or the bot is being left.
        """
        job = Job(push, request=request)
        known = self._jobs.get(job.key)
        if known is not None:
            self._tasks.start_soon(self._repeat, known, request)
            return True
        if self._is_closing or len(self._jobs) >= MAX_PUSHES:
            self._seen.note(push, "refused")
            return False
        self._account = push.account
        self._find_handler(job)
        before = None if job.handler is not None and job.handler.at_once else self._latest.get(job.customer)
        self._start(job)
        self._tasks.start_soon(self._take_on, job, before)
        return True

    def hear(self, news: News) -> None:
        """
        Act on news from the inbox.
        """
        if self._is_over:
            # Other workers are told of it when this one has left the inbox.
            return
        match news:
            case Turn(place) | Interrupt(place):
                job = self._jobs.get((place.account, place.key))
                # The news may come before the inbox's answer to the arrival.
                if job is not None and job.place in (None, place):
                    if isinstance(news, Turn):
                        job.turn.set()
                    else:
                        job.end(Interrupted())
            case Orphan():
                # At once, since its turn may be the next news.
                self._adopt(news)
            case _:
                self._tasks.start_soon(self._tell_lost_of_other, news)

    def status(self) -> BotStatus:
        """
        Return what is being done.
        """
        state: Literal["leaving", "running"] = "leaving" if self._is_closing else "running"
        under_way = len(self._jobs)
        return BotStatus(
            state,
            under_way=under_way,
            handling=self._active,
            waiting=max(0, under_way - self._active),
            failed=self._telling.failed,
            lost=self._telling.lost,
            inbox_works=self._worker.works,
            counts=self._seen.counts(),
        )

    async def allowance(self, openid: str) -> Allowance | None:
        """
        Return what may still be sent to a customer of the account that was pushed to last.
        """
        if self._account is None:
            return None
        return await self._worker.allowance(self._account, openid)

    async def close(self) -> None:
        """
        Take nothing on any more, and wait until nothing is left.
        """
        self._is_closing = True
        if self._jobs:
            await self._idle.wait()

    async def hand_over(self) -> None:
        """
        Give what is left to other workers, now that its tasks have ended; tell of what nobody else can handle.
        """
        self._is_closing = self._is_over = True
        jobs = list(self._jobs.values())
        self._jobs.clear()
        unsent: defaultdict[str, list[Job]] = defaultdict(list)
        cut_off: list[Job] = []
        for job in jobs:
            if job.request is not None and job.request.body is not None:
                # The request's task is the server's: it may be writing.
                await job.request.settled.wait()
                job.is_answered = job.is_answered or job.request.is_taken
            if job.place is None:
                cast("Request", job.request).fail()
            elif job.is_answered:
                _offer_success(job)
                await self._done(job)
            elif job.spent or job.is_sending:
                cut_off.append(job)
            else:
                unsent[job.place.account].append(job)
        for each in unsent.values():
            cut_off += await self._hand_over(each)
        # All at once: the time is short, and a hook may take its ten seconds.
        async with anyio.create_task_group() as tasks:
            for job in cut_off:
                tasks.start_soon(self._tell_cut_off, job)

    async def _tell_cut_off(self, job: Job) -> None:
        await self._done(job)
        uncertain = job.is_sending or job.spent > len(job.sent)
        await self._telling.lost_push(job.push, job.seen.carried, len(job.sent), uncertain)

    async def _hand_over(self, jobs: list[Job]) -> list[Job]:
        """
        Hand over pushes for which nothing was sent; return those that nobody will handle.
        """
        names = ", ".join(job.name for job in jobs)
        is_kept = False
        try:
            is_kept = await self._worker.hand_over([cast("Place", job.place) for job in jobs])
        except Exception:  # noqa: BLE001 - logged
            _log.exception("Could not hand over the pushes %s.", names)
        if is_kept:
            _log.info("Handed over to other workers: the pushes %s.", names)
            for job in jobs:
                _offer_success(job)
            return []
        waiting = [job for job in jobs if job.request is not None and job.request.is_waiting]
        for job in waiting:
            _log.info("Left for WeChat to repeat: the push %s.", job.name)
            cast("Request", job.request).fail()
        return [job for job in jobs if job not in waiting]

    async def _done(self, job: Job) -> None:
        try:
            with contained():
                await self._worker.done(cast("Place", job.place))
        except Exception:  # noqa: BLE001 - logged
            _log.exception("The push %s was handled, but the inbox could not be told.", job.name)

    def _find_handler(self, job: Job) -> None:
        try:
            with contained():
                job.handler = self._handlers.find(job.push)
        except Exception as error:  # noqa: BLE001 - a predicate may raise anything; it is reported in the push's turn
            job.end_with = error

    def _start(self, job: Job) -> None:
        self._jobs[job.key] = job
        if job.handler is None or not job.handler.at_once:
            self._latest[job.customer] = job

    def _end(self, job: Job) -> None:
        """
        Take a push off.
        """
        if self._jobs.get(job.key) is job:
            del self._jobs[job.key]
        if self._latest.get(job.customer) is job:
            del self._latest[job.customer]
        if self._is_closing and not self._jobs:
            self._idle.set()

    async def _take_on(self, job: Job, before: Job | None) -> None:
        with self._seen.push(job.push, job.seen):
            await self._receive(job, before)

    async def _receive(self, job: Job, before: Job | None) -> None:
        """
        Note a push in the inbox; if it is new, handle it in its turn.
        """
        request = cast("Request", job.request)
        if before is not None:
            await before.arrived.wait()
        try:
            with contained():
                arrived = await self._worker.arrive(job.arrival())
        except Exception as error:  # noqa: BLE001 - logged
            job.seen.end("refused", error)
            _log.exception("The push %s was refused: it could not be noted in the inbox.", job.name)
            request.fail()
            self._end(job)
            return
        finally:
            job.arrived.set()
        request.note(arrived.request, arrived.reply)
        if arrived.place is None:
            job.seen.end("repeated")
            request.offer(None)
            self._end(job)
            return
        job.place = arrived.place
        job.push = _attempted(job.push, arrived.place)
        if arrived.is_turn:
            job.turn.set()
        await self._handle_in_turn(job)

    async def _repeat(self, job: Job, request: Request) -> None:
        """
        Let the repetition of a push that is under way here take over its request, which WeChat has given up.
        """
        await job.arrived.wait()
        if self._jobs.get(job.key) is not job:
            # It is over, or could not be noted.
            if not self.take(job.push, request):
                request.fail()
            return
        try:
            with contained():
                arrived = await self._worker.arrive(job.arrival())
        except Exception as error:  # noqa: BLE001 - logged
            self._seen.note(job.push, "refused", error)
            _log.exception("A repetition of the push %s was refused: it could not be noted in the inbox.", job.name)
            request.fail()
            return
        self._seen.note(job.push, "repeated")
        request.note(arrived.request, arrived.reply)
        if arrived.place is not None:
            # The inbox had lost sight of it.
            job.place = arrived.place
        before = job.request
        is_open = before is not None and before.is_open(self._options.clock)
        if not is_open or job.is_answered:
            request.offer(None)
            return
        job.request = request
        cast("Request", before).offer(None)

    def _adopt(self, news: Orphan) -> None:
        """
        Handle the push of a worker that died or left.
        """
        try:
            push, carried = unpack_push(news.payload, news.place.attempt)
        except Exception:  # noqa: BLE001 - logged
            _log.exception("Could not read the push %s of another worker.", describe(news.place.key))
            self._tasks.start_soon(self._worker.done, news.place)
            return
        job = Job(push, place=news.place, seen=SeenPush(carried=carried))
        job.arrived.set()
        if news.is_turn:
            job.turn.set()
        _log.info("Handling the push %s of a worker that died or left, attempt %d.", job.name, push.attempt)
        self._find_handler(job)
        self._start(job)
        self._tasks.start_soon(self._handle_adopted, job)

    async def _handle_adopted(self, job: Job) -> None:
        with self._seen.push(job.push, job.seen, from_inbox=True):
            await self._handle_in_turn(job)

    async def _handle_in_turn(self, job: Job) -> None:
        await job.turn.wait()
        passes = job.handler is not None and job.handler.at_once
        async with nullcontext() if passes else self._slots:
            self._active += 1
            try:
                with self._seen.handler(job.push, job.seen):
                    await self._handling.handle(job)
            finally:
                self._active -= 1
        if job.seen.outcome == "left":
            job.seen.end(_outcome(job))
        job.is_answered = True
        await self._sending.settle(job)
        await self._done(job)
        self._end(job)

    async def _tell_lost_of_other(self, news: Lost) -> None:
        try:
            push, carried = unpack_push(news.payload, news.place.attempt)
        except Exception:  # noqa: BLE001 - logged
            _log.exception("Could not read the lost push %s of another worker.", describe(news.place.key))
            return
        await self._telling.lost_push(push, carried, news.sent, news.uncertain)


def _outcome(job: Job) -> PushOutcome:
    """
    Say how a push was answered of which nothing else is known.
    """
    if job.request is not None and job.request.is_taken:
        return "replied"
    if job.seen.is_late is None:
        return "silent"
    return "late" if job.seen.is_late else "sent"


def _offer_success(job: Job) -> None:
    if job.request is not None:
        job.request.offer(None)


def _attempted(push: Push, place: Place) -> Push:
    return push if place.attempt == push.attempt else attrs.evolve(push, attempt=place.attempt)
