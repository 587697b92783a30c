"""
Several bots in front of one account, which share an inbox: whose turn it is, and what a bot leaves behind.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import anyio
import httpx
import pytest

from wechat_kf.bot import Arrival, Arrived, InboxWorker, Interrupt, Lost, MemoryInbox, News, Orphan, Place, Turn
from wechat_kf.bot import _work as work_module
from wechat_kf.testing import ManualClock
from wechat_kf.webhook import TextMessage
from wechat_kf.webhook.xml import read_xml

from .stage import ALICE, BOB, Stage, echo, passive, slow
from .test_face import Connection


class Pair:
    """
    Two bots of one account, and what they handle, in order.
    """

    def __init__(self, seconds: float = 0.0, **options: Any) -> None:
        inbox = MemoryInbox(clock=ManualClock())
        self.stages = [Stage(inbox=inbox, **options) for _ in range(2)]
        # One WeChat numbers the messages.
        self.stages[1]._ids = self.stages[0]._ids
        self.handled: list[str] = []
        for name, stage in zip("AB", self.stages, strict=True):
            self._serve(name, stage, seconds)

    def _serve(self, name: str, stage: Stage, seconds: float) -> None:
        @stage.bot.on(TextMessage)
        async def handle(push: TextMessage) -> str:
            await stage.clock.sleep(seconds)
            self.handled.append(f"{push.content} at {name}, attempt {push.attempt}")
            return push.content


async def test_order_across_bots() -> None:
    """
    The pushes of one customer are handled in the order in which they came, to whichever bot they came.

    The places are taken on arrival: that the second bot is idle does not bring its push forward.
    """
    pair = Pair(seconds=10)
    one, two = pair.stages
    async with anyio.create_task_group() as tasks, one.bot, two.bot:
        for number, stage in enumerate((one, two, one, one, two), 1):
            tasks.start_soon(stage.says, str(number))
            await anyio.wait_all_tasks_blocked()
        for stage in (one, two, one, one, two):
            await stage.advance(10)

    assert [each[:6] for each in pair.handled] == ["1 at A", "2 at B", "3 at A", "4 at A", "5 at B"]


async def test_repetition_at_another_bot() -> None:
    """
    A repetition that comes to another bot is told `success`; the first's request is void, and it answers by message.
    """
    pair = Pair(seconds=2)
    one, two = pair.stages
    body = one.text("1")
    answers: dict[str, Any] = {}

    async def push(name: str, stage: Stage) -> None:
        answers[name] = passive(await stage.push(body))

    async with one.bot, two.bot, anyio.create_task_group() as tasks:
        tasks.start_soon(push, "first", one)
        await anyio.wait_all_tasks_blocked()
        await push("again", two)
        await one.advance(2)

    assert answers == {"again": "success", "first": "success"}
    assert pair.handled == ["1 at A, attempt 1"]
    assert (one.sent, two.sent) == (["1"], [])


async def test_repetition_after_the_reply_at_another_bot() -> None:
    """
    A repetition of what was answered passively is given the same bytes by any bot.
    """
    pair = Pair()
    one, two = pair.stages
    body = one.text("1")
    async with one.bot, two.bot:
        answers = [(await stage.push(body)).content for stage in (one, two)]

    assert answers[0] == answers[1]
    assert b"1" in answers[0]
    assert pair.handled == ["1 at A, attempt 1"]


async def test_bot_that_is_left_hands_over(caplog: pytest.LogCaptureFixture) -> None:
    """
    What outlasts the time to drain goes on at another bot at once, in its order; its requests are told `success`.
    """
    pair = Pair(seconds=20, drain=0)
    one, two = pair.stages
    answers: list[Any] = []

    async def say(text: str) -> None:
        answers.append(await one.says(text))

    async with two.bot, anyio.create_task_group() as tasks:
        async with one.bot:
            for text in ("1", "2"):
                tasks.start_soon(say, text)
                await anyio.wait_all_tasks_blocked()
        for _ in range(2):
            await two.advance(20)

    assert answers == ["success", "success"]
    assert pair.handled == ["1 at B, attempt 2", "2 at B, attempt 1"]
    assert two.sent == ["1", "2"]
    assert (one.lost, two.lost) == ([], [])
    assert f"Handed over to other workers: the pushes {ALICE}:1, {ALICE}:2." in caplog.text


async def test_context_of_what_was_taken_over() -> None:
    """
    A push that was taken over has no request here, and so none of the context variables of its first one.
    """
    inbox = MemoryInbox()
    one, two = Stage(inbox=inbox, drain=0), Stage(inbox=inbox)
    request: ContextVar[str] = ContextVar("request", default="none")
    seen: list[str] = []
    one.bot.on(TextMessage)(slow(one, 60))
    two.bot.on(TextMessage)(lambda push: seen.append(request.get()))

    async def say() -> None:
        request.set("the first")
        await one.says("你好")

    async with two.bot, anyio.create_task_group() as tasks:
        async with one.bot:
            tasks.start_soon(say)
            await anyio.wait_all_tasks_blocked()
        await anyio.wait_all_tasks_blocked()

    assert seen == ["none"]


async def test_handler_finds_the_push_as_it_was() -> None:
    """
    A push that was handed over is the same push, but for its attempt.
    """
    inbox = MemoryInbox()
    one, two = Stage(inbox=inbox, drain=0), Stage(inbox=inbox)
    pushes: list[TextMessage] = []
    one.bot.on(TextMessage)(slow(one, 60))
    two.bot.on(TextMessage)(pushes.append)
    body = one.text("你好\n<&>")
    async with two.bot, anyio.create_task_group() as tasks:
        async with one.bot:
            tasks.start_soon(one.push, body)
            await anyio.wait_all_tasks_blocked()
        await anyio.wait_all_tasks_blocked()

    assert pushes == [one.hook.unwrap(one.signed(), body)]
    assert [push.attempt for push in pushes] == [2]
    assert pushes[0].raw["Content"] == "你好\n<&>"


class Scripted:
    """
    An inbox whose news and answers a test decides.

    Args:
        options: What the calls return, by their names; an exception is raised.
    """

    def __init__(self, **answers: Any) -> None:
        self.works = True
        self.answers: dict[str, Any] = {
            "arrive": None,
            "reply": True,
            "send": True,
            "done": None,
            "hand_over": True,
            "allowance": None,
            **answers,
        }
        self.asked: list[str] = []
        self.on_reply: Callable[[], None] = lambda: None
        self.on_arrive: anyio.Event | None = None
        # The calls that do not return, once each.
        self.hanging: set[str] = set()
        self.early: list[News] = []
        self.notify: Callable[[News], None] = self.early.append

    @asynccontextmanager
    async def join(
        self, notify: Callable[[News], None], *, stale: float, appid: str | None = None
    ) -> AsyncGenerator[InboxWorker]:
        self.notify = notify
        for news in self.early:
            notify(news)
        yield self

    async def _ask(self, name: str) -> Any:
        self.asked.append(name)
        if name in self.hanging:
            self.hanging.remove(name)
            await anyio.sleep_forever()
        answer = self.answers[name]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def arrive(self, arrival: Arrival) -> Arrived:
        if self.on_arrive is not None:
            await self.on_arrive.wait()
        answer = await self._ask("arrive")
        place = Place(arrival.account, arrival.openid, arrival.key)
        return Arrived(1, place, is_turn=True) if answer is None else answer

    async def reply(self, place: Place, request: int, body: bytes) -> Any:
        self.on_reply()
        return await self._ask("reply")

    async def send(self, place: Place, number: int) -> Any:
        return await self._ask("send")

    async def done(self, place: Place) -> None:
        await self._ask("done")

    async def hand_over(self, places: Sequence[Place]) -> Any:
        return await self._ask("hand_over")

    async def allowance(self, account: str, openid: str) -> Any:
        return await self._ask("allowance")


async def test_asks_the_inbox() -> None:
    """
    A passive reply costs three calls of the inbox, a message three, each further message one.
    """
    inbox = Scripted()
    stage = Stage(inbox=inbox)
    asked: list[list[str]] = []

    @stage.bot.on(TextMessage)
    async def answer(push: TextMessage) -> str:
        return "x" * 2048 * int(push.content) if push.content.isdigit() else push.content

    async with stage.bot:
        for text in ("passive", "1", "3", " "):
            await stage.says(text)
            await anyio.wait_all_tasks_blocked()
            asked.append(list(inbox.asked))
            inbox.asked.clear()

    assert asked == [
        ["arrive", "reply", "done"],
        ["arrive", "send", "done"],
        ["arrive", "send", "send", "send", "done"],
        ["arrive", "done"],
    ]


async def test_push_that_cannot_be_noted(caplog: pytest.LogCaptureFixture) -> None:
    """
    What the inbox refuses is not handled, and WeChat is told to come again; so is what comes again meanwhile.
    """
    inbox = Scripted(arrive=PermissionError("NOPERM"))
    stage = Stage(inbox=inbox)
    stage.bot.on(TextMessage)(echo)
    body = stage.text("你好")
    async with stage.bot:
        statuses = [(await stage.push(body)).status_code]
        inbox.answers["arrive"] = None
        answers = [(await stage.push(body)).text]

    assert statuses == [503]
    assert "你好" in answers[0]
    assert "could not be noted" in caplog.text
    assert "NOPERM" in caplog.text


async def test_push_that_another_bot_took_over(caplog: pytest.LogCaptureFixture) -> None:
    """
    What another bot has taken over, because this one seemed to be dead, is not answered here too; it is no failure.
    """
    stage = Stage(inbox=Scripted(reply=False, send=False))
    ended: list[bool] = []

    @stage.bot.on(TextMessage)
    async def answer(push: TextMessage) -> AsyncGenerator[str]:
        try:
            yield "1"
            yield "2"
        finally:
            ended.append(True)

    async with stage.bot:
        said = await stage.says("你好")

    assert said == "success"
    assert stage.sent == []
    assert ended == [True]
    assert stage.failures == []
    assert f"The push {ALICE}:1 is another worker's by now" in caplog.text


async def test_inbox_that_cannot_be_told(caplog: pytest.LogCaptureFixture) -> None:
    """
    If the inbox cannot be told that a push was handled, that is logged, and the answer stands.
    """
    stage = Stage(inbox=Scripted(done=PermissionError("NOPERM")))
    stage.bot.on(TextMessage)(echo)
    async with stage.bot:
        said = await stage.says("你好")

    assert isinstance(said, dict)
    assert f"The push {ALICE}:1 was handled, but the inbox could not be told." in caplog.text


async def test_inbox_that_takes_nothing_over(caplog: pytest.LogCaptureFixture) -> None:
    """
    If handing over fails, WeChat is told to come again, and what it was told success for is told as lost.
    """
    stage = Stage(inbox=Scripted(hand_over=PermissionError("NOPERM")), drain=0)
    stage.bot.on(TextMessage)(slow(stage, 60))
    statuses: list[int] = []

    async def push(openid: str) -> None:
        statuses.append((await stage.push(stage.text("你好", openid))).status_code)

    async with anyio.create_task_group() as tasks, stage.bot:
        tasks.start_soon(push, ALICE)
        await stage.advance(4.5)
        tasks.start_soon(push, BOB)
        await anyio.wait_all_tasks_blocked()

    assert statuses == [200, 503]
    assert stage.lost == [(f"{ALICE}:1", 0, False)]
    assert "Could not hand over" in caplog.text


async def test_inbox_that_never_answers_while_leaving(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Leaving ends after a while, whatever the inbox does, and says that it is not done.
    """
    monkeypatch.setattr("wechat_kf.bot._bot._LAST_SECONDS", 0.1)
    inbox = Scripted()
    inbox.hanging.add("hand_over")
    stage = Stage(inbox=inbox, drain=0)
    stage.bot.on(TextMessage)(slow(stage, 60))
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks, stage.bot:
            tasks.start_soon(stage.says, "你好")
            await stage.advance(4.5)

    assert stage.bot.status().state == "stopped"
    assert "The bot was left before all was handed over or told, which took longer than 0.1 s." in caplog.text


async def test_news_from_before_the_start() -> None:
    """
    What the inbox tells while the bot is being entered is heard: the pushes of workers that died before.
    """
    first = Stage()
    push = first.hook.unwrap(first.signed(), first.text("你好"))
    payload = (
        '[false,{"ToUserName":"gh_1","FromUserName":"oAlice","CreateTime":"1","MsgType":"text",'
        '"Content":"你好","MsgId":"1"}]'
    ).encode()
    inbox = Scripted()
    place = Place("gh_1", ALICE, push.dedupe_key, attempt=2)
    inbox.early = [
        Orphan(place, payload, is_turn=True),
        Lost(Place("gh_1", BOB, f"{BOB}:1"), payload, sent=1, uncertain=True),
    ]
    stage = Stage(inbox=inbox)
    stage.bot.on(TextMessage)(echo)
    async with stage.bot:
        await anyio.wait_all_tasks_blocked()

    assert stage.sent == ["你好"]
    assert stage.lost == [(f"{ALICE}:1", 1, True)]


async def test_turn_right_after_a_push_is_inherited() -> None:
    """
    The turn of a dead worker's push may be told in the same moment as the push.
    """
    inbox = Scripted()
    stage = Stage(inbox=inbox)
    stage.bot.on(TextMessage)(echo)
    place = Place("gh_1", ALICE, f"{ALICE}:1")
    payload = json.dumps([False, {**read_xml(stage.text("你好", msg_id=1))}]).encode()
    async with stage.bot:
        for news in (Orphan(place, payload, is_turn=False), Turn(place)):
            inbox.notify(news)
        await anyio.wait_all_tasks_blocked()

    assert stage.sent == ["你好"]


async def test_payloads_that_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    """
    A payload of another version of the program is logged, and settled.
    """
    inbox = Scripted()
    stage = Stage(inbox=inbox)
    async with stage.bot:
        inbox.notify(Orphan(Place("gh_1", ALICE, "o:1\nERROR"), b"?", is_turn=True))
        inbox.notify(Lost(Place("gh_1", ALICE, "o:2"), b"?", sent=1, uncertain=True))
        await anyio.wait_all_tasks_blocked()

    assert inbox.asked == ["done"]
    assert r"Could not read the push o:1\nERROR of another worker." in caplog.text
    assert "Could not read the lost push o:2" in caplog.text
    assert stage.lost == []


async def test_news_of_pushes_unknown() -> None:
    """
    News of a push that is not under way here any more is no matter, nor is news after the end.
    """
    inbox = Scripted()
    stage = Stage(inbox=inbox)
    async with stage.bot:
        inbox.notify(Turn(Place("gh_1", ALICE, "o:1")))
        inbox.notify(Interrupt(Place("gh_1", ALICE, "o:1")))
    inbox.notify(Orphan(Place("gh_1", ALICE, "o:1"), b"?", is_turn=True))

    assert inbox.asked == []


async def test_status() -> None:
    """
    The status tells what is under way since the bot was entered, whether the inbox works, and how pushes ended ever.
    """
    inbox = Scripted()
    stage = Stage(inbox=inbox, drain=60)
    stage.bot.on(TextMessage, lambda push: push.content == "bad")(lambda push: str(push.raw["missing"]))
    stage.bot.on(TextMessage)(slow(stage, 10))
    seen = [stage.bot.status()]

    async def look() -> None:
        await anyio.wait_all_tasks_blocked()
        seen.append(stage.bot.status())
        await stage.advance(10)

    async with anyio.create_task_group() as tasks:
        async with stage.bot:
            seen.append(stage.bot.status())
            await stage.says("bad")
            tasks.start_soon(stage.says, "1")
            await anyio.wait_all_tasks_blocked()
            inbox.works = False
            tasks.start_soon(look)
        seen.append(stage.bot.status())
        inbox.works = True
        async with stage.bot:
            seen.append(stage.bot.status())

    assert [(each.state, each.under_way, each.handling, each.failed, each.inbox_works) for each in seen] == [
        ("stopped", 0, 0, 0, True),
        ("running", 0, 0, 0, True),
        ("leaving", 1, 1, 1, False),
        ("stopped", 0, 0, 0, True),
        ("running", 0, 0, 0, True),
    ]
    assert [each.counts for each in seen] == [{}, {}, {"failed": 1}, *[{"failed": 1, "late": 1}] * 2]


@pytest.mark.parametrize("call", ["arrive", "reply", "done"])
async def test_left_while_the_inbox_is_asked(call: str, caplog: pytest.LogCaptureFixture) -> None:
    """
    What was being noted is left for WeChat to repeat; what was answered is told as done, and not as lost.
    """
    inbox = Scripted(hand_over=False)
    inbox.hanging.add(call)
    stage = Stage(inbox=inbox, drain=0)
    stage.bot.on(TextMessage)(echo)
    answers: list[Any] = []

    async def push() -> None:
        answers.append((await stage.push(stage.text("你好"))).status_code)

    async with anyio.create_task_group() as tasks, stage.bot:
        tasks.start_soon(push)
        await anyio.wait_all_tasks_blocked()

    assert answers == [200 if call == "done" else 503]
    assert ("Left for WeChat to repeat: the push" in caplog.text) is (call == "reply")
    assert stage.lost == []
    assert inbox.asked[-1] == {"arrive": "arrive", "reply": "hand_over", "done": "done"}[call]


async def test_cancelled_bot_hands_over() -> None:
    """
    A bot whose task is cancelled hands its pushes over all the same; a repetition that comes meanwhile is refused.
    """
    inbox = Scripted()
    stage = Stage(inbox=inbox)
    stage.bot.on(TextMessage)(slow(stage, 60))
    body = stage.text("你好")
    answers: list[httpx.Response] = []
    repeated: list[int] = []
    asked, may_go = anyio.Event(), anyio.Event()

    async def hand_over(places: Sequence[Place]) -> bool:
        asked.set()
        await may_go.wait()
        inbox.asked.append("handed over")
        return True

    inbox.hand_over = hand_over  # type: ignore[method-assign]

    async def run() -> None:
        async with stage.bot:
            await anyio.sleep_forever()

    async def push() -> None:
        answers.append(await stage.push(body))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as requests, anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await anyio.wait_all_tasks_blocked()
            requests.start_soon(push)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
            with anyio.fail_after(10, shield=True):
                await asked.wait()
                repeated.append((await stage.push(body)).status_code)
                may_go.set()

    assert repeated == [503]
    assert [answer.text for answer in answers] == ["success"]
    assert inbox.asked == ["arrive", "handed over"]
    assert stage.lost == []


async def test_message_sent_while_the_bot_is_left() -> None:
    """
    What was answered by a message, when telling the inbox of it was cut off, is told again, and is not lost.
    """
    inbox = Scripted()
    inbox.hanging.add("done")
    stage = Stage(inbox=inbox, drain=0, is_ai_msg=True)
    stage.bot.on(TextMessage)(echo)
    async with stage.bot:
        said = await stage.says("你好")
        await anyio.wait_all_tasks_blocked()

    assert said == "success"
    assert stage.sent == ["你好"]
    assert stage.lost == []
    assert inbox.asked == ["arrive", "send", "done", "done"]


async def test_request_that_the_inbox_does_not_note() -> None:
    """
    A request whose time is over before the inbox knows of it is told to come again, not that it was accepted.
    """
    inbox = Scripted()
    inbox.hanging.add("arrive")
    stage = Stage(inbox=inbox, drain=0)
    stage.bot.on(TextMessage)(echo)
    statuses: list[int] = []

    async def push() -> None:
        statuses.append((await stage.push(stage.text("你好"))).status_code)

    async with anyio.create_task_group() as tasks, stage.bot:
        tasks.start_soon(push)
        await stage.advance(4.5)
        await stage.advance(0.4)

    assert statuses == [503]
    assert stage.lost == []


async def test_first_push_takes_long_to_note() -> None:
    """
    A customer's pushes are noted in the order in which they came, though the inbox is slow with the first.
    """
    inbox = Scripted()
    stage = Stage(inbox=inbox)
    noted: list[str] = []
    is_free = anyio.Event()

    async def arrive_slowly(arrival: Arrival) -> Arrived:
        inbox.arrive = arrive  # type: ignore[method-assign]
        await is_free.wait()
        return await arrive(arrival)

    async def arrive(arrival: Arrival) -> Arrived:
        noted.append(arrival.key)
        return Arrived(1, Place(arrival.account, arrival.openid, arrival.key), is_turn=True)

    inbox.arrive = arrive_slowly  # type: ignore[method-assign]
    async with stage.bot, anyio.create_task_group() as tasks:
        for number in (1, 2, 3):
            tasks.start_soon(stage.push, stage.text("你好", msg_id=number))
            await anyio.wait_all_tasks_blocked()
        is_free.set()

    assert noted == [f"{ALICE}:{number}" for number in (1, 2, 3)]


async def test_repetition_while_the_first_is_noted() -> None:
    """
    A repetition waits until the first is noted; if that fails, it takes its place; while leaving it is refused.
    """
    inbox = Scripted()
    stage = Stage(inbox=inbox)
    stage.bot.on(TextMessage)(echo)
    body = stage.text("你好")
    answers: dict[int, Any] = {}
    failing = anyio.Event()

    async def refuse(arrival: Arrival) -> Arrived:
        await failing.wait()
        inbox.arrive = arrive  # type: ignore[method-assign]
        raise PermissionError

    arrive = inbox.arrive
    inbox.arrive = refuse  # type: ignore[method-assign]

    async def push(number: int) -> None:
        answers[number] = await stage.push(body)

    async with stage.bot, anyio.create_task_group() as tasks:
        for number in (1, 2):
            tasks.start_soon(push, number)
            await anyio.wait_all_tasks_blocked()
        failing.set()

    assert answers[1].status_code == 503
    assert "你好" in answers[2].text


async def test_repetition_of_what_could_not_be_noted_has_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A repetition that would take the place of a push that could not be noted is refused if there is too much under way.
    """
    inbox = Scripted(arrive=PermissionError("NOPERM"))
    stage = Stage(inbox=inbox)
    stage.bot.on(TextMessage)(echo)
    body = stage.text("你好")
    statuses: list[int] = []

    async def push() -> None:
        statuses.append((await stage.push(body)).status_code)

    inbox.on_arrive = anyio.Event()
    async with stage.bot, anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(push)
            await anyio.wait_all_tasks_blocked()
        monkeypatch.setattr(work_module, "MAX_PUSHES", 0)
        inbox.on_arrive.set()

    assert statuses == [503, 503]


async def test_orphan_that_is_handed_over_again() -> None:
    """
    A push that was taken over, and whose second bot is left too, goes on to the next; it has no request to answer.
    """
    inbox = Scripted()
    stage = Stage(inbox=inbox, drain=0, on_lost=None)
    stage.bot.on(TextMessage)(slow(stage, 60))
    payload = json.dumps([False, {**read_xml(stage.text("你好", msg_id=1))}]).encode()
    for is_kept in (True, False):
        inbox.answers["hand_over"] = is_kept
        async with stage.bot:
            inbox.notify(Orphan(Place("gh_1", ALICE, f"{ALICE}:1", attempt=2), payload, is_turn=True))
            await anyio.wait_all_tasks_blocked()

    assert inbox.asked == ["hand_over", "hand_over", "done"]


async def test_repetition_that_cannot_be_noted(caplog: pytest.LogCaptureFixture) -> None:
    """
    A repetition that the inbox refuses is told to come again; the first is answered all the same.
    """
    inbox = Scripted()
    stage = Stage(inbox=inbox)
    stage.bot.on(TextMessage)(slow(stage, 2))
    body = stage.text("你好")
    answers: dict[int, Any] = {}

    async def push(number: int) -> None:
        answers[number] = await stage.push(body)

    async with stage.bot, anyio.create_task_group() as tasks:
        tasks.start_soon(push, 1)
        await anyio.wait_all_tasks_blocked()
        inbox.answers["arrive"] = PermissionError("NOPERM")
        await push(2)
        inbox.answers["arrive"] = Arrived(2, Place("gh_1", ALICE, f"{ALICE}:1", attempt=2), is_turn=True)
        tasks.start_soon(push, 3)
        await stage.advance(2)

    assert [answers[number].status_code for number in (1, 2, 3)] == [200, 503, 200]
    assert answers[1].text == "success"
    assert "你好" in answers[3].text
    assert "A repetition of the push" in caplog.text


async def test_repetition_given_the_reply_that_came_too_late() -> None:
    """
    If a repetition was given the bytes of a reply that its first request missed, no message follows.
    """
    inbox = Scripted(send=False)
    stage = Stage(inbox=inbox)
    inbox.on_reply = lambda: stage.clock.advance(5)
    stage.bot.on(TextMessage)(echo)
    async with stage.bot:
        said = await stage.says("你好")

    assert said == "success"
    assert stage.failures == []
    assert stage.sent == []


async def test_left_while_a_reply_is_written() -> None:
    """
    Leaving waits for a passive reply that is being written, and takes it for answered.
    """
    inbox = Scripted()
    stage = Stage(inbox=inbox, drain=0)
    stage.bot.on(TextMessage)(echo)
    connection = SlowConnection(stage, stage.text("你好"), b"")
    async with anyio.create_task_group() as tasks, stage.bot:
        tasks.start_soon(connection.run)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(connection.go_on)

    assert "你好".encode() in connection.written[1]["body"]
    assert stage.lost == []
    assert inbox.asked == ["arrive", "reply", "done"]


class SlowConnection(Connection):
    """
    A connection whose other side is slow to take the answer.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._takes = anyio.Event()

    async def go_on(self) -> None:
        """
        Take it, once all else waits.
        """
        await anyio.wait_all_tasks_blocked()
        self._takes.set()

    async def send(self, event: Any) -> None:
        await self._takes.wait()
        await super().send(event)


async def test_inbox_that_cannot_be_joined() -> None:
    """
    A bot whose inbox cannot be joined is not entered, and may be entered later.
    """

    class Closed(Scripted):
        def join(self, *args: Any, **options: Any) -> Any:
            raise PermissionError("NOPERM")

    stage = Stage(inbox=Closed())
    for _ in range(2):
        with pytest.raises(PermissionError):
            await stage.bot.__aenter__()

    assert stage.bot.status().state == "stopped"


async def test_own_push_taken_for_a_dead_workers() -> None:
    """
    A push of its own that a bot hears as another's, since it seemed dead, is handled anew; the first goes unsaid.
    """
    inbox = Scripted()
    stage = Stage(inbox=inbox)
    attempts: list[int] = []

    @stage.bot.on(TextMessage)
    async def answer(push: TextMessage) -> str:
        attempts.append(push.attempt)
        await stage.clock.sleep(5)
        inbox.answers["send"] = len(attempts) == 1 or attempts.pop() == 2
        return push.content

    payload = json.dumps([False, {**read_xml(stage.text("你好", msg_id=1))}]).encode()
    async with stage.bot:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stage.push, stage.text("你好", msg_id=1))
            await stage.advance(1)
            inbox.notify(Orphan(Place("gh_1", ALICE, f"{ALICE}:1", attempt=2), payload, is_turn=True))
            await stage.advance(3.5)
        for _ in range(2):
            await stage.advance(1)

    assert stage.bot.status().under_way == 0
    assert set(stage.sent) == {"你好"}
