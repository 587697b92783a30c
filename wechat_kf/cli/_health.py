"""
What the doctor looks at of the settings, the network, and the account itself.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from importlib.util import find_spec
from ipaddress import IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

import anyio

from .._client import AsyncKfClient
from .._errcodes import errcode_of
from .._errors import ApiError, AuthError, KfError
from ..api.maintenance import GET_API_DOMAIN_IP
from ..api.media import UPLOAD_TEMP_MEDIA
from ..api.messages import SEND_CUSTOM_MESSAGE
from ..tokens.endpoints import STABLE_TOKEN
from ..webhook import Webhook
from ._exits import CommandError, describe
from ._findings import Finding, State
from ._probe import Answer, Trouble, ask
from ._settings import Settings

__all__ = ["look_at_account", "look_at_environment", "look_at_hosts"]

_API: Final = "https://api.weixin.qq.com"

# What WeChat has besides, for `base_url`.
_OTHERS: Final = tuple(f"https://{name}.weixin.qq.com" for name in ("api2", "sh.api", "sz.api", "hk.api"))

_SECONDS: Final = 10.0

# The Date header has whole seconds, and the answer was on its way.
_MAX_SKEW: Final = 60.0

_PROXIES: Final = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy", "HTTP_PROXY")

_WHICH: Final = {
    40001: "WECHAT_SECRET",
    40013: "WECHAT_APPID",
    40125: "WECHAT_SECRET",
    40243: "WECHAT_SECRET",
    41002: "WECHAT_APPID",
    41004: "WECHAT_SECRET",
}

_NOT_ALLOWED: Final = frozenset({40164, 61004})


def look_at_environment(settings: Settings) -> Iterator[Finding]:
    """
    Look at what can be told without a network.
    """
    parser = "httptools" if find_spec("httptools") else "h11"
    where = (
        f"Python {platform.python_version()} on {platform.system()}, wechat-kf {version('wechat-kf')} with {parser}."
    )
    yield Finding("environment", State.OK, where)
    for name in _PROXIES:
        if os.environ.get(name):
            # It may have a password.
            host = urlsplit(os.environ[name]).hostname or "an address without a host"
            yield Finding("proxy", State.NOTE, f"{name} sends requests through {host}.")
    try:
        settings.client()
    except CommandError as error:
        yield Finding("settings", State.WRONG, str(error))
    else:
        yield _form(settings)
    yield _pushes(settings)


def _form(settings: Settings) -> Finding:
    appid, secret = settings.require("WECHAT_APPID"), settings.require("WECHAT_SECRET")
    if re.fullmatch(r"wx[0-9a-f]{16}", appid) is None:
        why = "WECHAT_APPID does not look like one, which is wx and 16 of 0-9 and a-f."
        return Finding("settings", State.NOTE, why, "Compare it with the console.")
    if re.fullmatch(r"[0-9a-f]{32}", secret) is None:
        why = "WECHAT_SECRET does not look like one, which is 32 of 0-9 and a-f."
        return Finding("settings", State.NOTE, why, "Compare it with the console.")
    return Finding("settings", State.OK, f"WECHAT_APPID and WECHAT_SECRET are set, in {settings.origin}.")


def _pushes(settings: Settings) -> Finding:
    token, key = settings.get("WECHAT_TOKEN"), settings.get("WECHAT_ENCODING_AES_KEY")
    if token is None:
        return Finding("push settings", State.SKIPPED, "WECHAT_TOKEN is not set, which a bot needs.")
    if key is None:
        why = "WECHAT_ENCODING_AES_KEY is not set: pushes in plain mode are signed, but for their body."
        return Finding("push settings", State.NOTE, why, "Choose safe mode in the console.")
    try:
        Webhook(token.split(","), key.split(","), settings.get("WECHAT_APPID") or "-")
    except (ImportError, ValueError) as error:
        return Finding("push settings", State.WRONG, f"{error}.", "Copy them from the console.")
    return Finding("push settings", State.OK, "WECHAT_TOKEN and WECHAT_ENCODING_AES_KEY are set.")


async def look_at_hosts(base_urls: Sequence[str]) -> list[Finding]:
    """
    Look whether the API can be reached, and what time it has.

    Args:
        base_urls: The hosts that are set; none for the client's own, beside which WeChat's others are looked at.
    """
    used, spare = (base_urls, ()) if base_urls else ((_API,), _OTHERS)
    found: dict[str, tuple[Finding, float | None]] = {}

    async def look(url: str, state: State) -> None:
        found[url] = await _look_at_host(url, state)

    async with anyio.create_task_group() as tasks:
        for url in used:
            tasks.start_soon(look, url, State.WRONG)
        for url in spare:
            tasks.start_soon(look, url, State.NOTE)
    skews = [skew for _, skew in found.values() if skew is not None]
    return [*(found[url][0] for url in (*used, *spare)), _clock(skews)]


async def _look_at_host(url: str, if_not: State) -> tuple[Finding, float | None]:
    host = urlsplit(url).netloc.rpartition("@")[2] or url
    if if_not is State.NOTE:
        host = f"{host}, a spare one"
    answer = await ask("GET", url.rstrip("/") + GET_API_DOMAIN_IP.path, seconds=_SECONDS)
    if isinstance(answer, Trouble):
        return Finding("hosts", if_not, f"{host}: {answer.why}", answer.remedy), None
    if not _is_wechat(answer):
        why = f"{host}: It answers HTTP {answer.status}, but not as WeChat does."
        return Finding("hosts", if_not, why, "Look at WECHAT_BASE_URL, proxies and gateways."), None
    return Finding("hosts", State.OK, f"{host}: It answers in {answer.seconds * 1000:.0f} ms."), _skew(answer)


def _is_wechat(answer: Answer) -> bool:
    try:
        # Without a token it refuses, in JSON.
        return "errcode" in json.loads(answer.body)
    except (ValueError, TypeError):
        return False


def _skew(answer: Answer) -> float | None:
    try:
        date = parsedate_to_datetime(answer.headers["date"]).astimezone(UTC)
    except (KeyError, ValueError):
        return None
    # It was written within the second, some time while the answer was on its way.
    return (datetime.now(UTC) - date).total_seconds() - answer.seconds / 2 - 0.5


def _clock(skews: Sequence[float]) -> Finding:
    if not skews:
        return Finding("clock", State.SKIPPED, "No host told its time.")
    skew = min(skews, key=abs)
    if abs(skew) <= _MAX_SKEW:
        return Finding("clock", State.OK, "It agrees with WeChat's.")
    way = "ahead of" if skew > 0 else "behind"
    why = f"It is {abs(skew):.0f} seconds {way} WeChat's; from five minutes on pushes are refused."
    return Finding("clock", State.WRONG, why, "Set this machine's clock, best with NTP.")


async def look_at_account(settings: Settings) -> list[Finding]:
    """
    Look whether WeChat takes the credentials, and what the account may do.
    """
    names = ("credentials", "customer service", "quota")
    try:
        client = settings.client()
    except CommandError:
        return [Finding(name, State.SKIPPED, "It needs the settings.") for name in names]
    async with client as owner:
        kf = owner.with_options(timeout=_SECONDS, max_retries=0)
        try:
            accounts = len(await kf.get_kf_list())
        except KfError as error:
            refused = _credentials(error)
            if refused is not None:
                return [refused, *(Finding(name, State.SKIPPED, "It needs a token.") for name in names[1:])]
            remedy = errcode_of(error.errcode).remedy if isinstance(error, ApiError) else ""
            service = Finding("customer service", State.WRONG, _sentence(error), remedy)
        else:
            service = _service(accounts)
        quota = [await _quota(kf, name, path) for name, path in _QUOTAS]
    return [Finding("credentials", State.OK, "WeChat gives a token for them, to this address."), service, *quota]


_QUOTAS: Final = (("messages", SEND_CUSTOM_MESSAGE.path), ("uploads", UPLOAD_TEMP_MEDIA.path))


def _credentials(error: KfError) -> Finding | None:
    """
    Say what an error tells of the credentials; None: that they are right.
    """
    if isinstance(error, ApiError) and error.errcode in _NOT_ALLOWED:
        return _allow_list(error)
    if not isinstance(error, AuthError) and error.endpoint != STABLE_TOKEN.path:
        return None
    if not isinstance(error, ApiError):
        return Finding("credentials", State.WRONG, f"No token could be fetched: {error}")
    which = _WHICH.get(error.errcode)
    why = _sentence(error) if which is None else f"WeChat refuses {which}: {_sentence(error)}"
    return Finding("credentials", State.WRONG, why, errcode_of(error.errcode).remedy)


def _allow_list(error: ApiError) -> Finding:
    addresses = _addresses(error.errmsg)
    if not addresses:
        return Finding("allow-list", State.WRONG, _sentence(error), errcode_of(error.errcode).remedy)
    seen = " and ".join(addresses)
    return Finding(
        "allow-list",
        State.WRONG,
        f"WeChat sees this machine as {seen}, which is not on the account's IP allow-list ({error.errcode}).",
        f"Add {seen} to the IP allow-list (IP 白名单) in the console, under 开发密钥; it may take some minutes.",
    )


def _addresses(errmsg: str) -> list[str]:
    """
    Find the addresses that a text names, each once: "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist".
    """
    found: list[str] = []
    for word in re.findall(r"[0-9A-Fa-f:.]+", errmsg):
        try:
            address = ip_address(word.strip("."))
        except ValueError:
            continue
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if str(address) not in found:
            found.append(str(address))
    return found


def _service(accounts: int) -> Finding:
    if not accounts:
        why = "It is enabled, but there is no agent's account."
        return Finding("customer service", State.NOTE, why, "Make one with wechat-kf accounts add.")
    return Finding("customer service", State.OK, f"It is enabled, with {accounts} agents' accounts.")


async def _quota(kf: AsyncKfClient, name: str, path: str) -> Finding:
    check = f"quota of {name}"
    try:
        quota = (await kf.get_quota(path)).quota
    except KfError as error:
        return Finding(check, State.NOTE, f"It cannot be read: {_sentence(error)}")
    left = f"{quota.remain:,} of {quota.daily_limit:,} are left today."
    if quota.remain <= 0:
        remedy = "Wait until midnight in Beijing, or use clear_quota, ten times a month."
        return Finding(check, State.WRONG, left, remedy)
    if quota.remain < quota.daily_limit / 10:
        return Finding(check, State.NOTE, left, "Less than a tenth: look what uses it up.")
    return Finding(check, State.OK, left)


def _sentence(error: KfError) -> str:
    if not isinstance(error, ApiError):
        return describe(error)
    meaning = errcode_of(error.errcode, error.endpoint).meaning or "it refuses"
    return f"{meaning} ({error.errcode} {error.errmsg})."
