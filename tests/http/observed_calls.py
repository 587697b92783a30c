"""
A program whose calls OpenTelemetry and Sentry look at: it prints what they saw of them, as JSON.

It runs in a process of its own, since both change the HTTP library for good.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import Any

import anyio
import httpx
import sentry_sdk
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from wechat_kf import AsyncKfClient
from wechat_kf.testing import FakeWeChat

__all__: list[str] = []

exporter = InMemorySpanExporter()
envelopes: list[str] = []


class Kept(Transport):
    """
    Keep what Sentry would send.
    """

    def capture_envelope(self, envelope: Envelope) -> None:
        """
        Keep an envelope.
        """
        envelopes.append(envelope.serialize().decode())


def observe_with_opentelemetry() -> None:
    """
    Let OpenTelemetry look, with its default settings.
    """
    # Imported only then, as in a program that does not use the other.
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor  # noqa: PLC0415

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    HTTPXClientInstrumentor().instrument(tracer_provider=provider)


def observe_with_sentry() -> None:
    """
    Let Sentry look, likewise.
    """
    sentry_sdk.init("http://key@127.0.0.1:9/1", transport=Kept, traces_sample_rate=1.0)


def seen(marks: list[str]) -> dict[str, list[str]]:
    """
    Tell which of the marks each of them saw, and forget it all.
    """
    texts = {"opentelemetry": [span.to_json() for span in exporter.get_finished_spans()], "sentry": envelopes}
    found = {who: [mark for mark in marks if any(mark in text for text in kept)] for who, kept in texts.items()}
    exporter.clear()
    envelopes.clear()
    return found


async def calls(*, injected: bool) -> dict[str, Any]:
    """
    Make a call of ours, and a request of the user's own beside it.
    """
    fake = FakeWeChat()
    async with fake.serve() as base, httpx.AsyncClient() as http:
        with sentry_sdk.start_transaction(name="test"):
            async with AsyncKfClient(fake.appid, fake.secret, base_url=base, http=http if injected else None) as kf:
                await kf.get_kf_list()
            await http.get(f"{base}/of-ones-own")
            sentry_sdk.capture_message("what happened")
    return seen([fake.calls[1].query["access_token"], "stable_token", "getkflist", "of-ones-own"])


def main() -> None:
    """
    Let those look whose names are given; run on both event loops, over both kinds of connections.
    """
    for name in sys.argv[1:]:
        {"opentelemetry": observe_with_opentelemetry, "sentry": observe_with_sentry}[name]()
    print(  # noqa: T201 - for the test
        json.dumps(
            {
                f"{backend} {'injected' if injected else 'own'}": anyio.run(
                    partial(calls, injected=injected), backend=backend
                )
                for backend in ("asyncio", "trio")
                for injected in (False, True)
            }
        )
    )


if __name__ == "__main__":
    main()
