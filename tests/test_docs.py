"""
The READMEs and ``docs``: their Python runs, against the stand-in on a real socket, and what they name exists.
"""

from __future__ import annotations

import ast
import functools
import inspect
import json
import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import AsyncGenerator
from pathlib import Path
from types import FunctionType
from typing import Any

import anyio
import anyio.to_thread
import pytest

import wechat_kf
from wechat_kf import AsyncKfClient, Endpoint
from wechat_kf.api import endpoints
from wechat_kf.testing import FakeWeChat

from .benchmarks.table import speed_rows
from .errcode_table import errcode_rows
from .log_table import log_rows

HERE = Path(__file__).parent
ROOT = HERE.parent
# Where the package is installed, which need not be beside its tests.
PACKAGE = Path(str(wechat_kf.__file__)).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
READMES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md")}
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("docs/**/*.md"))
}
TEXTS = READMES | PAGES
LANGUAGES = {"json", "mermaid", "nginx", "python", "sh", "text", "toml", "xml", "{eval-rst}", "{toctree}"}

# What pages name that is other people's.
NOT_OURS = {"mp", "newkey", "oldkey", "open_kfid", "preStop", "qyapi", "terminationGracePeriodSeconds"}
# The reader's own files.
THEIRS = {"bot.py", "test_bot.py"}

FENCE = re.compile(r"^(?P<indent> *)```(?P<language>.*)\n(?P<code>(?:.*\n)*?) *```$", re.MULTILINE)

# The rows that are called by methods; the other two fetch tokens.
ENDPOINTS: dict[str, Endpoint[object]] = {
    name.lower(): getattr(endpoints, name) for name in endpoints.__all__ if not name.endswith("_TOKEN")
}

CODE = {
    f"{name}:{text.count(chr(10), 0, fence.start()) + 1}": fence["code"]
    for name, text in TEXTS.items()
    for fence in FENCE.finditer(text)
    # tests/instrumentation/test_others.py runs that recipe, with a registry of its own.
    if fence["language"] == "python" and "prometheus_client" not in fence["code"]
}
TESTS = {place: code for place, code in CODE.items() if "def test_" in code}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_blocks_say_their_language(text: str) -> None:
    """
    Every fenced block names a language we know, so that none escapes being run by its label.
    """
    assert {fence["language"] for fence in FENCE.finditer(text)} <= LANGUAGES
    assert text.count("```") == 2 * len(FENCE.findall(text))


@pytest.fixture
async def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncGenerator[None]:
    """
    Set the variables that the blocks read, for a stand-in where the customer ``OPENID`` has just written.

    The folder is empty.
    """
    monkeypatch.chdir(tmp_path)
    look_up = socket.getaddrinfo

    def look_up_here(host: Any, *rest: Any, **more: Any) -> Any:
        # On a machine with a network a block must not reach Tencent.
        assert host in ("127.0.0.1", b"127.0.0.1"), f"the block calls {host!r}, not the stand-in"
        return look_up(host, *rest, **more)

    fake = FakeWeChat()
    fake.user_says("OPENID", "你好")
    monkeypatch.setattr(socket, "getaddrinfo", look_up_here)
    async with fake.serve() as base_url:
        monkeypatch.setenv("WECHAT_APPID", fake.appid)
        monkeypatch.setenv("WECHAT_SECRET", fake.secret)
        monkeypatch.setenv("WECHAT_BASE_URL", base_url)
        monkeypatch.setenv("WECHAT_TOKEN", "TOKEN")
        monkeypatch.setenv("WECHAT_ENCODING_AES_KEY", "A" * 43)
        yield


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("place", [each for each in CODE if each not in TESTS])
@pytest.mark.usefixtures("environment")
async def test_blocks_run(place: str) -> None:
    """
    Every block of Python runs to its end without a warning.

    One with top-level ``await``, as in ``python -m asyncio``, finds a client named ``kf``. Any other is a program.
    """
    code = compile(CODE[place], place, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    names: dict[str, Any] = {"__name__": "__main__"}
    with anyio.fail_after(60):
        if code.co_flags & inspect.CO_COROUTINE:
            async with AsyncKfClient.from_env() as kf:
                names["kf"] = kf
                await FunctionType(code, names)()
        else:
            await anyio.to_thread.run_sync(exec, code, names)


def test_tests_pass(tmp_path: Path) -> None:
    """
    The blocks that are tests pass as a user runs them.
    """
    for place, code in TESTS.items():
        (tmp_path / f"test_{re.sub('[^A-Za-z0-9]', '_', place)}.py").write_text(code, encoding="utf-8")
    options = ["-W", "error", "-o", "asyncio_default_fixture_loop_scope=function", "--rootdir", str(tmp_path)]
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", *options, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout.decode()


@pytest.mark.parametrize("text", READMES.values(), ids=READMES)
def test_installing_is_told_first(text: str) -> None:
    """
    Before its first chapter a README says for which Pythons it is, and how to install it, with each extra.
    """
    project, first = PROJECT["project"], text.partition("\n## ")[0]

    assert re.findall(r"\b3\.\d+", first) == re.findall(r"\b3\.\d+", "".join(project["classifiers"]))
    assert "pip install ." in first
    assert {*re.findall(r"`'\.\[(\w+)\]'`", first), "dev"} == set(project["optional-dependencies"])


@pytest.mark.parametrize("text", READMES.values(), ids=READMES)
def test_readmes_are_short(text: str) -> None:
    """
    A README has at most 150 lines; what does not fit is a page of the manual.
    """
    assert text.count("\n") <= 150


def test_table_lists_the_endpoints() -> None:
    """
    The table of endpoints has one row for each: its method, linked to its official page, and its HTTP method and path.
    """
    row = re.compile(r"^\|.*\[`(\w+)[^`]*`\]\((\S+)\).*`(GET|POST) (/\S+)`.*\|$", re.MULTILINE)

    assert sorted(row.findall(PAGES["docs/endpoints.md"])) == sorted(
        (name, endpoint.manual, endpoint.method, endpoint.path) for name, endpoint in ENDPOINTS.items()
    )


def test_table_lists_the_errcodes() -> None:
    """
    The table of errcodes has a row for each: ``python -m tests.errcode_table`` writes it anew.
    """
    assert PAGES["docs/errors.md"].endswith(f"\n\n{errcode_rows()}")


def test_probes_ask_what_is_answered() -> None:
    """
    The Kubernetes manifest starts the example that has the paths of its probes, and its grace is the sum above it.
    """
    page = PAGES["docs/bots.md"]
    [manifest] = [fence["code"] for fence in FENCE.finditer(page) if "terminationGracePeriodSeconds" in fence["code"]]
    probes = re.findall(r"(\w+)Probe: \{httpGet: \{path: (\S+), port: 8000\}", manifest)
    [module, name] = re.findall(r'uvicorn, "(\w+):(\w+)"', manifest)[0]
    example = (ROOT / "examples" / f"{module}.py").read_text(encoding="utf-8")
    seconds = [int(each) for each in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)]
    [grace] = re.findall(r"terminationGracePeriodSeconds: (\d+)", manifest)

    assert [kind for kind, _ in probes] == ["liveness", "readiness"]
    assert [path for _, path in probes] == re.findall(rf'@{name}\.get\("(.+)"\)', example)
    assert int(grace) == sum(seconds)


def test_table_lists_the_log_lines() -> None:
    """
    The table of log lines has a row for each: ``python -m tests.log_table`` writes it anew.
    """
    assert PAGES["docs/observing.md"].endswith(f"\n\n{log_rows()}")


@pytest.mark.parametrize("text", READMES.values(), ids=READMES)
def test_speeds_are_as_measured(text: str) -> None:
    """
    The table of speeds has the figures of the benchmark's last run that is kept, and the plot beside it is of that run.
    """
    results = json.loads((HERE / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    plot = (HERE / "benchmarks" / "speed.svg").read_text(encoding="utf-8")
    times = results["tables"]["Processor's time of the client for one message, in us"]
    rows = speed_rows(times, "httpx")
    at_50 = [row.split("|")[3].partition("(")[0].strip() for row in rows.splitlines()]

    assert rows in text
    assert "](tests/benchmarks/speed.svg)" in text
    assert re.findall(r">([\d,]+)</text>", plot) == at_50


def outline(text: str) -> list[str]:
    """
    List what a text is made of, in order: headings, items, rows of tables with what they quote, and what blocks call.
    """
    parts: list[str] = []
    for part in re.split(r"^(```.*\n(?:.*\n)*?```)$", text, flags=re.MULTILINE):
        if part.startswith("```"):
            parts += [part.partition("\n")[0], *re.findall(r"[\w.]+\(", part)]
        else:
            lines = re.findall(r"^(?:#+ |- |\|.*$)", part, flags=re.MULTILINE)
            parts += ["|".join(re.findall(r"`[^`]*`", line)) if line.startswith("|") else line for line in lines]
    return parts


def test_both_languages_say_the_same() -> None:
    """
    The second README has the first one's chapters, items, tables and blocks, in the same order.
    """
    first, second = READMES.values()

    assert outline(second) == outline(first)


@functools.cache
def words_of_the_code() -> frozenset[str]:
    """
    List every word that stands in the code, in the tools' settings or in the README.
    """
    folders = (PACKAGE, HERE, ROOT / "examples")
    paths = [path for folder in folders for path in folder.rglob("*") if path.suffix in {".py", ".lua"}]
    paths += [ROOT / "pyproject.toml", ROOT / "noxfile.py", ROOT / "README.md"]
    return frozenset(word for path in paths for word in re.findall(r"\w+", path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name: str) -> None:
    """
    Every link that leads out of a page, but not to another host, leads to a file or a folder.
    """
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", FENCE.sub("", TEXTS[name]))
    within = [link for link in links if not link.startswith("https://")]

    assert [link for link in within if not (ROOT / name).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("name", PAGES)
def test_what_pages_name_exists(name: str) -> None:
    """
    Every path that a page names leads to a file or a folder, and every other name stands in the code or in its blocks.
    """
    roots = (ROOT, PACKAGE, PACKAGE.parent)
    text = PAGES[name]
    if name == "docs/moving.md":
        # The first column has the names of the other libraries.
        text = re.sub(r"^\|[^|]*", "", text, flags=re.MULTILINE)
    named = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    paths = [
        each
        for each in named
        if re.fullmatch(r"[\w-]+\.(md|py|toml)|[\w.-]+(/[\w.-]*)+", each)
        and ("." in each or any((at / each.split("/")[0]).is_dir() for at in roots))
    ]
    # What the set-up makes need not be here.
    paths = [path for path in paths if path not in THEIRS and not path.startswith((".venv/", "build/"))]
    # Words, but not the options of other people's programs.
    words = {word for each in named if each not in paths for word in re.findall(r"(?<![-\w])\w{2,}", each)}
    in_blocks = {word for fence in FENCE.finditer(text) for word in re.findall(r"\w+", fence["code"])}

    assert [path for path in paths if not any((at / path).exists() for at in roots)] == []
    assert words - words_of_the_code() - in_blocks - NOT_OURS == set()


def test_the_tree_is_drawn() -> None:
    """
    The tree in ARCHITECTURE.md has every folder of the package and every module beside them, floor by floor.
    """
    [tree] = [each["code"] for each in FENCE.finditer(PAGES["docs/ARCHITECTURE.md"]) if "wechat_kf/\n" in each["code"]]
    at: list[str] = []
    drawn: list[str] = []
    for indent, name in re.findall(r"^( *)([\w.]+)", tree, flags=re.MULTILINE):
        at[len(indent) // 2 :] = [name]
        drawn.append("/".join(at))
    layers = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    floor = {f"wechat_kf/{name}": number for number, layer in enumerate(layers) for name in layer.split(" : ")}
    floors = [floor[each.removesuffix(".py")] for each in drawn if each.count("/") == 1]
    modules = [path for path in PACKAGE.glob("*.py") if not path.name.startswith("__")]
    folders = {path.parent for path in PACKAGE.rglob("*.py")}

    assert sorted(drawn) == sorted(path.relative_to(PACKAGE.parent).as_posix() for path in [*modules, *folders])
    assert floors == sorted(floors)


@pytest.mark.parametrize("name", ENDPOINTS)
def test_methods_name_their_page(name: str) -> None:
    """
    Every endpoint has a method of its name, whose docstring ends with the endpoint's official page.
    """
    docstring = inspect.getdoc(getattr(AsyncKfClient, name))

    assert docstring is not None
    assert ENDPOINTS[name].manual.startswith("https://developers.weixin.qq.com/")
    assert docstring.splitlines()[-1] == f"Manual: {ENDPOINTS[name].manual}"
