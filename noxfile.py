"""
Every check of this project, each in an environment of its own; ``nox -l`` lists them.

``nox`` runs them all but those that take long, want a machine for themselves, or a network. Where one Python is enough,
it is the one that runs nox.
"""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
BACKENDS = ("asyncio", "trio")
NOT_TRIO = "not ([trio or -trio] or -trio-)"
# A browser shows the same whatever Python and dependencies serve the page: the first run of the tests looks at that.
BUT_THE_PAGE = ("-m", "not browser")
EXTRAS = {name: needed for name, needed in PROJECT["project"]["optional-dependencies"].items() if name != "dev"}

# Where pyenv has a Python that it has not chosen, its shim refuses to start it: have the Pythons themselves come first.
PYENV = [str(each) for version in PYTHONS for each in Path.home().glob(f".pyenv/versions/{version}.*/bin")]
os.environ["PATH"] = os.pathsep.join([*PYENV, os.environ["PATH"]])
# Every session starts dozens of interpreters, which else would compile each import anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def measure(session: nox.Session, name: str, *arguments: str, **env: str) -> None:
    """
    Run the tests and measure what they cover, for the session `coverage`.
    """
    data = f".coverage.{name}"
    for stale in Path().glob(f"{data}*"):
        stale.unlink()
    session.run("coverage", "run", "-m", "pytest", *arguments, *session.posargs, env={"COVERAGE_FILE": data, **env})


@nox.session
def lint(session: nox.Session) -> None:
    """
    Look for mistakes, untidy code, and imports that cross the floors.
    """
    session.install("-e", ".[dev]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """
    Check the types with mypy and pyright, and that the public ones are complete.
    """
    session.install("-e", ".[dev,fast]")
    session.run("mypy")
    session.run("pyright")
    session.run("pyright", "--verifytypes", "wechat_kf", "--ignoreexternal")


@nox.session(python=PYTHONS)
@nox.parametrize("backend", BACKENDS, ids=BACKENDS)
def tests(session: nox.Session, backend: str) -> None:
    """
    Run the tests on one Python and one event loop, and measure what they cover.
    """
    session.install("-e", ".[dev]")
    other = next(each for each in BACKENDS if each != backend)
    measure(session, f"{session.python}-{backend}", "-k", f"not ([{other} or -{other}] or -{other}-)")


@nox.session
def docs(session: nox.Session) -> None:
    """
    Build the manual into ``build/docs``: a link that leads nowhere, or a public name without a place, is an error.
    """
    session.install("-e", f".[{','.join(EXTRAS)}]", "furo>=2025.7", "myst-parser>=4", "sphinx>=8.2")
    session.run(
        "sphinx-build", "-W", "--keep-going", "-qd", session.create_tmp(), "docs", "build/docs", *session.posargs
    )


@nox.session
def httpx2(session: nox.Session) -> None:
    """
    Run the tests that make calls with clients that were given an `httpx2.AsyncClient`.
    """
    session.install("-e", ".[dev]")
    makes_calls = ("api", "broadcast", "call", "http", "test_client.py", "test_secrets.py", "tokens")
    where = session.posargs or [f"tests/{each}" for each in makes_calls]
    session.run("pytest", *where, env={"WECHAT_KF_TEST_HTTP": "httpx2"})


@nox.session
def fast(session: nox.Session) -> None:
    """
    Run the tests with the extra ``fast``, which is there for asyncio, and measure what they cover.
    """
    session.install("-e", ".[dev,fast]")
    measure(session, "fast", "-k", NOT_TRIO, WECHAT_KF_TEST_HTTP="fast")


@nox.session
def floors(session: nox.Session) -> None:
    """
    Run the tests with the oldest dependencies that the package says it takes, on asyncio with the extra ``fast``.
    """
    ours = [*PROJECT["project"]["dependencies"], *(each for needed in EXTRAS.values() for each in needed)]
    with NamedTemporaryFile("w") as lowest:
        lowest.writelines(re.sub(r">=([\w.]+).*", r"==\1\n", requirement) for requirement in ours)
        lowest.flush()
        session.install("-e", ".[dev,fast]", "--constraint", lowest.name)
    selected = (*BUT_THE_PAGE, "-k", NOT_TRIO)
    # The extra brings code of its own only there, and what is measured takes a third longer.
    measure(session, "floors", *selected, "tests/http", WECHAT_KF_TEST_HTTP="fast")
    session.run("pytest", *selected, "--ignore=tests/http", *session.posargs, env={"WECHAT_KF_TEST_HTTP": "fast"})


@nox.session
def coverage(session: nox.Session) -> None:
    """
    Put together what the tests on all Pythons, event loops and transports covered: every line and every branch.
    """
    session.install("coverage")
    session.run("coverage", "combine")
    session.run("coverage", "report")


@nox.session
def fuzz(session: nox.Session) -> None:
    """
    Push what nobody would write, to see that it is refused properly. Takes how many pushes; 5000 if not told.
    """
    session.install("-e", ".[dev]")
    session.run("python", "-m", "tests.webhook.fuzz", *(session.posargs or ["5000"]))


@nox.session(reuse_venv=False)
def wheel(session: nox.Session) -> None:
    """
    Build the package, and run its tests and its first example on the built wheel, far from the sources.
    """
    session.install("build", "check-wheel-contents", "twine")
    with TemporaryDirectory() as elsewhere:
        session.run("python", "-m", "build", "--outdir", elsewhere)
        [built] = Path(elsewhere).glob("*.whl")
        [sources] = Path(elsewhere).glob("*.tar.gz")
        session.run("twine", "check", "--strict", str(built), str(sources))
        session.run("check-wheel-contents", str(built))
        with tarfile.open(sources) as archive:
            archive.extractall(elsewhere, filter="data")
        tree = sources.with_name(sources.name.removesuffix(".tar.gz"))
        shutil.rmtree(tree / "wechat_kf")
        with session.chdir(tree):
            session.install(str(built))
            session.run("python", "examples/quickstart.py")
            session.install(f"wechat-kf[dev] @ {built.as_uri()}")
            # Workers that die do so alike, wherever the package lies.
            session.run("pytest", *BUT_THE_PAGE, "--ignore=tests/fleet", *session.posargs)


@nox.session(default=False)
def audit(session: nox.Session) -> None:
    """
    Ask the package index for known holes in the oldest dependencies, theirs included, that an installation may get.
    """
    session.install("pip-audit", "uv")
    with NamedTemporaryFile("w", suffix=".txt") as lowest:
        extras = [f"--extra={name}" for name in EXTRAS]
        session.run("uv", "pip", "compile", "--resolution=lowest", *extras, "-qo", lowest.name, "pyproject.toml")
        # Strict, for else what could not be looked up passes.
        session.run("pip-audit", "--strict", "--disable-pip", "--no-deps", "--requirement", lowest.name)


@nox.session(default=False)
def sbom(session: nox.Session) -> None:
    """
    Write what an installation with every extra consists of into ``build/sbom.json``, in the form of CycloneDX.
    """
    session.install("cyclonedx-bom", "uv")
    installed = Path(session.create_tmp()) / "installed"
    session.run("uv", "venv", "--quiet", "--clear", str(installed))
    session.run("uv", "pip", "install", "--quiet", "--python", str(installed), f".[{','.join(EXTRAS)}]")
    Path("build").mkdir(exist_ok=True)
    session.run("cyclonedx-py", "environment", "--output-file", "build/sbom.json", str(installed))


@nox.session(default=False)
def sdks(session: nox.Session) -> None:
    """
    Let wechatpy, WeRoBot and co-wechat-api, unpatched, call the stand-in over TLS. Needs Node.js and npm.
    """
    session.install("-e", ".[webhook]", "wechatpy==1.8.18", "WeRoBot==1.13.1")
    modules = Path(session.create_tmp())
    session.run("npm", "install", "--silent", "--prefix", str(modules), "co-wechat-api@3.11.0", external=True)
    session.run("python", "-m", "tests.sdks", "--node-path", str(modules / "node_modules"))


@nox.session(default=False)
def soak(session: nox.Session) -> None:
    """
    Let four workers serve 200 customers while everything fails now and then. Takes the seconds; 600 if not told.
    """
    session.install("-e", ".[dev]")
    session.run("python", "-m", "tests.fleet.soak", *(session.posargs or ["600"]))


@nox.session(default=False)
def mutate(session: nox.Session) -> None:
    """
    Make small mistakes in the code, one at a time, and tell which of them no test notices. Takes hours.

    ``-- 'wechat_kf.text.*'`` keeps to some of it; what was found before is not done again.
    """
    session.install("-e", ".[dev]", "mutmut>=3.8")
    session.run("mutmut", "run", *session.posargs)
    session.run("mutmut", "results")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """
    Measure the client beside what people would use instead; ``-- --short`` only sees that this works.
    """
    session.install("-e", ".[fast,webhook]", "-r", "tests/benchmarks/requirements.txt")
    rivals = Path(session.create_tmp())
    session.run("npm", "install", "--silent", "--prefix", str(rivals), "co-wechat-api@3.11.0", external=True)
    session.run("python", "-m", "tests.benchmarks", "--node-path", str(rivals / "node_modules"), *session.posargs)
