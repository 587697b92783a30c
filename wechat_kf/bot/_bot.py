"""
The bot: its options and its life.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, TypeAlias, cast

import anyio

from .._client import AsyncKfClient
from .._clock import Clock, SystemClock
from .._concurrency import background_tasks, first_of
from .._redact import get_logger
from ..instrumentation import Hook
from ..instrumentation.observers import Observers
from ..webhook import Push, Webhook
from ._asgi import Event, Receive, Send
from ._face import Face
from ._failures import Failure
from ._handlers import Handlers
from ._inbox import Allowance, Inbox, News
from ._job import Request
from ._memory import MemoryInbox
from ._options import Options
from ._seen import Seen
from ._status import BotStatus
from ._work import Work

__all__ = ["Bot", "OnError"]

_log = get_logger("wechat_kf.bot")

# How long leaving may take beyond `drain`: to tell the inbox, and the application, what was left.
_LAST_SECONDS: Final = 15.0

OnError: TypeAlias = Callable[[Failure], object] | Callable[[Push, Exception], object]
"""
What a bot's `on_error` may be: a function of the failure, or of the push and the exception.
"""


class Bot(Handlers):
    """
    An ASGI app that answers one account's pushes.

    ::

        bot = Bot(Webhook(token), kf)

        @bot.on(TextMessage)
        async def answer(push: TextMessage) -> Text:
            return Text(await think(push.content))

    Serve it alone (``uvicorn module:bot``), or at a path of an app, ``FastAPI(routes=[Route("/wechat", bot)])``, and
    enter it, ``async with bot``, in the app's lifespan. Under ``app.mount("/wechat", bot)`` its URL ends with a slash.

    WeChat waits five seconds for the answer to a push, then repeats it. What a handler answers in time leaves as the
    passive reply; later, or if it has no passive form, as a customer-service message. What WeChat was told 200 for is
    answered, or told to `on_error` or `on_lost`; no message is sent twice.

    Args:
        webhook: Reads pushes and writes replies.

        kf: Sends what is answered later.

        inbox: Knows repetitions, keeps each customer's order, and holds every push until it is settled; in this
            process's memory by default. Several workers share one, such as `RedisInbox`.

        is_ai_msg: True adds the grey line that the content comes from an AI to every message. Then no passive reply is
            used, which has none.

        kf_account: Speak as this agent, with their name and picture. Then no passive reply is used.

        patience: Seconds from a push's arrival within which its answer leaves as the passive reply. WeChat waits for
            five.

        typing: Show the customer "typing" while a handler takes longer.

        concurrency: How many handlers run at once, those with `at_once` aside; for each customer one.

        handler_timeout: Seconds that a handler may take; then it is cancelled and counts as failed. Not more than 10 of
            them are left to `on_error` and `on_lost`.

        resend: Seconds for which a message is sent again that failed without effect for a reason that passes: no
            connection, a busy token, too many calls this minute. The customer's next push waits meanwhile.

        stale: Seconds after its arrival from which a push of a worker that died is not answered any more, but told to
            `on_lost`.

        drain: Seconds that leaving ``async with bot`` waits for what is under way; then it is cancelled, and handed
            over to other workers.

        on_error: Called with a `Failure`, or with the push and the exception if it takes two arguments, when a handler
            failed or its answer could not be sent; may be async. What it returns is sent. Failures are logged in any
            case.

        on_lost: Called with a push that its worker did not answer before it died, the number of messages that were
            sent, and whether one more may have been; may be async. Lost pushes are logged in any case.

        hooks: What is told of each request and push; by default the hooks of the client.

        clock: The clock.

    Raises:
        ValueError: A number is out of its range.
    """

    def __init__(
        self,
        webhook: Webhook,
        kf: AsyncKfClient,
        *,
        inbox: Inbox | None = None,
        is_ai_msg: bool | None = None,
        kf_account: str | None = None,
        patience: float = 4.5,
        typing: bool = False,
        concurrency: int = 100,
        handler_timeout: float = 300.0,
        resend: float = 60.0,
        stale: float = 900.0,
        drain: float = 10.0,
        on_error: OnError | None = None,
        on_lost: Callable[[Push, int, bool], object] | None = None,
        hooks: Iterable[Hook] | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__()
        clock = SystemClock() if clock is None else clock
        seen = Seen(Observers(kf.hooks if hooks is None else hooks), clock)
        self._options = Options(
            webhook=webhook,
            kf=kf,
            clock=clock,
            is_ai_msg=is_ai_msg,
            kf_account=kf_account,
            patience=patience,
            typing=typing,
            concurrency=concurrency,
            handler_timeout=handler_timeout,
            resend=resend,
            stale=stale,
            drain=drain,
            on_error=None if on_error is None else _of_failure(on_error),
            on_lost=on_lost,
            seen=seen,
        )
        self._inbox: Inbox = MemoryInbox(clock=clock) if inbox is None else inbox
        self._face = Face(webhook, clock, patience, self._take, seen)
        self._context: AbstractAsyncContextManager[None] | None = None
        self._work: Work | None = None

    def status(self) -> BotStatus:
        """
        Return what the bot is doing.
        """
        if self._work is None:
            return BotStatus("stopped", counts=self._options.seen.counts())
        return self._work.status()

    async def allowance(self, openid: str) -> Allowance | None:
        """
        Return what may still be sent to a customer after what they did last, as far as this bot's workers know.

        Messages sent otherwise than by the bot are not counted.

        Args:
            openid: The customer.

        Returns:
            None if nothing is known of the customer, or nothing may be sent any more.
        """
        return None if self._work is None else await self._work.allowance(openid)

    async def __aenter__(self) -> Self:
        if self._context is not None:
            raise RuntimeError("this bot is entered already")
        self._context = self._run()
        try:
            await self._context.__aenter__()
        except BaseException:
            self._context = None
            raise
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
        early: list[News] = []
        hear: Callable[[News], None] = early.append

        def notify(news: News) -> None:
            hear(news)

        async with self._inbox.join(notify, stale=self._options.stale, appid=self._options.kf.appid) as worker:
            work = Work(self._options, self, worker)
            try:
                async with background_tasks() as tasks:
                    work.start(tasks)
                    self._work = work
                    hear = work.hear
                    for news in early:
                        hear(news)
                    try:
                        yield
                    except anyio.get_cancelled_exc_class():
                        raise
                    except BaseException:
                        await self._drain(work)
                        raise
                    else:
                        await self._drain(work)
            finally:
                with anyio.move_on_after(_LAST_SECONDS, shield=True) as last:
                    await work.hand_over()
                if last.cancelled_caught:
                    _log.error(
                        "The bot was left before all was handed over or told, which took longer than %g s. Workers that"
                        " share its inbox will find what is left.",
                        _LAST_SECONDS,
                    )
                self._work = None

    async def _drain(self, work: Work) -> None:
        await first_of(work.close, partial(self._options.clock.sleep, self._options.drain))

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """
        Speak ASGI: answer a request, or live through a server's lifespan.
        """
        if scope["type"] == "http":
            await self._face.answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await receive()
            async with self if self._context is None else nullcontext():
                await send({"type": "lifespan.startup.complete"})
                await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await send({"type": "websocket.close"})

    def _take(self, push: Push, request: Request) -> bool:
        if self._work is None:
            raise RuntimeError("the bot is not running: enter it, `async with bot`, in the lifespan of your app")
        return self._work.take(push, request)


def _of_failure(on_error: OnError) -> Callable[[Failure], Any]:
    try:
        inspect.signature(on_error).bind(None, None)
    except TypeError:
        return cast("Callable[[Failure], Any]", on_error)
    of_two = cast("Callable[[Push, Exception], Any]", on_error)
    return lambda failure: of_two(failure.push, failure.error)
