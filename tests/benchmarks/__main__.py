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
from collections.abc import Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs

from .bench import HERE, OURS, TIMES, Bench
from .plot import bars
from .table import Rounds, speed_rows


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
    return 0 if options.short or all(goal.holds for goal in bench.goals) else 1


if __name__ == "__main__":
    sys.exit(main())
