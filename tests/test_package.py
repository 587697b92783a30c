"""
The package as it stands: what it shows, that all of it is documented, and what importing it costs.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType

import pytest

import wechat_kf

ROOT = Path(str(wechat_kf.__file__)).parent
SOURCES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}
# Importing a `__main__` runs it. The tests without the extra `fast` run without it.
LEFT_OUT = ["wechat_kf.__main__", *(() if find_spec("httptools") else ("wechat_kf._http.httptools_parser",))]
# The files whose job is to show what others define.
SHOWING_MORE = ("__init__.py", "endpoints.py")
MODULES = [name for name in SOURCES if name not in LEFT_OUT]
PUBLIC_MODULES = [name for name in MODULES if "._" not in name]


def names_of(source: Path) -> tuple[list[str], set[str], set[str]]:
    """
    List a module's `__all__`, the public names that it defines, and those that it takes from the package's modules.
    """
    shown: list[str] = []
    defined: set[str] = set()
    taken: set[str] = set()
    body = ast.parse(source.read_bytes()).body
    for node in body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                shown = ast.literal_eval(value)
            case ast.Assign(value=ast.Call(func=ast.Name(id="TypeVar"))):
                # No part of what a module offers.
                pass
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                defined.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                defined.add(name)
            case ast.ImportFrom(level=1 | 2, names=aliases):
                taken.update(alias.asname or alias.name for alias in aliases)
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=lazy):
                body += lazy
            case _:
                pass
    return shown, {name for name in defined if not name.startswith("_")}, taken


@pytest.mark.parametrize("name", SOURCES)
def test_all_names_what_is_defined(name: str) -> None:
    """
    A module's `__all__` names every public thing that the module defines, once; only those made for it show more.
    """
    shown, defined, taken = names_of(SOURCES[name])

    assert len(shown) == len(set(shown))
    assert defined <= set(shown) <= (defined | taken if SOURCES[name].name in SHOWING_MORE else defined)


def test_namespace_holds_no_more_than_all() -> None:
    """
    Completing a name after ``wechat_kf.`` offers public names only.
    """
    assert [name for name in dir(wechat_kf) if not name.isidentifier() or name.startswith("_")] == []


@pytest.mark.parametrize("name", SOURCES)
def test_modules_say_their_job(name: str) -> None:
    """
    Every module, public or private, opens with a docstring.
    """
    assert ast.get_docstring(ast.parse(SOURCES[name].read_bytes()))


@pytest.mark.parametrize("name", PUBLIC_MODULES)
def test_everything_public_is_documented(name: str) -> None:
    """
    Every public class and function, and every public method and property of such a class, has a docstring.
    """
    module = importlib.import_module(name)
    things: dict[str, object] = {name: getattr(module, name) for name in getattr(module, "__all__", [])}
    for label, thing in list(things.items()):
        if inspect.isclass(thing):
            members = {f"{label}.{name}": member for name, member in vars(thing).items() if not name.startswith("_")}
            things |= members
    kinds = (type, FunctionType, classmethod, staticmethod, property)

    assert [label for label, thing in things.items() if isinstance(thing, kinds) and not thing.__doc__] == []


@pytest.mark.parametrize("name", dir(wechat_kf))
def test_every_name_is_found(name: str) -> None:
    """
    Every public name leads to the thing itself, which is the same each time.
    """
    thing = getattr(wechat_kf, name)

    assert getattr(thing, "__name__", name) == name
    assert getattr(wechat_kf, name) is thing


def test_checkers_see_what_runs() -> None:
    """
    Of each public name type checkers are told the very module that it is imported from at run time.
    """
    [for_checkers] = [node for node in ast.parse(SOURCES["wechat_kf"].read_bytes()).body if isinstance(node, ast.If)]
    seen = {
        (alias.asname, f"wechat_kf.{node.module}")
        for node in for_checkers.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    starred: dict[str, object] = {}
    exec("from wechat_kf import *", starred)  # noqa: S102 - within a function it is not allowed

    assert [
        name for name, module in seen if getattr(importlib.import_module(module), str(name)) is not starred[str(name)]
    ] == []
    assert {name for name, _ in seen} == set(dir(wechat_kf)) == set(starred) - {"__builtins__"}


def test_unknown_names_are_not_found() -> None:
    """
    A name that does not exist is an `AttributeError` that says so.
    """
    with pytest.raises(AttributeError, match="'wechat_kf' has no attribute 'AsyncKfClients'"):
        getattr(wechat_kf, "AsyncKfClients")  # noqa: B009 - as an attribute the type checkers would refuse it


def test_import_waits_for_nothing() -> None:
    """
    Importing the package, what receives pushes, or an error takes no HTTP library.
    """
    program = "import sys; import wechat_kf.webhook; from wechat_kf import KfError; print('httpx' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert said == "False\n"


def test_import_takes_only_what_it_declares() -> None:
    """
    Importing every name loads the package's dependencies and the standard library, and nothing of the extras.
    """
    program = """
import sys, anyio, attrs, cattrs, httpx, sniffio
before = {name.partition(".")[0] for name in sys.modules}
from wechat_kf import *
print(*{name.partition(".")[0] for name in sys.modules} - before)
"""
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()

    assert set(loaded) - sys.stdlib_module_names == {"wechat_kf"}
