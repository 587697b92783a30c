"""
What the doctor looks at of the callback URL: whether it answers as WeChat wants it, when called as WeChat calls it.
"""

from __future__ import annotations

import secrets
import time
from typing import Final
from urllib.parse import urljoin, urlsplit

from .._http.public_hosts import is_public
from ..webhook.crypto import signature
from ._findings import Finding, State
from ._probe import Answer, Trouble, ask
from ._settings import Settings

__all__ = ["look_at_callback"]

# How long WeChat waits.
_SECONDS: Final = 5.0

_WRONG_PUSH: Final = (
    b"<xml><ToUserName>gh_0</ToUserName><FromUserName>o0</FromUserName><CreateTime>1</CreateTime>"
    b"<MsgType>event</MsgType><Event>wechat_kf_doctor</Event></xml>"
)


async def look_at_callback(url: str | None, settings: Settings) -> list[Finding]:
    """
    Call the callback URL as WeChat does when it checks it, and as somebody does who cannot sign.
    """
    token = (settings.get("WECHAT_TOKEN") or "").split(",")[0]
    if url is None:
        return [Finding("callback", State.SKIPPED, "No URL is given: say --callback URL or set WECHAT_CALLBACK_URL.")]
    if not token:
        return [Finding("callback", State.SKIPPED, "WECHAT_TOKEN is not set, with which WeChat signs.")]
    form = await _form(url)
    if form.state is State.WRONG:
        return [form]
    echostr = str(secrets.randbelow(9 * 10**18) + 10**18)
    answer = await ask("GET", url, seconds=_SECONDS, query={**_sign(token), "echostr": echostr})
    found = [form, _echo(url, answer, echostr)]
    if isinstance(answer, Trouble):
        return [*found, Finding("callback signature", State.SKIPPED, "It needs an answer.")]
    return [*found, await _forged(url, token)]


async def _form(url: str) -> Finding:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        return Finding("callback URL", State.WRONG, f"{url} is no URL.", "Copy it from the console.")
    if not port or not parts.hostname or "@" in parts.netloc or parts.fragment:
        why = f"WeChat does not call {url}: it needs http or https, a host and a path."
        return Finding("callback URL", State.WRONG, why, "Copy it from the console.")
    if port not in (80, 443):
        return Finding("callback URL", State.NOTE, f"WeChat calls the ports 80 and 443 only, not {port}.")
    if not await is_public(parts.hostname):
        return Finding("callback URL", State.NOTE, f"{parts.hostname} is a private address, which WeChat cannot reach.")
    if parts.scheme == "http":
        why = "It is plain HTTP, so that pushes can be read on their way."
        return Finding("callback URL", State.NOTE, why, "Serve it over https.")
    return Finding("callback URL", State.OK, f"WeChat can call {url}.")


def _echo(url: str, answer: Answer | Trouble, echostr: str) -> Finding:
    check = "callback"
    if isinstance(answer, Trouble):
        return Finding(check, State.WRONG, answer.why, answer.remedy)
    if answer.status != 200:
        return _status(url, answer)
    body = answer.body.decode("utf-8", "replace")
    if body == echostr:
        if answer.seconds > _SECONDS / 2:
            return Finding(check, State.NOTE, f"It answers, but after {answer.seconds:.1f} seconds; WeChat waits 5.")
        return Finding(check, State.OK, f"It answers WeChat's check in {answer.seconds * 1000:.0f} ms.")
    if body.strip(" \t\r\n\"'\ufeff") == echostr:
        why = "It answers the echostr with quotes or blanks around it."
        return Finding(check, State.WRONG, why, "Answer it bare, as plain text and not as JSON.")
    why = "It answers, but not with the echostr."
    return Finding(check, State.WRONG, why, "Answer a GET with the text of Webhook.verify_url, and nothing else.")


def _status(url: str, answer: Answer) -> Finding:
    check = "callback"
    if 300 <= answer.status < 400:
        target = urljoin(url, answer.headers.get("location", ""))
        why = f"It redirects to {target} (HTTP {answer.status}), and WeChat follows no redirect."
        return Finding(check, State.WRONG, why, _remedy_of_redirect(url, target))
    if answer.status in (401, 403):
        why = f"It refuses a request that is signed with WECHAT_TOKEN (HTTP {answer.status})."
        return Finding(check, State.WRONG, why, "Compare the server's token and clock with this machine's.")
    why = f"It answers HTTP {answer.status}."
    return Finding(check, State.WRONG, why, "Look at the path, its methods, and the server's log.")


def _remedy_of_redirect(url: str, target: str) -> str:
    address, redirected = url.partition("?")[0], target.partition("?")[0]
    if redirected in (f"{address}/", address.removesuffix("/")):
        return f"Set the URL in the console to {redirected}: the slash at the end counts."
    return "Set the URL in the console to where it leads, or serve it here."


async def _forged(url: str, token: str) -> Finding:
    """
    Call it with a signature that is wrong.
    """
    check = "callback signature"
    query = _sign(f"{token}-not")
    got = await ask("GET", url, seconds=_SECONDS, query={**query, "echostr": "forged"})
    if isinstance(got, Answer) and got.status == 200 and b"forged" in got.body:
        why = "It answers a check whose signature is wrong, so that it believes anybody."
        return Finding(check, State.WRONG, why, "Look at the signature before anything else, as Webhook does.")
    posted = await ask("POST", url, seconds=_SECONDS, query=query, body=_WRONG_PUSH)
    if isinstance(got, Trouble) or isinstance(posted, Trouble):
        return Finding(check, State.NOTE, "It does not answer a request whose signature is wrong.")
    if posted.status < 300:
        why = f"It answers a push whose signature is wrong with HTTP {posted.status}."
        return Finding(check, State.NOTE, why, "Make sure that it is not handled; better, refuse it with HTTP 403.")
    return Finding(check, State.OK, f"A wrong signature is refused (HTTP {posted.status}).")


def _sign(token: str) -> dict[str, str]:
    timestamp, nonce = str(int(time.time())), str(secrets.randbelow(10**10))
    return {"signature": signature(token, timestamp, nonce), "timestamp": timestamp, "nonce": nonce}
