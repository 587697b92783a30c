"""
Hooks.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Literal, assert_type

from opentelemetry.sdk.trace import TracerProvider

from wechat_kf import AsyncKfClient
from wechat_kf.bot import Bot
from wechat_kf.instrumentation import CallEnd, CallStart, Hook, PushEnd, PushStart, Retry, TokenChange
from wechat_kf.instrumentation.opentelemetry import OpenTelemetryHook
from wechat_kf.webhook import Webhook


class Heard(Hook):
    """
    Is right.
    """

    def call(self, start: CallStart, /) -> Callable[[CallEnd], object]:
        assert_type((start.operation, start.path), tuple[str, str])
        return self._ended

    def _ended(self, end: CallEnd) -> None:
        assert_type(end.effect, Literal["done", "none", "unknown"])
        assert_type((end.errcode, end.rid, end.seconds), tuple[int | None, str | None, float])

    def retry(self, retry: Retry, /) -> None:
        assert_type(retry.other_host, bool)

    # What is returned here is not looked at.
    def token(self, change: TokenChange, /) -> int:
        return len(change.reason)

    def push(self, start: PushStart, /) -> Callable[[PushEnd], object] | None:
        return None if start.is_taken_over else lambda end: end.outcome

    def carry(self) -> Mapping[str, str]:
        return {"a": "b"}


class Wrong(Hook):
    """
    Is wrong in each method.
    """

    async def push(self, start: PushStart, /) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        pass

    @contextmanager
    def call(self, start: CallStart, /) -> Generator[None]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        yield

    def token(self, change: Retry, /) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        pass


def hear(call: CallStart) -> None: ...


@contextmanager
def around(call: CallStart) -> Generator[None]:
    yield


def watching() -> None:
    kf = AsyncKfClient("appid", "secret", hooks=[Heard(), OpenTelemetryHook(tracer_provider=TracerProvider())])
    Bot(Webhook("token"), kf, hooks=(Heard(),))
    AsyncKfClient("appid", "secret", hooks=[hear])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    AsyncKfClient("appid", "secret", hooks=[around])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    AsyncKfClient("appid", "secret", hooks=Heard())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Bot(Webhook("token"), kf, hooks=[Heard])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
