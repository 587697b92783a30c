"""
Errors: every code has its family, every text teaches, nothing gets lost on the way to another process.
"""

from __future__ import annotations

import copy
import json
import pickle
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import wechat_kf
from wechat_kf import (
    ApiError,
    AuthError,
    Conflict,
    ContentRejected,
    DeliveryUncertain,
    DeliveryWindowClosed,
    InvalidArgument,
    KfError,
    NotFound,
    NotSent,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    ReplyError,
    ReplyLimitReached,
    SignatureError,
    SystemBusy,
    Text,
    WebhookError,
    _errors,
)
from wechat_kf._errcodes import ERRCODES, errcode_of
from wechat_kf._errors import api_error
from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.testing import Errcode, FakeWeChat

from .conftest import Connect

# Written down from the manual, apart from the table that it checks.
FAMILIES: dict[type[ApiError], list[int]] = {
    AuthError: [
        *(40001, 40013, 40014, 40125, *range(40230, 40241), 40243),
        *(42001, 42002, 42003, 42007, 61005, 61006, 61023, 61024),
    ],
    PermissionDenied: [
        *(40164, 40200, 45064, 48001, 48004, 48008, 50001, 50002, 50004, 50007),
        *(61003, 61004, 61007, 61011, 65400, 76003, 76022, 89501, 89503, 89506, 89507),
    ],
    QuotaExceeded: [45009, 48006, 61456, 65405, 65410],
    RateLimited: [45011],
    SystemBusy: [-1, -1000, 61450],
    InvalidArgument: [
        *(40002, 40003, 40004, 40005, 40006, 40008, 40009, 40010, 40011, 40012, 40033, 40035, 40038, 40039, 40048),
        *(40066, 40097, 40101, 40118, 40121, 40132, 40137, 40201, 40202, 40203),
        *(41001, 41002, 41003, 41004, 41005, 41006, 41009, 41018, 43001, 43002, 43003, 44001, 44002, 44003, 44004),
        *(45001, 45007, 45072, 45159, 47001),
        *(61451, 61454, 61455, 61457, 61500, 65403, 65404, 65416, 65417, 76002),
    ],
    NotFound: [40007, 46001, 46004, 61452, 65401, 65409, 65413, 76001, 76004, 76021],
    Conflict: [45081, 61453, 61458, 61459, 65402, 65406, 65407, 65408, 65411, 65412, 65414, 65415],
    DeliveryWindowClosed: [43004, 43005, 43019, 43101, 45015, 45080, 48002, 50005],
    ReplyLimitReached: [45047],
    ContentRejected: [45002, 45003, 45004, 45005, 45006, 45008, 45166, 70000],
}
CODES = {code: family for family, codes in FAMILIES.items() for code in codes}

MANUAL = "https://developers.weixin.qq.com/doc/service/api/customer/message/api_sendcustommessage.html"


def test_every_code_is_in_its_family() -> None:
    """
    The table holds exactly the codes that customer service meets, each in the family of what to do next.
    """
    assert {code: known.family for code, known in ERRCODES.items()} == {
        code: kind.__name__ for code, kind in CODES.items()
    }
    assert {code: type(api_error(code, "")) for code in CODES} == CODES
    assert sum(map(len, FAMILIES.values())) == len(CODES)


@pytest.mark.parametrize("code", CODES)
def test_code(code: int) -> None:
    """
    An error says its code, meaning, remedy, effect and manual page, in sentences.
    """
    error = api_error(code, "oops", endpoint="/path", manual=MANUAL)

    text = str(error)
    effect = "may have taken" if isinstance(error, SystemBusy) else "had no"
    assert text.startswith(f"/path: {code} oops. Meaning: ")
    assert f" The call {effect} effect. " in text
    assert text.endswith(f" Manual: {MANUAL}")
    assert error.effect == ("unknown" if isinstance(error, SystemBusy) else "none")
    meaning, remedy = ERRCODES[code][1:]
    assert f" Meaning: {meaning}. {remedy} " in text
    assert re.fullmatch(r"[A-Za-z].*[^.]", meaning)
    assert re.fullmatch(r"[A-Z].*\.", remedy)
    assert "  " not in text
    assert ".." not in text


@pytest.mark.parametrize("code", [1, -2, 99999, 9001001, 950001, 10**30])
def test_unknown_code(code: int) -> None:
    """
    A code that nobody knows is a plain `ApiError` that keeps it.
    """
    error = api_error(code, "what?")

    assert type(error) is ApiError
    assert (error.errcode, error.errmsg, error.effect) == (code, "what?", "none")
    assert str(error) == f"{code} what? Look the code up in the manual. The call had no effect."


def test_appid_of_a_message() -> None:
    """
    A wrong appid is a matter of credentials, but that in a message is the mini-program's.
    """
    token, send = "/cgi-bin/stable_token", SEND_CUSTOM_MESSAGE.path

    assert type(api_error(40013, "invalid appid", endpoint=token)) is AuthError
    assert type(api_error(40013, "invalid appid", endpoint=send)) is InvalidArgument
    assert "mini-program" in str(api_error(40013, "invalid appid", endpoint=send))
    assert errcode_of(40014, send) == errcode_of(40014)


TAILS = {
    "invalid args hint: [yGAAJFYWO-93BCba] rid: 65bc9063-58266361-150aeffb": (
        "invalid args",
        "yGAAJFYWO-93BCba",
        "65bc9063-58266361-150aeffb",
    ),
    "invalid custom service account hint: [4hEDR0I2e-OQxxgA] rid: 61123150-1bf2ec94-0441cc67": (
        "invalid custom service account",
        "4hEDR0I2e-OQxxgA",
        "61123150-1bf2ec94-0441cc67",
    ),
    "param invalid, please check hint: [frUVWa02191503]": ("param invalid, please check", "frUVWa02191503", None),
    "api unauthorized hints: [tEHFroXIRa-bb9YDA!]": ("api unauthorized", "tEHFroXIRa-bb9YDA!", None),
    "api unauthorized rid: 5f2a4bac-4d28a81c-07840f46": ("api unauthorized", None, "5f2a4bac-4d28a81c-07840f46"),
    "api unauthorized, rid: 652e6bbb-7d234df1-67f3f57c": ("api unauthorized", None, "652e6bbb-7d234df1-67f3f57c"),
    "out of response count limit hint:[2TCvgA0175ge21]": ("out of response count limit", "2TCvgA0175ge21", None),
    "response out of time limit or subscription is canceled rid: 629742b5-2ccb1813-446a67a": (
        "response out of time limit or subscription is canceled",
        None,
        "629742b5-2ccb1813-446a67a",
    ),
    "invalid media_id hint: [Lg.ZAa07440024] rid: 6087f0d0-5c83dcaa-438ebbcc": (
        "invalid media_id",
        "Lg.ZAa07440024",
        "6087f0d0-5c83dcaa-438ebbcc",
    ),
    # As the manual masks it; a blank at the end; no text before it.
    "access_token expired rid: 68aeabxx-21ea79xx-3a4424xx": (
        "access_token expired",
        None,
        "68aeabxx-21ea79xx-3a4424xx",
    ),
    "已经在输入状态，不可重复下发 ": ("已经在输入状态，不可重复下发", None, None),
    " rid: 1-2-3 \n": ("", None, "1-2-3"),
    "": ("", None, None),
    # These are no tails.
    "a hint: use POST": ("a hint: use POST", None, None),
    "rid: 1-2-3 is not yours": ("rid: 1-2-3 is not yours", None, None),
    "rid: xyz": ("rid: xyz", None, None),
    "hint: [a] hint: [b]": ("hint: [a]", "b", None),
}


@pytest.mark.parametrize("errmsg", TAILS, ids=lambda errmsg: errmsg[-40:])
def test_tail(errmsg: str) -> None:
    """
    Hint and rid are taken off WeChat's text, in every shape they were seen in.
    """
    error = api_error(48001, errmsg)

    assert (error.errmsg, error.hint, error.rid) == TAILS[errmsg]
    assert error.rid is None or f" rid: {error.rid}." in str(error)
    assert error.hint is None or f" hint: {error.hint}." in str(error)


@pytest.mark.parametrize(
    "part", [" ", ",", "hint: [", "hint:" + " " * 40, "hints: [x] ", "rid: ", "rid: 1-", "a", "hint: [" + "]" * 9]
)
def test_long_texts(part: str) -> None:
    """
    A very long text takes no longer than its length: all of these end.
    """
    errmsg = part * 50_000

    assert api_error(1, f"{errmsg}x").errmsg == f"{errmsg}x".strip()
    assert api_error(1, f"x{errmsg}").errmsg.startswith("x")


def test_retry_after() -> None:
    """
    Too many calls a minute says how long to wait.
    """
    error = api_error(45011, "api minute-quota reach limit, must slower, retry next minute")

    assert isinstance(error, RateLimited)
    assert error.retry_after == 60


NO_EFFECT = "The call had no effect."
MAYBE = "The call may have taken effect."

READS: dict[str, tuple[KfError, list[str]]] = {
    "a refusal": (
        api_error(45015, "response out of time limit or subscription is canceled rid: 1-2-3", endpoint="/send"),
        [
            "/send: 45015 response out of time limit or subscription is canceled.",
            "Meaning: the customer wrote too long ago (48 hours; 1 minute after a menu, follow or scan),",
            "or unfollowed.",
            "Wait until the customer writes again.",
            NO_EFFECT,
            "rid: 1-2-3.",
        ],
    ),
    "a refusal without text": (
        api_error(45009, "", endpoint="/send", manual=MANUAL),
        [
            "/send: 45009.",
            "Meaning: the daily quota of this call is used up.",
            "Wait until midnight in Beijing, or use clear_quota, ten times a month.",
            NO_EFFECT,
            f"Manual: {MANUAL}",
        ],
    ),
    "nothing sent": (
        NotSent("No connection was free in time.", endpoint="/send"),
        ["/send: No connection was free in time.", NO_EFFECT],
    ),
    "a broken connection": (DeliveryUncertain("It broke"), ["It broke.", MAYBE]),
    "a wrong shape": (
        ReplyError("Not the documented shape", where="$.a[1]", body='{"a":[1,"好"]}'.encode(), endpoint="/a"),
        ["/a: Not the documented shape.", "At $.a[1], HTTP 200.", MAYBE, """The answer begins '{"a":[1,"好"]}'."""],
    ),
    "an empty answer": (ReplyError("Empty.", status=204), ["Empty.", "HTTP 204.", MAYBE]),
    "a long answer": (
        ReplyError("Long.", body=b"x" * 500),
        ["Long.", "HTTP 200.", MAYBE, f"The answer begins '{'x' * 100}'."],
    ),
    "nothing said": (KfError(), [MAYBE]),
    "a question": (KfError("Why?", effect="none"), ["Why?", NO_EFFECT]),
    "a bad push": (SignatureError("The push is too old."), ["The push is too old."]),
    "a bad push without words": (WebhookError(), [""]),
}


@pytest.mark.parametrize("name", READS)
def test_reads(name: str) -> None:
    """
    An error reads as sentences: where, what, why, what to do, whether it had an effect.
    """
    error, sentences = READS[name]

    assert str(error) == " ".join(sentences)


def kinds(root: type[KfError] = KfError) -> Iterator[type[KfError]]:
    """
    Walk the tree.
    """
    yield root
    for kind in root.__subclasses__():
        if kind.__module__ == "wechat_kf._errors":
            yield from kinds(kind)


KINDS = {kind.__name__: kind for kind in kinds()}


def specimen(kind: type[KfError]) -> KfError:
    """
    Make an error of a kind, with all its attributes set.
    """
    if issubclass(kind, ApiError):
        details: dict[str, Any] = {"hint": "h", "rid": "1-2-3", "manual": MANUAL, "effect": "unknown"}
        error: KfError = kind(45015, "no", endpoint="/send", **details)
    elif issubclass(kind, ReplyError):
        error = kind("odd", where="$.a", status=404, body=b"\x00<html>", endpoint="/a", effect="none")
    else:
        error = kind("why", effect="none", endpoint="/a")
    error.add_note("a note")
    return error


def test_tree_is_public() -> None:
    """
    Every error can be imported from the top, and is in the drawing of the tree.
    """
    drawn = re.findall(r"^[ │├└─]*([A-Z]\w+)", str(_errors.__doc__).partition("::")[2], re.MULTILINE)

    assert set(KINDS) <= set(dir(wechat_kf))
    assert sorted(drawn) == sorted(KINDS)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_copies(kind: type[KfError]) -> None:
    """
    Pickled, copied and deeply copied errors are the same in class, text, arguments and attributes.
    """
    error = specimen(kind)
    copies = [copy.copy(error), copy.deepcopy(error)]
    copies += [pickle.loads(pickle.dumps(error, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]  # noqa: S301 - our own

    for twin in copies:
        assert type(twin) is kind
        assert (str(twin), repr(twin), twin.args) == (str(error), repr(error), error.args)
        assert vars(twin) == vars(error)
        assert (twin.effect, twin.endpoint) == (error.effect, error.endpoint)


def test_a_copy_is_apart() -> None:
    """
    What is changed in a copy stays as it was in the first.
    """
    error = specimen(NotSent)
    twin = copy.copy(error)
    twin.effect = "unknown"

    assert error.effect == "none"


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_effects(kind: type[KfError]) -> None:
    """
    Only what may have had an effect says so.
    """
    unsure = {KfError, wechat_kf.TransportError, DeliveryUncertain, ReplyError, SystemBusy}
    error = kind(1) if issubclass(kind, ApiError) else kind("why")

    assert (error.effect, error.endpoint) == ("unknown" if kind in unsure else "none", None)


@given(errcode=st.integers(), errmsg=st.text())
def test_any_refusal(errcode: int, errmsg: str) -> None:
    """
    Whatever code and text come, there is an error with the code, and its text can be made.
    """
    error = api_error(errcode, errmsg)

    assert error.errcode == errcode
    assert str(errcode) in str(error)


@pytest.mark.parametrize("code", [40003, 45015, 45047, -1, 99999])
async def test_from_the_client(code: int, connect: Connect) -> None:
    """
    A refused call raises the error with the path, the rid and the manual page, and what to do.
    """
    fake = FakeWeChat()
    fake.user_says("OPENID", "hi")
    fake.fault(SEND_CUSTOM_MESSAGE, Errcode(code, "said no"))
    kf = connect(fake)
    with pytest.raises(CODES.get(code, ApiError)) as caught:
        await kf.send_custom_message("OPENID", Text("hello"))

    error = caught.value
    assert isinstance(error, ApiError)
    assert (error.errcode, error.errmsg, error.endpoint) == (code, "said no", SEND_CUSTOM_MESSAGE.path)
    assert error.rid is not None
    assert str(error).endswith(f"Manual: {MANUAL}")
    assert fake.sent == []


def test_json_of_attributes() -> None:
    """
    The attributes that a handler wants in a structured log are plain values.
    """
    error = api_error(45011, "slower rid: 1-2-3", endpoint="/send")

    assert json.loads(json.dumps(vars(error))) == vars(error)
