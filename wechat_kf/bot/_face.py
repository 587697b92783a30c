"""
The bot as a web server sees it: requests are checked, read in bounded time, and answered while WeChat waits.

Nothing here knows handlers; a push that was read goes to `take`, and its request waits for what is offered to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final
from urllib.parse import parse_qsl

import anyio

from .._clock import Clock
from .._concurrency import first_of
from .._errors import SignatureError, WebhookError
from .._redact import get_logger
from ..webhook import CheckContainerPathPush, Push, Webhook
from ._asgi import Event, Receive, Send, read_body, respond
from ._job import Request, describe
from ._seen import Seen
from ._unreported import hide_query

__all__ = ["Face"]

_log = get_logger("wechat_kf.bot")

# WeChat itself gives a request up after so long.
_BODY_SECONDS: Final = 5.0

# What is left of WeChat's five seconds when the default patience is over, less the way back.
_GRACE: Final = 0.4

# Requests at once whose query does not say who they are from. WeChat signs every query.
_MAX_UNSIGNED: Final = 100


class Face:
    """
    Answers HTTP requests.

    Args:
        webhook: Reads the pushes.

        clock: The clock.

        patience: Seconds from the arrival of a request to its answer.

        take: Takes on a push and its request; False if it cannot.

        seen: What looks at the requests.
    """

    def __init__(
        self, webhook: Webhook, clock: Clock, patience: float, take: Callable[[Push, Request], bool], seen: Seen
    ) -> None:
        self._webhook = webhook
        self._clock = clock
        self._patience = patience
        self._take = take
        self._seen = seen
        self._unsigned = 0

    async def answer(self, scope: Event, receive: Receive, send: Send) -> None:
        """
        Answer one request.
        """
        hide_query()
        with self._seen.request(scope["method"], send) as seen_send:
            try:
                await self._answer(scope, receive, seen_send)
            except OSError:
                _log.info("A request was broken off.")

    async def _answer(self, scope: Event, receive: Receive, send: Send) -> None:
        deadline = self._clock.monotonic() + self._patience
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        try:
            if scope["method"] == "GET":
                echostr = self._webhook.verify_url(query)
                # The signature does not cover it, so that it must not pass for markup.
                await respond(send, 200, echostr.encode("utf-8", "replace"), kind="text/plain")
            elif scope["method"] == "POST":
                headers = {
                    name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", ())
                }
                await self._receive(query, headers, deadline, receive, send)
            else:
                await respond(send, 405, allow="GET, POST")
        except SignatureError as error:
            _log.warning("A request was refused: %s", describe(error))
            await respond(send, 403)
        except WebhookError as error:
            _log.warning("A push was refused: %s", describe(error))
            await respond(send, 400)
        except TimeoutError:
            _log.warning("A request was refused: its body did not come in %g seconds.", _BODY_SECONDS)
            await respond(send, 408)

    async def _receive(
        self, query: Mapping[str, str], headers: Mapping[str, str], deadline: float, receive: Receive, send: Send
    ) -> None:
        is_unsigned = not self._webhook.is_signed(query, headers)
        if not is_unsigned:
            self._webhook.verify_query(query, headers)
        elif self._unsigned >= _MAX_UNSIGNED:
            await respond(send, 503)
            return
        # An encrypted push may be signed by the `msg_signature` alone, which covers the body.
        self._unsigned += is_unsigned
        try:
            with anyio.fail_after(_BODY_SECONDS):
                body = await read_body(receive)
        finally:
            self._unsigned -= is_unsigned
        if body is None:
            await respond(send, 413)
            return
        request = Request(query, deadline)
        push = self._webhook.unwrap(query, body, headers)
        if isinstance(push, CheckContainerPathPush):
            await respond(send, 200, b"success")
        elif self._take(push, request):
            await self._wait(request, receive, send)
        else:
            await respond(send, 503)

    async def _wait(self, request: Request, receive: Receive, send: Send) -> None:
        """
        Answer with what is offered in time, or with ``success``.
        """
        is_gone = False

        async def go() -> None:
            nonlocal is_gone
            # Middleware may replay the body, so `http.request` can arrive repeatedly.
            if (await receive())["type"] != "http.disconnect":
                await anyio.sleep_forever()
            is_gone = True

        left = max(0.0, request.deadline - self._clock.monotonic())
        try:
            await first_of(request.offered.wait, partial(self._clock.sleep, left), go)
            if not request.offered.is_set():
                await first_of(request.noted.wait, partial(self._clock.sleep, _GRACE))
                if not request.noted.is_set():
                    request.fail()
            # From here on it is decided; what is offered later comes too late.
            request.offered.set()
            is_over = not request.is_replay and (is_gone or self._clock.monotonic() > request.deadline)
            if request.has_failed:
                await respond(send, 503)
            elif request.body is None or is_over:
                await respond(send, 200, b"success")
            else:
                request.is_taken = True
                await respond(send, 200, request.body)
        except OSError:
            if not request.is_taken:
                raise
            # WeChat repeats what it did not get, and is given the same bytes.
            _log.info("The connection broke under a passive reply; if WeChat repeats the push, it gets the same.")
        finally:
            request.settled.set()
