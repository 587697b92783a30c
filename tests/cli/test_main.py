"""
The command itself.
"""

from __future__ import annotations

import importlib

import pytest

import wechat_kf.cli


def test_importing_the_module_runs_nothing() -> None:
    """
    Only ``python -m wechat_kf`` runs the command.
    """
    assert importlib.import_module("wechat_kf.__main__").main is wechat_kf.cli.main


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["simulate", "--port", "x"]], ids=["none", "unknown", "port"])
def test_usage(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """
    Wrong usage is explained.
    """
    with pytest.raises(SystemExit) as stopped:
        wechat_kf.cli.main(arguments)

    assert stopped.value.code == 2
    assert "usage: wechat-kf" in capsys.readouterr().err
