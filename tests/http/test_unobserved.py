"""
What watches the HTTP library sees the user's own requests, and none of ours, whose URLs hold the token.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("observers", [("opentelemetry", "sentry"), ("opentelemetry",), ("sentry",)], ids=" ".join)
def test_others_see_none_of_our_requests(observers: tuple[str, ...]) -> None:
    """
    OpenTelemetry and Sentry, with their default settings, see nothing of a call, over any connection, on any loop.
    """
    program = [sys.executable, "-m", "tests.http.observed_calls", *observers]
    run = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    seen = json.loads(run.stdout)

    own = {who: ["of-ones-own"] if who in observers else [] for who in ("opentelemetry", "sentry")}
    assert seen == {f"{loop} {whose}": own for loop in ("asyncio", "trio") for whose in ("own", "injected")}


def test_nothing_is_imported_for_it() -> None:
    """
    Who uses neither does not import them with a call.
    """
    program = """
import asyncio, sys
from wechat_kf import AsyncKfClient
from wechat_kf.testing import FakeWeChat
async def main():
    fake = FakeWeChat()
    async with AsyncKfClient(fake.appid, fake.secret, http=fake.client()) as kf:
        await kf.get_kf_list()
asyncio.run(main())
print(sorted({name.partition('.')[0] for name in sys.modules} & {'opentelemetry', 'sentry_sdk'}))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)

    assert run.stdout.strip() == "[]"
