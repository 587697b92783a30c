"""
``wechat-kf simulate``: the stand-in on a real socket, for programs in any language.
"""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import AsyncExitStack, suppress
from ipaddress import ip_address

import anyio

from ..testing import FakeWeChat
from ._simulated_bot import running_bot

__all__ = ["add_arguments", "simulate"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Say what the command takes.
    """
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8088, help="port; 0 for a free one (default: %(default)s)")
    parser.add_argument(
        "--tls",
        metavar="CA_FILE",
        nargs="?",
        const="wechat-kf-ca.pem",
        help="serve https, and write what clients must trust to this file (default: %(const)s)",
    )
    parser.add_argument(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="another name of this machine, such as that of a container; may be repeated",
    )
    parser.add_argument(
        "--page-token", metavar="TOKEN", help="what the page and the controls ask for; needed on other than loopback"
    )
    parser.add_argument("--bot", metavar="MODULE:BOT", help="an ASGI app to start along with it, and to push to")
    parser.add_argument("--bot-path", default="/", help="where in that app pushes go (default: %(default)s)")
    parser.add_argument("--appid", help="the account's appid")
    parser.add_argument("--secret", help="the account's secret")
    parser.add_argument("--callback", metavar="URL", help="where pushes go")
    parser.add_argument("--token", help="what pushes are signed with")
    parser.add_argument("--encoding-aes-key", metavar="KEY", help="what pushes are encrypted with")
    parser.add_argument("--mode", choices=("plain", "compatible", "safe"), help="default: safe with a key, else plain")
    parser.add_argument("--format", choices=("xml", "json"), default="xml", help="of pushes (default: %(default)s)")


def simulate(options: argparse.Namespace) -> int:
    """
    Stand in for WeChat until stopped.
    """
    given = {name: getattr(options, name) for name in ("appid", "secret") if getattr(options, name)}
    fake = FakeWeChat(**given)
    try:
        _check(options)
        if options.callback is not None:
            fake.set_callback(
                options.callback,
                token=options.token or "",
                encoding_aes_key=options.encoding_aes_key,
                mode=options.mode,
                format=options.format,
            )
        with suppress(KeyboardInterrupt):
            anyio.run(_serve, fake, options)
    except (ImportError, OSError, OverflowError, ValueError) as error:
        sys.stderr.write(f"wechat-kf simulate: {error}\n")
        return 1
    return 0


async def _serve(fake: FakeWeChat, options: argparse.Namespace) -> None:
    served = fake.serve(
        options.host,
        options.port,
        ca_file=options.tls,
        allow_hosts=options.allow_host,
        page_token=options.page_token,
    )
    async with served as base_url, AsyncExitStack() as stack:
        if options.bot is not None:
            await stack.enter_async_context(running_bot(fake, base_url, options.bot, options.bot_path))
        if sys.platform == "win32":  # pragma: no cover - there Ctrl-C is a KeyboardInterrupt
            _announce(fake, base_url, options.tls)
            await anyio.sleep_forever()
        # First, so that who reads the base URL can stop it at once.
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as stops:
            _announce(fake, base_url, options.tls)
            await anext(stops)


def _check(options: argparse.Namespace) -> None:
    if options.page_token is None and not _is_loopback(options.host):
        raise ValueError(f"on {options.host} others can reach the page and the controls: give a --page-token")
    if options.bot is not None and (options.tls is not None or options.callback is not None):
        raise ValueError("--bot goes with neither --tls nor --callback")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _announce(fake: FakeWeChat, base_url: str, ca_file: str | None) -> None:
    ca_line = "" if ca_file is None else f"CA file   {ca_file}\n"
    trust = "" if ca_file is None else f"--cacert {ca_file} "
    say = f"""curl {trust}-d '{{"openid": "o1", "text": "hello"}}' {base_url}/stand-in/user_says"""
    sys.stdout.write(
        "A stand-in for WeChat's customer service; Ctrl-C stops it.\n"
        f"base URL  {base_url}\n"
        f"appid     {fake.appid}\n"
        f"secret    {fake.secret}\n"
        f"{ca_line}"
        f"page      {base_url}/stand-in/\n"
        f"To let a customer write: {say}\n"
    )
    sys.stdout.flush()
