"""
``wechat-kf simulate``.
"""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest

import wechat_kf.cli

SEND = "/cgi-bin/message/custom/send"


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

        said = "".join(process.stdout.readline() for _ in range(6))
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


def test_simulate_over_tls(tmp_path: Path) -> None:
    """
    The command serves https to whoever trusts the file that it names, also by a name that was allowed.
    """
    ca_file = tmp_path / "ca.pem"
    with start("--port", "0", "--tls", str(ca_file), "--allow-host", "wechat") as process:
        assert process.stdout is not None

        said = "".join(process.stdout.readline() for _ in range(7))
        url = re.search(r"^base URL  (https://127\.0\.0\.1:\d+)$", said, re.MULTILINE)

        assert url is not None

        context = ssl.create_default_context(cafile=str(ca_file))
        with httpx.Client(base_url=url[1], verify=context, trust_env=False, timeout=60) as http:
            allowed = http.get("/stand-in/sent", headers={"Host": "wechat"})
            foreign = http.get("/stand-in/sent", headers={"Host": "evil.test"})
        process.terminate()
        process.communicate(timeout=60)

    assert f"CA file   {ca_file}\n" in said
    assert f"curl --cacert {ca_file} -d" in said
    assert (allowed.status_code, foreign.status_code) == (200, 403)


async def fails(scope: Any, receive: Any, send: Any) -> None:
    """
    Be an app that does not start.
    """
    await send({"type": "lifespan.startup.failed", "message": "no"})


def test_simulate_with_a_bot() -> None:
    """
    A bot that is named answers, with what the stand-in gives it in place of real credentials, and is ended with it.
    """
    with start("--port", "0", "--host", "localhost", "--bot", "examples.llm_bot:bot") as process:
        assert process.stdout is not None

        said = "".join(process.stdout.readline() for _ in range(6))
        url = re.search(r"^page      (http://localhost:\d+)/stand-in/$", said, re.MULTILINE)

        assert url is not None

        with httpx.Client(base_url=url[1], trust_env=False, timeout=60) as http:
            http.post("/stand-in/user_says", json={"openid": "o1", "text": "hi"})
            http.post("/stand-in/settle")
            shown: list[Any] = []
            for _ in range(600):
                shown = http.get("/stand-in/shown_to", params={"openid": "o1"}).json()
                if shown:
                    break
                time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        rest, complaints = process.communicate(timeout=60)

    assert "hi" in shown[0]["payload"]["text"]["content"]
    assert shown[0]["payload"]["aimsgcontext"] == {"is_ai_msg": 1}
    assert (rest, complaints, process.returncode) == ("", "", 0)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--host", "999.0.0.1"], "simulate: on 999.0.0.1 others can reach"),
        (["--host", "999.0.0.1", "--page-token", "T"], "simulate: "),
        (["--host", "192.0.2.1"], "simulate: on 192.0.2.1 others can reach"),
        (["--bot", "m:bot", "--tls", "ca.pem"], "simulate: --bot goes with neither"),
        (["--bot", "m:bot", "--callback", "http://localhost"], "simulate: --bot goes with neither"),
        (["--bot", "json"], "simulate: --bot must be module:bot"),
        (["--bot", "no_such_module:bot"], "simulate: No module named"),
        (["--bot", "json:bot"], "simulate: the module json has no bot"),
        (["--bot", "json:dumps"], "simulate: the bot does not start: TypeError"),
        (["--bot", "tests.cli.test_simulate:fails"], "simulate: the bot does not start: no"),
        (["--callback", "http://localhost", "--token", "t", "--mode", "safe"], "simulate: safe mode needs an"),
        (["--callback", "http://localhost"], "simulate: the token must not be empty"),
        (["--callback", "localhost:80", "--token", "t"], "simulate: the callback must be an http or https URL"),
        (["--callback", "http://a:b", "--token", "t"], "simulate: the callback is no URL: "),
        (["--callback", "http://localhost", "--token", "t", "--encoding-aes-key", "short"], "got 5 characters"),
        (["--port", "99999"], "simulate: "),
        (["--tls", "/no/such/folder/ca.pem"], "simulate: "),
    ],
    ids=[
        "host",
        "host with a token",
        "any host",
        "bot and TLS",
        "bot and callback",
        "bot unnamed",
        "bot unknown",
        "bot missing",
        "no app",
        "bot fails",
        "no key",
        "no token",
        "no URL",
        "bad URL",
        "bad key",
        "port",
        "CA file",
    ],
)
def test_simulate_refuses(capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str) -> None:
    """
    What cannot work is one line on stderr and exit status 1.
    """
    with mock.patch.dict(os.environ):
        status = wechat_kf.cli.main(["simulate", "--port", "0", *arguments])

    assert status == 1
    assert complaint in capsys.readouterr().err
