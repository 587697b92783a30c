"""
The page's words and files, as far as they can be looked at without a browser.
"""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from wechat_kf.testing.machine.errmsg import KNOWN_ERRCODES

FOLDER = files("wechat_kf.testing.page")
FILES = {each.name: each.read_text(encoding="utf-8") for each in FOLDER.iterdir() if not each.name.startswith("__")}
ENGLISH, CHINESE = (
    dict(re.findall(r'^  (\w+): "(.*)",$', FILES[name], re.MULTILINE)) for name in ("words.en.js", "words.zh.js")
)


def test_both_languages_have_the_same_words() -> None:
    """
    Each word stands in both languages, in the same order, with the same values to fill in.
    """
    braces = re.compile(r"\{\w+\}")

    assert list(ENGLISH) == list(CHINESE)
    assert [key for key in ENGLISH if set(braces.findall(ENGLISH[key])) != set(braces.findall(CHINESE[key]))] == []


def test_every_word_is_there_and_is_used() -> None:
    """
    What the page asks for is there, and nothing is there that it does not ask for.
    """
    page = FILES["index.html"]
    scripts = "".join(text for name, text in FILES.items() if name.endswith(".js") and not name.startswith("words."))
    asked = set(re.findall(r'data-(?:word|label|placeholder)="(\w+)"', page))
    asked |= set(re.findall(r'word\("(\w+)"', scripts + FILES["words.js"]))
    quoted = set(re.findall(r'"(\w+)"|\b(fault_\w+):', scripts))
    known = asked | {word for pair in quoted for word in pair}
    begun = tuple(re.findall(r"`(\w+_)\$\{", scripts))

    assert asked - set(ENGLISH) == set()
    assert [key for key in ENGLISH if key not in known and not key.startswith(begun)] == []


def test_refusals_are_explained_in_chinese() -> None:
    """
    Every errcode that the stand-in gives by itself is explained in Chinese, too.
    """
    explained = {int(code) for code in re.findall(r'^  \[?(-?\d+)\]?: ".+",$', FILES["refusals.zh.js"], re.MULTILINE)}

    assert explained == KNOWN_ERRCODES


@pytest.mark.parametrize("name", [name for name in FILES if name != "icon.svg"])
def test_nothing_from_elsewhere(name: str) -> None:
    """
    No file names another host, and no script writes markup or has anything run that it does not hold.
    """
    text = FILES[name]

    assert re.findall(r"https?://\w", text) == []
    assert (
        re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|\bstyle=", text) == []
    )


@pytest.mark.parametrize("name", FILES)
def test_files_are_short(name: str) -> None:
    """
    A file has one job, and opens by saying it.
    """
    text = FILES[name]

    assert text.count("\n") < 300
    assert name.endswith((".html", ".svg")) or text.startswith(("// ", "/* "))


def test_every_file_is_used() -> None:
    """
    Each script and each style is reached from the page, and nothing that is asked for is missing.
    """
    linked = set(re.findall(r'"page/([\w.]+)"', FILES["index.html"]))
    scripts = "".join(text for name, text in FILES.items() if name.endswith(".js"))
    imported = set(re.findall(r'from "\./([\w.]+)"', scripts))

    assert linked | imported | {"index.html"} == set(FILES)


def test_every_id_is_there() -> None:
    """
    What scripts look for has its place on the page, once.
    """
    ids = re.findall(r' id="([\w-]+)"', FILES["index.html"])
    scripts = "".join(text for name, text in FILES.items() if name.endswith(".js"))

    assert len(ids) == len(set(ids))
    assert set(re.findall(r'byId\("([\w-]+)"\)', scripts)) - set(ids) == set()
