"""
The bot: an ASGI app that answers pushes with handlers, and keeps WeChat's rules for them.

Strategy. WeChat waits five seconds for the answer to a push, then repeats it. So two tasks meet over each push: the
request's, which waits for `patience` seconds at most, and a worker's, which runs the handler for as long as it takes.
What the handler answers while the request waits leaves as the passive reply; later, or if it has no passive form, as a
customer-service message. There is one worker for each customer who has pushes waiting, so that they are handled in
order; the workers belong to ``async with bot``.

Where several processes serve one account, they share a memory of pushes (`Seen`) and a line for each customer
(`Order`). A place in the line is taken when a push arrives, and a push is claimed only when its turn has come: until
then a repetition that came to another process waits behind it, and is handled there if the first process dies.
"""

from __future__ import annotations

import inspect
import logging
import math
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, contextmanager, nullcontext
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeAlias, TypeVar, cast, overload
from urllib.parse import parse_qsl

import anyio
import attrs
from anyio.abc import TaskGroup

from .._client import AsyncKfClient
from .._clock import Clock, SystemClock
from .._errors import SignatureError, WebhookError
from ..api.messages import Image, Message, Music, News, Text, Video, Voice
from ..text import split_text
from ..webhook import (
    MAX_PUSH,
    ImageReply,
    MusicReply,
    NewsReply,
    Push,
    Reply,
    TextReply,
    VideoReply,
    VoiceReply,
    Webhook,
)
from ..webhook._replies import MAX_TEXT

__all__ = ["Answer", "Bot", "MemorySeen", "Order", "Seen"]

_log = logging.getLogger("wechat_kf.bot")

Answer: TypeAlias = Message | Reply | str | None
"""
What a handler gives back: a message, a passive reply, text, or nothing.
"""

_P = TypeVar("_P", bound=Push)
_P2 = TypeVar("_P2", bound=Push)
_P3 = TypeVar("_P3", bound=Push)
_R = TypeVar("_R", bound=Answer | Awaitable[Answer] | AsyncIterator[Answer])

_Event: TypeAlias = MutableMapping[str, Any]
_Receive: TypeAlias = Callable[[], Awaitable[_Event]]
_Send: TypeAlias = Callable[[_Event], Awaitable[None]]

# More pushes than this under way are refused with 503: the customer learns that the account is out of service.
_BACKLOG: Final = 10_000

# How long a shared memory may take, also for a push that is being cancelled.
_STORE_SECONDS: Final = 2.0


@contextmanager
def _contained() -> Generator[None]:
    """
    Let others' code fail with nothing but an `Exception`, unless the bot itself is being cancelled.

    A handler that waits for a task which somebody cancelled raises ``CancelledError``, as if it had been cancelled
    itself, and extensions written in Rust panic beside `Exception`: either would end the work for all customers.
    """
    try:
        yield
    except (Exception, GeneratorExit, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        if anyio.current_effective_deadline() == -math.inf:
            raise
        raise RuntimeError(f"{type(error).__name__} was raised, though nobody cancelled the bot") from error


# ---- what was seen -----------------------------------------------------------------------------------------------


class Seen(Protocol):
    """
    The memory of pushes, by which repetitions are known; shared by all processes that serve one account.
    """

    async def claim(self, key: str) -> bool:
        """
        Take a push on; False if it was taken on before.
        """
        ...

    async def done(self, key: str) -> bool | None:
        """
        Remember that the push was handled, or that something is about to be sent for it.

        Returns:
            False if another process has taken it on meanwhile: then nothing is sent here.
        """
        ...

    async def release(self, key: str) -> None:
        """
        Forget the push: it was not handled, and nothing was sent.
        """
        ...


class MemorySeen:
    """
    The memory of one process.

    Args:
        max_size: How many pushes are remembered; the oldest go first.

        seconds: How long each is; WeChat repeats within a minute.

        clock: The clock.
    """

    def __init__(self, *, max_size: int = 100_000, seconds: float = 600.0, clock: Clock | None = None) -> None:
        if max_size < 1:
            raise ValueError("max_size must be at least 1")
        self._max_size = max_size
        self._seconds = seconds
        self._clock = SystemClock() if clock is None else clock
        # All are kept equally long, so that the first is always the next to go.
        self._until: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._until)

    async def claim(self, key: str) -> bool:
        """
        Take a push on; False if it was taken on before.
        """
        now = self._clock.monotonic()
        while self._until:
            oldest = next(iter(self._until))
            if self._until[oldest] > now:
                break
            del self._until[oldest]
        if key in self._until:
            return False
        if len(self._until) >= self._max_size:
            del self._until[next(iter(self._until))]
        self._until[key] = now + self._seconds
        return True

    async def done(self, key: str) -> None:
        """
        Remember the push from now on.
        """
        self._until.pop(key, None)
        self._until[key] = self._clock.monotonic() + self._seconds

    async def release(self, key: str) -> None:
        """
        Forget the push.
        """
        self._until.pop(key, None)


# ---- each customer's order ---------------------------------------------------------------------------------------


class Order(Protocol):
    """
    A line for each customer, shared by all processes that serve one account.
    """

    async def join(self, openid: str) -> str:
        """
        Join the customer's line.

        Returns:
            The place in it.
        """
        ...

    async def wait(self, openid: str, place: str) -> None:
        """
        Wait until the place is the first; the wait must be bounded, and must not be for a process that has died.
        """
        ...

    async def leave(self, openid: str, place: str) -> None:
        """
        Leave the line, from wherever the place is.
        """
        ...


class _Turn:
    """
    One push's place in its customer's line; held by a task of its own, so that it is left in any case.

    Whatever fails is logged, and the push is handled all the same.
    """

    def __init__(self, order: Order, openid: str) -> None:
        self._order = order
        self._openid = openid
        self._place: str | None = None
        self._taken = anyio.Event()
        self._over = anyio.Event()
        self._left = anyio.Event()

    async def hold(self, before: _Turn | None) -> None:
        """
        Take the place, after the one that this process took before for the same customer, and keep it.
        """
        if before is not None:
            await before._taken.wait()
        try:
            with anyio.fail_after(_STORE_SECONDS), _contained():
                self._place = await self._order.join(self._openid)
        except Exception:  # noqa: BLE001 - logged
            _log.exception("A push is handled without regard to other processes: it could not join the line.")
        self._taken.set()
        try:
            await self._over.wait()
        finally:
            await self._leave()
            self._left.set()

    async def come(self) -> None:
        """
        Wait for the turn.
        """
        await self._taken.wait()
        if self._place is not None:
            try:
                with _contained():
                    await self._order.wait(self._openid, self._place)
            except Exception:  # noqa: BLE001 - logged
                _log.exception("A push is handled without regard to other processes: its turn is not known.")

    async def end(self) -> None:
        """
        Leave the line.
        """
        self._over.set()
        await self._left.wait()

    async def _leave(self) -> None:
        if self._place is None:
            return
        try:
            with anyio.fail_after(_STORE_SECONDS, shield=True), _contained():
                await self._order.leave(self._openid, self._place)
        except Exception:  # noqa: BLE001 - logged
            _log.exception("A place in a customer's line could not be left.")


# ---- forms of an answer ------------------------------------------------------------------------------------------


def _is_blank(answer: Answer) -> bool:
    # The streams of language models have pieces of mere white space, which WeChat refuses.
    match answer:
        case str(content) | TextReply(content=content):
            return not content.strip()
        case _:
            return answer is None


def _as_reply(answer: Answer) -> Reply | None:
    """
    Give an answer its passive form, if it has one.
    """
    reply: Reply | None = None
    match answer:
        case Reply():
            reply = answer
        case str(content) | Text(content=content):
            reply = TextReply(content) if len(content.encode()) <= MAX_TEXT else None
        case Image(media_id=media_id):
            reply = ImageReply(media_id)
        case Voice(media_id=media_id):
            reply = VoiceReply(media_id)
        case Video():
            reply = VideoReply(answer.media_id, answer.title, answer.description)
        case Music():
            title, description = answer.title, answer.description
            reply = MusicReply(title, description, answer.musicurl, answer.hqmusicurl, answer.thumb_media_id)
        case News(articles=articles):
            reply = NewsReply(articles)
        case _:
            pass
    return reply


def _as_messages(answer: Answer) -> list[Message]:
    """
    Give an answer its form as messages; a long text is cut.
    """
    match answer:
        case str(content) | Text(content=content) | TextReply(content=content):
            return [Text(part) for part in split_text(content) if not _is_blank(part)]
        case Message():
            return [answer]
        case ImageReply(media_id=media_id):
            return [Image(media_id)]
        case VoiceReply(media_id=media_id):
            return [Voice(media_id)]
        case MusicReply():
            title, description = answer.title or "", answer.description or ""
            return [Music(title, description, answer.music_url or "", answer.hq_music_url, answer.thumb_media_id)]
        case NewsReply(articles=articles):
            return [News(articles)]
        case Reply():
            raise ValueError(f"{type(answer).__name__} has no form as a message, and it is too late for a reply")
        case _:
            raise TypeError(f"a handler answers with a message, a reply, a str or None, not {type(answer).__name__}")


# ---- one push ----------------------------------------------------------------------------------------------------


@attrs.define(eq=False)
class _Job:
    """
    A push under way, where the request's task and the worker meet.

    Attributes:
        offered: Set by the worker when it has an answer for the request: `body`, or None for ``success``.

        settled: Set by the request when it has answered or gone.

        has_failed: The push was not handled, and WeChat is told so.

        is_taken: The request answered with `body`.

        is_thinking: The handler has yet to answer.

        has_sent: A message was sent, or may have been.

        turn: The place in the customer's line, if processes share one.
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
    turn: _Turn | None = None


@attrs.define(eq=False)
class _Shift:
    """
    What is under way while the bot is entered.

    Attributes:
        tasks: The workers.

        slots: One for each handler that may run.

        jobs: All pushes under way, by dedupe key.

        lines: Those of each customer, the first of which is being handled.

        idle: Set when none is left after closing.
    """

    tasks: TaskGroup
    slots: anyio.Semaphore
    jobs: dict[str, _Job] = attrs.field(factory=dict[str, _Job])
    lines: dict[str, deque[_Job]] = attrs.field(factory=dict[str, deque[_Job]])
    idle: anyio.Event = attrs.field(factory=anyio.Event)
    is_closing: bool = False

    def end(self, job: _Job) -> None:
        """
        Take a push off, and tell its request.
        """
        job.offered.set()
        if self.jobs.pop(job.key, None) and self.is_closing and not self.jobs:
            self.idle.set()


async def _first_of(wait: Callable[[], Awaitable[object]], *others: Callable[[], Awaitable[object]]) -> None:
    """
    Wait until one of several waits is over.
    """
    async with anyio.create_task_group() as tasks:

        async def end_after(wait: Callable[[], Awaitable[object]]) -> None:
            await wait()
            tasks.cancel_scope.cancel()

        for other in others:
            tasks.start_soon(end_after, other)
        await end_after(wait)


# ---- the bot -----------------------------------------------------------------------------------------------------


class Bot:
    """
    An ASGI app that answers one account's pushes.

    ::

        bot = Bot(Webhook(token), kf)

        @bot.on(TextMessage)
        async def answer(push: TextMessage) -> Text:
            return Text(await think(push.content))

    Serve it alone (``uvicorn module:bot``), or mount it (``app.mount("/wechat", bot)``) and enter it,
    ``async with bot``, in the app's lifespan. Mounted, its URL ends with a slash: ``https://…/wechat/``.

    Args:
        webhook: Reads pushes and writes replies.

        kf: Sends what is answered later.

        seen: Knows repeated pushes; in this process's memory by default. A push counts as seen from before the first
            message is sent for it, so that it is never answered twice.

        order: Keeps each customer's pushes in order where several processes serve the account; None: each process
            keeps the order of those that come to it.

        patience: Seconds from a push's arrival within which its answer leaves as the passive reply. WeChat waits for
            five.

        typing: Show the customer "typing" while a handler takes longer.

        concurrency: How many handlers run at once; for each customer one.

        drain: Seconds that leaving ``async with bot`` waits for what is under way; then it is cancelled.

        on_error: Called with the push and the exception when a handler failed, or the sending of its answer; may be
            async. Such failures are logged in any case.

        clock: The clock.
    """

    def __init__(
        self,
        webhook: Webhook,
        kf: AsyncKfClient,
        *,
        seen: Seen | None = None,
        order: Order | None = None,
        patience: float = 4.5,
        typing: bool = False,
        concurrency: int = 100,
        drain: float = 10.0,
        on_error: Callable[[Push, Exception], object] | None = None,
        clock: Clock | None = None,
    ) -> None:
        if concurrency < 1:
            raise ValueError("concurrency must be at least 1")
        self._webhook = webhook
        self._kf = kf
        self._clock = SystemClock() if clock is None else clock
        self._seen = MemorySeen(clock=self._clock) if seen is None else seen
        self._order = order
        self._patience = patience
        self._typing = typing
        self._concurrency = concurrency
        self._drain = drain
        self._on_error = on_error
        self._handlers: list[
            tuple[type[Push] | tuple[type[Push], ...], Callable[[Any], bool] | None, Callable[[Any], Any]]
        ] = []
        self._context: AbstractAsyncContextManager[None] | None = None
        self._shift: _Shift | None = None

    # Of several classes mypy would take what they have in common, where a handler's annotation is their union.
    @overload
    def on(
        self, kind: tuple[type[_P], type[_P2]], predicate: Callable[[_P | _P2], bool] | None = None
    ) -> Callable[[Callable[[_P | _P2], _R]], Callable[[_P | _P2], _R]]: ...

    @overload
    def on(
        self, kind: tuple[type[_P], type[_P2], type[_P3]], predicate: Callable[[_P | _P2 | _P3], bool] | None = None
    ) -> Callable[[Callable[[_P | _P2 | _P3], _R]], Callable[[_P | _P2 | _P3], _R]]: ...

    @overload
    def on(
        self, kind: type[_P] | tuple[type[_P], ...], predicate: Callable[[_P], bool] | None = None
    ) -> Callable[[Callable[[_P], _R]], Callable[[_P], _R]]: ...

    def on(
        self, kind: type[_P] | tuple[type[_P], ...], predicate: Callable[[_P], bool] | None = None
    ) -> Callable[[Callable[[_P], _R]], Callable[[_P], _R]]:
        """
        Register a handler for pushes of a class or its subclasses; the first registered that fits is called.

        The handler may be

        - a coroutine function that returns a message, a reply, text or None: it leaves as the passive reply if it is
          ready in time, else as a message. A long text is cut into several messages.
        - an async generator that yields any number of these (any function that returns an async iterator): each leaves
          as a message at once. None is a passive reply, because WeChat does not say whether it would arrive before the
          message sent next.

        Args:
            kind: The class of the push, or several in a tuple; `Push` for all.

            predicate: A further condition.

        Raises:
            TypeError: `kind` is no class of push.
        """
        kinds: tuple[object, ...] = kind if isinstance(kind, tuple) else (kind,)
        if not all(isinstance(each, type) and issubclass(each, Push) for each in kinds):
            raise TypeError("on takes a class of push, such as TextMessage, or a tuple of them")

        def register(handler: Callable[[_P], _R]) -> Callable[[_P], _R]:
            self._handlers.append((kind, predicate, handler))
            return handler

        return register

    # ---- life --------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._context is not None:
            raise RuntimeError("this bot is entered already")
        self._context = self._run()
        await self._context.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        context = cast("AbstractAsyncContextManager[None]", self._context)
        try:
            await context.__aexit__(kind, error, trace)
        finally:
            self._context = None

    @asynccontextmanager
    async def _run(self) -> AsyncGenerator[None]:
        failure: BaseException | None = None
        async with anyio.create_task_group() as tasks:
            shift = self._shift = _Shift(tasks, anyio.Semaphore(self._concurrency))
            try:
                try:
                    yield
                except anyio.get_cancelled_exc_class():
                    raise
                except BaseException as error:  # noqa: BLE001 - raised below: it must not come out in a group
                    failure = error
                shift.is_closing = True
                if shift.jobs:
                    await _first_of(shift.idle.wait, partial(self._clock.sleep, self._drain))
            finally:
                self._shift = None
                tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    # ---- requests ----------------------------------------------------------------------------------------------------

    async def __call__(self, scope: _Event, receive: _Receive, send: _Send) -> None:
        """
        Speak ASGI: answer a request, or live through a server's lifespan.
        """
        if scope["type"] == "http":
            try:
                await self._answer_request(scope, receive, send)
            except OSError:
                _log.info("A request was broken off.")
        elif scope["type"] == "lifespan":
            await receive()
            async with self if self._context is None else nullcontext():
                await send({"type": "lifespan.startup.complete"})
                await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await send({"type": "websocket.close"})

    async def _answer_request(self, scope: _Event, receive: _Receive, send: _Send) -> None:
        arrival = self._clock.monotonic()
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        try:
            if scope["method"] == "GET":
                echostr = self._webhook.verify_url(query)
                # The signature does not cover it, so that it must not pass for markup.
                await _respond(send, 200, echostr.encode("utf-8", "replace"), kind="text/plain")
            elif scope["method"] == "POST":
                body = await _read(receive)
                if body is None:
                    await _respond(send, 413)
                else:
                    await self._take(self._webhook.unwrap(query, body), query, arrival, receive, send)
            else:
                await _respond(send, 405, allow="GET, POST")
        except SignatureError as error:
            _log.warning("A request was refused: %s", error)
            await _respond(send, 403)
        except WebhookError as error:
            _log.warning("A push was refused: %s", error)
            await _respond(send, 400)

    async def _take(self, push: Push, query: Mapping[str, str], arrival: float, receive: _Receive, send: _Send) -> None:
        """
        Take a push on and answer its request: with what the handler says in time, or with ``success``.
        """
        shift, key = self._shift, push.dedupe_key
        if shift is None:
            raise RuntimeError("the bot is not running: enter it, `async with bot`, in the lifespan of your app")
        if key in shift.jobs:
            await _respond(send, 200, b"success")
            return
        if shift.is_closing or len(shift.jobs) >= _BACKLOG:
            await _respond(send, 503)
            return
        job = _Job(push, query, key)
        self._put(shift, job)
        left = max(0.0, arrival + self._patience - self._clock.monotonic())
        is_gone = False

        async def go() -> None:
            nonlocal is_gone
            # Middleware that has read the body may give it again, and again.
            if (await receive())["type"] != "http.disconnect":
                await anyio.sleep_forever()
            is_gone = True

        try:
            await _first_of(job.offered.wait, partial(self._clock.sleep, left), go)
            if job.has_failed:
                await _respond(send, 503)
            elif job.body is None or is_gone:
                await _respond(send, 200, b"success")
            else:
                job.is_taken = True
                await _respond(send, 200, job.body)
        except OSError:
            if not job.is_taken:
                raise
            # It may have arrived, so it is not sent again.
            _log.warning("The reply to the push %s may not have arrived: the connection broke.", key)
        finally:
            job.settled.set()

    # ---- work --------------------------------------------------------------------------------------------------------

    def _put(self, shift: _Shift, job: _Job) -> None:
        shift.jobs[job.key] = job
        line = shift.lines.get(job.push.openid)
        if line is None:
            line = shift.lines[job.push.openid] = deque()
            shift.tasks.start_soon(self._work, shift, job.push.openid, line)
        if self._order is not None:
            job.turn = _Turn(self._order, job.push.openid)
            shift.tasks.start_soon(job.turn.hold, line[-1].turn if line else None)
        line.append(job)

    async def _work(self, shift: _Shift, openid: str, line: deque[_Job]) -> None:
        """
        Handle one customer's pushes in order until there are none.
        """
        try:
            while line:
                job = line[0]
                if job.turn is not None:
                    await job.turn.come()
                await self._handle(shift, job)
                if job.turn is not None:
                    await job.turn.end()
                line.popleft()
        finally:
            del shift.lines[openid]
            if line:
                _log.warning("Cancelled before they were answered: the pushes %s.", ", ".join(job.key for job in line))
            for job in line:
                job.has_failed = True
                shift.end(job)

    async def _handle(self, shift: _Shift, job: _Job) -> None:
        if not await self._claim(job):
            shift.end(job)
            return
        is_answered = False
        try:
            async with shift.slots:
                await self._answer(job)
            is_answered = True
        except _TakenOver:
            _log.warning("The push %s was taken on by another process, so nothing is sent for it here.", job.key)
        except Exception as error:  # noqa: BLE001 - a handler may raise anything
            await self._report(job, error)
        finally:
            if not job.has_sent:
                await self._conclude(job, keep=is_answered or job.is_taken)
        shift.end(job)

    async def _claim(self, job: _Job) -> bool:
        try:
            with anyio.fail_after(_STORE_SECONDS), _contained():
                return await self._seen.claim(job.key)
        except Exception:  # noqa: BLE001 - logged
            _log.exception("The push %s was refused: whether it was seen before is not known.", job.key)
            job.has_failed = True
            return False

    async def _conclude(self, job: _Job, *, keep: bool) -> bool:
        """
        Note what became of a push; False if another process has taken it on.
        """
        try:
            with anyio.fail_after(_STORE_SECONDS, shield=True), _contained():
                if keep:
                    return await self._seen.done(job.key) is not False
                await self._seen.release(job.key)
        except Exception:  # noqa: BLE001 - logged
            _log.exception("It could not be noted that the push %s was %s.", job.key, "done" if keep else "not done")
        return True

    async def _report(self, job: _Job, error: Exception) -> None:
        _log.error("The push %s was not answered.", job.key, exc_info=error)
        if self._on_error is None:
            return
        try:
            with _contained():
                noted = self._on_error(job.push, error)
                if inspect.isawaitable(noted):
                    await noted
        except Exception:  # noqa: BLE001 - logged
            _log.exception("on_error failed for the push %s.", job.key)

    async def _answer(self, job: _Job) -> None:
        handler = self._find(job.push)
        if handler is None:
            return
        async with self._shown_typing(job) if self._typing else nullcontext():
            # Inside, since a group of tasks takes any cancellation for its own.
            with _contained():
                await self._answer_with(handler, job)

    async def _answer_with(self, handler: Callable[[Any], Any], job: _Job) -> None:
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
        if _is_blank(answer):
            return
        reply = _as_reply(answer)
        if reply is not None and not job.settled.is_set():
            job.body = self._webhook.wrap(reply, job.push, job.query)
        await _settle(job)
        if not job.is_taken:
            await self._send(job, answer)

    def _find(self, push: Push) -> Callable[[Any], Any] | None:
        for kind, predicate, handler in self._handlers:
            if isinstance(push, kind) and (predicate is None or predicate(push)):
                return handler
        return None

    async def _send(self, job: _Job, answer: Answer) -> None:
        if _is_blank(answer):
            return
        for message in _as_messages(answer):
            if not job.has_sent:
                # Should this process die with the message on its way, the push must not be handled by another.
                job.has_sent = True
                if not await self._conclude(job, keep=True):
                    raise _TakenOver
            await self._kf.send_custom_message(job.push.openid, message)

    @asynccontextmanager
    async def _shown_typing(self, job: _Job) -> AsyncGenerator[None]:
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:

            async def show() -> None:
                await job.settled.wait()
                if job.is_thinking:
                    async with self._kf.typing_indicator(job.push.openid):
                        await anyio.sleep_forever()

            tasks.start_soon(show)
            try:
                yield
            except Exception as error:  # noqa: BLE001 - raised below: it must not come out in a group
                failure = error
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure


class _TakenOver(Exception):
    """
    Another process took the push on, since this one seemed to be dead.
    """


async def _settle(job: _Job) -> None:
    """
    Let the request answer with what there is, and wait until it has.
    """
    job.offered.set()
    await job.settled.wait()


# ---- ASGI --------------------------------------------------------------------------------------------------------


async def _read(receive: _Receive) -> bytes | None:
    """
    Read the body of a request; None if it is too large.
    """
    body = bytearray()
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ConnectionError
        body += event.get("body", b"")
        if len(body) > MAX_PUSH:
            return None
        if not event.get("more_body"):
            return bytes(body)


async def _respond(
    send: _Send, status: int, body: bytes | None = None, kind: str | None = None, **headers: str
) -> None:
    if body is None:
        body = HTTPStatus(status).phrase.encode()
    if kind is None:
        kind = {b"<": "text/xml", b"{": "application/json"}.get(body[:1], "text/plain")
    headers = {"content-type": f"{kind}; charset=utf-8", "content-length": str(len(body)), **headers}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body})
