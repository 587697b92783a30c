"""
Spans and metrics, as an SDK exports them.
"""

from __future__ import annotations

import contextvars
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, SpanKind
from redis import asyncio as redis

from wechat_kf import AsyncKfClient, KfError, Text
from wechat_kf.api.accounts import GET_KF_LIST
from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.bot import Bot
from wechat_kf.instrumentation import CallEnd, CallStart
from wechat_kf.instrumentation.opentelemetry import OpenTelemetryHook
from wechat_kf.stores.redis import RedisInbox
from wechat_kf.testing import Delay, Errcode, FakeWeChat
from wechat_kf.webhook import TextMessage

from ..arrivals import Arrivals, QuickClock
from ..bot.stage import ALICE, Stage
from ..conftest import Connect
from ..redis_server import RedisServer

ROOT = Path(__file__).parents[2]


class Telemetry:
    """
    An SDK that keeps what it would export.
    """

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider([self._reader])
        self.hook = OpenTelemetryHook(tracer_provider=self.provider, meter_provider=self.meters)

    @property
    def spans(self) -> list[ReadableSpan]:
        """
        The spans, in the order in which they ended.
        """
        return list(self._exporter.get_finished_spans())

    def tree(self) -> set[tuple[str, str | None]]:
        """
        Name each span and its parent.
        """
        names = {own(span).span_id: span.name for span in self.spans}
        return {(span.name, names[span.parent.span_id] if span.parent else None) for span in self.spans}

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """
        List what was measured under a name: attributes, and the sum or the number of values.
        """
        collected = self._reader.get_metrics_data()
        assert collected is not None
        data = json.loads(collected.to_json())
        metrics = [
            metric
            for resource in data["resource_metrics"]
            for scope in resource["scope_metrics"]
            for metric in scope["metrics"]
        ]
        [found] = [metric for metric in metrics if metric["name"] == name]
        return [(each["attributes"], each.get("value", each.get("count"))) for each in found["data"]["data_points"]]


def own(span: ReadableSpan) -> SpanContext:
    """
    Return what a span's children know of it.
    """
    context = span.get_span_context()
    assert context is not None
    return context


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """
    Return the attributes of a span.
    """
    return dict(span.attributes or {})


@pytest.fixture
def telemetry() -> Telemetry:
    """
    Make an SDK.
    """
    return Telemetry()


async def test_call_is_a_span_with_its_attempts_in_it(telemetry: Telemetry, connect: Connect) -> None:
    """
    A call is a client span, with its attempts in it and the call that fetches its token; a retry is counted.
    """
    fake = FakeWeChat(clock=QuickClock())
    kf = connect(fake, hooks=[telemetry.hook])
    fake.fault(GET_KF_LIST, Errcode(-1), times=1)
    with telemetry.provider.get_tracer("test").start_as_current_span("mine"):
        await kf.get_kf_list()

    attempt, token = f"GET {GET_KF_LIST.path}", "POST /cgi-bin/stable_token"
    assert telemetry.tree() == {
        (attempt, "get_kf_list"),
        (token, "stable_token"),
        ("stable_token", "get_kf_list"),
        ("get_kf_list", "mine"),
        ("mine", None),
    }
    first, second = (span for span in telemetry.spans if span.name == attempt)
    assert {span.kind for span in telemetry.spans if span.name != "mine"} == {SpanKind.CLIENT}
    about = attributes(second)
    del about["http.response.body.size"]
    assert about == {
        "http.request.method": "GET",
        "http.request.resend_count": 1,
        "http.request.body.size": 0,
        "http.response.status_code": 200,
        "server.address": "api.weixin.qq.com",
        "server.port": 443,
        "url.template": GET_KF_LIST.path,
        "wechat_kf.effect": "done",
        "wechat_kf.errcode": 0,
    }
    assert (attributes(first)["error.type"], first.status.is_ok) == ("SystemBusy", False)
    assert telemetry.points("wechat_kf.call.retries") == [
        ({"wechat_kf.operation": "get_kf_list", "wechat_kf.retry.reason": "failure"}, 1)
    ]
    assert telemetry.points("wechat_kf.token.renewals") == [({"wechat_kf.token.reason": "first"}, 1)]
    assert len(telemetry.points("http.client.request.duration")) == 3


async def test_failure_is_told_without_its_text(telemetry: Telemetry, connect: Connect) -> None:
    """
    A failed call has its code, its effect and WeChat's id, but neither a text nor an event with a traceback.
    """
    fake = FakeWeChat()
    fake.fault(SEND_CUSTOM_MESSAGE, Errcode(45015))
    kf = connect(fake, hooks=[telemetry.hook])
    with pytest.raises(KfError) as caught:
        await kf.send_custom_message(ALICE, Text("您好"))

    [span] = [span for span in telemetry.spans if span.name == "send_custom_message"]
    about = attributes(span)
    assert (about["wechat_kf.errcode"], about["wechat_kf.effect"]) == (45015, "none")
    assert about["wechat_kf.rid"] == vars(caught.value)["rid"]
    assert (span.status.description, span.events) == ("DeliveryWindowClosed", ())
    assert telemetry.points("wechat_kf.call.duration")[-1] == (
        {
            "error.type": "DeliveryWindowClosed",
            "wechat_kf.effect": "none",
            "wechat_kf.errcode": 45015,
            "wechat_kf.operation": "send_custom_message",
        },
        1,
    )


async def test_cancelled_call_ends_its_spans(telemetry: Telemetry, connect: Connect) -> None:
    """
    A call that is cancelled leaves no span open, and the context as it was.
    """
    fake = FakeWeChat()
    async with fake.serve() as base:
        kf = connect(base, hooks=[telemetry.hook])
        await kf.get_kf_list()
        fake.fault(GET_KF_LIST, Delay(60))
        with anyio.move_on_after(0.05):
            await kf.get_kf_list()
    current = trace.get_current_span()

    assert [span.status.description for span in telemetry.spans][-2:] == 2 * ["Cancelled"]
    assert not current.get_span_context().is_valid


def test_call_that_ends_in_other_context_variables(telemetry: Telemetry, caplog: pytest.LogCaptureFixture) -> None:
    """
    The span of a call that is thrown away with its event loop is ended, and the context that runs then is left alone.
    """
    start = CallStart(operation="get_kf_list", method=GET_KF_LIST.method, path=GET_KF_LIST.path)
    end = contextvars.copy_context().run(telemetry.hook.call, start)
    end(
        CallEnd(
            host="",
            attempts=0,
            error="GeneratorExit",
            errcode=None,
            effect="unknown",
            rid=None,
            seconds=0,
            sent=0,
            received=0,
        )
    )

    assert [attributes(span)["error.type"] for span in telemetry.spans] == ["GeneratorExit"]
    assert caplog.records == []


async def think(_: TextMessage) -> AsyncIterator[str]:
    """
    Answer with one message.
    """
    yield "您好"


async def test_push_is_a_span_with_its_sends_in_it(telemetry: Telemetry) -> None:
    """
    A push is a consumer span; what its handler does, late messages too, lies in it, and it is counted by its outcome.
    """
    stage = Stage()
    fake = stage.fake
    kf = AsyncKfClient(fake.appid, fake.secret, http=fake.client(), hooks=[telemetry.hook], clock=stage.clock)
    bot = Bot(stage.hook, kf, clock=stage.clock)
    tracer = telemetry.provider.get_tracer("test")

    @bot.on(TextMessage)
    async def answer(push: TextMessage) -> str:
        with tracer.start_as_current_span("think"):
            await stage.clock.sleep(6)
        return "您好"

    async def push() -> None:
        with tracer.start_as_current_span("server"):
            await stage.request("POST", stage.signed(), stage.text("你好"), app=bot)

    async with bot, anyio.create_task_group() as tasks:
        tasks.start_soon(push)
        await stage.advance(5)
        await stage.advance(1)

    attempt = f"POST {SEND_CUSTOM_MESSAGE.path}"
    assert telemetry.tree() >= {
        ("server", None),
        ("handle TextMessage", "server"),
        ("think", "handle TextMessage"),
        ("send_custom_message", "handle TextMessage"),
        (attempt, "send_custom_message"),
    }
    [span] = [span for span in telemetry.spans if span.name == "handle TextMessage"]
    about = attributes(span)
    assert span.kind is SpanKind.CONSUMER
    assert (about["wechat_kf.push.outcome"], about["wechat_kf.push.messages"]) == ("late", 1)
    [(counted, number)] = telemetry.points("messaging.client.consumed.messages")
    assert (counted["wechat_kf.push.kind"], counted["wechat_kf.push.outcome"], number) == ("TextMessage", "late", 1)
    assert [value for _, value in telemetry.points("wechat_kf.push.under_way")] == [0]
    assert [value for _, value in telemetry.points("wechat_kf.push.handling")] == [0]
    assert [value for _, value in telemetry.points("messaging.process.duration")] == [1]
    assert [value for _, value in telemetry.points("wechat_kf.push.wait.duration")] == [1]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_trace_goes_on_at_another_worker(telemetry: Telemetry, redis_server: RedisServer) -> None:
    """
    A push that another worker takes over is a span within the first worker's, and so are the messages that answer it.
    """
    other = Telemetry()
    one, two = Stage(), Stage()
    arrivals = Arrivals(two.fake)
    async with redis.from_url(redis_server.url) as engine:
        bots: list[Bot] = []
        for stage, hook, drain in ((one, telemetry.hook, 0), (two, other.hook, 60)):
            fake = stage.fake
            kf = AsyncKfClient(fake.appid, fake.secret, http=fake.client(), hooks=[hook], clock=stage.clock)
            bots.append(Bot(stage.hook, kf, inbox=RedisInbox(engine, lease=0.9), clock=stage.clock, drain=drain))
        first, second = bots
        started = anyio.Event()

        @first.on(TextMessage)
        async def never(push: TextMessage) -> None:
            started.set()
            await anyio.sleep_forever()

        second.on(TextMessage)(think)
        async with second, anyio.create_task_group() as tasks:
            async with first:
                tasks.start_soon(one.request, "POST", one.signed(), one.text("你好"), first)
                await started.wait()
            await arrivals.until(SEND_CUSTOM_MESSAGE)

    [left] = [span for span in telemetry.spans if span.name == "handle TextMessage"]
    [taken] = [span for span in other.spans if span.name == "handle TextMessage"]
    [sent] = [span for span in other.spans if span.name == "send_custom_message"]
    assert attributes(left)["wechat_kf.push.outcome"] == "left"
    assert attributes(taken)["wechat_kf.push.outcome"] == "late"
    assert attributes(taken)["wechat_kf.push.attempt"] > 1
    assert taken.parent is not None
    assert taken.parent.span_id == own(left).span_id
    assert sent.parent == own(taken)
    assert own(sent).trace_id == own(left).trace_id


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_trace_outlives_its_worker(telemetry: Telemetry, redis_server: RedisServer) -> None:
    """
    When a worker is killed while it handles a push, whoever takes it over goes on in the span that never ended.
    """
    stage = Stage()
    fake = stage.fake
    arrivals = Arrivals(fake)
    program = [sys.executable, "-m", "tests.instrumentation.dying", redis_server.url]
    async with await anyio.open_process(program, cwd=ROOT, stderr=None) as process:
        assert process.stdout is not None
        told = await process.stdout.receive()
        process.kill()
    trace_id, span_id = map(int, told.split())
    async with redis.from_url(redis_server.url) as engine:
        kf = AsyncKfClient(fake.appid, fake.secret, http=fake.client(), hooks=[telemetry.hook], clock=stage.clock)
        bot = Bot(stage.hook, kf, inbox=RedisInbox(engine, lease=0.9), clock=stage.clock)
        bot.on(TextMessage)(think)
        async with bot:
            await arrivals.until(SEND_CUSTOM_MESSAGE)

    [taken] = [span for span in telemetry.spans if span.name == "handle TextMessage"]
    [sent] = [span for span in telemetry.spans if span.name == "send_custom_message"]
    assert taken.parent is not None
    assert (taken.parent.trace_id, taken.parent.span_id) == (trace_id, span_id)
    assert (own(sent).trace_id, sent.parent) == (trace_id, own(taken))


def test_nothing_is_doubled_beside_other_instrumentation() -> None:
    """
    With the instrumentation of httpx, ASGI and FastAPI active, each thing is one span, at its place, without a secret.

    A request that a handler makes itself is seen: the instrumentation is active.
    """
    program = [sys.executable, "-W", "error", "-m", "tests.instrumentation.instrumented"]
    run = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    seen = json.loads(run.stdout or "null")

    assert run.stderr == ""
    for framework in ("asgi", "fastapi"):
        for whose in ("own", "injected"):
            tree = seen[f"{framework} {whose}"]
            assert tree["leaks"] == []
            assert tree["spans"] == [
                ["GET", "handle TextMessage"],
                [f"POST {SEND_CUSTOM_MESSAGE.path}", "send_custom_message"],
                ["POST /cgi-bin/stable_token", "stable_token"],
                ["handle TextMessage", "server"],
                ["send_custom_message", "handle TextMessage"],
                ["server", None],
                ["stable_token", "send_custom_message"],
            ]


def test_missing_extra_is_named() -> None:
    """
    Without OpenTelemetry the import says which extra is missing.
    """
    program = "import sys; sys.modules['opentelemetry'] = None; import wechat_kf.instrumentation.opentelemetry"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)

    assert run.stderr.splitlines()[-1] == (
        "ImportError: wechat_kf.instrumentation.opentelemetry needs the extra otel: install wechat-kf[otel]"
    )
