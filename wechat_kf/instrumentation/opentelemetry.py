"""
Spans and metrics by OpenTelemetry (extra ``otel``: its API alone; what becomes of them is your SDK's affair).

Names are those of the semantic conventions where there is one, else they begin with ``wechat_kf``. No URL is recorded,
since WeChat's hold the token, and no exception, since its text may quote what a customer wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from .._redact import HIDDEN
from ._details import (
    AttemptEnd,
    AttemptStart,
    CallEnd,
    CallStart,
    HandlerEnd,
    HandlerStart,
    PushEnd,
    PushStart,
    RequestStart,
    Retry,
    TokenChange,
)
from ._hook import Hook

try:
    from opentelemetry import context, metrics, propagate, trace
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode
except ImportError as _error:
    raise ImportError(
        "wechat_kf.instrumentation.opentelemetry needs the extra otel: install wechat-kf[otel]"
    ) from _error

__all__ = ["OpenTelemetryHook"]

_SCOPE: Final = "wechat_kf"

# Seconds, as the conventions advise for HTTP; handlers and their queues may take longer.
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_LONG_BUCKETS: Final = (*_BUCKETS, 30.0, 60.0, 120.0, 300.0)

# Where instrumentation of servers puts the query of a push, which holds its signature and the customer's openid.
_URLS: Final = ("http.url", "http.target", "url.full", "url.query")


class OpenTelemetryHook(Hook):
    """
    Makes a client span of each call, with one of each attempt in it; a consumer span of each push; and metrics.

    ::

        kf = AsyncKfClient(appid, secret, hooks=[OpenTelemetryHook()])
        bot = Bot(Webhook.from_env(), kf)

    What a handler does and sends lies within its push's span, however late. The trace travels in the inbox: a worker
    that takes a push over goes on with it.

    The instrumentation of your HTTP library makes no spans of this library's requests; that of your server records the
    URL of a push, whose query is taken out again where this hook finds it in the current span.

    Args:
        tracer_provider: Makes the tracer; by default the global one.

        meter_provider: Makes the meter; by default the global one.
    """

    def __init__(
        self,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
        meter = metrics.get_meter(_SCOPE, meter_provider=meter_provider)

        def durations(name: str, description: str, buckets: tuple[float, ...] = _BUCKETS) -> metrics.Histogram:
            return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=buckets)

        self._calls = durations("wechat_kf.call.duration", "Calls, with their attempts and pauses")
        self._attempts = durations("http.client.request.duration", "Attempts of calls")
        self._handled = durations("messaging.process.duration", "Handling and answering of pushes", _LONG_BUCKETS)
        self._waited = durations("wechat_kf.push.wait.duration", "Waiting of pushes for their handler", _LONG_BUCKETS)
        self._retries = meter.create_counter("wechat_kf.call.retries", "{retry}", "Calls that were made again")
        self._tokens = meter.create_counter("wechat_kf.token.renewals", "{token}", "Tokens that came into use")
        self._pushes = meter.create_counter("messaging.client.consumed.messages", "{message}", "Pushes")
        self._under_way = meter.create_up_down_counter("wechat_kf.push.under_way", "{push}", "Pushes not yet settled")
        self._handling = meter.create_up_down_counter("wechat_kf.push.handling", "{push}", "Pushes being handled")

    def call(self, start: CallStart, /) -> Callable[[CallEnd], object]:
        """
        Make a client span of a call.
        """
        about = {"wechat_kf.operation": start.operation}
        end_span = self._begin(start.operation, SpanKind.CLIENT, {**about, "url.template": start.path})

        def end(end: CallEnd) -> None:
            outcome = {**about, **_given(("wechat_kf.errcode", end.errcode), ("error.type", end.error))}
            outcome["wechat_kf.effect"] = end.effect
            more = _given(("wechat_kf.rid", end.rid), ("server.address", end.host or None))
            self._calls.record(end.seconds, outcome)
            end_span({**outcome, **more, "wechat_kf.attempts": end.attempts}, end.error)

        return end

    def attempt(self, start: AttemptStart, /) -> Callable[[AttemptEnd], object]:
        """
        Make a client span of an attempt.
        """
        about: dict[str, Any] = {
            "http.request.method": start.method,
            "server.address": start.host,
            "server.port": start.port,
            "url.template": start.path,
        }
        again = {"http.request.resend_count": start.attempt - 1} if start.attempt > 1 else {}
        end_span = self._begin(f"{start.method} {start.path}", SpanKind.CLIENT, {**about, **again})

        def end(end: AttemptEnd) -> None:
            outcome = _given(("http.response.status_code", end.status), ("error.type", end.error))
            more = _given(("wechat_kf.errcode", end.errcode), ("wechat_kf.rid", end.rid))
            sizes = {"http.request.body.size": end.sent, "http.response.body.size": end.received}
            self._attempts.record(end.seconds, {**about, **outcome})
            end_span({**outcome, **more, **sizes, "wechat_kf.effect": end.effect}, end.error)

        return end

    def retry(self, retry: Retry, /) -> None:
        """
        Count a retry.
        """
        self._retries.add(1, {"wechat_kf.operation": retry.operation, "wechat_kf.retry.reason": retry.reason})

    def token(self, change: TokenChange, /) -> None:
        """
        Count a token.
        """
        self._tokens.add(1, {"wechat_kf.token.reason": change.reason})

    def request(self, start: RequestStart, /) -> None:  # noqa: ARG002
        """
        Take the query of a push out of the server's span.
        """
        span: Any = trace.get_current_span()
        # The API has no way to look at a span; the SDK's can be looked at.
        recorded: Mapping[str, object] = getattr(span, "attributes", None) or {}
        for name in _URLS:
            value = recorded.get(name)
            if isinstance(value, str) and (name == "url.query" or "?" in value):
                span.set_attribute(name, HIDDEN if name == "url.query" else f"{value.partition('?')[0]}?{HIDDEN}")

    def push(self, start: PushStart, /) -> Callable[[PushEnd], object]:
        """
        Make a consumer span of a push: within its request, or within the trace that it brought from another worker.
        """
        about = {
            "messaging.system": "wechat",
            "messaging.operation.name": "handle",
            "messaging.operation.type": "process",
            "wechat_kf.push.kind": start.kind,
        }
        attempt = {"wechat_kf.push.attempt": start.attempt}
        parent = propagate.extract(start.carried, context.Context()) if start.is_taken_over else None
        end_span = self._begin(f"handle {start.kind}", SpanKind.CONSUMER, {**about, **attempt}, parent)
        self._under_way.add(1)

        def end(end: PushEnd) -> None:
            outcome = {**about, "wechat_kf.push.outcome": end.outcome, **_given(("error.type", end.error))}
            self._pushes.add(1, outcome)
            self._under_way.add(-1)
            details = {"wechat_kf.push.messages": end.messages, "wechat_kf.push.waited": end.waited}
            end_span({**outcome, **details}, end.error)

        return end

    def handler(self, start: HandlerStart, /) -> Callable[[HandlerEnd], object]:
        """
        Count the pushes being handled, and measure how long that takes.
        """
        about = {"messaging.system": "wechat", "messaging.operation.name": "handle", "wechat_kf.push.kind": start.kind}
        self._waited.record(start.waited, about)
        self._handling.add(1)

        def end(end: HandlerEnd) -> None:
            self._handled.record(end.seconds, {**about, **_given(("error.type", end.error))})
            self._handling.add(-1)

        return end

    def carry(self) -> Mapping[str, str]:
        """
        Let the trace travel with the push.
        """
        carried: dict[str, str] = {}
        propagate.inject(carried)
        return carried

    def _begin(
        self, name: str, kind: SpanKind, attributes: Mapping[str, Any], parent: context.Context | None = None
    ) -> Callable[[Mapping[str, Any], str | None], None]:
        """
        Begin a span, and make it the current one until it ends.
        """
        span = self._tracer.start_span(name, parent, kind, attributes)
        inside = trace.set_span_in_context(span, parent)
        token = context.attach(inside)

        def end(attributes: Mapping[str, Any], error: str | None) -> None:
            _finish(span, attributes, error)
            # A call that is thrown away with its event loop ends in other context variables.
            if context.get_current() is inside:
                context.detach(token)

        return end


def _finish(span: Span, attributes: Mapping[str, Any], error: str | None) -> None:
    span.set_attributes(attributes)
    if error is not None:
        span.set_status(Status(StatusCode.ERROR, error))
    span.end()


def _given(*pairs: tuple[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in pairs if value is not None}
