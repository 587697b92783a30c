"""
The choice of a parser.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest

from wechat_kf._http.auto_parser import response_parser


@pytest.mark.parametrize("installed", [False, *([True] if find_spec("httptools") else [])])
def test_parser_that_is_installed(installed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Httptools is used where it is installed, h11 elsewhere.
    """
    if not installed:
        monkeypatch.setitem(sys.modules, "httptools", None)
    monkeypatch.delitem(sys.modules, "wechat_kf._http.httptools_parser", raising=False)
    response_parser.cache_clear()
    chosen = response_parser()
    response_parser.cache_clear()

    assert getattr(chosen, "__name__", "") == ("HttptoolsParser" if installed else "H11Parser")
