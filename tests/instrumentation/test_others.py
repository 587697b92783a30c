"""
What others make of it: the recipe for Prometheus, structlog, Sentry.
"""

from __future__ import annotations

import importlib
import json
import logging
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from wechat_kf.instrumentation import Hook
from wechat_kf.testing import FakeWeChat
from wechat_kf.webhook import TextMessage

from ..bot.stage import Stage, echo
from ..conftest import Connect

ROOT = Path(__file__).parents[2]


async def test_prometheus_recipe(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The recipe of docs/observing.md, of at most 15 lines, counts calls and pushes.
    """
    prometheus: Any = importlib.import_module("prometheus_client")
    registry = prometheus.CollectorRegistry()
    for name in ("Counter", "Histogram"):
        made: Any = getattr(prometheus, name)
        monkeypatch.setattr(prometheus, name, partial(made, registry=registry))
    page = (ROOT / "docs" / "observing.md").read_text(encoding="utf-8")
    [recipe] = re.findall(r"```python\n(from prometheus_client.*?)```", page, flags=re.DOTALL)
    names: dict[str, Any] = {"__name__": "recipe"}
    exec(recipe, names)  # noqa: S102 - it is ours
    hook: Hook = names["PrometheusHook"]()
    kf = connect(FakeWeChat(), hooks=[hook])
    await kf.get_kf_list()
    stage = Stage(hooks=[hook])
    stage.bot.on(TextMessage)(echo)
    async with stage.bot:
        await stage.says("你好")

    call = {"operation": "get_kf_list", "errcode": "0", "effect": "done"}
    assert len([line for line in recipe.splitlines() if line]) <= 15
    assert registry.get_sample_value("wechat_kf_call_seconds_count", call) == 1
    assert registry.get_sample_value("wechat_kf_pushes_total", {"kind": "TextMessage", "outcome": "replied"}) == 1


async def test_structlog_writes_the_values(connect: Connect) -> None:
    """
    Structlog's formatter for the standard library writes a line with its values beside it.
    """
    structlog: Any = importlib.import_module("structlog")
    lines: list[str] = []
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Kept()
    handler.setFormatter(formatter)
    logger = logging.getLogger("wechat_kf.call")
    logger.addHandler(handler)
    try:
        await connect(FakeWeChat()).get_kf_list()
    finally:
        logger.removeHandler(handler)

    written = json.loads(lines[-1])
    assert written["event"].startswith("get_kf_list: done at api.weixin.qq.com, attempt 1, errcode 0, effect done")
    assert (written["wechat_kf"]["operation"], written["wechat_kf"]["attempts"]) == ("get_kf_list", 1)


def test_sentry_reports_no_secret() -> None:
    """
    With default settings, events of failed calls and handlers and their breadcrumbs hold no token, secret or signature.
    """
    program = [sys.executable, "-m", "tests.instrumentation.reported"]
    run = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    seen = json.loads(run.stdout)

    assert seen == {
        "leaks": [],
        "found": ["DeliveryUncertain", "45015", "LookupError", '"breadcrumbs"'],
        "tokens": 1,
    }
