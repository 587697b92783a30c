"""
``wechat-kf doctor``.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
import trustme

from wechat_kf import AsyncKfClient, SignatureError
from wechat_kf.bot import Bot
from wechat_kf.testing import Delay, DropBefore, Errcode, FakeWeChat, Garble
from wechat_kf.webhook import Webhook

from .asgi_server import dated, serving
from .conftest import Ended

Answering = Callable[[str, dict[str, str]], tuple[int, str]]
Run = Callable[..., Ended]
Interrupt = Callable[..., None]

STABLE_TOKEN = "/cgi-bin/stable_token"
GET_KF_LIST = "/cgi-bin/customservice/getkflist"
GET_QUOTA = "/cgi-bin/openapi/quota/get"
DOMAINS = "/cgi-bin/get_api_domain_ip"
SEND = "/cgi-bin/message/custom/send"


@attrs.frozen
class Found:
    """
    What the doctor found.
    """

    code: int
    well: bool
    findings: tuple[dict[str, str], ...]

    def of(self, check: str) -> dict[str, str]:
        """
        Return the first finding of a check.
        """
        return next(each for each in self.findings if each["check"] == check)

    @property
    def wrong(self) -> list[str]:
        """
        Name the checks that are not well.
        """
        return [each["check"] for each in self.findings if each["state"] == "wrong"]


@pytest.fixture
def doctor(run: Run) -> Callable[..., Found]:
    """
    Ask the doctor.
    """

    def doctor(*arguments: str) -> Found:
        ended = run("doctor", "--json", *arguments)
        assert ended.err == ""
        return Found(ended.code, ended.json["well"], tuple(ended.json["findings"]))

    return doctor


Doctor = Callable[..., Found]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Leave no proxy in the environment.
    """
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_all_is_well(fake: FakeWeChat, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where all is well each line says so, and the exit code is 0.
    """
    fake.agent_online("lin@shop")
    monkeypatch.setenv("WECHAT_TOKEN", "t0ken,before")
    monkeypatch.setenv("WECHAT_ENCODING_AES_KEY", "A" * 43)
    bot = Bot(Webhook.from_env(), AsyncKfClient.from_env())
    with serving(fake.asgi) as base_url, serving(bot) as callback:
        monkeypatch.setenv("WECHAT_BASE_URL", base_url)
        monkeypatch.setenv("WECHAT_CALLBACK_URL", f"{callback}/wechat")
        ended = run("doctor")
        coloured = run("doctor", typed="")
    lines = [line.split(maxsplit=1) for line in ended.out.splitlines()]

    assert (ended.code, ended.err) == (0, "")
    assert [(state, text.partition(":")[0]) for state, text in lines] == [
        ("ok", "environment"),
        ("ok", "settings"),
        ("ok", "push settings"),
        ("ok", "hosts"),
        ("ok", "clock"),
        ("ok", "credentials"),
        ("ok", "customer service"),
        ("ok", "quota of messages"),
        ("ok", "quota of uploads"),
        ("note", "callback URL"),
        ("ok", "callback"),
        ("ok", "callback signature"),
    ]
    assert coloured.code == 0
    assert "credentials: WeChat gives a token for them, to this address." in coloured.out


def test_nothing_is_set(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without settings and without a network all that is missing is told, and what cannot be looked at.
    """
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hunter2@127.0.0.1:9")
    found = doctor()
    hosts = [each for each in found.findings if each["check"] == "hosts"]

    assert (found.code, found.well) == (1, False)
    assert found.wrong == ["settings", "hosts"]
    assert [(each["state"], each["why"].partition(":")[0]) for each in hosts] == [
        ("wrong", "api.weixin.qq.com"),
        ("note", "api2.weixin.qq.com, a spare one"),
        ("note", "sh.api.weixin.qq.com, a spare one"),
        ("note", "sz.api.weixin.qq.com, a spare one"),
        ("note", "hk.api.weixin.qq.com, a spare one"),
    ]
    assert found.of("proxy")["why"] == "HTTPS_PROXY sends requests through 127.0.0.1."
    assert {each["state"] for each in found.findings[-5:]} == {"skipped"}
    assert "hunter2" not in str(found)


def test_no_network(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    With the client's own hosts and no way to them, the credentials cannot be tried, which is told.
    """
    monkeypatch.setenv("WECHAT_APPID", "wx5afe0ca11ab1e000")
    monkeypatch.setenv("WECHAT_SECRET", "0" * 32)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    found = doctor()

    assert found.wrong == ["hosts", "credentials"]
    assert found.of("credentials")["why"].startswith("No token could be fetched: ")


@pytest.mark.parametrize(
    ("name", "value", "state", "told"),
    [
        ("WECHAT_APPID", "gh_1", "note", "WECHAT_APPID does not look like one"),
        ("WECHAT_SECRET", "x" * 31, "note", "WECHAT_SECRET does not look like one"),
        ("WECHAT_SECRET", f"{'0' * 32} ", "wrong", "must not begin or end with a blank"),
    ],
)
def test_form_of_settings(
    fake: FakeWeChat, doctor: Doctor, monkeypatch: pytest.MonkeyPatch, *, name: str, value: str, state: str, told: str
) -> None:
    """
    A setting that looks wrong is told.
    """
    monkeypatch.setenv(name, value)
    found = doctor().of("settings")

    assert found["state"] == state
    assert told in found["why"]
    assert fake.appid


@pytest.mark.parametrize(
    ("token", "key", "state"),
    [(None, None, "skipped"), ("t0ken", None, "note"), ("t0ken", "short", "wrong"), ("t0ken", "A" * 43, "ok")],
)
def test_push_settings(
    fake: FakeWeChat,
    doctor: Doctor,
    monkeypatch: pytest.MonkeyPatch,
    *,
    token: str | None,
    key: str | None,
    state: str,
) -> None:
    """
    What pushes need is looked at, too.
    """
    for name, value in (("WECHAT_TOKEN", token), ("WECHAT_ENCODING_AES_KEY", key)):
        if value is not None:
            monkeypatch.setenv(name, value)

    assert doctor().of("push settings")["state"] == state
    assert fake.calls


@pytest.mark.parametrize(
    ("errcode", "told"),
    [
        (40013, "WeChat refuses WECHAT_APPID: the appid is wrong (40013 "),
        (40125, "WeChat refuses WECHAT_SECRET: the secret is wrong (40125 "),
        (41002, "WeChat refuses WECHAT_APPID: the appid is missing (41002 "),
        (40243, "WeChat refuses WECHAT_SECRET: the secret is frozen (40243 "),
        (50007, "the account is frozen (50007 "),
        (99, "it refuses (99 "),
    ],
)
def test_credentials(fake: FakeWeChat, doctor: Doctor, errcode: int, told: str) -> None:
    """
    It is told which of appid and secret is wrong; what needs a token is not looked at.
    """
    fake.fault(STABLE_TOKEN, Errcode(errcode))
    found = doctor()

    assert found.wrong == ["credentials"]
    assert found.of("credentials")["why"].startswith(told)
    assert [found.of(check)["state"] for check in ("customer service", "quota")] == ["skipped", "skipped"]


def test_no_token(fake: FakeWeChat, doctor: Doctor) -> None:
    """
    A token endpoint that does not answer is told.
    """
    fake.fault(STABLE_TOKEN, DropBefore(), times=3)

    assert doctor().of("credentials")["why"].startswith("No token could be fetched: ")


def test_a_token_that_another_takes(fake: FakeWeChat, doctor: Doctor) -> None:
    """
    A token that is refused each time is a matter of the credentials.
    """
    fake.fault(GET_KF_LIST, Errcode(40001), times=3)

    assert doctor().wrong == ["credentials"]


@pytest.mark.parametrize(
    ("path", "errcode", "errmsg", "addresses"),
    [
        (STABLE_TOKEN, 40164, "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist", "203.0.113.7"),
        (STABLE_TOKEN, 40164, "invalid ip 203.0.113.7, not in whitelist", "203.0.113.7"),
        (GET_KF_LIST, 61004, "access clientip is not registered requestIP: 2001:db8::7", "2001:db8::7"),
        (STABLE_TOKEN, 40164, "invalid ip 203.0.113.7 ipv6 2001:db8::7", "203.0.113.7 and 2001:db8::7"),
        (STABLE_TOKEN, 40164, "not in whitelist", None),
    ],
)
def test_allow_list(
    fake: FakeWeChat, doctor: Doctor, *, path: str, errcode: int, errmsg: str, addresses: str | None
) -> None:
    """
    The very address to add is told, as WeChat names it.
    """
    fake.fault(path, Errcode(errcode, errmsg))
    found = doctor().of("allow-list")

    assert found["state"] == "wrong"
    if addresses is None:
        assert found["remedy"].startswith("Add the address named in the text")
    else:
        assert found["remedy"].startswith(f"Add {addresses} to the IP allow-list")


@pytest.mark.parametrize(
    ("fault", "state", "why", "remedy"),
    [
        (None, "note", "It is enabled, but there is no agent's account.", "Make one"),
        (Errcode(65400), "wrong", "customer service is not enabled, or was", "Enable it in the console"),
        (Garble(b"<html>"), "wrong", "/cgi-bin/customservice/getkflist: ", ""),
    ],
    ids=["nobody", "off", "rubbish"],
)
def test_customer_service(
    fake: FakeWeChat, doctor: Doctor, *, fault: Errcode | Garble | None, state: str, why: str, remedy: str
) -> None:
    """
    It is told whether customer service is enabled, and has an agent.
    """
    if fault is not None:
        fake.fault(GET_KF_LIST, fault)
    found = doctor()

    assert found.of("credentials")["state"] == "ok"
    assert found.of("customer service")["state"] == state
    assert found.of("customer service")["why"].startswith(why)
    assert found.of("customer service")["remedy"].startswith(remedy)


@pytest.mark.parametrize(("limit", "state"), [(0, "wrong"), (1, "ok")])
def test_quota(fake: FakeWeChat, doctor: Doctor, limit: int, state: str) -> None:
    """
    A quota that is used up is not well.
    """
    fake.limits.calls_a_day[SEND] = limit

    assert doctor().of("quota of messages")["state"] == state


def test_quota_that_ends(fake: FakeWeChat, run: Run, doctor: Doctor) -> None:
    """
    A quota of which little is left is told, and one that cannot be read.
    """
    fake.limits.calls_a_day[SEND] = 21
    for _ in range(19):
        run("send", "text", "x", "--to", "o1")
    fake.fault(GET_QUOTA, Errcode(76022), after=1)
    found = doctor()

    assert found.of("quota of messages") == {
        "check": "quota of messages",
        "state": "note",
        "why": "2 of 21 are left today.",
        "remedy": "Less than a tenth: look what uses it up.",
    }
    assert found.of("quota of uploads")["why"].startswith("It cannot be read: the account may not ask for this")
    assert "quota of uploads" not in found.wrong


@pytest.mark.parametrize(
    ("seconds", "state", "told"),
    [(0, "ok", "agrees"), (-400, "wrong", "seconds ahead of WeChat's"), (400, "wrong", "seconds behind WeChat's")],
)
def test_clock(
    fake: FakeWeChat, doctor: Doctor, monkeypatch: pytest.MonkeyPatch, *, seconds: int, state: str, told: str
) -> None:
    """
    A clock that is far from WeChat's is told.
    """
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    with serving(dated(fake.asgi, date), date_header=False) as base_url:
        monkeypatch.setenv("WECHAT_BASE_URL", base_url)
        found = doctor().of("clock")

    assert found["state"] == state
    assert told in found["why"]


@pytest.mark.parametrize("date", ["yesterday", None])
def test_no_clock(fake: FakeWeChat, doctor: Doctor, monkeypatch: pytest.MonkeyPatch, date: str | None) -> None:
    """
    Without a date that can be read there is nothing to compare.
    """
    app = fake.asgi if date is None else dated(fake.asgi, date)
    with serving(app, date_header=False) as base_url:
        monkeypatch.setenv("WECHAT_BASE_URL", base_url)
        found = doctor().of("clock")

    assert found["state"] == "skipped"


def test_hosts(fake: FakeWeChat, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Each host that is set is looked at: one that answers, one that is not WeChat, one where nobody listens.
    """

    async def gateway(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 502, "headers": []})
        await send({"type": "http.response.body", "body": b"<h1>502</h1>" * 10_000})

    with serving(fake.asgi) as good, serving(gateway) as other, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        monkeypatch.setenv("WECHAT_BASE_URL", f"{good}, {other}/,{closed}")
        found = doctor()
    hosts = [(each["state"], each["why"]) for each in found.findings if each["check"] == "hosts"]

    assert [state for state, _ in hosts] == ["ok", "wrong", "wrong"]
    assert hosts[1][1].endswith(": It answers HTTP 502, but not as WeChat does.")
    assert hosts[2][1].endswith(": The connection is refused.")
    assert found.of("credentials")["state"] == "ok"


def test_stopped(fake: FakeWeChat, run: Run, interrupt: Interrupt) -> None:
    """
    Stopped by Ctrl-C, it tells what it has found so far.
    """
    fake.fault(STABLE_TOKEN, Delay(60.0))
    interrupt(lambda: any(call.path == STABLE_TOKEN for call in fake.calls))
    ended = run("doctor", "--json")

    assert ended.code == 130
    assert [each["check"] for each in ended.json["findings"]][-1] == "clock"
    assert ended.err == "wechat-kf: Stopped.\n"


class Callback:
    """
    A server at the callback URL that answers as it is told.
    """

    def __init__(self, answer: Answering, **headers: str) -> None:
        self._answer = answer
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        query = dict(pair.split("=", 1) for pair in scope["query_string"].decode().split("&"))
        status, body = await asyncio.to_thread(self._answer, scope["method"], query)
        await send({"type": "http.response.start", "status": status, "headers": self._headers})
        await send({"type": "http.response.body", "body": body.encode()})


hook = Webhook("t0ken")


def proper(method: str, query: dict[str, str]) -> tuple[int, str]:
    """
    Answer as a server should.
    """
    try:
        hook.verify_query(query)
    except SignatureError:
        return 403, ""
    return 200, query.get("echostr", "success")


def always(status: int, body: str = "") -> Answering:
    """
    Give the same answer to all.
    """
    return lambda method, query: (status, body)


def quoting(method: str, query: dict[str, str]) -> tuple[int, str]:
    """
    Answer the echostr as JSON.
    """
    return 200, f'"{query["echostr"]}"\n'


def believing(method: str, query: dict[str, str]) -> tuple[int, str]:
    """
    Answer anybody the echostr.
    """
    return 200, query.get("echostr", "")


def polite(method: str, query: dict[str, str]) -> tuple[int, str]:
    """
    Answer every push with success.
    """
    return proper(method, query) if method == "GET" else (200, "success")


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Have the token with which WeChat signs.
    """
    monkeypatch.setenv("WECHAT_TOKEN", "t0ken")


@pytest.mark.usefixtures("fake", "signed")
@pytest.mark.parametrize(
    ("answer", "headers", "why", "remedy"),
    [
        (always(307), {"location": "/wechat/"}, "It redirects to http://127.0.0.1:", "the slash at the end"),
        (always(302), {"location": "/login"}, "It redirects to http://127.0.0.1:", "to where it leads"),
        (always(403), {}, "It refuses a request that is signed with WECHAT_TOKEN (HTTP 403).", "Compare"),
        (always(404), {}, "It answers HTTP 404.", "Look at the path"),
        (quoting, {}, "It answers the echostr with quotes or", "bare"),
        (always(200, "success"), {}, "It answers, but not with the echostr.", "Webhook.verify_url"),
    ],
    ids=["slash", "login", "refused", "path", "quotes", "success"],
)
def test_callback_that_is_wrong(
    doctor: Doctor,
    *,
    answer: Callable[[str, dict[str, str]], tuple[int, str]],
    headers: dict[str, str],
    why: str,
    remedy: str,
) -> None:
    """
    What WeChat would not take is told, with what to do.
    """
    with serving(Callback(answer, **headers)) as url:
        found = doctor("--callback", f"{url}/wechat")

    assert "callback" in found.wrong
    assert found.of("callback")["why"].startswith(why)
    assert remedy in found.of("callback")["remedy"]


@pytest.mark.usefixtures("fake", "signed")
@pytest.mark.parametrize(
    ("answer", "state", "why"),
    [
        (proper, "ok", "A wrong signature is refused (HTTP 403)."),
        (believing, "wrong", "It answers a check whose signature is wrong"),
        (
            polite,
            "note",
            "It answers a push whose signature is wrong with HTTP 200.",
        ),
    ],
    ids=["refused", "believed", "perhaps"],
)
def test_wrong_signature(doctor: Doctor, answer: Answering, state: str, why: str) -> None:
    """
    It is told whether the server believes somebody who cannot sign.
    """
    with serving(Callback(answer)) as url:
        found = doctor("--callback", url)

    assert found.of("callback")["state"] == "ok"
    assert found.of("callback signature")["state"] == state
    assert found.of("callback signature")["why"].startswith(why)


@pytest.mark.usefixtures("fake", "signed")
def test_callback_that_gives_no_answer_to_strangers(doctor: Doctor) -> None:
    """
    A server that only drops what is not signed is told of, but is not wrong.
    """

    class Dropping(Callback):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if b"forged" in scope["query_string"]:
                # Less than was promised: uvicorn closes the connection.
                await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
                return
            await super().__call__(scope, receive, send)

    with serving(Dropping(proper)) as url:
        found = doctor("--callback", url)

    assert found.of("callback signature")["why"] == "It does not answer a request whose signature is wrong."
    assert found.code == 0


@pytest.mark.usefixtures("fake", "signed")
def test_callback_over_tls(doctor: Doctor, tmp_path: Path) -> None:
    """
    A certificate that nobody vouches for is told, and where no TLS is spoken.
    """
    authority = trustme.CA()
    certificate = tmp_path / "server.pem"
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    with serving(Callback(proper), ssl_certfile=str(certificate)) as url:
        untrusted = doctor("--callback", url)
    with serving(Callback(proper)) as url:
        plain = doctor("--callback", url.replace("http", "https"))

    assert untrusted.of("callback")["why"].startswith("The certificate is refused: ")
    assert plain.of("callback")["why"].startswith("TLS fails: ")
    assert untrusted.of("callback signature")["state"] == "skipped"


@pytest.mark.usefixtures("fake", "signed")
@pytest.mark.parametrize(
    ("url", "state", "told"),
    [
        ("example", "wrong", "WeChat does not call"),
        ("ftp://127.0.0.1", "wrong", "WeChat does not call"),
        ("http://127.0.0.1:99999/", "wrong", "is no URL"),
        ("http://me:hunter2@127.0.0.1/", "wrong", "WeChat does not call"),
        ("http://127.0.0.1:9/", "note", "WeChat calls the ports 80 and 443 only, not 9."),
        ("http://127.0.0.1/", "note", "127.0.0.1 is a private address"),
        ("http://nowhere.invalid/", "note", "It is plain HTTP"),
        ("https://nowhere.invalid/", "ok", "WeChat can call https://nowhere.invalid/."),
    ],
)
def test_form_of_the_callback(doctor: Doctor, url: str, state: str, told: str) -> None:
    """
    A URL that WeChat would not call, or could not, is told.
    """
    found = doctor("--callback", url).of("callback URL")

    assert found["state"] == state
    assert told in found["why"]


@pytest.mark.usefixtures("fake")
def test_callback_without_a_token(doctor: Doctor) -> None:
    """
    Without the token with which WeChat signs the callback cannot be called.
    """
    found = doctor("--callback", "https://nowhere.invalid/").of("callback")

    assert found["why"] == "WECHAT_TOKEN is not set, with which WeChat signs."
