"""
What is given a secret shows it in no frame when it refuses: error trackers keep the variables of each.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wechat_kf import AsyncKfClient, MemoryTokenStore, NoToken, StaticToken
from wechat_kf.cli._settings import Settings
from wechat_kf.tokens.platform import ComponentToken
from wechat_kf.webhook import Webhook

SECRET = "8f14e45fceea167a5a36dedd4bea2543"
KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
SECRETS = (SECRET, KEY[:42])


def client(**options: Any) -> object:
    """
    Make a client.
    """
    given: dict[str, Any] = {"appid": "wx1", "secret": SECRET, **options}
    return AsyncKfClient(**given)


def account(**options: Any) -> object:
    """
    Make a client for another account.
    """
    return AsyncKfClient(token=NoToken()).for_account(**{"appid": "wx1", "secret": SECRET, **options})


def component(appid: Any = "wx1", secret: Any = SECRET) -> object:
    """
    Make a platform's token.
    """
    return ComponentToken(AsyncKfClient(token=NoToken()), appid, secret, store=MemoryTokenStore())


def webhook(token: Any = SECRET, key: Any = KEY, appid: Any = "wx1", **options: Any) -> object:
    """
    Make a webhook.
    """
    return Webhook(token, key, appid, **options)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """
    List an exception, what caused it, and what it came up beside.
    """
    if error is not None:
        yield error
        yield from chain(error.__cause__)
        yield from chain(error.__context__)


def shown(error: BaseException) -> list[str]:
    """
    List the variables in which a secret shows, of all frames but those of the tests.
    """
    frames = [frame for each in chain(error) for frame, _ in traceback.walk_tb(each.__traceback__)]
    return [
        f"{name} in {frame.f_code.co_qualname}"
        for frame in frames
        if not Path(frame.f_code.co_filename).is_relative_to(Path(__file__).parent)
        for name, value in frame.f_locals.items()
        if any(secret in repr(value) for secret in SECRETS)
    ]


BAD_ACCOUNT: tuple[dict[str, Any], ...] = (
    {"appid": None},
    {"appid": 1},
    {"appid": "wx1 "},
    {"secret": f"{SECRET}\n"},
    {"secret": SECRET.encode()},
    {"secret": None, "token": f"{SECRET} "},
    {"secret": None, "token": SECRET.encode()},
    {"token": SECRET},
)

REFUSED: tuple[tuple[Callable[..., object], dict[str, Any]], ...] = (
    *((client, options) for options in BAD_ACCOUNT),
    (client, {"token_api": "newest"}),
    (client, {"http": object()}),
    (client, {"base_url": ()}),
    (client, {"base_url": "http://api.weixin.qq.com"}),
    (client, {"timeout": 0}),
    (client, {"timeout": "1"}),
    (client, {"max_retries": -1}),
    (client, {"max_connections": 0}),
    (client, {"max_connections": 1.5}),
    (client, {"hooks": 1}),
    (AsyncKfClient.from_env, {"secret": SECRET}),
    (AsyncKfClient.from_env, {"appid": "wx1", "secret": f"{SECRET} "}),
    *((account, options) for options in BAD_ACCOUNT),
    (component, {"appid": " wx1"}),
    (component, {"appid": 1}),
    (component, {"secret": f"{SECRET} "}),
    (component, {"secret": [SECRET]}),
    (StaticToken, {"value": f" {SECRET}"}),
    (StaticToken, {"value": SECRET.encode()}),
    (webhook, {"token": f"{SECRET} "}),
    (webhook, {"token": (SECRET, "")}),
    (webhook, {"token": (SECRET, 1)}),
    (webhook, {"token": ()}),
    (webhook, {"key": KEY[:42]}),
    (webhook, {"key": f"{KEY} "}),
    (webhook, {"key": [KEY, KEY[:42] + "="]}),
    (webhook, {"key": KEY.encode()}),
    (webhook, {"key": None, "mode": "safe"}),
    (webhook, {"appid": None}),
    (webhook, {"appid": ""}),
    (webhook, {"mode": "plain"}),
    (webhook, {"mode": "cloud-run"}),
)


@pytest.mark.parametrize(
    ("make", "given"), REFUSED, ids=[f"{make.__name__}-{number}" for number, (make, _) in enumerate(REFUSED)]
)
def test_refused(monkeypatch: pytest.MonkeyPatch, make: Callable[..., object], given: dict[str, Any]) -> None:
    """
    What refuses its arguments shows none of them.
    """
    monkeypatch.delenv("WECHAT_APPID", raising=False)
    with pytest.raises((TypeError, ValueError)) as caught:
        make(**given)

    assert shown(caught.value) == []
    assert not any(secret in str(each) for each in chain(caught.value) for secret in SECRETS)


def test_cryptography_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The key does not show where the package is missing that would use it.
    """
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)
    with pytest.raises(ImportError, match="wechat-kf") as caught:
        webhook()

    assert shown(caught.value) == []


@pytest.mark.parametrize(
    "environment",
    [
        {"TOKEN": f"{SECRET}, {SECRET}", "ENCODING_AES_KEY": KEY, "APPID": "wx1"},
        {"TOKEN": SECRET, "ENCODING_AES_KEY": f"{KEY},{KEY[:42]}", "APPID": "wx1"},
        {"TOKEN": SECRET, "ENCODING_AES_KEY": KEY, "APPID": "wx1 "},
        {"TOKEN": SECRET, "ENCODING_AES_KEY": KEY},
        {"TOKEN": SECRET},
    ],
)
def test_webhook_of_the_environment(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """
    A webhook that the environment does not make shows nothing of that.
    """
    for name in ("TOKEN", "ENCODING_AES_KEY", "APPID"):
        monkeypatch.delenv(f"WECHAT_{name}", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(f"WECHAT_{name}", value)
    with pytest.raises(ValueError, match=r"\w") as caught:
        Webhook.from_env()

    assert shown(caught.value) == []


@pytest.mark.parametrize(
    "lines",
    ["WECHAT_APPID=wx1\nWECHAT_SECRET={secret}\n{secret}", "WECHAT_APPID='wx1 '\nWECHAT_SECRET={secret}"],
)
def test_settings_of_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lines: str) -> None:
    """
    The command shows nothing of a file that it refuses. What it raises is seen by no caller of the command.
    """
    monkeypatch.setenv("WECHAT_SECRET", SECRET)
    path = tmp_path / "shop.env"
    path.write_text(lines.format(secret=SECRET))
    with pytest.raises(Exception, match=r"is not NAME=value|settings are wrong") as caught:
        Settings.read(path).client()

    assert shown(caught.value) == []
