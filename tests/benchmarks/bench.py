"""
One run of the benchmark: everything measured by turns, printed in tables, and held against the goals.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

from .figures import Goal, Spread, ratio
from .process import Worker, run_once, serve
from .seam import HOOKED, SEAMLESS
from .senders import SENDERS
from .table import Rounds

__all__ = ["HERE", "OURS", "TIMES", "Bench"]

HERE: Final = Path(__file__).parent

Say: TypeAlias = Callable[[str], object]

OURS: Final = "wechat_kf"
FAST: Final = "wechat_kf[fast]"
NODE: Final = "co-wechat-api"
AT_ONCE: Final = (1, 50, 200)
IDLE: Final = 200
HOOK_ROUNDS: Final = 3

TIMES: Final = "Processor's time of the client for one message, in us"
RATES: Final = "Messages a second"

US: Final = 1e6
MS: Final = 1e3
MIB: Final = 1024 * 1024


class Bench:
    """
    One run.

    Args:
        rounds: How often everything is measured.

        seconds: How long each client sends each time.

        node: The folder in which npm put co-wechat-api; None to do without it.

        say: Prints.
    """

    def __init__(self, *, rounds: int, seconds: float, short: bool, node: str | None, say: Say) -> None:
        self._rounds = rounds
        self._seconds = seconds
        self._short = short
        self._node = node
        self._say = say
        self.goals: list[Goal] = []
        self.tables: dict[str, dict[str, Any]] = {}

    def run(self) -> None:
        """
        Measure everything.
        """
        with serve() as base:
            self.sending(base)
            self.hooks(base)
            self.gaps(base)
            self.uploads(base)
        self.reading()
        self.pushes()
        self.token()
        self.imports()

    def _table(self, title: str, columns: Mapping[str, Rounds]) -> None:
        """
        Print figures of several rounds, and keep them.
        """
        self._say(f"\n{title}\n")
        names = list(dict.fromkeys(name for column in columns.values() for name in column))
        self._say(f"| {'':34} | " + " | ".join(f"{column:28}" for column in columns) + " |")
        self._say(f"| {'-' * 34} |" + "|".join(f"{'-' * 29}:" for _ in columns) + "|")
        for name in names:
            cells = (str(Spread.of(column[name])) if name in column else "" for column in columns.values())
            self._say(f"| {name:34} | " + " | ".join(f"{cell:>28}" for cell in cells) + " |")
        self.tables[title] = {column: dict(figures) for column, figures in columns.items()}

    def _each(self, title: str) -> Iterable[int]:
        for number in range(self._rounds):
            print(f"\r{title}: round {number + 1} of {self._rounds}  ", end="", file=sys.stderr, flush=True)  # noqa: T201
            yield number
        print(file=sys.stderr)  # noqa: T201

    def sending(self, base: str) -> None:
        """
        Send with every client, at each number at a time, and with many idle connections.
        """
        with ExitStack() as stack:
            workers = {name: Worker("-m", "tests.benchmarks.driver", name, base) for name in (*SENDERS, "wechatpy")}
            if self._node is not None:
                script = str(HERE / "co_wechat_api.js")
                workers[NODE] = Worker(script, base, program="node", env={"NODE_PATH": self._node})
            for worker in workers.values():
                stack.callback(worker.close)
            cpu: dict[int, Rounds] = {at_once: {name: [] for name in workers} for at_once in AT_ONCE}
            rate: dict[int, Rounds] = {at_once: {name: [] for name in workers} for at_once in AT_ONCE}
            idle: Rounds = {name: [] for name in (OURS, FAST)}
            growth: dict[str, list[float]] = {name: [] for name in idle}
            for _ in self._each("sending"):
                for at_once in AT_ONCE:
                    for name, worker in workers.items():
                        figures = worker.ask(at_once=at_once, seconds=self._seconds)
                        cpu[at_once][name].append(figures["cpu"] / figures["count"] * US)
                        rate[at_once][name].append(figures["count"] / figures["wall"])
                for name in idle:
                    few = workers[name].ask(at_once=1, seconds=self._seconds)
                    many = workers[name].ask(at_once=1, seconds=self._seconds, idle=IDLE)
                    idle[name].append(many["cpu"] / many["count"] * US)
                    growth[name].append(many["cpu"] / many["count"] / (few["cpu"] / few["count"]))
        by_cost = sorted(workers, key=lambda name: statistics.median(cpu[50][name]))
        for title, table in ((TIMES, cpu), (RATES, rate)):
            self._table(title, {f"{n} at a time": {name: table[n][name] for name in by_cost} for n in AT_ONCE})
        self._table(
            f"Processor's time for one message, 1 at a time beside {IDLE} idle connections, in us", {"us": idle}
        )
        self._judge_sending(cpu, rate)
        for name in idle:
            what = f"{name}: a request beside {IDLE} idle connections and beside 1"
            self._at_most(what, Spread.of(growth[name]), 1.1)

    def _judge_sending(self, cpu: Mapping[int, Rounds], rate: Mapping[int, Rounds]) -> None:
        at_most, at_least = self._at_most, self._at_least
        at_most("default, 1 at a time: time of naive httpx", ratio(cpu[1], OURS, "httpx"), 0.85)
        at_most("default, 50 at a time: time of naive httpx", ratio(cpu[50], OURS, "httpx"), 0.12)
        at_least("default, 50 at a time: throughput of naive httpx", ratio(rate[50], OURS, "httpx"), 8)
        at_least("default, 50 at a time: throughput of wechatpy", ratio(rate[50], OURS, "wechatpy"), 2.5)
        at_least("fast, 50 at a time: throughput of naive httpx", ratio(rate[50], FAST, "httpx"), 12)
        at_least("fast, 50 at a time: throughput of wechatpy", ratio(rate[50], FAST, "wechatpy"), 3.5)
        at_most("fast, 50 at a time: time of bare aiohttp", ratio(cpu[50], FAST, "aiohttp"), 1.15)

    def _at_most(self, text: str, measured: Spread, bound: float) -> None:
        self.goals.append(Goal(text, measured, bound))

    def _at_least(self, text: str, measured: Spread, bound: float) -> None:
        self.goals.append(Goal(text, measured, bound, at_least=True))

    def _by_turns(self, title: str, subjects: Sequence[str], scale: float, **command: Any) -> Rounds:
        figures: Rounds = {subject.partition(":")[2]: [] for subject in subjects}
        for _ in self._each(title):
            for subject in subjects:
                answer = run_once("-m", "tests.benchmarks.others", subject, **command)
                figures[subject.partition(":")[2]].append(answer["cpu"] * scale)
        return figures

    def hooks(self, base: str) -> None:
        """
        Send without the seam at which hooks are told, with it but without a hook, and with one.
        """
        cpu: Rounds = {name: [] for name in (SEAMLESS, OURS, HOOKED)}
        with ExitStack() as stack:
            workers = {name: Worker("-m", "tests.benchmarks.driver", name, base) for name in cpu}
            for worker in workers.values():
                stack.callback(worker.close)
            for _ in self._each("hooks"):
                # What differs by so little is measured more often.
                for name, worker in [*workers.items()] * HOOK_ROUNDS:
                    figures = worker.ask(at_once=50, seconds=self._seconds)
                    cpu[name].append(figures["cpu"] / figures["count"] * US)
        self._table("Processor's time for one message, 50 at a time, by hooks, in us", {"us": cpu})
        self._at_most("default without a hook: time of the same without the seam", ratio(cpu, OURS, SEAMLESS), 1.02)

    def reading(self) -> None:
        """
        Read a page of the history.
        """
        subjects = ("page:json.loads", "page:pydantic", f"page:{OURS}")
        cpu = self._by_turns("pages", subjects, US, times=1 if self._short else 5)
        self._table("Processor's time for one of a page of 10,000 records, in us", {"us": cpu})
        self._at_most("default, a page of 10,000: time of pydantic", ratio(cpu, OURS, "pydantic"), 1.25)

    def gaps(self, base: str) -> None:
        """
        See how long the event loop stands still while a page is fetched.
        """
        gaps: Rounds = {OURS: []}
        still: Rounds = {OURS: []}
        for _ in self._each("gaps"):
            for name in gaps:
                figures = run_once("-m", "tests.benchmarks.others", f"gap:{name}", base=base)
                gaps[name].append(figures["gap"] * MS)
                still[name].append(figures["still"] * MS)
        self._table(
            "Longest gap of the event loop, in ms", {"while a page is fetched": gaps, "while nothing is done": still}
        )
        self._at_most("default, longest gap while a page is fetched, in ms", Spread.of(gaps[OURS]), 20)

    def uploads(self, base: str) -> None:
        """
        Upload files.
        """
        names = ("aiohttp", OURS, FAST)
        with TemporaryDirectory() as folder:
            small = Path(folder, "small.jpg")
            small.write_bytes(b"\xff\xd8\xff\xe0" + bytes(MIB))
            for size in (1,) if self._short else (10, 512):
                file = Path(folder, f"{size}.jpg")
                with file.open("wb") as opened:
                    opened.write(b"\xff\xd8\xff\xe0")
                    opened.truncate(size * MIB)
                columns: dict[str, Rounds] = {
                    column: {name: [] for name in names}
                    for column in ("MiB a second", "memory grows by MiB", "gap in ms")
                }
                for _ in self._each(f"{size} MiB"):
                    for name in names:
                        figures = run_once(
                            *("-m", "tests.benchmarks.others", f"upload:{name}"),
                            base=base,
                            file=str(file),
                            small=str(small),
                        )
                        columns["MiB a second"][name].append(size / figures["wall"])
                        columns["memory grows by MiB"][name].append(figures["grown"] / MIB)
                        columns["gap in ms"][name].append(figures["gap"] * MS)
                self._table(f"Upload of {size} MiB", columns)
                speed, memory, gap = columns.values()
                for name in (OURS, FAST):
                    what = f"{name}, upload of {size} MiB"
                    self._at_least(f"{what}: throughput of aiohttp", ratio(speed, name, "aiohttp"), 1)
                    self._at_most(f"{what}: memory grows by MiB", Spread.of(memory[name]), 4)
                    self._at_most(f"{what}: longest gap in ms", Spread.of(gap[name]), 10)

    def pushes(self) -> None:
        """
        Receive a push in safe mode.
        """
        cpu = self._by_turns("pushes", ("push:wechatpy", f"push:{OURS}"), US, times=100 if self._short else 3000)
        self._table("Processor's time for one push in safe mode, in us", {"us": cpu})
        self._at_most("a push in safe mode: time of wechatpy", ratio(cpu, OURS, "wechatpy"), 0.6)

    def token(self) -> None:
        """
        Get a valid token, without an event loop: nothing is waited for.
        """
        cpu = self._by_turns("token", (f"token:{OURS}",), US, times=100 if self._short else 30_000)
        self._table("Processor's time to get a valid token, with no event loop to wait in, in us", {"us": cpu})

    def imports(self) -> None:
        """
        Import the package, then all that it offers, and what it stands on.
        """
        beneath = "import httpx, attrs, cattrs, anyio"
        package = f"import {OURS}"
        code = (
            "import json, sys, time; input(); start = time.process_time(); {}; "
            "print(json.dumps({{'cpu': time.process_time() - start}}))"
        )
        cpu: Rounds = {beneath: [], package: [], f"from {OURS} import *": []}
        with TemporaryDirectory() as compiled:
            # Both are to find their modules compiled, as after an ordinary installation.
            env = {"PYTHONPYCACHEPREFIX": compiled, "PYTHONDONTWRITEBYTECODE": ""}
            for name in cpu:
                run_once("-c", code.format(name), env=env)
            for _ in self._each("imports"):
                for name in cpu:
                    cpu[name].append(run_once("-c", code.format(name), env=env)["cpu"] * MS)
        self._table("Processor's time of an import, in ms", {"ms": cpu})
        self.goals.append(Goal(f"{package}: time of {beneath}", ratio(cpu, package, beneath), 1.15))
