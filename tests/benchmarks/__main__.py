"""
Measure the client beside its rivals, print the tables, say which goals hold, and write ``results.json`` and a plot.

The rivals take turns: in each round every client sends at each number at a time, so that what else the machine does
befalls all alike. A ratio is taken within a round; its median counts, its least and most are shown.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

import attrs

from .plot import bars
from .process import Worker, run_once, serve
from .senders import SENDERS
from .table import Rounds, speed_rows

HERE: Final = Path(__file__).parent

Say: TypeAlias = Callable[[str], object]

OURS: Final = "wechat_kf"
FAST: Final = "wechat_kf[fast]"
NODE: Final = "co-wechat-api"
AT_ONCE: Final = (1, 50, 200)
IDLE: Final = 200

TIMES: Final = "Processor's time of the client for one message, in us"
RATES: Final = "Messages a second"

US: Final = 1e6
MS: Final = 1e3
MIB: Final = 1024 * 1024


@attrs.frozen
class Spread:
    """
    What several rounds gave.
    """

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, figures: Iterable[float]) -> Spread:
        """
        Take the median, the least and the most.
        """
        values = sorted(figures)
        return cls(statistics.median(values), values[0], values[-1])

    def __str__(self) -> str:
        digits = 0 if self.most >= 100 else 1 if self.most >= 20 else 2
        return f"{self.median:,.{digits}f} ({self.least:,.{digits}f} to {self.most:,.{digits}f})"


@attrs.frozen
class Goal:
    """
    A bound, and what was measured. An aim lies beyond what was promised.
    """

    text: str
    measured: Spread
    bound: float
    at_least: bool = False
    is_aim: bool = False

    @property
    def holds(self) -> bool:
        """
        Whether the median is within the bound.
        """
        return self.measured.median >= self.bound if self.at_least else self.measured.median <= self.bound

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        kind = "aim" if self.is_aim else "goal"
        return f"{'holds ' if self.holds else 'MISSED'}  {self.text}: {self.measured}, {kind} {sign} {self.bound:g}"


def ratio(figures: Rounds, name: str, to: str) -> Spread:
    """
    Divide one client's figure by another's in each round.
    """
    return Spread.of(one / other for one, other in zip(figures[name], figures[to], strict=True))


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

    # ---- sending -------------------------------------------------------------------------------------------------

    def sending(self, base: str) -> None:
        """
        Send with every client, at each number at a time, and with many idle connections.
        """
        with ExitStack() as stack:
            workers = {name: Worker("-m", "tests.benchmarks.senders", name, base) for name in (*SENDERS, "wechatpy")}
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
        goal = self.goals.append
        goal(Goal("default, 1 at a time: time of naive httpx", ratio(cpu[1], OURS, "httpx"), 0.85))
        goal(Goal("default, 50 at a time: throughput of naive httpx", ratio(rate[50], OURS, "httpx"), 4, at_least=True))
        goal(
            Goal("default, 50 at a time: throughput of wechatpy", ratio(rate[50], OURS, "wechatpy"), 1.2, at_least=True)
        )
        for name in idle:
            goal(Goal(f"{name}: a request beside {IDLE} idle connections and beside 1", Spread.of(growth[name]), 1.3))
        goal(Goal("fast, 50 at a time: throughput of naive httpx", ratio(rate[50], FAST, "httpx"), 12, at_least=True))
        goal(Goal("fast, 50 at a time: throughput of wechatpy", ratio(rate[50], FAST, "wechatpy"), 3.5, at_least=True))
        goal(Goal("fast, 50 at a time: time of bare aiohttp", ratio(cpu[50], FAST, "aiohttp"), 1, is_aim=True))

    # ---- the rest ------------------------------------------------------------------------------------------------

    def _by_turns(self, title: str, subjects: Sequence[str], scale: float, **command: Any) -> Rounds:
        figures: Rounds = {subject.partition(":")[2]: [] for subject in subjects}
        for _ in self._each(title):
            for subject in subjects:
                answer = run_once("-m", "tests.benchmarks.others", subject, **command)
                figures[subject.partition(":")[2]].append(answer["cpu"] * scale)
        return figures

    def reading(self) -> None:
        """
        Read a page of the history.
        """
        subjects = ("page:json.loads", "page:pydantic", f"page:{OURS}", f"page:{FAST}")
        cpu = self._by_turns("pages", subjects, US, times=1 if self._short else 5)
        self._table("Processor's time for one of a page of 10,000 records, in us", {"us": cpu})
        self.goals.append(Goal("default, a page of 10,000: time of pydantic", ratio(cpu, OURS, "pydantic"), 1.25))
        self.goals.append(Goal("fast, a page of 10,000: time of pydantic", ratio(cpu, FAST, "pydantic"), 0.6))

    def gaps(self, base: str) -> None:
        """
        See how long the event loop stands still while a page is fetched.
        """
        gaps: Rounds = {OURS: [], FAST: []}
        still: Rounds = {OURS: [], FAST: []}
        for _ in self._each("gaps"):
            for name in gaps:
                figures = run_once("-m", "tests.benchmarks.others", f"gap:{name}", base=base)
                gaps[name].append(figures["gap"] * MS)
                still[name].append(figures["still"] * MS)
        self._table(
            "Longest gap of the event loop, in ms", {"while a page is fetched": gaps, "while nothing is done": still}
        )
        self.goals.append(Goal("default, longest gap while a page is fetched, in ms", Spread.of(gaps[OURS]), 20))
        self.goals.append(Goal("fast, longest gap while a page is fetched, in ms", Spread.of(gaps[FAST]), 10))

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
                    self.goals.append(
                        Goal(f"{what}: throughput of aiohttp", ratio(speed, name, "aiohttp"), 1, at_least=True)
                    )
                    self.goals.append(Goal(f"{what}: memory grows by MiB", Spread.of(memory[name]), 4))
                    self.goals.append(Goal(f"{what}: longest gap in ms", Spread.of(gap[name]), 10))

    def pushes(self) -> None:
        """
        Receive a push in safe mode.
        """
        cpu = self._by_turns("pushes", ("push:wechatpy", f"push:{OURS}"), US, times=100 if self._short else 3000)
        self._table("Processor's time for one push in safe mode, in us", {"us": cpu})
        self.goals.append(Goal("a push in safe mode: time of wechatpy", ratio(cpu, OURS, "wechatpy"), 0.6))

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


def versions() -> dict[str, str]:
    """
    Name what was measured.
    """
    names = (
        "httpx",
        "httpx2",
        "aiohttp",
        "wechatpy",
        "pyreqwest",
        "pydantic",
        "httptools",
        "uvloop",
        "anyio",
    )
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}


def plot(bench: Bench) -> str:
    """
    Draw the time of one message at 50 at a time.
    """
    figures: Rounds = bench.tables[TIMES]["50 at a time"]
    rows = [(name, statistics.median(values)) for name, values in figures.items()]
    labels: dict[str, str] = {
        "raw": "limit: raw asyncio",
        "httpx": "httpx, naive",
        "httpx2": "httpx2, naive",
        "wechatpy": "wechatpy, 50 threads",
    }
    return bars(
        "CPU time of the client for one message, in µs, 50 at a time",
        f"Python {platform.python_version()}, HTTP/1.1 on loopback, a core for the client; median of rounds by turns.",
        [(labels.get(name, name), figure) for name, figure in rows],
        {name: "ours" for name in figures if name.startswith(OURS)} | {labels["raw"]: "limit"},
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run from the command line.

    Returns:
        1 if a goal was missed, except in the short form, which only sees that everything works.
    """
    parser = argparse.ArgumentParser(prog="bench", description="Measure the client beside its rivals.")
    parser.add_argument("--short", action="store_true", help="one quick round, which says nothing about speed")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.4, help="how long each client sends each time")
    parser.add_argument("--node-path", help="where npm put co-wechat-api")
    parser.add_argument("--out", type=Path, help="where results.json and speed.svg go; the short form's are not kept")
    options = parser.parse_args(arguments)
    say = partial(print, flush=True)
    bench = Bench(
        rounds=1 if options.short else options.rounds,
        seconds=0.02 if options.short else options.seconds,
        short=options.short,
        node=options.node_path,
        say=say,
    )
    bench.run()
    say("")
    for goal in bench.goals:
        say(str(goal))
    say(f"\nFor the READMEs:\n\n{speed_rows(bench.tables[TIMES], 'httpx')}")
    results = {
        "versions": versions(),
        "rounds": 1 if options.short else options.rounds,
        "tables": bench.tables,
        "goals": [{**attrs.asdict(goal), "holds": goal.holds} for goal in bench.goals],
    }
    with TemporaryDirectory() as nowhere:
        out: Path = options.out or (Path(nowhere) if options.short else HERE)
        out.mkdir(parents=True, exist_ok=True)
        (out / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        (out / "speed.svg").write_text(plot(bench), encoding="utf-8")
    return 0 if options.short or all(goal.holds or goal.is_aim for goal in bench.goals) else 1


if __name__ == "__main__":
    sys.exit(main())
