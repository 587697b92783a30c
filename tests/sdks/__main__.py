"""
Start the command, let each SDK call it and a bot of another framework answer its pushes, and look what customers saw.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

HERE = Path(__file__).parent
OPENID = "oDF3iY9WMaswOPWjCIp_f3Bnpljk"
TOKEN = "TOKEN"
KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"


@contextmanager
def running(*command: str, **variables: str) -> Generator[subprocess.Popen[str]]:
    """
    Run a program as long as the block.
    """
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **variables}) as process:
        try:
            yield process
        finally:
            process.terminate()


def read_line(process: subprocess.Popen[str], pattern: str) -> str:
    """
    Read a program's lines to the one that matches, and give what does.
    """
    assert process.stdout is not None
    for line in process.stdout:
        if (found := re.fullmatch(pattern, line.rstrip())) is not None:
            return found[1]
    raise SystemExit(f"a program ended early: {process.args!r}")


def find_node() -> str:
    """
    Find Node.js; without it nothing is skipped.
    """
    node = shutil.which("node")
    if node is None:
        raise SystemExit("co-wechat-api cannot be tried without Node.js")
    return node


def main() -> None:
    """
    Run all of them; an SDK that fails ends this with its own words.
    """
    parser = argparse.ArgumentParser(prog="tests.sdks", description=__doc__)
    parser.add_argument("--node-path", required=True, help="the node_modules that has co-wechat-api")
    options = parser.parse_args()
    python = sys.executable
    with TemporaryDirectory() as folder:
        ca_file = str(Path(folder, "ca.pem"))
        with running(python, "-m", "wechat_kf", "simulate", "--port", "0", "--tls", ca_file) as command:
            base_url = read_line(command, r"base URL  (\S+)")
            port = base_url.rpartition(":")[2]
            trust = {"REQUESTS_CA_BUNDLE": ca_file, "NODE_EXTRA_CA_CERTS": ca_file, "NO_PROXY": "*"}
            node = {"NODE_PATH": options.node_path, "STAND_IN_PORT": port}
            context = ssl.create_default_context(cafile=ca_file)
            with httpx.Client(base_url=f"{base_url}/stand-in", verify=context, trust_env=False, timeout=60) as http:

                def control(name: str, **arguments: Any) -> Any:
                    response = http.post(f"/{name}", json=arguments)
                    if not response.is_success:
                        raise SystemExit(f"{name}: {response.text}")
                    return response.json()

                [account] = control("accounts")
                credentials = (account["appid"], account["secret"], OPENID)
                control("user_pays", openid=OPENID)
                redirected = (python, str(HERE / "redirect.py"), port)
                environment = {**os.environ, **trust, **node}
                wechatpy = (*redirected, str(HERE / "calls_wechatpy.py"), *credentials)
                subprocess.run(wechatpy, check=True, env=environment)
                co_wechat = ("--require", str(HERE / "redirect.js"), str(HERE / "calls_co_wechat_api.js"))
                subprocess.run((find_node(), *co_wechat, *credentials), check=True, env=environment)
                bot = (*redirected, str(HERE / "calls_werobot.py"), *credentials, TOKEN, KEY)
                with running(*bot, **trust) as werobot:
                    target = f"http://127.0.0.1:{read_line(werobot, r'([0-9]+)')}/"
                    for mode in ("safe", "compatible"):
                        control("set_callback", target=target, token=TOKEN, mode=mode, encoding_aes_key=KEY)
                        if control("verify_callback") is not True:
                            raise SystemExit(f"WeRoBot did not answer the check of its URL in {mode} mode")
                        control("user_says", openid=OPENID, text=mode)
                        control("settle")
                shown = [(each["via"], each["payload"]) for each in control("shown_to", openid=OPENID)]
    texts = [(via, payload["text"]["content"]) for via, payload in shown if payload["msgtype"] == "text"]
    expected = [
        *(("custom", sdk) for sdk in ("wechatpy", "co-wechat-api", "WeRoBot")),
        *(("passive", f"WeRoBot: {mode}") for mode in ("safe", "compatible")),
    ]
    if texts != expected or len(shown) != len(expected) + 3:
        raise SystemExit(f"customers saw {shown}, not a picture from each SDK and {expected}")
    sys.stdout.write("wechatpy, WeRoBot and co-wechat-api found nothing amiss.\n")


main()
