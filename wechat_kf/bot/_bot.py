"""
The bot: its options, its life, and the requests that WeChat makes to it.

WeChat waits five seconds for the answer to a push, then repeats it. What a handler answers while the request waits
leaves as the passive reply; later, or if it has no passive form, as a customer-service message.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from types import TracebackType
from typing import Self, cast
from urllib.parse import parse_qsl

import anyio

from .._client import AsyncKfClient
from .._clock import Clock, SystemClock
from .._concurrency import background_tasks, first_of
from .._errors import SignatureError, WebhookError
from .._redact import get_logger
from ..webhook import Push, Webhook
from ._asgi import Event, Receive, Send, read_body, respond
from ._handlers import Handlers
from ._order import Order
from ._seen import MemorySeen, Seen
from ._work import Job, Work

__all__ = ["Bot"]

_log = get_logger("wechat_kf.bot")


class Bot(Handlers):
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
        super().__init__()
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
        self._context: AbstractAsyncContextManager[None] | None = None
        self._work: Work | None = None

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
        async with background_tasks() as tasks:
            work = self._work = Work(
                tasks,
                self,
                webhook=self._webhook,
                kf=self._kf,
                seen=self._seen,
                order=self._order,
                typing=self._typing,
                concurrency=self._concurrency,
                on_error=self._on_error,
            )
            try:
                yield
            except anyio.get_cancelled_exc_class():
                raise
            except BaseException:
                await self._leave(work)
                raise
            else:
                await self._leave(work)
            finally:
                self._work = None

    async def _leave(self, work: Work) -> None:
        await first_of(work.close, partial(self._clock.sleep, self._drain))

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
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

    async def _answer_request(self, scope: Event, receive: Receive, send: Send) -> None:
        arrival = self._clock.monotonic()
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        try:
            if scope["method"] == "GET":
                echostr = self._webhook.verify_url(query)
                # The signature does not cover it, so that it must not pass for markup.
                await respond(send, 200, echostr.encode("utf-8", "replace"), kind="text/plain")
            elif scope["method"] == "POST":
                body = await read_body(receive)
                if body is None:
                    await respond(send, 413)
                else:
                    await self._take(self._webhook.unwrap(query, body), query, arrival, receive, send)
            else:
                await respond(send, 405, allow="GET, POST")
        except SignatureError as error:
            _log.warning("A request was refused: %s", error)
            await respond(send, 403)
        except WebhookError as error:
            _log.warning("A push was refused: %s", error)
            await respond(send, 400)

    async def _take(self, push: Push, query: Mapping[str, str], arrival: float, receive: Receive, send: Send) -> None:
        """
        Take a push on and answer its request: with what the handler says in time, or with ``success``.
        """
        work, key = self._work, push.dedupe_key
        if work is None:
            raise RuntimeError("the bot is not running: enter it, `async with bot`, in the lifespan of your app")
        if key in work.jobs:
            await respond(send, 200, b"success")
            return
        if not work.takes_more:
            await respond(send, 503)
            return
        job = Job(push, query, key)
        work.put(job)
        left = max(0.0, arrival + self._patience - self._clock.monotonic())
        is_gone = False

        async def go() -> None:
            nonlocal is_gone
            # Middleware that has read the body may give it again, and again.
            if (await receive())["type"] != "http.disconnect":
                await anyio.sleep_forever()
            is_gone = True

        try:
            await first_of(job.offered.wait, partial(self._clock.sleep, left), go)
            if job.has_failed:
                await respond(send, 503)
            elif job.body is None or is_gone:
                await respond(send, 200, b"success")
            else:
                job.is_taken = True
                await respond(send, 200, job.body)
        except OSError:
            if not job.is_taken:
                raise
            # It may have arrived, so it is not sent again.
            _log.warning("The reply to the push %s may not have arrived: the connection broke.", key)
        finally:
            job.settled.set()
