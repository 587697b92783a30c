"""
Hooks that misbehave: whatever one does, calls are made and pushes answered, and it is said once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from wechat_kf import AsyncKfClient
from wechat_kf.instrumentation import CallEnd, CallStart, Hook, Retry
from wechat_kf.testing import FakeWeChat

from ..conftest import Connect
from ..recorder import recording


class Panic(BaseException):
    """
    What extensions written in Rust raise.
    """


def raising(error: BaseException, *methods: str) -> Hook:
    """
    Make a hook whose methods raise.
    """

    def fail(*_: object) -> None:
        raise error

    hook: Hook = type("Broken", (Hook,), dict.fromkeys(methods, fail))()
    return hook


@pytest.mark.parametrize("error", [ValueError("v"), asyncio.CancelledError(), GeneratorExit(), Panic()], ids=repr)
async def test_a_hook_that_raises_harms_nothing(
    error: BaseException, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A hook that raises anything, also what looks like a cancellation, is logged once; the call and other hooks go on.
    """
    fake, other = FakeWeChat(), recording()
    kf = connect(fake, hooks=[raising(error, "call", "attempt", "token"), other])
    first, second = await kf.get_kf_list(), await kf.get_kf_list()

    assert first == second
    assert [end.error for end in other.of(CallEnd)] == 3 * [None]
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert said == ["The hook Broken failed; this is said once."]


async def test_a_hook_that_fails_at_the_end_harms_nothing(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    """
    What a hook returns may raise, too, or be no function at all.
    """

    class Odd(Hook):
        def call(self, start: CallStart, /) -> Any:
            return 1

        def attempt(self, start: object, /) -> Callable[[object], object]:
            return lambda end: 1 / 0

    kf = connect(FakeWeChat(), hooks=[Odd()])
    await kf.get_kf_list()

    assert [record.levelname for record in caplog.records if record.name == "wechat_kf.hooks"] == ["ERROR"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_the_program_can_be_ended_in_a_hook(error: type[BaseException]) -> None:
    """
    Who presses Ctrl-C, or ends the program, while a hook runs is heard.
    """

    async def main() -> None:
        fake = FakeWeChat()
        async with AsyncKfClient(fake.appid, fake.secret, http=fake.client(), hooks=[raising(error(), "call")]) as kf:
            await kf.get_kf_list()

    with pytest.raises(error):
        asyncio.run(main())


async def test_hooks_end_in_reverse_order(connect: Connect) -> None:
    """
    Of two hooks the one that began last ends first, as with nested blocks.
    """
    told: list[str] = []

    class Named(Hook):
        def __init__(self, name: str) -> None:
            self.name = name

        def call(self, start: CallStart, /) -> Callable[[CallEnd], object]:
            told.append(f"+{self.name}")
            return lambda end: told.append(f"-{self.name}")

    kf = connect(FakeWeChat(), hooks=[Named("a"), Named("b"), Hook()])
    await kf.get_kf_list()
    told.clear()
    await kf.get_kf_list()

    assert told == ["+a", "+b", "-b", "-a"]


def test_what_is_no_hook_is_refused() -> None:
    """
    A class, a function, or a hook with an async method is refused when the client is made.
    """

    class Async(Hook):
        async def retry(self, retry: Retry, /) -> None:
            pass

    wrong: list[Any] = [Hook, print, None]
    for each in wrong:
        with pytest.raises(TypeError, match="derived from Hook"):
            AsyncKfClient(token="TOKEN", hooks=[each])
    with pytest.raises(TypeError, match=r"Async\.retry must not be async"):
        AsyncKfClient(token="TOKEN", hooks=[Async()])


def test_own_async_methods_are_no_fault() -> None:
    """
    A hook may have async methods that are its own affair.
    """

    class Own(Hook):
        async def flush(self) -> None: ...

    kf = AsyncKfClient("wx1", "secret", hooks=[Own()])

    assert not kf.status().is_closed
