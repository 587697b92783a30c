"""
The soak: four workers, 200 customers, and everything goes wrong now and then.

Run it as ``python -m tests.fleet.soak SECONDS [SEED]``. The stand-in runs here, on a real socket; between it and the
workers stands a network of ours that loses requests and answers. WeChat's API, Redis and the workers fail at random, by
a seed that is printed. At the end what customers were shown is compared with what the workers were told, message by
message.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Final

import anyio
import anyio.to_thread
import attrs
import httpx
import redis as blocking_redis

from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE, TYPING
from wechat_kf.testing import (
    Delay,
    Drip,
    DropAfter,
    DropBefore,
    Errcode,
    FakeWeChat,
    Fault,
    Garble,
    Status,
    Truncate,
)
from wechat_kf.webhook.xml import read_xml

from ..redis_server import RedisServer
from .serving import WORKERS, served, until

CUSTOMERS: Final = 200
LEASE: Final = 4.0
PATIENCE: Final = 1.0
PUSH_SECONDS: Final = 4.0
ALLOWANCE: Final = 5
TOKEN: Final = "/cgi-bin/stable_token"
# Seconds after which others have taken over what a killed worker had, and done it.
TAKEOVER: Final = 3 * LEASE
# Redis and the workers are left alone every other half minute, so that what is said without trouble can be checked.
STORM: Final = 30.0
# Of the pushes, how many may be lost by the network or refused, however often they are repeated.
LOST: Final = 0.05

FAULTS: Final[tuple[Fault, ...]] = (
    Errcode(-1),
    Errcode(40001),
    Errcode(45009),
    Errcode(45011),
    Delay(0.5),
    Delay(30),
    Drip(1),
    DropAfter(),
    DropBefore(),
    Garble(b"<html>\xff"),
    Status(502),
    Status(412),
    Truncate(5),
)

# A worker's memory may grow by so much once it is warm; what is lost is lost by the message, so ten minutes show it.
MIB: Final = 1 << 20
GROWTH: Final = 16 * MIB


@attrs.define
class Said:
    """
    What a customer wrote.

    Attributes:
        at: When.

        kind: How it is answered.

        answered: When WeChat had an answer to it; 0: never.

        is_cut: Whether WeChat gave up on an attempt, so that a passive reply may have been lost.
    """

    at: float
    kind: str
    answered: float = 0.0
    is_cut: bool = False
    is_over: anyio.Event = attrs.field(factory=anyio.Event)


@attrs.define
class Handled:
    """
    One handling of a push by a worker, and when it began and ended.
    """

    push: str
    pid: int
    began: float
    ended: float = 0.0


@attrs.define
class Message:
    """
    One message that a worker wanted to send, and what it was told became of it.
    """

    push: str
    pid: int
    said: str = ""
    error: str = ""


def number_of(push: str) -> int:
    """
    Tell which of the customer's pushes it is.
    """
    return int(push.partition("/")[2])


class Soak:
    """
    One run.
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self.random = Random(seed)  # noqa: S311 - it is to be repeatable
        self.folder = folder
        self.redis = RedisServer(folder)
        self.fake = FakeWeChat()
        self.fake.limits.push = PUSH_SECONDS
        self.said: dict[str, Said] = {}
        self.callback = ""
        self.over = anyio.Event()
        self.began = time.time()
        self.attempts = 0
        self.figures: Counter[str] = Counter()
        # When Redis was away, by which workers lose sight of each other, and when each dead worker was killed.
        self.troubles: list[tuple[float, float]] = []
        self.killed: dict[int, float] = {}
        self.sizes: defaultdict[int, list[int]] = defaultdict(list)
        self._network = httpx.AsyncClient(timeout=None, limits=httpx.Limits(max_keepalive_connections=0))  # noqa: S113

    async def run(self, seconds: float) -> None:
        """
        Let it happen for a while, then let all that is under way come to its end.
        """
        self.redis.start()
        told = {
            "LEASE": str(LEASE),
            "PATIENCE": str(PATIENCE),
            "REDIS_URL": self.redis.url,
            "REPORTS": str(self.folder),
        }
        try:
            async with (
                self._network,
                self.fake.serve() as base_url,
                served("tests.fleet.soaked:app", self.fake, base_url, told) as (self.callback, process),
            ):
                await until(lambda: len(self.workers(process.pid)) == WORKERS)
                self.fake.set_callback(self.network, token="token")
                async with anyio.create_task_group() as tasks:
                    for number in range(CUSTOMERS):
                        tasks.start_soon(self.converse, f"o{number}")
                    for trouble in (self.trouble_wechat, self.trouble_redis, self.measure):
                        tasks.start_soon(trouble, process.pid)
                    tasks.start_soon(self.kill_workers, process.pid)
                    await anyio.sleep(seconds)
                    self.over.set()
                # What was killed last is still to be taken over.
                await until(self._is_settled)
        finally:
            self.redis.stop()

    def workers(self, parent: int) -> list[int]:
        """
        List the workers that have started and live.
        """
        pids = [int(path.stem) for path in self.folder.glob("*.jsonl") if path.stat().st_size]
        return [pid for pid in pids if pid not in self.killed and _parent_of(pid) == parent]

    async def converse(self, openid: str) -> None:
        """
        Be a customer, who writes again when WeChat has delivered what they wrote.
        """
        random, number = self.random, 0
        while await self._wait(1, 12):
            kind = random.choice(("reply", "reply", "stream", "send"))
            messages = {"reply": 1, "stream": random.choice((1, 2, 3, 5)), "send": random.choice((1, 3, 7))}[kind]
            push = f"{openid}/{number}"
            number += 1
            said = self.said[push] = Said(time.time(), kind)
            self.fake.user_says(openid, f"{kind} {random.choice((0.0, 0.3, 2.0, 4.0)):g} {messages} {push}")
            with anyio.move_on_after(6 * PUSH_SECONDS):
                await said.is_over.wait()

    async def network(self, scope: Any, receive: Any, send: Any) -> None:
        """
        Bring a push to whichever worker takes it, and its answer back; or lose one of them.
        """
        body = (await receive())["body"]
        said = self.said[read_xml(body)["Content"].rpartition(" ")[2]]
        self.attempts += 1
        fate = self.random.random()
        response: httpx.Response | None = None
        try:
            if fate < 0.02:
                self.figures["network: requests lost"] += 1
                await anyio.sleep_forever()
            with suppress(httpx.TransportError):
                response = await self._network.post(f"{self.callback}/?{scope['query_string'].decode()}", content=body)
            if fate > 0.95:
                self.figures["network: answers lost"] += 1
            if response is None or fate > 0.95:
                await anyio.sleep_forever()
                return
        except BaseException:
            said.is_cut = True
            raise
        if response.status_code == 200:
            said.answered = time.time()
        await send({"type": "http.response.start", "status": response.status_code, "headers": []})
        await send({"type": "http.response.body", "body": response.content})
        said.is_over.set()

    async def trouble_wechat(self, _: int) -> None:
        """
        Have calls fail, and tokens end.
        """
        while await self._wait(0.05, 1):
            paths = (SEND_CUSTOM_MESSAGE.path, SEND_CUSTOM_MESSAGE.path, SEND_CUSTOM_MESSAGE.path, TYPING.path, TOKEN)
            path, fault = self.random.choice(paths), self.random.choice(FAULTS)
            self.fake.fault(path, fault, self.random.choice((1, 1, 3)))
            self.figures[f"WeChat: {type(fault).__name__}"] += 1
            if self.random.random() < 0.05:
                self.random.choice((self.fake.revoke_tokens, self.fake.expire_tokens))()
                self.figures["WeChat: tokens ended"] += 1

    async def trouble_redis(self, _: int) -> None:
        """
        Have Redis be silent, or restart and forget.
        """
        while await self._wait(8, 20):
            if not self._is_stormy():
                continue
            began = time.time()
            if len(self.troubles) % 2:
                self.figures["Redis: silent"] += 1
                self.redis.pause()
                await anyio.sleep(self.random.uniform(0.5, 3))
                self.redis.resume()
            else:
                self.figures["Redis: restarted"] += 1
                self.redis.stop()
                await anyio.sleep(self.random.uniform(0, 3))
                await anyio.to_thread.run_sync(self.redis.start)
            self.troubles.append((began, time.time()))

    async def kill_workers(self, parent: int) -> None:
        """
        Kill a worker now and then; uvicorn starts another.
        """
        while await self._wait(2, 6):
            alive = self.workers(parent)
            if len(alive) < WORKERS - 1 or not self._is_stormy():
                continue
            victim = self.random.choice(alive)
            self.killed[victim] = time.time()
            os.kill(victim, signal.SIGKILL)
            self.figures["workers killed"] += 1

    async def measure(self, parent: int) -> None:
        """
        Note how much memory each worker has.
        """
        while await self._wait(2, 2):
            for pid in self.workers(parent):
                self.sizes[pid].append(_size_of(pid))

    def _is_settled(self) -> bool:
        with blocking_redis.from_url(self.redis.url) as client:
            connection: Any = client
            left: int = connection.hlen(f"wechat_kf:{{{self.fake.original_id}}}:owners")
        return left == 0

    def _is_stormy(self) -> bool:
        return (time.time() - self.began) % (2 * STORM) < STORM

    async def _wait(self, least: float, most: float) -> bool:
        with anyio.move_on_after(self.random.uniform(least, most)):
            await self.over.wait()
        return not self.over.is_set()


def _parent_of(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, parent = stat.rpartition(")")[2].split()[:2]
    return None if state == "Z" else int(parent)


def _size_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Outcome:
    """
    What the workers said and what customers were shown, and where these do not agree.
    """

    def __init__(self, soak: Soak) -> None:
        self.soak = soak
        self.figures = soak.figures
        self.wrong: list[str] = []
        self.handled: dict[str, Handled] = {}
        self.messages: dict[str, Message] = {}
        self.said_to_fail: list[float] = []
        self.lost: defaultdict[str, list[float]] = defaultdict(list)
        # By push, the workers that told WeChat that they have it.
        self.promised: defaultdict[str, set[int]] = defaultdict(set)
        for path in soak.folder.glob("*.jsonl"):
            for line in path.read_text(encoding="utf-8").splitlines():
                self._read(int(path.stem), json.loads(line))
        self.handlings: defaultdict[str, list[Handled]] = defaultdict(list)
        for handled in self.handled.values():
            self.handlings[handled.push].append(handled)
        everything = [shown for number in range(CUSTOMERS) for shown in soak.fake.shown_to(f"o{number}")]
        self.shown = Counter(shown.text for shown in everything if shown.via != "notice")
        self.figures.update(f"shown: {shown.via}" for shown in everything)
        self._check_messages()
        self._check_pushes()
        self._check_repeated()
        self._check_order()
        self._check_allowances()
        self._check_memory()

    def _read(self, pid: int, line: dict[str, Any]) -> None:
        about, at = line["about"], line["at"]
        match line["what"]:
            case "begins":
                self.handled[line["handling"]] = Handled(about, pid, at)
            case "ends":
                self.handled[line["handling"]].ended = at
            case "offers":
                self.messages[about] = Message(about.partition("#")[0], pid)
            case "sent":
                self.messages[about].said = "sent"
            case "fails":
                self.messages[about].said, self.messages[about].error = line["effect"], line["error"]
            case "lost":
                self.lost[about].append(at)
                self.figures["lost, and told of"] += 1
            case "promises":
                self.promised[about].add(pid)
            case "warns":
                # With the names left out, a few kinds are left.
                self.figures[f"warning: {about.partition(':')[0].partition(' (')[0]}"] += 1
                if about.startswith("Redis"):
                    # On a machine that stands still for a second Redis fails by itself, for as long as it is said to.
                    self.said_to_fail.append(at)
            case "breaks":
                self.wrong.append(f"the bot failed: {line['error']}")
            case _:
                pass

    def _was_troubled(self, began: float, ended: float) -> bool:
        # After an outage it takes a worker a second to look again, and Redis a lease to learn what has ended.
        said = [(at, at) for at in self.said_to_fail]
        return any(start < ended and began < end + LEASE + 2 for start, end in (*self.soak.troubles, *said))

    def _was_killed(self, began: float, ended: float) -> bool:
        return any(killed < ended and began < killed + TAKEOVER for killed in self.soak.killed.values())

    def _end_of(self, push: str) -> float:
        """
        Say from when on nothing more could come of a push.
        """
        mine = self.handlings[push]
        # Whoever had it and was killed: Redis may have failed before another took it over.
        had = {each.pid for each in mine if not each.ended} if mine else self.promised[push]
        ends = [self.soak.killed[pid] + TAKEOVER if pid in self.soak.killed else time.time() for pid in had]
        return max((*ends, *(each.ended for each in mine), *self.lost[push]), default=self.soak.said[push].at)

    def _check_messages(self) -> None:
        for text, times in self.shown.items():
            if times > 1:
                self.wrong.append(f"{text} was shown {times} times")
            if text not in self.messages:
                self.wrong.append(f"{text} was shown and never offered")
        for text, message in self.messages.items():
            is_shown, outcome = text in self.shown, message.said
            if message.error:
                self.figures[f"error: {message.error} ({outcome})"] += 1
            if outcome == "sent" and not is_shown:
                self.wrong.append(f"{text} is said to be sent and was not shown")
            elif outcome == "none" and is_shown:
                self.wrong.append(f"{text} is said to have had no effect and was shown")
            elif outcome == "unknown":
                self.figures[f"unknown, and {'shown' if is_shown else 'not shown'}"] += 1
            elif not outcome and not is_shown:
                self._check_silence(text, message)

    def _check_silence(self, text: str, message: Message) -> None:
        if message.pid in self.soak.killed:
            self.figures["messages lost with a killed worker"] += 1
        elif self.soak.said[message.push].is_cut:
            self.figures["passive replies lost by the network"] += 1
        elif len(self.handlings[message.push]) > 1:
            self.figures["messages left to another worker"] += 1
        else:
            self.wrong.append(f"{text} was lost and nobody was told")

    def _check_pushes(self) -> None:
        for push, said in self.soak.said.items():
            mine = self.handlings[push]
            ended = max((each.ended for each in mine), default=0.0)
            was_troubled = self._was_troubled(said.at, self._end_of(push))
            lost = self.lost[push]
            if len(lost) > 1 and not was_troubled:
                self.wrong.append(f"{push} was told of {len(lost)} times")
            if lost:
                # It may have been handled long before, and its answer have been on its way.
                if not was_troubled and not self._was_killed(said.at, max(lost)):
                    self.wrong.append(f"{push} was lost without trouble")
            elif not mine and not said.answered:
                self.figures["pushes that never got through"] += 1
            elif not ended and was_troubled:
                self.figures["pushes lost in trouble"] += 1
            elif not ended:
                self.wrong.append(f"{push} was accepted, and neither answered nor told of")
            elif len(mine) > 1:
                self.figures["pushes handled again"] += 1
                if not was_troubled and not self._was_killed(said.at, max(each.began for each in mine)):
                    self.wrong.append(f"{push} was handled {len(mine)} times, without trouble")
            elif not was_troubled:
                self.figures["pushes handled once, without trouble"] += 1
        never = self.figures["pushes that never got through"]
        if never > LOST * len(self.soak.said):
            self.wrong.append(f"{never} pushes never got through")

    def _check_repeated(self) -> None:
        """
        Look for what was sent by two handlings of one push, unless the handler itself sent it.
        """
        senders: defaultdict[str, set[str]] = defaultdict(set)
        for text in self.shown:
            push, _, rest = text.partition("#")
            if self.soak.said[push].kind != "send":
                senders[push].add(rest.partition("#")[0])
        for push, handlings in senders.items():
            if len(handlings) < 2:
                continue
            if self._was_troubled(self.soak.said[push].at, max(each.began for each in self.handlings[push])):
                self.figures["pushes answered twice in trouble"] += 1
            else:
                self.wrong.append(f"{push} was answered {len(handlings)} times")

    def _check_order(self) -> None:
        by_customer: defaultdict[str, list[Handled]] = defaultdict(list)
        for handled in self.handled.values():
            by_customer[handled.push.partition("/")[0]].append(handled)
        for mine in by_customer.values():
            mine.sort(key=lambda handled: number_of(handled.push))
            for at, later in enumerate(mine):
                for earlier in mine[max(0, at - 5) : at]:
                    self._check_pair(earlier, later)

    def _check_pair(self, earlier: Handled, later: Handled) -> None:
        first, second = self.soak.said[earlier.push], self.soak.said[later.push]
        # One that WeChat gave up on may come in late, while the next is on its way.
        if earlier.push == later.push or not 0 < first.answered < second.at or earlier.ended <= later.began:
            return
        if self._was_troubled(first.at, later.began):
            self.figures["pushes out of turn after trouble"] += 1
        else:
            since = min((first.at - end for _, end in self.soak.troubles if end < first.at), default=0.0)
            took = f"{since:.1f} s after the last trouble, by {earlier.pid} and {later.pid}"
            self.wrong.append(f"{later.push} was begun before {earlier.push} was finished, {took}")

    def _check_allowances(self) -> None:
        for number in range(CUSTOMERS):
            openid = f"o{number}"
            events = [(said.at, "says") for push, said in self.soak.said.items() if push.startswith(f"{openid}/")]
            events += [(each.at.timestamp(), each.via) for each in self.soak.fake.shown_to(openid)]
            left = 0
            for _, what in sorted(events):
                left = ALLOWANCE if what == "says" else left - (what == "custom")
                if left < 0:
                    self.wrong.append(f"{openid} got more than the allowance")

    def _check_memory(self) -> None:
        for pid, sizes in self.soak.sizes.items():
            # Young workers still grow.
            if len(sizes) > 10:
                warm, last = sizes[len(sizes) // 3], sizes[-1]
                self.figures["memory: workers measured"] += 1
                self.figures["memory: most growth, KiB"] = max(
                    self.figures["memory: most growth, KiB"], (last - warm) // 1024
                )
                self.figures["memory: most, KiB"] = max(self.figures["memory: most, KiB"], max(sizes) // 1024)
                if last - warm > GROWTH:
                    self.wrong.append(f"worker {pid} grew from {warm // MIB} to {last // MIB} MiB")


def show(title: str, lines: Iterable[str]) -> None:
    """
    Print a list.
    """
    sys.stdout.write(f"{title}\n" + "".join(f"  {line}\n" for line in lines))
    sys.stdout.flush()


def main(seconds: float, seed: int) -> int:
    """
    Run the soak and print its figures; return the exit status.
    """
    show("soak", [f"{seconds:g} seconds, {WORKERS} workers, {CUSTOMERS} customers, seed {seed}"])
    with tempfile.TemporaryDirectory(prefix="kf-soak-") as folder:
        soak = Soak(seed, Path(folder))
        anyio.run(soak.run, seconds)
        outcome = Outcome(soak)
    figures = {
        "pushes": len(soak.said),
        "attempts to deliver them": soak.attempts,
        "handlings": len(outcome.handled),
        "messages": len(outcome.messages),
        "calls of the API": len(soak.fake.calls),
        **dict(sorted(outcome.figures.items())),
    }
    show("figures", (f"{value:>8}  {name}" for name, value in figures.items()))
    show("wrong", outcome.wrong[:50] or ["nothing"])
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())))
