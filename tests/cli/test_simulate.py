"""
``wechat-kf simulate``.
"""

from __future__ import annotations

import re
import signal
import ssl
import subprocess
import sys
from pathlib import Path

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


def test_simulate_over_tls(tmp_path: Path) -> None:
    """
    The command serves https to whoever trusts the file that it names, also by a name that was allowed.
    """
    ca_file = tmp_path / "ca.pem"
    with start("--port", "0", "--tls", str(ca_file), "--allow-host", "wechat") as process:
        assert process.stdout is not None

        said = "".join(process.stdout.readline() for _ in range(6))
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
        (["--tls", "/no/such/folder/ca.pem"], "simulate: "),
    ],
    ids=["host", "no key", "no token", "no URL", "bad URL", "bad key", "port", "CA file"],
)
def test_simulate_refuses(capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str) -> None:
    """
    What cannot work is one line on stderr and exit status 1.
    """
    status = wechat_kf.cli.main(["simulate", "--port", "0", *arguments])

    assert status == 1
    assert complaint in capsys.readouterr().err
