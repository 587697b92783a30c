"""
The controls over HTTP, and the command.
"""

from __future__ import annotations

import importlib
import json
import re
import signal
import subprocess
import sys
from typing import Any

import httpx
import pytest

import wechat_kf.cli
from wechat_kf.testing import FakeWeChat

from ..bare_api import AGENT, OPENID, Wire

SEND = "/cgi-bin/message/custom/send"


async def control(wire: Wire, name: str, /, **arguments: Any) -> httpx.Response:
    """
    Call a control with arguments in JSON.
    """
    return await wire.http.post(f"{wire.base_url}/stand-in/{name}", content=json.dumps(arguments))


async def test_controls(fake: FakeWeChat, wire: Wire) -> None:
    """
    A control does what the method of its name does; it is not one of the calls.
    """
    answers = [
        (await control(wire, "user_says", openid=OPENID, text="\u4f60好")).json(),
        (await control(wire, "agent_online", kf_account=AGENT, auto_accept=1)).json(),
        (await control(wire, "is_typing_shown", openid=OPENID)).json(),
    ]
    await wire.say(content="hello")
    shown = (await wire.http.get("https://any/stand-in/shown_to", params={"openid": OPENID})).json()

    assert answers == [None, None, False]
    assert [(each["payload"]["text"]["content"], each["via"]) for each in shown] == [("hello", "custom")]
    assert shown[0]["at"] == fake.clock.now().isoformat()
    assert [call.path for call in fake.calls] == ["/cgi-bin/stable_token", SEND]


async def test_every_control_is_a_method(fake: FakeWeChat, wire: Wire) -> None:
    """
    The list of controls is the list of methods that need nothing but JSON.
    """
    listed = (await control(wire, "")).text.removeprefix("the controls are ").split(", ")

    assert listed == sorted(listed)
    assert all(callable(getattr(fake, name)) for name in listed)
    assert {name for name in vars(FakeWeChat) if not name.startswith("_")} - set(listed) == {
        "add_material",
        "asgi",
        "client",
        "deliver",
        "serve",
        "set_callback",
        "verify_callback",
    }


@pytest.mark.parametrize(
    ("fault", "begins"),
    [
        ({"fault": "Errcode", "errcode": 45009}, b'{"errcode":45009,'),
        ({"fault": "Status", "status": 502, "body": "gone"}, b"gone"),
        ({"fault": "Garble", "body": "{"}, b"{"),
    ],
    ids=["errcode", "status", "garble"],
)
async def test_faults(wire: Wire, fault: dict[str, Any], begins: bytes) -> None:
    """
    Faults are queued by their names.
    """
    queued = await control(wire, "fault", path="/cgi-bin/getcallbackip", **fault)
    response = await wire.send("GET", "/cgi-bin/getcallbackip")

    assert queued.json() is None
    assert response.content.startswith(begins)


@pytest.mark.parametrize(
    ("name", "arguments", "status", "text"),
    [
        ("nothing", {}, 404, "the controls are accept_invitation, advance,"),
        ("__class__", {}, 404, "the controls are"),
        ("user_says", {"openid": "o"}, 400, "missing 1 required positional argument: 'text'"),
        ("agent_accepts", {"kf_account": AGENT}, 400, "ValueError: nobody waits"),
        ("agent_offline", {"kf_account": AGENT}, 400, "WeChat refuses: 65401"),
        ("fault", {"path": "/", "fault": "Nothing"}, 400, "the faults are ClockSkew, Delay,"),
        ("user_sends", {"openid": "o", "fields": 1}, 400, "TypeError"),
        ("fault", {"path": "/", "fault": "Drip", "bytes_per_second": 0}, 400, "must be > 0"),
        ("advance", {"seconds": 1e300}, 400, "no date"),
        ("advance", {"seconds": float("nan")}, 400, "ValueError"),
        ("user_says", {"openid": "o", "text": "\ud800"}, 400, "UnicodeEncodeError"),
    ],
    ids=[
        "unknown",
        "private",
        "missing",
        "impossible",
        "refused",
        "unknown fault",
        "wrong type",
        "impossible fault",
        "no date",
        "no number",
        "half a character",
    ],
)
async def test_mistakes(wire: Wire, name: str, arguments: dict[str, Any], status: int, text: str) -> None:
    """
    What cannot be done is said.
    """
    response = await control(wire, name, **arguments)

    assert response.status_code == status
    assert text in response.text


async def test_arguments_that_are_not_json(wire: Wire) -> None:
    """
    A body that is no object of arguments is a mistake too.
    """
    responses = [
        await wire.http.post("https://any/stand-in/advance", content=content) for content in (b"{", b"[]", b"1")
    ]

    assert [response.status_code for response in responses] == [400, 400, 400]


async def test_looking_makes_no_customer(fake: FakeWeChat, wire: Wire) -> None:
    """
    Whether "typing" is shown can be asked of strangers, who stay strangers, and of those who left.
    """
    fake.follows("o1")
    fake.unfollows("o1")

    assert not fake.is_typing_shown("o1")
    assert not fake.is_typing_shown(OPENID)
    assert await wire.say() == 40003


def start(*arguments: str) -> subprocess.Popen[str]:
    """
    Start the command.
    """
    command = [sys.executable, "-m", "wechat_kf", "simulate", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=lambda stop: stop.name)
def test_simulate(stop: signal.Signals) -> None:
    """
    The command says where it listens and whom it knows, serves, and stops cleanly when told.
    """
    with start("--port", "0", "--appid", "wx1", "--secret", "s3cr3t") as process:
        assert process.stdout is not None

        said = "".join(process.stdout.readline() for _ in range(5))
        url = re.search(r"^base URL  (http://127\.0\.0\.1:\d+)$", said, re.MULTILINE)

        assert url is not None

        with httpx.Client(base_url=url[1], trust_env=False, timeout=60) as http:
            told = http.post("/stand-in/user_says", json={"openid": "o1", "text": "hi"})
            body = {"grant_type": "client_credential", "appid": "wx1", "secret": "s3cr3t"}
            token = http.post("/cgi-bin/stable_token", json=body).json()["access_token"]
            message = {"touser": "o1", "msgtype": "text", "text": {"content": "hello"}}
            sent = http.post(SEND, params={"access_token": token}, json=message)
        process.send_signal(stop)
        rest, complaints = process.communicate(timeout=60)

    assert "appid     wx1\nsecret    s3cr3t\n" in said
    assert f"{url[1]}/stand-in/user_says" in said
    assert told.json() is None
    assert sent.json()["errcode"] == 0
    assert (rest, complaints, process.returncode) == ("", "", 0)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--host", "999.0.0.1"], "simulate: "),
        (["--callback", "http://localhost", "--token", "t", "--mode", "safe"], "simulate: safe mode needs an"),
        (["--callback", "http://localhost"], "simulate: the token must not be empty"),
        (["--callback", "localhost:80", "--token", "t"], "simulate: the callback must be an http or https URL"),
        (["--callback", "http://a:b", "--token", "t"], "simulate: the callback is no URL: "),
        (["--callback", "http://localhost", "--token", "t", "--encoding-aes-key", "short"], "got 5 characters"),
        (["--port", "99999"], "simulate: "),
    ],
    ids=["host", "no key", "no token", "no URL", "bad URL", "bad key", "port"],
)
def test_simulate_refuses(capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str) -> None:
    """
    What cannot work is one line on stderr and exit status 1.
    """
    status = wechat_kf.cli.main(["simulate", "--port", "0", *arguments])

    assert status == 1
    assert complaint in capsys.readouterr().err


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
