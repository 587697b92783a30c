"""
A program with the instrumentation of httpx and of a server active: it prints the spans of a push, as JSON.

It runs in a process of its own, since instrumentation changes the HTTP library for good.
"""

from __future__ import annotations

import importlib
import json
import time
from typing import Any, Final

import anyio
import httpx
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, SpanKind

from wechat_kf import AsyncKfClient
from wechat_kf.bot import Answer, Bot
from wechat_kf.instrumentation.opentelemetry import OpenTelemetryHook
from wechat_kf.testing import FakeWeChat
from wechat_kf.webhook import TextMessage, Webhook
from wechat_kf.webhook.crypto import signature
from wechat_kf.webhook.xml import render_xml

__all__: list[str] = []

TOKEN: Final = "a-token-of-the-webhook"
OPENID: Final = "o6_bmjrPTlm6_2sgVt7hMZOPfL2M"

exporter = InMemorySpanExporter()


def load(name: str) -> Any:
    """
    Import a module by name.
    """
    return importlib.import_module(name)


def served(framework: str, bot: Bot) -> Any:
    """
    Make the app that a server is given.
    """
    if framework == "asgi":
        return load("opentelemetry.instrumentation.asgi").OpenTelemetryMiddleware(bot)
    app = load("fastapi").FastAPI()
    app.mount("/wechat", bot)
    load("opentelemetry.instrumentation.fastapi").FastAPIInstrumentor.instrument_app(app)
    return app


async def push(app: Any) -> str:
    """
    Push a text; return what signed it.
    """
    timestamp = str(int(time.time()))
    signed = signature(TOKEN, timestamp, "1")
    query = {"signature": signed, "timestamp": timestamp, "nonce": "1", "openid": OPENID}
    body = render_xml(
        {
            "ToUserName": "gh_1",
            "FromUserName": OPENID,
            "CreateTime": timestamp,
            "MsgType": "text",
            "Content": "你好",
            "MsgId": 1,
        }
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://bot") as http:
        response = await http.post("/wechat/", params=query, content=body)
    if response.text != "success":
        raise RuntimeError(response.text)
    return signed


async def spans_of(framework: str, whose: str) -> dict[str, Any]:
    """
    Push to a bot that answers with a message; return each span with its parent, and the secrets that show.
    """
    exporter.clear()
    fake = FakeWeChat()
    fake.user_says(OPENID, "你好")
    async with fake.serve() as base, httpx.AsyncClient() as http:
        given = http if whose == "injected" else None
        async with AsyncKfClient(fake.appid, fake.secret, base_url=base, http=given, hooks=[OpenTelemetryHook()]) as kf:
            bot = Bot(Webhook(TOKEN), kf)

            @bot.on(TextMessage)
            async def answer(_: TextMessage) -> Answer:
                await http.get(f"{base}/of-ones-own")
                return Answer("您好", passive=False)

            async with bot:
                signed = await push(served(framework, bot))
    spans = [span for span in exporter.get_finished_spans() if span.kind is not SpanKind.INTERNAL]
    secrets = {"secret": fake.secret, "token": fake.calls[-1].query["access_token"], "openid": OPENID}
    texts = "".join(span.to_json() for span in exporter.get_finished_spans())
    secrets |= {"signature": signed, "text": "您好"}
    return {"spans": sorted(tree(spans), key=str), "leaks": [name for name, value in secrets.items() if value in texts]}


def tree(spans: list[ReadableSpan]) -> list[list[str | None]]:
    """
    Name each span and its parent.
    """
    names = {own(span).span_id: "server" if span.kind is SpanKind.SERVER else span.name for span in spans}
    return [[names[own(span).span_id], names[span.parent.span_id] if span.parent else None] for span in spans]


def own(span: ReadableSpan) -> SpanContext:
    """
    Return what a span's children know of it.
    """
    context = span.get_span_context()
    if context is None:
        raise TypeError
    return context


async def main() -> None:
    """
    Print what is seen over either kind of connection, with either framework.
    """
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    load("opentelemetry.instrumentation.httpx").HTTPXClientInstrumentor().instrument()
    seen = {
        f"{framework} {whose}": await spans_of(framework, whose)
        for framework in ("asgi", "fastapi")
        for whose in ("own", "injected")
    }
    print(json.dumps(seen))  # noqa: T201 - for the test


if __name__ == "__main__":
    anyio.run(main)
