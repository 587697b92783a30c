"""
Every endpoint in both directions: the bytes that a call puts on the wire, and the value that an answer reads as.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from wechat_kf import (
    ApiError,
    Article,
    AsyncKfClient,
    Call,
    DeliveryUncertain,
    Endpoint,
    Image,
    Link,
    MenuItem,
    Message,
    MiniProgramPage,
    MpNews,
    MpNewsArticle,
    MsgMenu,
    Music,
    News,
    Raw,
    ReplyError,
    Text,
    Video,
    Voice,
    WxCard,
)
from wechat_kf._wire.reply import read_reply
from wechat_kf.api import endpoints, message_kinds
from wechat_kf.tokens import CLASSIC_TOKEN, STABLE_TOKEN

from ..arrivals import QuickClock
from .cases import (
    APPID,
    CASES,
    JPEG,
    REFUSALS,
    SAMPLES,
    TOKENS,
    Case,
    Refusal,
    TokenCase,
    at,
)

ENDPOINTS: dict[str, Endpoint[Any]] = {
    getattr(endpoints, name).path: getattr(endpoints, name) for name in endpoints.__all__
}

# Read by the webhook, signed in a way that is not offered, or (the last) of an endpoint that is not called.
NOT_CALLED = {"webhook_crypto", "api_signature", "clear_quota_v2"}
# A file and a video's address are not values; `stable_token` without `force_refresh` and with it forced are not sent.
NOT_CASES = {"media_get-0", "media_get-2", "stable_token-0", "stable_token-2"}


# What changes nothing, and what does the same thing when it is done twice. All else would be done twice.
READS = {
    endpoints.DOWNLOAD_TEMP_MEDIA,
    endpoints.GET_API_DOMAIN_IP,
    endpoints.GET_CALLBACK_IP,
    endpoints.GET_KF_LIST,
    endpoints.GET_KF_SESSION,
    endpoints.GET_KF_SESSION_LIST,
    endpoints.GET_MSG_LIST,
    endpoints.GET_ONLINE_KF_LIST,
    endpoints.GET_QUOTA,
    endpoints.GET_RID_INFO,
    endpoints.GET_WAIT_CASE,
}
REPEATED = READS | {endpoints.CREATE_KF_SESSION, endpoints.UPDATE_KF_ACCOUNT, endpoints.UPLOAD_KF_HEAD_IMG}


@asynccontextmanager
async def client_of(
    answer: Mapping[str, Any] | bytes, requests: list[httpx.Request], **options: Any
) -> AsyncGenerator[AsyncKfClient]:
    """
    Make a client whose every request gets one answer and is kept.
    """
    body = answer if isinstance(answer, bytes) else json.dumps(answer, ensure_ascii=False).encode()

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, headers={"Content-Type": "text/plain"}, content=body)

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as http:
        defaults: dict[str, Any] = {"appid": APPID, "token": "ACCESS_TOKEN", "http": http, "max_retries": 0}
        yield AsyncKfClient(**(defaults | options))


def target_of(request: Mapping[str, Any]) -> bytes:
    """
    Write the path and query as they stand in the first line of a request.
    """
    query = f"?{urlencode(request['query'])}" if "query" in request else ""
    return f"{request['path']}{query}".encode()


@pytest.mark.parametrize("endpoint", [pytest.param(each, id=path) for path, each in ENDPOINTS.items() if each.token])
async def test_lost_answers(endpoint: Endpoint[Any]) -> None:
    """
    After a lost answer a call is made again if that does no harm, and its error says whether it may have had an effect.
    """
    requests: list[httpx.Request] = []

    def lose(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        raise httpx.ReadError("broken")

    async with httpx.AsyncClient(transport=httpx.MockTransport(lose)) as http:
        kf = AsyncKfClient(token="ACCESS_TOKEN", http=http, max_retries=1, clock=QuickClock())
        with pytest.raises(DeliveryUncertain) as caught:
            await kf.request(Call(endpoint))

    assert len(requests) == (2 if endpoint in REPEATED else 1)
    assert caught.value.effect == ("none" if endpoint in READS else "unknown")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_calls(case: Case) -> None:
    """
    A call makes exactly the documented request and returns exactly the documented value.
    """
    requests: list[httpx.Request] = []
    async with client_of(case.answer, requests) as kf:
        value = await case.call(kf)

    [request] = requests
    assert value == case.value
    assert request.method == case.request["method"]
    assert request.url.raw_path == target_of(case.request)
    assert str(request.url.copy_with(raw_path=b"/")) == "https://api.weixin.qq.com/"
    if "json" in case.request:
        assert request.headers["Content-Type"] == "application/json; charset=utf-8"
        assert json.loads(request.content) == case.request["json"]
    elif "multipart" not in case.request:
        assert "Content-Type" not in request.headers
        assert request.content == b""
    if request.method == "POST":
        assert request.headers["Content-Length"] == str(len(request.content))
    assert "Transfer-Encoding" not in request.headers


@pytest.mark.parametrize("case", [case for case in CASES if "json" in case.request], ids=lambda case: case.name)
async def test_bytes(case: Case) -> None:
    r"""
    The body is compact UTF-8 with every character literal: no ``\uXXXX``, no HTML escapes.
    """
    requests: list[httpx.Request] = []
    async with client_of(case.answer, requests) as kf:
        await case.call(kf)

    body = requests[0].content
    strings = json.dumps(json.loads(body), ensure_ascii=False)
    assert body == json.dumps(json.loads(body), ensure_ascii=False, separators=(",", ":")).encode()
    assert b"\\u" not in body
    assert [sign for sign in "<>&'\u2028" if strings.count(sign) != body.decode().count(sign)] == []


async def test_link_bytes() -> None:
    """
    A text with a link in Chinese goes out byte for byte as the vendor writes it.
    """
    requests: list[httpx.Request] = []
    async with client_of({"errcode": 0}, requests) as kf:
        await kf.send_custom_message("OPENID", Text('你好<a href="http://www.qq.com">点击</a>\n'))

    assert (
        requests[0].content
        == (
            '{"touser":"OPENID","msgtype":"text","text":{"content":"你好<a href=\\"http://www.qq.com\\">点击</a>\\n"}}'
        ).encode()
    )


UNSENDABLE = "铃\x07声\x1b[1m\r\n\ud83d\ude00\ud83d"
SENT = "铃声[1m\n😀"


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        (UNSENDABLE, {"content": SENT}),
        (Text(UNSENDABLE), {"content": SENT}),
        (
            News(Article(UNSENDABLE, UNSENDABLE, "URL", "URL")),
            {"articles": [{"title": SENT, "description": SENT, "url": "URL", "picurl": "URL"}]},
        ),
        (
            MsgMenu([MenuItem("1", UNSENDABLE)], UNSENDABLE),
            {"list": [{"id": "1", "content": SENT}], "head_content": SENT},
        ),
        (
            Raw("x", {UNSENDABLE: [{"a": (UNSENDABLE, 1, None)}], "b": UNSENDABLE}),
            {SENT: [{"a": [SENT, 1, None]}], "b": SENT},
        ),
    ],
    ids=["str", "text", "news", "menu", "raw"],
)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_cannot_be_sent(message: Message | str, sent: Any) -> None:
    """
    What WeChat does not take is left out of every text of every message, of a raw one too.
    """
    requests: list[httpx.Request] = []
    async with client_of({"errcode": 0}, requests) as kf:
        await kf.send_custom_message("OPENID", message)
        await kf.add_kf_account("a@b", UNSENDABLE)

    body = json.loads(requests[0].content)
    assert body[body["msgtype"]] == sent
    assert json.loads(requests[1].content)["nickname"] == SENT


@pytest.mark.parametrize("case", [case for case in CASES if "multipart" in case.request], ids=lambda case: case.name)
async def test_uploads(case: Case) -> None:
    """
    An upload is one part named ``media`` with an ASCII filename and a content type, of a length known beforehand.
    """
    requests: list[httpx.Request] = []
    async with client_of(case.answer, requests) as kf:
        await case.call(kf)

    kind, _, boundary = requests[0].headers["Content-Type"].partition("; boundary=")
    assert kind == "multipart/form-data"
    assert (
        requests[0].content
        == (
            f'--{boundary}\r\nContent-Disposition: form-data; name="media"; filename="test.jpg"\r\n'
            f"Content-Type: image/jpeg\r\n\r\n"
        ).encode()
        + JPEG
        + f"\r\n--{boundary}--\r\n".encode()
    )


@pytest.mark.parametrize("case", TOKENS, ids=lambda case: case.name)
async def test_token_calls(case: TokenCase) -> None:
    """
    The token is fetched by exactly the documented request, without a token, and its answer is read.
    """
    requests: list[httpx.Request] = []
    options = {"appid": "APPID", "secret": "APPSECRET", "token": None, "token_api": case.token_api}
    async with client_of(case.answer, requests, **options) as kf:
        await kf.get_wait_case()

    fetch, call = requests
    endpoint = ENDPOINTS[fetch.url.path]
    assert fetch.method == case.request["method"]
    assert fetch.url.raw_path == target_of(case.request)
    assert (json.loads(fetch.content) if fetch.content else None) == case.request.get("json")
    assert call.url.params["access_token"] == "ACCESS_TOKEN"
    assert read_reply(endpoint, 200, json.dumps(case.answer).encode()) == case.value
    assert "ACCESS_TOKEN" not in repr(case.value)


async def test_any_call() -> None:
    """
    A call to an endpoint that is not known here goes out as it was given, and its answer comes as it came.
    """
    requests: list[httpx.Request] = []
    endpoint: Endpoint[dict[str, Any]] = Endpoint("POST", "/cgi-bin/user/info/batchget", dict)
    answer = {"errcode": "0", "list": [{"nickname": "李"}], "n": 1.5, "none": None}
    async with client_of(answer, requests) as kf:
        reply = await kf.request(Call(endpoint, {"lang": "中 文&"}, {"user_list": [{"openid": "OPENID"}]}))

    assert reply == answer
    assert requests[0].url.raw_path == (
        b"/cgi-bin/user/info/batchget?access_token=ACCESS_TOKEN&lang=%E4%B8%AD+%E6%96%87%26"
    )
    assert requests[0].content == b'{"user_list":[{"openid":"OPENID"}]}'


def strange(value: Any) -> Any:
    """
    Add fields that are not documented, everywhere.
    """
    match value:
        case {**fields}:
            return {"unknown": [None, {"deeper": 1}], **{key: strange(each) for key, each in fields.items()}, "x": "y"}
        case [*items]:
            return [strange(each) for each in items]
        case _:
            return value


DRESSINGS: dict[str, Callable[[Any], bytes]] = {
    "escaped": lambda answer: json.dumps(answer).encode(),
    "indented": lambda answer: b"\r\n " + json.dumps(answer, indent=4).encode() + b"\n",
    "marked": lambda answer: b"\xef\xbb\xbf" + json.dumps(answer, ensure_ascii=False).encode(),
    "strange": lambda answer: json.dumps(strange(answer)).encode(),
    "coded": lambda answer: json.dumps({"errcode": "0", "errmsg": "ok", **answer}).encode(),
}


@pytest.mark.parametrize("dress", DRESSINGS.values(), ids=DRESSINGS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_dressed_answers(case: Case, dress: Callable[[Any], bytes]) -> None:
    """
    The same answer otherwise written, with unknown fields or with an errcode where none is documented, reads the same.
    """
    async with client_of(dress(case.answer), []) as kf:
        value = await case.call(kf)

    assert value == case.value


class Endless(httpx.AsyncByteStream):
    """
    A body that goes on and on.
    """

    async def __aiter__(self) -> AsyncIterator[bytes]:
        mebibyte = b" " * 1024 * 1024
        for _ in range(66):
            yield mebibyte


async def test_too_large_an_answer() -> None:
    """
    An answer of more than 64 MiB is not read to its end.
    """
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Endless()))
    async with httpx.AsyncClient(transport=transport) as http:
        kf = AsyncKfClient(token="ACCESS_TOKEN", http=http)
        with pytest.raises(ReplyError, match="larger than 67108864 bytes") as caught:
            await kf.get_wait_case()

    assert caught.value.endpoint == "/customservice/kfsession/getwaitcase"


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.name)
async def test_refusals(refusal: Refusal) -> None:
    """
    A refusal among the vendor's samples becomes an error of its family, with the text and the tail taken apart.
    """
    requests: list[httpx.Request] = []
    async with client_of(refusal.answer, requests) as kf:
        with pytest.raises(ApiError) as caught:
            await refusal.call(kf)

    error = caught.value
    assert type(error) is refusal.error
    assert (error.errcode, error.errmsg, error.rid) == (refusal.answer["errcode"], refusal.errmsg, refusal.rid)
    assert error.endpoint == requests[0].url.path
    assert error.manual == ENDPOINTS[requests[0].url.path].manual


def test_table_is_complete() -> None:
    """
    The table has a case for every endpoint and uses every sample of the vendor.
    """
    table: list[Case | Refusal | TokenCase] = [*CASES, *REFUSALS, *TOKENS]
    samples = {
        f"{name}-{number}"
        for name, entries in SAMPLES.items()
        for number in range(len(entries))
        if name not in NOT_CALLED
    }
    paths = {each.request["path"] for each in table if not isinstance(each, Refusal)}

    assert samples - {each.name for each in table} == NOT_CASES
    assert set(ENDPOINTS) - paths == {"/cgi-bin/media/get"}
    assert set(ENDPOINTS) == {
        value.path
        for module in ("accounts", "maintenance", "media", "messages", "records", "sessions")
        for value in vars(importlib.import_module(f"wechat_kf.api.{module}")).values()
        if isinstance(value, Endpoint)
    } | {STABLE_TOKEN.path, CLASSIC_TOKEN.path}
    assert len({each.name for each in CASES}) == len(CASES)


def test_every_kind_of_message_is_in_the_table() -> None:
    """
    The table sends a message of every kind.
    """
    kinds = {kind.msgtype for kind in Message.__subclasses__() if kind is not Raw}

    assert kinds <= {case.request.get("json", {}).get("msgtype") for case in CASES}
    assert {kind.__name__ for kind in Message.__subclasses__()} <= set(message_kinds.__all__)


ARTICLE = Article("title", "description", "url", "picurl")
NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001 - a naive one is what is refused
EARLY = datetime(1969, 12, 31, tzinfo=UTC)

NAMES: dict[str, Callable[[AsyncKfClient, Any], Awaitable[object]]] = {
    "add_kf_account kf_account": lambda kf, bad: kf.add_kf_account(bad, "nick"),
    "add_kf_account nickname": lambda kf, bad: kf.add_kf_account("a@b", bad),
    "add_kf_account business_id": lambda kf, bad: kf.add_kf_account("a@b", "nick", business_id=bad),
    "update_kf_account kf_account": lambda kf, bad: kf.update_kf_account(bad, "nick"),
    "update_kf_account nickname": lambda kf, bad: kf.update_kf_account("a@b", bad),
    "del_kf_account kf_account": lambda kf, bad: kf.del_kf_account(bad),
    "del_kf_account business_id": lambda kf, bad: kf.del_kf_account("a@b", business_id=bad),
    "invite_kf_worker kf_account": lambda kf, bad: kf.invite_kf_worker(bad, "wx"),
    "invite_kf_worker invite_wx": lambda kf, bad: kf.invite_kf_worker("a@b", bad),
    "upload_kf_head_img kf_account": lambda kf, bad: kf.upload_kf_head_img(bad, JPEG),
    "get_kf_list business_id": lambda kf, bad: kf.get_kf_list(business_id=bad),
    "get_online_kf_list business_id": lambda kf, bad: kf.get_online_kf_list(business_id=bad),
    "create_kf_session kf_account": lambda kf, bad: kf.create_kf_session(bad, "OPENID"),
    "create_kf_session openid": lambda kf, bad: kf.create_kf_session("a@b", bad),
    "close_session kf_account": lambda kf, bad: kf.close_session(bad, "OPENID"),
    "close_session openid": lambda kf, bad: kf.close_session("a@b", bad),
    "get_kf_session openid": lambda kf, bad: kf.get_kf_session(bad),
    "get_kf_session_list kf_account": lambda kf, bad: kf.get_kf_session_list(bad),
    "send_custom_message touser": lambda kf, bad: kf.send_custom_message(bad, Text("hi")),
    "send_custom_message kf_account": lambda kf, bad: kf.send_custom_message("OPENID", Text("hi"), kf_account=bad),
    "typing touser": lambda kf, bad: kf.typing(bad),
    "get_quota cgi_path": lambda kf, bad: kf.get_quota(bad),
    "get_rid_info rid": lambda kf, bad: kf.get_rid_info(bad),
}


@pytest.mark.parametrize(
    ("bad", "error", "says"),
    [
        ("", ValueError, "must not be empty"),
        (" \t", ValueError, "must not be empty"),
        (7, TypeError, "must be a str, not int"),
        (b"a@b", TypeError, "must be a str, not bytes"),
    ],
    ids=["empty", "blank", "number", "bytes"],
)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_bad_names(name: str, bad: Any, error: type[Exception], says: str) -> None:
    """
    A name or id that is empty or no string is refused, by its name, before anything is sent.
    """
    requests: list[httpx.Request] = []
    async with client_of({}, requests) as kf:
        with pytest.raises(error, match=f"^{name.split()[1]} {says}$"):
            await NAMES[name](kf, bad)

    assert requests == []


# Typed `Any`, since type checkers refuse these too.
BAD: dict[str, tuple[Callable[[Any], Awaitable[object]], type[Exception], str]] = {
    "no @": (lambda kf: kf.add_kf_account("ab", "n"), ValueError, r"kf_account must be prefix@suffix, not 'ab'"),
    "no prefix": (lambda kf: kf.add_kf_account("@b", "n"), ValueError, "prefix@suffix"),
    "no suffix": (lambda kf: kf.add_kf_account("a@", "n"), ValueError, "prefix@suffix"),
    "two @": (lambda kf: kf.add_kf_account("a@b@c", "n"), ValueError, "prefix@suffix"),
    "an empty file": (lambda kf: kf.upload_kf_head_img("a@b", b""), ValueError, "empty"),
    "not a picture": (lambda kf: kf.upload_kf_head_img("a@b", b"%PDF-1.7"), ValueError, "allowed are image/jpeg"),
    "no file": (lambda kf: kf.upload_kf_head_img("a@b", None), TypeError, "a file is"),
    "a missing file": (lambda kf: kf.upload_kf_head_img("a@b", "/no/such/file"), FileNotFoundError, "No such file"),
    "no such media": (lambda kf: kf.upload_temp_media("film", JPEG), ValueError, "type must be one of image, voice"),
    "a thumb too large": (
        lambda kf: kf.upload_temp_media("thumb", JPEG + bytes(65536)),
        ValueError,
        "at most 0.0625 MiB",
    ),
    "not a message": (lambda kf: kf.send_custom_message("OPENID", b"hi"), TypeError, "such as Image.*not bytes"),
    "no text": (lambda kf: kf.send_custom_message("OPENID", ""), ValueError, "content must not be empty"),
    "is_ai_msg in words": (
        lambda kf: kf.send_custom_message("OPENID", Text("hi"), is_ai_msg="yes"),
        ValueError,
        "is_ai_msg must be True, False or None",
    ),
    "a message of no kind": (
        lambda kf: kf.send_custom_message("OPENID", Message()),
        TypeError,
        "message must be a str or a message such as .* not Message",
    ),
    "not a number": (
        lambda kf: kf.send_custom_message("OPENID", Raw("x", {"n": float("nan")})),
        ValueError,
        "not JSON compliant",
    ),
    "not of JSON": (
        lambda kf: kf.send_custom_message("OPENID", Raw("x", {"n": {1, 2}})),
        TypeError,
        "set is not JSON serializable",
    ),
    "a field of extra that is written": (
        lambda kf: kf.send_custom_message("OPENID", Text("hi"), extra={"touser": "ANOTHER"}),
        ValueError,
        "extra must not hold 'touser', which is written already",
    ),
    "the message once more in extra": (
        lambda kf: kf.send_custom_message("OPENID", Text("hi"), extra={"text": {"content": "ho"}}),
        ValueError,
        "extra must not hold 'text'",
    ),
    "a command in extra": (
        lambda kf: kf.typing("OPENID", extra={"command": "CancelTyping"}),
        ValueError,
        "extra must not hold 'command'",
    ),
    "a name in extra that is none": (
        lambda kf: kf.typing("OPENID", extra={7: "x"}),
        TypeError,
        "a field of extra must be a str, not int",
    ),
    "a value of extra that is not of JSON": (
        lambda kf: kf.send_custom_message("OPENID", Text("hi"), extra={"n": {1, 2}}),
        TypeError,
        "set is not JSON serializable",
    ),
    "no sub-merchant": (lambda kf: kf.typing("OPENID", businessid=""), ValueError, "businessid must not be empty"),
    "no such command": (
        lambda kf: kf.typing("OPENID", "typing"),
        ValueError,
        "'Typing' or 'CancelTyping', not 'typing'",
    ),
    "a naive time": (lambda kf: kf.get_msg_list(NAIVE, 1), ValueError, "starttime must be an aware datetime"),
    "a naive end": (lambda kf: kf.get_msg_list(1, NAIVE), ValueError, "endtime must be an aware datetime"),
    "milliseconds": (lambda kf: kf.get_msg_list(1464710400000, 1), ValueError, "starttime must be in seconds"),
    "a negative time": (lambda kf: kf.get_msg_list(-1, 1), ValueError, "starttime must not be before 1970"),
    "a time before 1970": (lambda kf: kf.get_msg_list(EARLY, 1), ValueError, "starttime must not be before 1970"),
    "a time in words": (lambda kf: kf.get_msg_list("now", 1), TypeError, "starttime must be .* not str"),
    "a fraction": (lambda kf: kf.get_msg_list(1, 2.5), TypeError, "endtime must be .* not float"),
    "a truth": (lambda kf: kf.get_msg_list(True, 2), TypeError, "starttime must be .* not bool"),
    "too long a span": (lambda kf: kf.get_msg_list(0, 86401), ValueError, "24 hours"),
    "backwards": (lambda kf: kf.get_msg_list(2, 1), ValueError, "24 hours"),
    "msgid 0": (lambda kf: kf.get_msg_list(1, 2, msgid=0), ValueError, "msgid must be at least 1"),
    "number 0": (lambda kf: kf.get_msg_list(1, 2, number=0), ValueError, "number must be 1 to 10000"),
    "number 10001": (lambda kf: kf.get_msg_list(1, 2, number=10001), ValueError, "number must be 1 to 10000"),
    "msgid in words": (lambda kf: kf.get_msg_list(1, 2, msgid="1"), TypeError, "msgid must be an int, not str"),
    "a true msgid": (lambda kf: kf.get_msg_list(1, 2, msgid=True), TypeError, "msgid must be an int, not bool"),
    "half a record": (lambda kf: kf.get_msg_list(1, 2, number=1.5), TypeError, "number must be an int, not float"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_bad_input(name: str) -> None:
    """
    Any other argument that cannot be right is refused, with words that help, before anything is sent.
    """
    call, error, says = BAD[name]
    requests: list[httpx.Request] = []
    async with client_of({}, requests) as kf:
        with pytest.raises(error, match=says):
            await call(kf)

    assert requests == []


async def test_clear_quota_needs_an_appid() -> None:
    """
    Without the appid, which is the call's body, nothing is sent.
    """
    requests: list[httpx.Request] = []
    async with client_of({}, requests, appid=None) as kf:
        with pytest.raises(ValueError, match="clear_quota needs the appid"):
            await kf.clear_quota()

    assert requests == []


BAD_MESSAGES: dict[str, tuple[Callable[..., object], tuple[Any, ...], type[Exception], str]] = {
    "Text": (Text, ("",), ValueError, "content must not be empty"),
    "Text of nothing to see": (Text, ("\x07\ud83d",), ValueError, "content must not be empty"),
    "Text of bytes": (Text, (b"hi",), TypeError, "content must be a str, not bytes"),
    "Image": (Image, (" ",), ValueError, "media_id must not be empty"),
    "Voice": (Voice, (None,), TypeError, "media_id must be a str, not NoneType"),
    "Video": (
        Video,
        (
            "id",
            "",
        ),
        ValueError,
        "thumb_media_id must not be empty",
    ),
    "Video title": (
        Video,
        (
            "id",
            "id",
            7,
        ),
        TypeError,
        "title must be a str or None, not int",
    ),
    "Music": (
        Music,
        (
            "title",
            "description",
            "url",
        ),
        ValueError,
        "thumb_media_id must not be empty",
    ),
    "Music url": (
        Music,
        (
            "title",
            "description",
            "",
            None,
            "id",
        ),
        ValueError,
        "musicurl must not be empty",
    ),
    "Music title": (
        Music,
        (
            None,
            "",
            "url",
            None,
            "id",
        ),
        TypeError,
        "title must be a str",
    ),
    "Article": (
        Article,
        (
            "title",
            "description",
            "url",
            1,
        ),
        TypeError,
        "picurl must be a str",
    ),
    "News of none": (News, ([],), ValueError, "articles must not be empty"),
    "News of text": (News, ("abc",), TypeError, "articles must hold Article, not str"),
    "News of None": (News, (None,), TypeError, "articles must be Article or an iterable of them, not NoneType"),
    "News of a mixture": (News, ([ARTICLE, 1],), TypeError, "articles must hold Article, not int"),
    "MpNews": (MpNews, ("",), ValueError, "media_id must not be empty"),
    "MpNewsArticle": (MpNewsArticle, ("",), ValueError, "article_id must not be empty"),
    "MenuItem": (
        MenuItem,
        (
            101,
            "yes",
        ),
        TypeError,
        "id must be a str, not int",
    ),
    "MenuItem content": (
        MenuItem,
        (
            "101",
            "",
        ),
        ValueError,
        "content must not be empty",
    ),
    "MsgMenu of none": (MsgMenu, ([],), ValueError, "list must not be empty"),
    "MsgMenu of articles": (MsgMenu, ([ARTICLE],), TypeError, "list must hold MenuItem, not Article"),
    "MsgMenu head": (
        MsgMenu,
        (
            [MenuItem("1", "a")],
            1,
        ),
        TypeError,
        "head_content must be a str or None",
    ),
    "WxCard": (WxCard, ("",), ValueError, "card_id must not be empty"),
    "MiniProgramPage": (
        MiniProgramPage,
        (
            "title",
            "",
            "path",
            "id",
        ),
        ValueError,
        "appid must not be empty",
    ),
    "Link": (
        Link,
        (
            "title",
            "description",
            "",
            "",
        ),
        ValueError,
        "url must not be empty",
    ),
    "Raw": (
        Raw,
        (
            "",
            {},
        ),
        ValueError,
        "msgtype must not be empty",
    ),
    "Raw body": (
        Raw,
        (
            "text",
            "hi",
        ),
        TypeError,
        "body must be a mapping, not str",
    ),
}


@pytest.mark.parametrize("name", BAD_MESSAGES)
def test_bad_messages(name: str) -> None:
    """
    A message that cannot be right is refused as it is made, with the name of its field.
    """
    kind, arguments, error, says = BAD_MESSAGES[name]

    with pytest.raises(error, match=f"^{says}"):
        kind(*arguments)


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        (0, 0),
        (1464710400, 1464710400),
        (at(1464710400), 1464710400),
        (datetime(2016, 6, 1, tzinfo=timezone(timedelta(hours=8))), 1464710400),
        (at(1464710400) + timedelta(microseconds=999_999), 1464710400),
        (datetime(9000, 1, 1, tzinfo=UTC), 221845392000),
    ],
    ids=repr,
)
async def test_times(time: datetime | int, seconds: int) -> None:
    """
    A time goes out as whole Unix seconds, whatever its zone.
    """
    requests: list[httpx.Request] = []
    async with client_of({}, requests) as kf:
        await kf.get_msg_list(time, time)

    sent = json.loads(requests[0].content)
    assert (sent["starttime"], sent["endtime"]) == (seconds, seconds)


@pytest.mark.parametrize(
    ("method", "path", "says"),
    [
        ("DELETE", "/x", "method must be 'GET' or 'POST', not 'DELETE'"),
        ("get", "/x", "method must be"),
        ("GET", "cgi-bin/x", "path must begin with a slash"),
        ("GET", ".example.com/x", "path must begin with a slash"),
        ("GET", "/x?openid=1", "neither blanks nor a query"),
        ("GET", "/x#y", "neither blanks nor a query"),
        ("GET", "/a b", "neither blanks nor a query"),
        ("GET", "/x\r\nHost: y", "neither blanks nor a query"),
    ],
)
def test_bad_endpoints(method: str, path: str, says: str) -> None:
    """
    An endpoint whose path would lead the token elsewhere, or whose method WeChat does not know, is refused.
    """
    with pytest.raises(ValueError, match=says):
        Endpoint(method, path, dict)


def test_call_repr() -> None:
    """
    A call's repr hides credentials and shows the rest.
    """
    call = Call(STABLE_TOKEN, {"secret": "SECRET1"}, {"grant_type": "client_credential", "secret": "SECRET2"})

    assert "client_credential" in repr(call)
    assert "SECRET" not in repr(call)
