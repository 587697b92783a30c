"""
The command itself: what it says of itself, and how it ends.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

import wechat_kf.cli
from wechat_kf.cli._exits import EXITS
from wechat_kf.testing import DropAfter, DropBefore, Errcode, FakeWeChat, Garble

from .conftest import Ended

STABLE_TOKEN = "/cgi-bin/stable_token"
GET_KF_LIST = "/cgi-bin/customservice/getkflist"
COMMANDS = ("accounts", "completion", "doctor", "history", "quota", "rid", "send", "sessions", "simulate")
ADD = "/customservice/kfaccount/add"


def test_importing_the_module_runs_nothing() -> None:
    """
    Only ``python -m wechat_kf`` runs the command.
    """
    assert importlib.import_module("wechat_kf.__main__").main is wechat_kf.cli.main


def test_help(run: Callable[..., Ended]) -> None:
    """
    The help names every command and every exit code.
    """
    ended = run("--help")
    codes = re.findall(r"^ *(\d+)  \w", ended.out, re.MULTILINE)

    assert ended.code == 0
    assert [name for name in COMMANDS if f"│ {name} " not in ended.out] == []
    assert codes == ["0", "1", "2", "3", "4", "5", "6", "7", "130", "141", "143"]


def test_the_page() -> None:
    """
    The page in the docs has every command and every exit code, in the words of the help.
    """
    page = (Path(__file__).parents[2] / "docs" / "command.md").read_text(encoding="utf-8")
    codes = {int(code): meaning for code, meaning in re.findall(r"^\| (\d+) \| (.*) \|$", page, re.MULTILINE)}

    assert codes == EXITS
    assert sorted(re.findall(r"^\| `wechat-kf (\w+)`", page, re.MULTILINE)) == sorted(COMMANDS)


def test_version(run: Callable[..., Ended]) -> None:
    """
    The version is that of the package.
    """
    assert run("--version") == Ended(0, f"{version('wechat-kf')}\n", "")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nothing"], 'Unknown command "nothing". Available commands: '),
        (["quota", "--nothing"], "Unknown option: --nothing. See wechat-kf quota --help."),
        (["accounts", "add"], "requires an argument. See wechat-kf accounts add --help."),
        (["accounts", "add", "lin", "小林"], "Nothing was sent: kf_account must be prefix@suffix, not 'lin'."),
        (["completion", "csh"], "Choose from: "),
    ],
    ids=["command", "option", "missing", "client", "choice"],
)
def test_usage(fake: FakeWeChat, run: Callable[..., Ended], arguments: list[str], complaint: str) -> None:
    """
    Wrong usage is one line on stderr, and exit code 2.
    """
    ended = run(*arguments)

    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert ended.err.startswith("wechat-kf: ")
    assert complaint in ended.err
    assert not fake.calls


@pytest.mark.parametrize("arguments", [[], ["simulate", "--port", "x"]], ids=["none", "port"])
def test_simulate_usage(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """
    The stand-in explains itself, and without arguments the command does.
    """
    if arguments:
        with pytest.raises(SystemExit) as stopped:
            wechat_kf.cli.main(arguments)
        code = stopped.value.code
    else:
        code = wechat_kf.cli.main(arguments)
    captured = capsys.readouterr()

    assert "usage: wechat-kf" in (captured.out + captured.err).lower()
    assert code == (2 if arguments else 0)


@pytest.mark.parametrize("missing", ["cyclopts", "rich"])
def test_without_the_extra(missing: str) -> None:
    """
    Without the extra a sentence says what to install, while ``simulate`` works.
    """
    program = f"""
import sys
sys.modules[{missing!r}] = None
from wechat_kf.cli import main
try:
    main(["simulate", "--help"])
except SystemExit as ended:
    print(ended.code)
print(main(["doctor"]))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "usage: wechat-kf simulate" in ended.stdout
    assert ended.stdout.splitlines()[-2:] == ["0", "2"]
    assert ended.stderr == "wechat-kf: Install wechat-kf[cli] for all commands but simulate.\n"


def test_what_is_broken_is_no_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A module of another package that is missing is no reason to install the extra.
    """
    monkeypatch.delitem(sys.modules, "wechat_kf.cli._app", raising=False)
    monkeypatch.setitem(sys.modules, "wechat_kf.cli._exits", None)

    with pytest.raises(ModuleNotFoundError, match="_exits"):
        wechat_kf.cli.main(["--version"])


@pytest.mark.parametrize(
    ("path", "fault", "arguments", "code", "kind", "told"),
    [
        (STABLE_TOKEN, Errcode(40125), ["accounts", "list"], 3, "AuthError", "The secret is wrong (40125 invalid"),
        (GET_KF_LIST, Errcode(65400), ["accounts", "list"], 4, "PermissionDenied", "Customer service is not enabled"),
        (GET_KF_LIST, Errcode(99), ["accounts", "list"], 4, "ApiError", "WeChat refused (99 system error, rid "),
        (GET_KF_LIST, Garble(b"<html>"), ["accounts", "list"], 5, "ReplyError", "The call had no effect."),
        (GET_KF_LIST, DropBefore(), ["accounts", "list"], 5, "DeliveryUncertain", "The call had no effect."),
        (ADD, DropAfter(), ["accounts", "add", "lin@shop", "小林"], 6, "DeliveryUncertain", "may have taken effect"),
        (ADD, Errcode(-1), ["accounts", "add", "lin@shop", "小林"], 6, "SystemBusy", "look before you do it again"),
    ],
    ids=["credentials", "refused", "unknown code", "no answer", "broken off", "uncertain", "busy"],
)
def test_errors(
    fake: FakeWeChat,
    run: Callable[..., Ended],
    *,
    path: str,
    fault: Errcode | Garble | DropAfter | DropBefore,
    arguments: list[str],
    code: int,
    kind: str,
    told: str,
) -> None:
    """
    An error is one line on stderr that says what happened and what to do, for programs also JSON, and has its code.
    """
    fake.fault(path, fault, times=3)
    ended = run(*arguments, "--json")
    error = ended.json["error"]

    assert (ended.code, error["exit"], error["kind"]) == (code, code, kind)
    assert ended.err == f"wechat-kf: {error['message']}\n"
    assert told in error["message"]
    assert error.get("errcode") == getattr(fault, "errcode", None)


def test_no_network(run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where nothing can be reached, nothing was sent, and that is told in one line.
    """
    monkeypatch.setenv("WECHAT_APPID", "wx5afe0ca11ab1e000")
    monkeypatch.setenv("WECHAT_SECRET", "0" * 32)
    monkeypatch.setenv("WECHAT_BASE_URL", "http://127.0.0.1:9")
    ended = run("quota")

    assert (ended.code, ended.out, ended.err.count("\n")) == (5, "", 1)
    assert "The call had no effect." in ended.err
