"""
Redaction: a credential does not survive, however it is written; all else does.
"""

from __future__ import annotations

import html
import io
import json
import logging
import re
import time
import urllib.parse
from collections.abc import Callable, Generator
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import httpx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import wechat_kf
from wechat_kf import RedactingFilter
from wechat_kf._redact import _LOGGERS, HIDDEN, get_logger, guard_loggers, redact

NAMES = (
    "access_token",
    "access-token",
    "accessToken",
    "ACCESS_TOKEN",
    "component_access_token",
    "authorizer_refresh_token",
    "secret",
    "appsecret",
    "AppSecret",
    "app_secret",
    "component_appsecret",
    "WECHAT_SECRET",
    "corpsecret",
    "EncodingAESKey",
    "encoding_aes_key",
    "jsapi_ticket",
    "component_verify_ticket",
    "signature",
    "msg_signature",
    "MsgSignature",
    "authorization_code",
    "AuthorizationCode",
    "pre_auth_code",
)


def nested(name: str, value: str, times: int) -> str:
    """
    Write JSON in a JSON string in a JSON string.
    """
    text = json.dumps({name: value, "openid": "OPENID"})
    for _ in range(times):
        text = json.dumps({"body": text})
    return text


def quoted(text: str, times: int) -> str:
    """
    Percent-encode, again and again.
    """
    for _ in range(times):
        text = urllib.parse.quote(text, safe="")
    return text


# How a credential may be written; beside it an openid, which must stay.
FORMS: dict[str, Callable[[str, str], str]] = {
    "query": lambda name, value: f"https://h/p?{name}={quoted(value, 1)}&openid=OPENID",
    "query, last": lambda name, value: f"GET /p?openid=OPENID&{name}={quoted(value, 1)} HTTP/1.1",
    "query in HTML": lambda name, value: f'<a href="/p?{name}={quoted(value, 1)}&amp;openid=OPENID">',
    "query, encoded": lambda name, value: f"/p?url={quoted(f'/q?{name}={quoted(value, 1)}&openid=OPENID', 1)}",
    "query, encoded twice": lambda name, value: f"/p?url={quoted(f'/q?{name}={quoted(value, 1)}&openid=OPENID', 2)}",
    "query in JSON": lambda name, value: json.dumps({"url": f"/p?{name}={quoted(value, 1)}&openid=OPENID"}),
    "query in escaped JSON": lambda name, value: f'{{"url":"/p?{name}={quoted(value, 1)}\\u0026openid=OPENID"}}',
    "query in JSON for HTML": lambda name, value: (
        f'{{"url":"/p?{name}\\u003d{quoted(value, 1)}\\u0026openid\\u003dOPENID"}}'
    ),
    "query in such JSON in JSON": lambda name, value: (
        f'{{"body":"\\"/p?{name}\\\\u003D{quoted(value, 1)}\\\\u0026openid\\\\u003DOPENID\\""}}'
    ),
    "query in HTML, all encoded": lambda name, value: f"/p?{name}&#61;{quoted(value, 1)}&#38;openid&#x3d;OPENID",
    "query in a repr": lambda name, value: f"URL({f'https://h/p?{name}={quoted(value, 1)}&openid=OPENID'!r})",
    "query in bytes": lambda name, value: repr(f"/p?{name}={quoted(value, 1)}&openid=OPENID".encode()),
    "form": lambda name, value: urllib.parse.urlencode({name: value, "openid": "OPENID"}),
    "JSON": lambda name, value: nested(name, value, 0),
    "JSON, compact": lambda name, value: json.dumps({name: value, "openid": "OPENID"}, separators=(",", ":")),
    "JSON, indented": lambda name, value: json.dumps({name: value, "openid": "OPENID"}, indent=4),
    "JSON in JSON": lambda name, value: nested(name, value, 1),
    "JSON in JSON in JSON": lambda name, value: nested(name, value, 2),
    "JSON in bytes": lambda name, value: repr(nested(name, value, 0).encode()),
    "JSON, encoded": lambda name, value: quoted(nested(name, value, 0), 1),
    "JSON, form encoded": lambda name, value: urllib.parse.urlencode({"body": nested(name, value, 0)}),
    "JSON in HTML": lambda name, value: html.escape(nested(name, value, 0)),
    "JSON, cut off": lambda name, value: f'{{"openid":"OPENID","{name}":"{value}',
    "dict": lambda name, value: repr({name: value, "openid": "OPENID"}),
    "dict, broken": lambda name, value: f"{{'{name}':\n    '{value}',\n 'openid': 'OPENID'}}",
    "dict of bytes": lambda name, value: repr({name.encode(): value.encode(), b"openid": b"OPENID"}),
    "dict of lists": lambda name, value: repr({name: [value], "openid": ["OPENID"]}),
    "pairs": lambda name, value: repr([(name, value), ("openid", "OPENID")]),
    "pairs of bytes": lambda name, value: repr([(name.encode(), value.encode()), (b"openid", b"OPENID")]),
    "lists": lambda name, value: json.dumps([[name, value], ["openid", "OPENID"]]),
    "keyword": lambda name, value: f"Client({name}={value!r}, openid='OPENID')",
    "keyword, spaced": lambda name, value: f'{name} = "{value}"; openid = "OPENID"',
    "arrow": lambda name, value: f'["{name}" => "{value}", "openid" => "OPENID"]',
    "header": lambda name, value: f"{name}: {value}\r\nX-Openid: OPENID",
    "YAML": lambda name, value: f"{name}: '{value}'\nopenid: OPENID",
    "full-width": lambda name, value: f"{name}：{value}，openid：OPENID",
    "XML": lambda name, value: f"<xml><{name}>{html.escape(value)}</{name}><openid>OPENID</openid></xml>",
    "CDATA": lambda name, value: f"<xml><{name}><![CDATA[{value}]]></{name}><openid>OPENID</openid></xml>",
    "shell": lambda name, value: f"OPENID=OPENID {name}={quoted(value, 1)} python bot.py",
    "exception": lambda name, value: str(ValueError(f"no answer from /p?{name}={quoted(value, 1)}: OPENID")),
}

# What WeChat's tokens, secrets, keys and tickets are made of, and some more.
values = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~@+/=!*$", min_size=16, max_size=200)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_forms(name: str, form: str) -> None:
    """
    A credential is hidden under each of its names in each form, and what stands beside it stays.
    """
    value = "80_kKsSiI-ABCdef0123456789_xyz"
    text = FORMS[form](name, value)
    redacted = redact(text)

    assert value not in redacted
    assert value[:5] not in redacted
    assert redacted.count(HIDDEN) == 1
    assert redacted.count("OPENID") == text.count("OPENID")
    assert redact(redacted) == redacted


@given(name=st.sampled_from(NAMES), form=st.sampled_from(list(FORMS.values())), value=values, around=st.text())
def test_any_value(name: str, form: Callable[[str, str], str], value: str, around: str) -> None:
    """
    No random credential survives in any form, whatever stands around it.
    """
    assume(value[3:-3] not in around and quoted(value[3:-3], 1) not in around)
    redacted = redact(f"{around} {form(name, value)} {around}")

    assert value[3:-3] not in redacted
    assert quoted(value[3:-3], 1) not in redacted


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdefghijklmnop",
        "authorization: basic YWJjZGVmOmdoaWprbG1ub3A=",
        "{'Authorization': 'Bearer abcdefghijklmnop'}",
        "[(b'authorization', b'Bearer abcdefghijklmnop')]",
        "Proxy-Authorization: Basic YWJjZGVmOmdoaWprbG1ub3A=",
    ],
)
def test_authorization(text: str) -> None:
    """
    What an HTTP header authorizes with is hidden, its scheme may be told.
    """
    redacted = redact(text)

    assert HIDDEN in redacted
    assert "ghij" not in redacted
    assert "ghi" not in redacted.replace("Authorization", "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "the secretary: Bobby Tables, access_tokens: many",
        "secret sauce: tomatoes and garlic",
        "The secret: be kind",
        "secret: field required",
        "give appid and secret, or token",
        "invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken",
        "invalid appsecret, view more at http://t.cn/RAEkdVq hint: [yGAAJFYWO-93BCba]",
        "access_token missing hint: [w.ILOa0659w165!]",
        "access_token expired rid: 68aeabxx-21ea79xx-3a4424xx",
        "https://h/p?openid=oDF3iY9WMaswOPWjCIp_f3Bnpljk&kf_account=test1%40test&secretary=Bob",
        '{"openid":"oDF3iY9WMaswOPWjCIp_f3Bnpljk","expires_in":7200,"access_token_ttl":7200}',
        "{'secret': None, 'access_token': ''}",
        "access_token=&openid=OPENID",
        "WECHAT_SECRET=\nWECHAT_BASE_URL=https://example.com",
        "access_token:\nexpires_in: 7200",
        "('access_token',)",
        "secret, 'quoted words beside it'",
        "Token(value='***', expires_at=2026)",
        "客户的secret是什么？",
        "authorization failed",
        "ticket: 12345678901234567890",
        "The msg_signature is missing or wrong.",
        "signature(token, timestamp, nonce) makes signatures: SHA-1 of sorted parts",
        "AuthorizationCodeExpiredTime=1413192605",
    ],
)
def test_harmless_texts(text: str) -> None:
    """
    What only speaks of credentials stays as it is, and so do openids.
    """
    assert redact(text) == text


def test_given_values() -> None:
    """
    Values that are given are hidden wherever they stand, without a name.
    """
    assert redact("a TOKEN1 b TOKEN2; xTOKEN1x", "TOKEN1", "TOKEN2", "") == "a *** b ***; x***x"


@pytest.mark.parametrize(
    "part",
    [
        *("secret", "secret ", "secret=", 'secret="', "secret: ", "secret, ", "secret' , ", "access_token", "a", "s"),
        *(" ", "+", "%25", "%", "\\", "secret\\", "secret%", "secret=%25", "secret: Token ", "secret=\\", "&quot;"),
    ],
)
def test_long_texts(part: str) -> None:
    """
    The time for a very long text grows with its length, not with the square of it: ten seconds are more than enough.
    """
    long, start = part * 20_000, time.process_time()

    for text in (long, f"secret{long}", f"secret={long}", f'"secret":"{long}', f"secret: {long}"):
        assert redact(text + "\n").endswith("\n")
    assert time.process_time() - start < 10


SECRET = "80_abcdefghijklmnopqrstuvwxyz"
URL = f"https://api.weixin.qq.com/x?access_token={SECRET}&openid=OPENID"

ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]


class Shown(logging.Handler):
    """
    Keeps what a formatter makes of records, and the records.
    """

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.texts.append(self.format(record))


# By itself, so that no other handler sees what it logs.
LOGGER = logging.Logger("guarded")  # noqa: LOG001 - as said


@pytest.fixture
def shown() -> Generator[Shown]:
    """
    Collect what the logger shows behind a redacting filter.
    """
    handler = Shown()
    handler.addFilter(RedactingFilter())
    LOGGER.addHandler(handler)
    yield handler
    LOGGER.removeHandler(handler)


class Loud:
    """
    An object that shows a credential.
    """

    def __str__(self) -> str:
        return URL

    def __repr__(self) -> str:
        return f"<Loud {URL}>"

    def __int__(self) -> int:
        return 7


class Broken:
    """
    An object that cannot be shown.
    """

    def __str__(self) -> str:
        raise RuntimeError(URL)

    __repr__ = __str__


RECORDS: dict[str, tuple[tuple[Any, ...], str]] = {
    "no arguments": ((URL,), "https://api.weixin.qq.com/x?access_token=***&openid=OPENID"),
    "a percent sign and no arguments": (("100 % secret=abc",), "100 % secret=***"),
    "text": (("got %s", URL), "got https://api.weixin.qq.com/x?access_token=***&openid=OPENID"),
    "an object": (("got %s", httpx.URL(URL)), "got https://api.weixin.qq.com/x?access_token=***&openid=OPENID"),
    "a repr": (("%r", [URL]), "['https://api.weixin.qq.com/x?access_token=***&openid=OPENID']"),
    "bytes": (("%r %s", b"secret=abc", b"secret=abc"), "b'secret=***' b'secret=***'"),
    "a repr of text": (("%r", "secret=abc"), "'secret=***'"),
    "numbers": (("%d %5.1f %x %s", 7, 1.25, 255, True), "7   1.2 ff True"),
    "a number and text": (("%d %s", 200, "secret=abc"), "200 secret=***"),
    "a number that shows more": (("%d", Loud()), "%d (its arguments do not fit)"),
    "a name and its value apart": (("access_token=%s", SECRET), "access_token=***"),
    "a mapping": (("%(url)s %(n)d", {"url": URL, "n": 1}), f"{URL.replace(SECRET, '***')} 1"),
    "a mapping shown whole": (("%s", {"secret": SECRET}), "{'secret': '***'}"),
    "an object as message": ((Loud(),), URL.replace(SECRET, "***")),
    "too few arguments": (("%s %s", URL), "%s %s (its arguments do not fit)"),
    "a wrong argument": ((f"%d {URL}", "x"), f"%d {URL.replace(SECRET, '***')} (its arguments do not fit)"),
    "what cannot be shown": (("%s", Broken()), "%s (its arguments do not fit)"),
    "nothing secret": (("%s %r", "a", ["b"]), "a ['b']"),
}


@pytest.mark.parametrize("name", RECORDS)
def test_records(name: str, shown: Shown) -> None:
    """
    A record of any kind is shown without its credential, and never fails the call that logs it.
    """
    arguments, text = RECORDS[name]
    LOGGER.info(*arguments)

    assert shown.texts == [text]
    assert SECRET not in f"{shown.records[0].msg!r} {shown.records[0].args!r}"


def test_arguments_stay_apart(shown: Shown) -> None:
    """
    Arguments are redacted one by one, for formatters that take them apart; those without a credential stay themselves.
    """
    other = httpx.URL("https://example.com")
    LOGGER.info('%s "%s" %d', other, URL, 200)

    assert shown.records[0].args == (other, URL.replace(SECRET, "***"), 200)
    assert shown.records[0].msg == '%s "%s" %d'


def raised(text: str) -> ExcInfo:
    """
    Make an exception that was raised because of another.
    """
    error = RuntimeError("later")
    error.__cause__ = ValueError(text)
    return type(error), error, None


def test_tracebacks(shown: Shown) -> None:
    """
    A traceback whose exceptions show a credential is shown without it, and no handler gets the exceptions.
    """
    LOGGER.error("failed", exc_info=raised(URL))

    [text] = shown.texts
    assert "RuntimeError: later" in text
    assert "ValueError: https://api.weixin.qq.com/x?access_token=***&openid=OPENID" in text
    assert SECRET not in text
    assert shown.records[0].exc_info is None


def test_harmless_tracebacks(shown: Shown) -> None:
    """
    A traceback without a credential is left to the formatter.
    """
    LOGGER.error("failed", exc_info=raised("why"))

    assert "ValueError: why" in shown.texts[0]
    assert shown.records[0].exc_info is not None


def test_no_exception(shown: Shown) -> None:
    """
    Where a traceback is asked for and there is no exception, none is shown.
    """
    LOGGER.error("failed", exc_info=(None, None, None))

    assert shown.texts == ["failed\nNoneType: None"]


def test_formatted_tracebacks(shown: Shown) -> None:
    """
    A traceback that another handler has formatted already is redacted too, and so is a stack.
    """
    record = logging.LogRecord("guarded", logging.ERROR, "", 0, "failed", (), raised(URL), sinfo=f"Stack\n  {URL!r}")
    logging.StreamHandler(io.StringIO()).format(record)
    LOGGER.handle(record)

    assert SECRET not in shown.texts[0]
    assert shown.texts[0].count("access_token=***") == 2


def test_access_logs(shown: Shown) -> None:
    """
    What a server logs of a push shows no signature, and all else of its query.
    """
    path = "/?signature=0123abcd&timestamp=1714112445&openid=OPENID&msg_signature=4567ef01"
    LOGGER.info('%s - "%s %s HTTP/%s" %d', "127.0.0.1:9", "POST", path, "1.1", 200)

    assert shown.texts == [
        '127.0.0.1:9 - "POST /?signature=***&timestamp=1714112445&openid=OPENID&msg_signature=*** HTTP/1.1" 200'
    ]


# Every logger of the package, as an operator sets them; those of a feature stand where the feature is.
OWN_LOGGERS = {
    "wechat_kf.bot",
    "wechat_kf.call",
    "wechat_kf.hooks",
    "wechat_kf.stores.redis",
    "wechat_kf.testing",
    "wechat_kf.token",
    "wechat_kf.typing",
    "wechat_kf.webhook",
}


def test_own_loggers() -> None:
    """
    The package logs under these names only, and always behind a filter that redacts.
    """
    sources = {path: path.read_text(encoding="utf-8") for path in Path(str(wechat_kf.__file__)).parent.rglob("*.py")}
    named = {name for text in sources.values() for name in re.findall(r'get_logger\("(.*?)"\)', text)}
    bare = {path.stem for path, text in sources.items() if "getLogger(" in text}

    assert named == OWN_LOGGERS
    assert bare == {"_redact"}


@pytest.fixture
def own() -> Generator[tuple[logging.Logger, Shown]]:
    """
    Give a logger of the package's kind, and what it shows on a handler without a filter.
    """
    logger, handler = get_logger("wechat_kf.test_redact"), Shown()
    logger.addHandler(handler)
    yield logger, handler
    logger.removeHandler(handler)


def test_own_loggers_redact(own: tuple[logging.Logger, Shown]) -> None:
    """
    What the package logs of others' exceptions shows no credential, whatever handler it goes to.
    """
    logger, shown = own
    logger.error("No answer: %s", URL, exc_info=raised(URL))

    assert SECRET not in shown.texts[0]
    assert shown.texts[0].count("access_token=***") == 2


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_log_lines_are_not_forged(end: str, own: tuple[logging.Logger, Shown]) -> None:
    """
    What comes from outside begins no line of its own, neither in a message nor in a traceback.
    """
    logger, shown = own
    logger.error(
        "The push %s failed: %d%%", f"o1{end}CRITICAL forged \x1b[31m", 5, exc_info=raised(f"why{end}CRITICAL forged")
    )
    first, *others = shown.texts[0].splitlines()

    assert re.fullmatch(r"The push o1(\\\w+)+CRITICAL forged \\x1b\[31m failed: 5%", first)
    assert others
    assert all(line.startswith("  ") for line in others)
    assert shown.records[0].exc_info is not None


def test_own_lines_without_a_traceback(own: tuple[logging.Logger, Shown]) -> None:
    """
    A line that needs nothing keeps its arguments, for handlers that take them apart.
    """
    logger, shown = own
    logger.warning("%s of %s", 1, "x", exc_info=(None, None, None))

    assert shown.texts == ["1 of x\nNoneType: None"]
    assert shown.records[0].args == (1, "x")


def test_guarded_loggers() -> None:
    """
    The HTTP libraries' loggers, with their children, are guarded, and only once.
    """
    guard_loggers()
    guard_loggers()

    for name in _LOGGERS:
        assert [type(each) for each in logging.getLogger(name).filters] == [RedactingFilter]
    for library in ("httpx", "httpcore", "httpx2", "httpcore2"):
        logs = {name for name in logging.root.manager.loggerDict if name.split(".")[0] == library}
        assert {name for name in logs if isinstance(logging.root.manager.loggerDict[name], logging.Logger)} <= {
            *_LOGGERS,
            library,
        }


async def test_the_library_logs(caplog: pytest.LogCaptureFixture) -> None:
    """
    What httpx logs of a request shows neither its token nor its secret.
    """
    guard_loggers()
    caplog.set_level(logging.DEBUG)
    transport = httpx.MockTransport(lambda _: httpx.Response(200))
    async with httpx.AsyncClient(transport=transport) as http:
        await http.get(URL, params={"access_token": SECRET, "secret": SECRET, "openid": "OPENID"})

    assert "openid=OPENID" in caplog.text
    assert "access_token=***" in caplog.text
    assert SECRET not in caplog.text
