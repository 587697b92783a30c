"""
Several processes in front of one account: whose turn it is, and what a process leaves behind.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest

from wechat_kf import AsyncKfClient
from wechat_kf.bot import Bot, MemorySeen, Order
from wechat_kf.testing import ManualClock
from wechat_kf.webhook import TextMessage

from .stage import ALICE, BOB, Stage, echo, passive, slow
from .test_http import Connection
from .test_order import Recorder


class Lines:
    """
    The customers' lines, in this process's memory.

    Args:
        failing: The methods that fail.

        slow: Seconds that joining takes, by turns.
    """

    def __init__(
        self,
        *failing: str,
        error: BaseException | None = None,
        clock: ManualClock | None = None,
        slow: tuple[float, ...] = (),
    ) -> None:
        self.lines: defaultdict[str, list[str]] = defaultdict(list)
        self.taken = 0
        self._failing = failing
        self._error = ConnectionError("no lines") if error is None else error
        self._clock = clock
        self._slow = list(slow)
        self._moved = anyio.Event()

    async def join(self, openid: str) -> str:
        self._fail("join")
        if self._clock is not None:
            await self._clock.sleep(self._slow.pop(0))
        self.taken += 1
        self.lines[openid].append(str(self.taken))
        return str(self.taken)

    async def wait(self, openid: str, place: str) -> None:
        self._fail("wait")
        while self.lines[openid][0] != place:
            await self._moved.wait()

    async def leave(self, openid: str, place: str) -> None:
        self.lines[openid].remove(place)
        self._moved.set()
        self._moved = anyio.Event()
        self._fail("leave")

    def _fail(self, what: str) -> None:
        if what in self._failing:
            raise self._error

    @property
    def standing(self) -> list[str]:
        """
        All places that are taken.
        """
        return [place for line in self.lines.values() for place in line]


class Pair:
    """
    Two processes of one account, and what they handle, in order.
    """

    def __init__(self, seconds: float = 0.0, **options: Any) -> None:
        self.lines = Lines()
        seen = MemorySeen()
        self.stages = [Stage(order=self.lines, seen=seen, **options) for _ in range(2)]
        # One WeChat numbers the messages.
        self.stages[1]._ids = self.stages[0]._ids
        self.handled: list[str] = []
        for name, stage in zip("AB", self.stages, strict=True):
            self._serve(name, stage, seconds)

    def _serve(self, name: str, stage: Stage, seconds: float) -> None:
        @stage.bot.on(TextMessage)
        async def handle(push: TextMessage) -> str:
            await stage.clock.sleep(seconds)
            self.handled.append(f"{push.content} at {name}")
            return push.content


async def test_order_across_processes() -> None:
    """
    The pushes of one customer are handled in the order in which they came, to whichever process they came.

    The places are taken on arrival: that the second process is idle does not bring its push forward.
    """
    pair = Pair(seconds=10)
    one, two = pair.stages
    async with anyio.create_task_group() as tasks, one.bot, two.bot:
        for number, stage in enumerate((one, two, one, one, two), 1):
            tasks.start_soon(stage.says, str(number))
            await anyio.wait_all_tasks_blocked()
        for stage in (one, two, one, one, two):
            await stage.advance(10)

    assert pair.handled == ["1 at A", "2 at B", "3 at A", "4 at A", "5 at B"]
    assert pair.lines.standing == []


async def test_places_are_taken_one_after_the_other() -> None:
    """
    A customer's second push does not join before the first, however long that takes; another customer's does.
    """
    clock = ManualClock()
    lines = Lines(clock=clock, slow=(1, 0, 0))
    stage = Stage(order=lines)
    handled: list[str] = []
    before: list[str] = []

    @stage.bot.on(TextMessage)
    async def handle(push: TextMessage) -> None:
        handled.append(push.content)

    async with stage.bot, anyio.create_task_group() as tasks:
        for name, openid in (("a1", ALICE), ("a2", ALICE), ("b1", BOB)):
            tasks.start_soon(stage.says, name, openid)
            await anyio.wait_all_tasks_blocked()
        before += handled
        clock.advance(1)

    assert before == ["b1"]
    assert handled == ["b1", "a1", "a2"]
    assert lines.standing == []


async def test_repetition_at_another_process_waits_and_is_not_handled() -> None:
    """
    While the first is under way, a repetition at another process is answered `success`, and never handled.
    """
    pair = Pair(seconds=20)
    one, two = pair.stages
    body = one.text("1")
    answers: list[Any] = []

    async def push(stage: Stage) -> None:
        answers.append(passive(await stage.push(body)))

    async with one.bot, two.bot:
        async with anyio.create_task_group() as tasks:
            for stage in (one, two):
                tasks.start_soon(push, stage)
                await anyio.wait_all_tasks_blocked()
            for stage in (one, two):
                await stage.advance(4.5)
        await one.advance(15.5)

    assert answers == ["success", "success"]
    assert pair.handled == ["1 at A"]
    assert one.sent == ["1"]
    assert two.sent == []
    assert pair.lines.standing == []


async def test_repetition_is_handled_if_the_first_process_ends() -> None:
    """
    If the process that had a push ends before it handled it, the one where a repetition waits handles it.
    """
    pair = Pair(seconds=20, drain=0)
    one, two = pair.stages
    body = one.text("1")
    async with two.bot, anyio.create_task_group() as tasks:
        async with one.bot:
            for stage in (one, two):
                tasks.start_soon(stage.push, body)
                await anyio.wait_all_tasks_blocked()
        await two.advance(4.5)
        await two.advance(15.5)

    assert pair.handled == ["1 at B"]
    assert two.sent == ["1"]
    assert pair.lines.standing == []


async def test_broken_off_requests_leave_no_place() -> None:
    """
    If a request is broken off while its push waits, the push is handled in its turn and leaves no place.
    """
    pair = Pair(seconds=10)
    one, two = pair.stages
    connection = Connection(two, two.text("2"), b"")
    async with one.bot, two.bot:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one.says, "1")
            await anyio.wait_all_tasks_blocked()
            with anyio.CancelScope() as scope:
                tasks.start_soon(_cancel_soon, scope)
                await connection.run()
            await one.advance(10)
        await two.advance(10)

    assert pair.handled == ["1 at A", "2 at B"]
    assert two.sent == ["2"]
    assert pair.lines.standing == []


async def _cancel_soon(scope: anyio.CancelScope) -> None:
    await anyio.wait_all_tasks_blocked()
    scope.cancel()


@pytest.mark.parametrize("drain", [0, 5])
async def test_closed_bot_leaves_no_place(drain: float) -> None:
    """
    A bot that is left takes its places with it, those of pushes that waited and of those about to join as well.
    """
    clock = ManualClock()
    lines = Lines(clock=clock, slow=(0, 0, 0, 60))
    stage = Stage(order=lines, drain=drain)
    taken = 0
    stage.bot.on(TextMessage)(slow(stage, 60))
    async with anyio.create_task_group() as tasks, stage.bot:
        for name, openid in (("a1", ALICE), ("a2", ALICE), ("b1", BOB), ("b2", BOB), ("b3", BOB)):
            tasks.start_soon(stage.push, stage.text(name, openid))
            await anyio.wait_all_tasks_blocked()
        taken = len(lines.standing)
        tasks.start_soon(stage.advance, 5)

    assert taken == 3
    assert lines.standing == []


@pytest.mark.parametrize("failing", ["claim", "release", "done"])
async def test_failing_memory_leaves_no_place(failing: str) -> None:
    """
    Whatever becomes of a push, its place is left.
    """
    lines = Lines()
    stage = Stage(order=lines, seen=Recorder(failing))

    @stage.bot.on(TextMessage)
    async def handle(push: TextMessage) -> str:
        if push.content == "fails":
            raise LookupError
        return push.content

    async with stage.bot:
        for text in ("works", "fails"):
            await stage.push(stage.text(text))

    assert lines.taken == 2
    assert lines.standing == []


@pytest.mark.parametrize("failing", ["join", "wait", "leave"])
@pytest.mark.parametrize("error", [ConnectionError("no lines"), asyncio.CancelledError("no lines")])
async def test_lines_that_fail(failing: str, error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """
    If the line cannot be joined, waited in or left, pushes are handled all the same, and that is logged.
    """
    lines = Lines(failing, error=error)
    stage = Stage(order=lines)
    stage.bot.on(TextMessage)(echo)
    async with stage.bot:
        answers = [await stage.says(text) for text in ("1", "2")]

    assert [answer["Content"] for answer in answers if isinstance(answer, dict)] == ["1", "2"]
    assert caplog.text.count("Error: no lines") == 2
    assert lines.standing == []


@pytest.mark.parametrize("streams", [False, True])
async def test_seen_before_it_is_sent(streams: bool) -> None:
    """
    A push is noted as done before the first message is sent for it, once, and not again after.
    """
    seen = Recorder()

    class Client(AsyncKfClient):
        async def send_custom_message(self, *args: Any, **options: Any) -> Any:
            seen.asked.append("send")
            return await super().send_custom_message(*args, **options)

    stage = Stage(Client, seen=seen)
    if streams:

        @stage.bot.on(TextMessage)
        async def stream(push: TextMessage) -> AsyncGenerator[str]:
            yield "1"
            yield "2"

    else:
        stage.bot.on(TextMessage)(slow(stage, 5))
    async with stage.bot:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stage.says, "2")
            await stage.advance(4.5)
        await stage.advance(0.5)

    assert seen.asked == ["claim", "done", *["send"] * (2 if streams else 1)]
    assert stage.sent == (["1", "2"] if streams else ["2"])


def test_bot_takes_an_order() -> None:
    """
    Whatever has the three methods is an order.
    """
    order: Order = Lines()
    stage = Stage()

    assert isinstance(Bot(stage.hook, stage.kf, order=order), Bot)
