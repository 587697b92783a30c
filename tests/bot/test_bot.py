"""
The bot's life: entering, leaving, and what becomes of the work.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest

from wechat_kf import AsyncKfClient
from wechat_kf.bot import MemoryInbox
from wechat_kf.webhook import Push, TextMessage

from .stage import ALICE, BOB, Stage, echo, slow


async def test_leaving_waits_for_what_is_under_way(caplog: pytest.LogCaptureFixture) -> None:
    """
    Handlers that end within the time to drain send their answers; nothing is cancelled.
    """
    stage = Stage(drain=10)
    stage.bot.on(TextMessage)(slow(stage, 13))
    async with anyio.create_task_group() as tasks, stage.bot:
        tasks.start_soon(stage.says, "1")
        await stage.advance(4.5)
        tasks.start_soon(_advance_soon, stage, 8.5)

    assert stage.sent == ["1"]
    assert [each for each in caplog.records if each.name.startswith("wechat_kf") and each.levelname != "DEBUG"] == []


async def _advance_soon(stage: Stage, seconds: float) -> None:
    await stage.advance(seconds)


async def test_leaving_cancels_what_takes_too_long(caplog: pytest.LogCaptureFixture) -> None:
    """
    After the time to drain the rest is cancelled; without another worker its requests are told to come again.
    """
    inbox = MemoryInbox()
    stage = Stage(drain=2, inbox=inbox, on_lost=None)
    stage.bot.on(TextMessage)(slow(stage, 60))
    statuses: dict[str, int] = {}

    async def push(name: str, openid: str) -> None:
        statuses[name] = (await stage.push(stage.text(name, openid))).status_code

    async with anyio.create_task_group() as tasks, stage.bot:
        for name, openid in (("a1", ALICE), ("a2", ALICE), ("b1", BOB)):
            tasks.start_soon(push, name, openid)
            await anyio.wait_all_tasks_blocked()
        tasks.start_soon(_advance_soon, stage, 2)

    assert statuses == {"a1": 503, "a2": 503, "b1": 503}
    assert stage.sent == []
    assert stage.lost == []
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []
    # None was answered, so that each may be handled when it comes again.
    assert len(inbox) == 0


async def test_leaving_tells_what_nobody_will_answer(caplog: pytest.LogCaptureFixture) -> None:
    """
    What WeChat was told success for, and nobody will answer, is logged and told once.
    """
    stage = Stage(drain=0)
    stage.bot.on(TextMessage)(slow(stage, 60))
    async with anyio.create_task_group() as tasks, stage.bot:
        tasks.start_soon(stage.says, "你好")
        await stage.advance(4.5)

    assert stage.lost == [(f"{ALICE}:1", 0, False)]
    assert f"The push {ALICE}:1 is lost: its worker ended. Messages sent: 0." in caplog.text


async def test_leaving_tells_whose_request_was_cut(caplog: pytest.LogCaptureFixture) -> None:
    """
    If the server has cut a request, nobody knows what WeChat was told: its push counts as one that nobody will answer.
    """
    stage = Stage(drain=0)
    stage.bot.on(TextMessage)(slow(stage, 60))
    async with stage.bot, anyio.create_task_group() as tasks:
        tasks.start_soon(stage.says, "你好")
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert stage.lost == [(f"{ALICE}:1", 0, False)]
    assert "Left for WeChat to repeat" not in caplog.text


async def test_leaving_tells_all_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """
    However long `on_lost` takes for each, all pushes that nobody will answer are told in the time that is left.
    """
    told: list[str] = []
    all_told = anyio.Event()

    async def lost(push: Push, sent: int, uncertain: bool) -> None:
        told.append(push.openid)
        if len(told) == 30:
            all_told.set()
        await all_told.wait()

    customers = [f"o{number}" for number in range(30)]
    stage = Stage(drain=0, on_lost=lost)
    stage.bot.on(TextMessage)(slow(stage, 60))
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks, stage.bot:
            for openid in customers:
                tasks.start_soon(stage.says, "你好", openid)
            await stage.advance(4.5)

    assert sorted(told) == sorted(customers)
    assert caplog.text.count("is lost: its worker ended.") == 30
    assert "on_lost failed" not in caplog.text


async def test_cancelled_after_something_was_sent() -> None:
    """
    A push that was cancelled after a message of its was sent is not handled again; that is told, with what was sent.
    """
    inbox = MemoryInbox()
    stage = Stage(drain=0, inbox=inbox)

    @stage.bot.on(TextMessage)
    async def stream(push: TextMessage) -> AsyncGenerator[str]:
        yield "one"
        await stage.clock.sleep(60)
        yield "two"

    body = stage.text("你好")
    async with stage.bot:
        await stage.push(body)
        await anyio.wait_all_tasks_blocked()
    async with stage.bot:
        again = await stage.push(body)

    assert again.text == "success"
    assert stage.sent == ["one"]
    assert stage.lost == [(f"{ALICE}:1", 1, False)]


async def test_cancelled_while_sending() -> None:
    """
    A message that was on its way when the bot was left may have arrived, and that is told.
    """

    class Client(AsyncKfClient):
        async def send_custom_message(self, *args: Any, **options: Any) -> Any:
            await anyio.sleep_forever()

    stage = Stage(Client, drain=0)

    @stage.bot.on(TextMessage)
    async def stream(push: TextMessage) -> AsyncGenerator[str]:
        yield "one"

    async with stage.bot:
        await stage.says("你好")
        await anyio.wait_all_tasks_blocked()

    assert stage.lost == [(f"{ALICE}:1", 0, True)]


async def test_while_leaving_pushes_are_refused() -> None:
    """
    A push that comes while the bot is being left is for another process.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(slow(stage, 3))
    statuses: list[int] = []

    async def push_late() -> None:
        await anyio.wait_all_tasks_blocked()
        statuses.append((await stage.push(stage.text("2"))).status_code)
        await stage.advance(3)

    async with anyio.create_task_group() as tasks, stage.bot:
        tasks.start_soon(stage.says, "1")
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(push_late)

    assert statuses == [503]


@pytest.mark.parametrize("error", [LookupError("body"), KeyboardInterrupt(), SystemExit(3)])
async def test_errors_of_the_body_come_out_as_they_are(error: BaseException) -> None:
    """
    What is raised in ``async with bot`` is not wrapped in a group; what is under way is drained before.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(slow(stage, 5))
    raised: list[BaseException] = []
    async with anyio.create_task_group() as tasks:
        try:
            async with stage.bot:
                tasks.start_soon(stage.says, "你好")
                await stage.advance(4.5)
                tasks.start_soon(_advance_soon, stage, 0.5)
                raise error  # noqa: TRY301 - that it comes through is the test
        except BaseException as caught:  # noqa: BLE001 - whatever it is, it is looked at
            raised.append(caught)

    assert raised == [error]
    assert stage.sent == ["你好"]


async def test_cancelled_body_cancels_the_work() -> None:
    """
    Whoever cancels ``async with bot`` does not wait for the handlers.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(slow(stage, 60))
    scope = anyio.CancelScope()
    async with anyio.create_task_group() as tasks:
        with scope:
            async with stage.bot:
                tasks.start_soon(stage.says, "你好")
                await stage.advance(4.5)
                scope.cancel()
                await anyio.sleep_forever()

    assert scope.cancelled_caught
    assert stage.lost == [(f"{ALICE}:1", 0, False)]


async def test_cancelled_while_leaving() -> None:
    """
    Draining can be cancelled.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(slow(stage, 60))
    scope = anyio.CancelScope()
    async with anyio.create_task_group() as tasks:
        with scope:
            async with stage.bot:
                tasks.start_soon(stage.says, "你好")
                await stage.advance(4.5)
                tasks.start_soon(_cancel_soon, scope)

    assert scope.cancelled_caught
    assert stage.lost == [(f"{ALICE}:1", 0, False)]


async def _cancel_soon(scope: anyio.CancelScope) -> None:
    await anyio.wait_all_tasks_blocked()
    scope.cancel()


async def test_not_entered() -> None:
    """
    A push to a bot that nobody entered says what is missing.
    """
    stage = Stage()

    with pytest.raises(RuntimeError, match="async with bot"):
        await stage.says("你好")


async def test_entered_twice() -> None:
    """
    A bot is entered once at a time, but may be entered again later.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(echo)
    answers: list[Any] = []
    async with stage.bot:
        with pytest.raises(RuntimeError, match="already"):
            async with stage.bot:
                pass
        answers.append(await stage.says("1"))
    async with stage.bot:
        answers.append(await stage.says("2"))

    assert [answer["Content"] for answer in answers] == ["1", "2"]


@pytest.mark.parametrize("entered", [False, True])
async def test_lifespan(entered: bool) -> None:
    """
    A server that serves the bot alone enters it at startup and leaves it at shutdown, unless somebody has entered it.
    """
    stage = Stage()
    stage.bot.on(TextMessage)(echo)
    events, receive = anyio.create_memory_object_stream[dict[str, Any]](2)
    told: list[str] = []

    async def send(event: Any) -> None:
        told.append(event["type"])

    async def serve() -> Any:
        said: Any = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stage.bot, {"type": "lifespan"}, receive.receive, send)
            await events.send({"type": "lifespan.startup"})
            await anyio.wait_all_tasks_blocked()
            said = await stage.says("你好")
            await events.send({"type": "lifespan.shutdown"})
        return said

    if entered:
        async with stage.bot:
            said = await serve()
            after = await stage.says("再见")
    else:
        said = after = await serve()
        with pytest.raises(RuntimeError):
            await stage.says("再见")
    events.close()
    receive.close()

    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert isinstance(said, dict)
    assert isinstance(after, dict)
