"""
Answers as they come in the wild: what is tolerated by declaration, and that all else is told with its place.
"""

from __future__ import annotations

import copy
import enum
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, Literal, NewType, TypeAlias, get_args, get_origin

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wechat_kf import (
    Ack,
    ApiError,
    Call,
    DeliveryUncertain,
    Endpoint,
    KfAccount,
    KfError,
    KfList,
    KfSessionList,
    KfStatus,
    MsgList,
    MsgRecord,
    OnlineKfList,
    OperCode,
    ReplyError,
    WaitCaseList,
)
from wechat_kf._wire.download import Download
from wechat_kf._wire.fields import EMPTY_IS_NONE, NUMBER_IS_TEXT
from wechat_kf._wire.json import encode, encode_sendable, read_json
from wechat_kf._wire.metadata import FORMERLY, NOT_SENT, READ_BY
from wechat_kf._wire.reply import read_reply
from wechat_kf._wire.text import sendable
from wechat_kf._wire.tolerant import Tolerant
from wechat_kf.api.accounts import GET_KF_LIST
from wechat_kf.api.records import GET_MSG_LIST
from wechat_kf.api.sessions import GET_WAIT_CASE

from ..api.cases import at
from ..api.test_endpoints import ENDPOINTS

ALL: dict[str, Endpoint[Any]] = {each.path: each for each in ENDPOINTS.values() if each.reply is not Download}
# One for each model.
MODELED = {endpoint.reply.__name__: endpoint for endpoint in ALL.values()}

ANYTHING: Endpoint[dict[str, Any]] = Endpoint("GET", "/x", dict, manual="https://example.com")

Place: TypeAlias = tuple[str | int, ...]


def read(answer: Any, endpoint: Endpoint[Any] = GET_MSG_LIST) -> Any:
    """
    Read an answer that is given as a value.
    """
    return read_reply(endpoint, 200, json.dumps(answer).encode())


def refused(answer: Any, endpoint: Endpoint[Any] = GET_MSG_LIST) -> ReplyError:
    """
    Read an answer that must be refused.
    """
    with pytest.raises(ReplyError) as caught:
        read(answer, endpoint)
    assert caught.value.endpoint == endpoint.path
    return caught.value


HUGE = 10**4000

WHOLE = [(0, 0), (-7, -7), (HUGE, HUGE), ("7", 7), (" -7 ", -7), ("000", 0), (7.0, 7), (-0.0, 0), ("40003.0", 40003)]
NOT_WHOLE: list[Any] = [True, "", "x", "7.5", "0x0", "٠", "7e1", "0" * 4301, 7.5, [], {}]

# For each sort of field: something right as it comes, then (answer, value) besides, then what is wrong.
SORTS: list[tuple[Any, Any, list[tuple[Any, Any]], list[Any]]] = [
    (str, "s", [("", ""), (" 好\u0000", " 好\u0000")], [None, True, 1, 1.5, [], {}]),
    (int, 7, WHOLE, [None, *NOT_WHOLE]),
    (str | None, "s", [(None, None), ("", "")], [True, 1, 1.5, [], {}]),
    (int | None, 7, [(None, None), *WHOLE], NOT_WHOLE),
    (OperCode, 2002, [("2003", OperCode.AGENT_RECEIVED), (9.0, OperCode(9))], [None, *NOT_WHOLE]),
    (KfStatus | None, 1, [(None, None), ("0", KfStatus.OFFLINE), (9, KfStatus(9))], NOT_WHOLE),
    (NUMBER_IS_TEXT, "1001", [(1001, "1001"), (0, "0"), ("", None), (None, None)], [True, 1.5, [], {}]),
    (EMPTY_IS_NONE, "s", [("", None), (None, None), (" ", " ")], [True, 1, 1.5, [], {}]),
    (
        datetime | None,
        123456789,
        [
            ("123456789", at(123456789)),
            (123456789.0, at(123456789)),
            (0, None),
            ("0", None),
            ("", None),
            (None, None),
            (-1, at(-1)),
            (253402300799, at(253402300799)),
        ],
        [True, "x", "1.5", 1.5, [], {}, 253402300800, 1464710500000, -HUGE, HUGE, "9" * 4000],
    ),
]
NO_OBJECT: list[Any] = [True, 1, 1.5, "s", []]
NO_LIST: list[Any] = [True, 1, 1.5, "s", {}]
NUMERIC_BUT_ERRCODE = [("7", 7), (7, 7), ("-7", -7), (7.0, 7), (HUGE, HUGE)]


def fields_of(kind: Any) -> list[attrs.Attribute[Any]]:
    """
    List a model's fields that are on the wire, their types resolved.
    """
    attrs.resolve_types(kind)
    return [field for field in attrs.fields(kind) if NOT_SENT not in field.metadata]


def sort_of(field: attrs.Attribute[Any]) -> tuple[Any, Any, list[tuple[Any, Any]], list[Any]] | None:
    """
    Find how a field is read; None if there are fields within it.
    """
    if field.name == "errcode":
        # Any other number is an error.
        return int, 0, [("0", 0), (" 0 ", 0), ("-0", 0), ("000", 0), (0.0, 0)], [None, *NOT_WHOLE]
    declared = {READ_BY: field.metadata[READ_BY]} if READ_BY in field.metadata else field.type
    return next((sort for sort in SORTS if sort[0] == declared), None)


def class_of(kind: Any) -> Any:
    """
    Find the class of a field that may be None.
    """
    return kind if attrs.has(kind) else next(each for each in get_args(kind) if attrs.has(each))


def right(kind: Any) -> Any:
    """
    Make an answer that is right for a class, with every field and two entries in every list.
    """
    if kind is str:
        return "s"
    answer: dict[str, Any] = {}
    for field in fields_of(kind):
        sort = sort_of(field)
        if sort is not None:
            answer[field.name] = sort[1]
        elif get_origin(field.type) is tuple:
            answer[field.name] = [right(get_args(field.type)[0]) for _ in range(2)]
        else:
            answer[field.name] = right(class_of(field.type))
    return answer


@attrs.frozen
class Change:
    """
    Something put into an answer, and what comes of it.

    Attributes:
        place: Where.

        given: What.

        read: What is read at the place, or `ReplyError`.

        left_out: Whether the place is an entry of a list that has one less then.

        strange: Whether the answer is kept as it came.
    """

    place: Place
    given: Any
    read: Any = None
    left_out: bool = False
    strange: bool = False
    lost: Place | None = None

    @property
    def wrong(self) -> bool:
        """
        Whether the answer cannot be read.
        """
        return self.read is ReplyError


def changes(kind: Any, place: Place = (), lost: Change | None = None, *, tolerant: bool = True) -> Iterator[Change]:
    """
    Find all that can be put into an answer of a class, where nothing less than `lost` can be read if it is wrong.
    """
    lost = Change((), None, ReplyError) if lost is None else lost
    for field in fields_of(kind):
        here = (*place, field.name)
        without = Change(here, None, field.default, strange=True)
        inner = without if tolerant and field.default is not attrs.NOTHING else lost
        sort = sort_of(field)
        if sort is not None:
            yield from (Change(here, given, value) for given, value in sort[2])
            for given in sort[3]:
                strange = given is not None or inner is not without
                yield attrs.evolve(inner, place=here, given=given, strange=strange, lost=inner.place)
        elif get_origin(field.type) is tuple:
            empty: list[Any] = []
            yield from (attrs.evolve(lost, place=here, given=given, lost=lost.place) for given in NO_LIST)
            yield from (Change(here, given, ()) for given in (None, empty))
            item = get_args(field.type)[0]
            entry = (*here, 1)
            left_out = Change(entry, None, left_out=True, strange=True) if tolerant else lost
            wrong: list[Any] = [None, *NO_OBJECT] if attrs.has(item) else [None, 1, []]
            yield from (attrs.evolve(left_out, place=entry, given=given, lost=left_out.place) for given in wrong)
            if attrs.has(item):
                yield from changes(item, entry, left_out, tolerant=tolerant)
        else:
            yield from (attrs.evolve(inner, place=here, given=given, lost=inner.place) for given in NO_OBJECT)
            yield from changes(class_of(field.type), here, inner, tolerant=tolerant)


def put(answer: Any, place: Place, value: Any) -> Any:
    """
    Copy an answer with another value at a place.
    """
    answer = copy.deepcopy(answer)
    inner = answer
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return answer


def written(place: Place) -> str:
    """
    Write a place as errors do.
    """
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)


def look(value: Any, place: Place) -> Any:
    """
    Find what was read at a place.
    """
    for step in place:
        value = value[step] if isinstance(step, int) else getattr(value, step)
    return value


def shortly(value: object) -> str:
    """
    Name a case.
    """
    text = repr(value) if not isinstance(value, int) or abs(value) < HUGE else "HUGE"
    return text if len(text) < 40 else f"{text[:20]}..."


PLACES = [
    pytest.param(endpoint, place, id=f"{name}{written(place)}")
    for name, endpoint in MODELED.items()
    for place in dict.fromkeys(change.place for change in changes(endpoint.reply))
]


@pytest.mark.parametrize(("endpoint", "place"), PLACES)
def test_fields(endpoint: Endpoint[Any], place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """
    Each field of each model takes what is declared; what else comes costs as little as it can, and is told once.
    """
    tolerant = issubclass(endpoint.reply, Tolerant)
    for change in (each for each in changes(endpoint.reply, tolerant=tolerant) if each.place == place):
        whole = put(right(endpoint.reply), place, change.given)
        caplog.clear()
        if change.wrong:
            error = refused(whole, endpoint)
            assert (error.where, error.status) == (written(place), 200), shortly(change.given)
            continue
        value = read(whole, endpoint)
        lost = place if change.lost is None else change.lost
        if change.left_out:
            assert len(look(value, lost[:-1])) == 1
        else:
            assert look(value, lost) == change.read, shortly(change.given)
        assert getattr(value, "raw", None) == (whole if change.strange else None)
        assert [written(place) in said for said in caplog.messages] == [True] * change.strange


@pytest.mark.parametrize("endpoint", MODELED.values(), ids=MODELED)
def test_missing_fields(endpoint: Endpoint[Any], caplog: pytest.LogCaptureFixture) -> None:
    """
    A field that is missing has its default without a word, or is named by the error.
    """
    tolerant = issubclass(endpoint.reply, Tolerant)
    for change in changes(endpoint.reply, tolerant=tolerant):
        if isinstance(change.place[-1], int) or change.given is not None:
            continue
        without = put(right(endpoint.reply), change.place, None)
        inner = without
        for step in change.place[:-1]:
            inner = inner[step]
        del inner[change.place[-1]]
        if change.wrong:
            error = refused(without, endpoint)
            assert error.where == written(change.place)
            assert "missing" in str(error)
        elif not change.strange:
            assert look(read(without, endpoint), change.place) == change.read
            assert caplog.messages == []


@pytest.mark.parametrize(("answer", "code"), NUMERIC_BUT_ERRCODE, ids=shortly)
def test_errcode_as_text(answer: Any, code: int) -> None:
    """
    An errcode other than 0 is an error, whether it comes as a number or as text.
    """
    with pytest.raises(ApiError) as caught:
        read({"errcode": answer, "errmsg": "no"})

    assert caught.value.errcode == code
    assert caught.value.errmsg == "no"


@pytest.mark.parametrize("answer", [None, True, "", "x", "1.5", 1.5, [], {}], ids=repr)
@pytest.mark.parametrize("endpoint", ALL.values(), ids=ALL)
def test_errcode_of_a_wrong_type(endpoint: Endpoint[Any], answer: Any) -> None:
    """
    An errcode that is no number is named, whatever was called.
    """
    assert refused({"errcode": answer, "errmsg": "ok"}, endpoint).where == "$.errcode"


@pytest.mark.parametrize("errmsg", [None, 1, ["x"], {}], ids=repr)
def test_errmsg_of_a_wrong_type(errmsg: Any) -> None:
    """
    A refusal stands, whatever its text is.
    """
    with pytest.raises(ApiError) as caught:
        read({"errcode": 40003, "errmsg": errmsg})

    assert (caught.value.errcode, caught.value.errmsg) == (40003, "")


@pytest.mark.parametrize("field", [field for kind in (KfAccount,) for field in fields_of(kind)], ids=lambda f: f.name)
def test_former_names(field: attrs.Attribute[Any]) -> None:
    """
    A former name counts where the present one is not there.
    """
    former = field.metadata.get(FORMERLY)
    if former is None:
        assert field.name != "kf_headimgurl"
        return

    assert read({"kf_list": [{former: "old"}]}, GET_KF_LIST) == KfList((KfAccount(kf_headimgurl="old"),))
    assert read({"kf_list": [{former: 7, field.name: "new"}]}, GET_KF_LIST).kf_list[0].kf_headimgurl == "new"
    assert read({"kf_list": [{}, {former: 7}]}, GET_KF_LIST) == KfList((KfAccount(), KfAccount()))


def test_several_strange_parts(caplog: pytest.LogCaptureFixture) -> None:
    """
    Strange parts of a page cost nothing else; they are told in one line, and kept in the page and in their records.
    """
    record = right(MsgRecord)
    strange = {**record, "text": 7, "time": "x"}
    answer = {"recordlist": [record, record, strange, None, {**record, "text": None}], "number": "x"}
    page = read(answer)

    assert len(page) == 4
    assert page.number == 0
    assert page.raw == answer
    assert [each.raw for each in page] == [None, None, strange, None]
    assert [each.text for each in page] == ["s", "s", "", ""]
    assert caplog.messages == [
        (
            "The answer of /customservice/msgrecord/getmsglist is not as documented: 4 parts were left out, "
            "first $.recordlist[2].text: expected a string, got a whole number; `raw` has the whole."
        )
    ]


def test_first_of_several_mistakes() -> None:
    """
    Of several mistakes that cannot be left out the first is told.
    """
    assert refused({"type": 7, "media_id": 7}, MODELED["TempMedia"]).where == "$.type"
    assert refused({"pairs": [{"left": 1}, {"left": None}, 7]}, TREES).where == "$.pairs[1].left"


def test_strange_beyond_measure() -> None:
    """
    An answer with more strange parts than any has entries is refused, not looked through to its end.
    """
    assert refused({"recordlist": [0] * 100_001}).where == "$.recordlist[100000]"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty"),
        (b" \r\n\t", "empty"),
        (b"\xef\xbb\xbf", "not JSON"),
        (b"<html><body>Bad Gateway</body></html>", "not JSON"),
        (b"{'errcode': 0}", "not JSON"),
        (b'{"errcode":0', "not JSON"),
        (b'{"errcode":0}{"errcode":0}', "not JSON"),
        (b'{"errcode":NaN}', "not JSON"),
        (b'{"n":-Infinity}', "not JSON"),
        (b'{"n":' + b"9" * 5000 + b"}", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, "not JSON"),
        (b"\x00\xff\xfe", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'"ok"', "not a JSON object"),
        (b"0", "not a JSON object"),
    ],
    ids=shortly,
)
@pytest.mark.parametrize("endpoint", [GET_MSG_LIST, ANYTHING], ids=["model", "dict"])
def test_no_object(endpoint: Endpoint[Any], body: bytes, says: str) -> None:
    """
    What is no JSON object is told to be none, with the first bytes of it.
    """
    with pytest.raises(ReplyError, match=says) as caught:
        read_reply(endpoint, 200, body)

    assert caught.value.where == "$"
    assert len(caught.value.body) <= 500
    assert caught.value.body[:50] in (body[:50], body[:50].decode("utf-8", "replace").encode()[:50])


@pytest.mark.parametrize("status", [100, 204, 301, 302, 400, 403, 404, 412, 413, 429, 499])
def test_other_statuses(status: int) -> None:
    """
    Below 500, a status that is not WeChat's is an answer in a wrong shape, whatever it holds; an empty 204 too.
    """
    with pytest.raises(ReplyError) as caught:
        read_reply(GET_WAIT_CASE, status, b"" if status == 204 else b'{"count":0}')

    assert caught.value.status == status
    assert caught.value.effect == "unknown"
    assert (f"HTTP {status}" in str(caught.value)) is True


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
def test_gateways(status: int) -> None:
    """
    What a gateway answers with 5xx may have taken effect, even if it looks like a success.
    """
    with pytest.raises(DeliveryUncertain, match=f"HTTP {status}") as caught:
        read_reply(GET_WAIT_CASE, status, b'{"count":0}')

    assert caught.value.effect == "unknown"
    assert caught.value.endpoint == GET_WAIT_CASE.path


def test_hints_at_a_chunked_upload() -> None:
    """
    A 412, which says nothing by itself, is told with what is known to cause it.
    """
    with pytest.raises(ReplyError, match="Content-Length"):
        read_reply(GET_WAIT_CASE, 412, b"")


def test_duplicate_keys() -> None:
    """
    Of a key that comes twice the last counts.
    """
    assert read_reply(GET_WAIT_CASE, 200, b'{"count":"x","count":1,"count":2}') == WaitCaseList(2)


TEXTS = {
    "control characters": (b"a\x00\x01\n\r\t\x1f\x7fb", "a\x00\x01\n\r\t\x1f\x7fb"),
    "broken UTF-8": (b"\xe4\xbd\xa0\xe5\xa5 \xff\xc0\x80", "你\ufffd \ufffd\ufffd\ufffd"),
    "surrogates in UTF-8": (b"\xed\xa0\xbd", "\ufffd\ufffd\ufffd"),
    "a pair of escapes": (rb"\ud83d\ude00 \uD83D\uDE00", "\U0001f600 \U0001f600"),
    "a high surrogate": (rb"x\ud83d", "x\ufffd"),
    "a low surrogate": (rb"\ude00x", "\ufffdx"),
    "surrogates the wrong way round": (rb"\uDE00\ud83d", "\ufffd\ufffd"),
    "a high one before a pair": (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
    "a high one before another escape": (rb"\ud83d\u4f60\ud83d\n", "\ufffd你\ufffd\n"),
    "an escaped backslash": (rb"\\ud83d \\\ud83d", "\\ud83d \\\ufffd"),
    "other escapes": (rb"\/\"\\\b\f\n\r\t\u0000\u00e9", '/"\\\b\f\n\r\t\x00é'),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts(name: str) -> None:
    """
    Whatever a customer may have written is read, as text that can be written to any log and database.
    """
    sent, text = TEXTS[name]
    body = b'{"recordlist":[{"openid":"o","opercode":2003,"text":"' + sent + b'"}],"number":1,"msgid":9}'

    assert read_reply(GET_MSG_LIST, 200, body) == MsgList((MsgRecord("o", OperCode(2003), text),), 1, 9)
    assert read_json(b'{"' + sent + b'":0}') == {text: 0}
    text.encode()


def test_a_broken_escape() -> None:
    """
    An escape that JSON does not have is not JSON, also beside lone surrogates.
    """
    for sent in (rb"\ud83", rb"\ud8zz", rb"\x", rb"\ud83d\u"):
        with pytest.raises(ValueError, match=r"escape|delimiter|Unterminated"):
            read_json(b'"' + sent + b'"')


def test_unknown_values() -> None:
    """
    An opercode that nobody knows is kept.
    """
    assert read({"recordlist": [{"openid": "o", "opercode": 99999}]}).recordlist[0].opercode == 99999


@pytest.mark.parametrize(
    ("errcode", "errmsg", "effect"), [("-1", "system error", "unknown"), (40003, "invalid openid", "none")]
)
def test_refusal_of_a_download(errcode: object, errmsg: str, effect: str) -> None:
    """
    A refusal is told as such also where the answer is to come as it is.
    """
    with pytest.raises(ApiError) as caught:
        read({"errcode": errcode, "errmsg": errmsg}, ANYTHING)

    assert caught.value.effect == effect
    assert str(caught.value).endswith("Manual: https://example.com")


TOKEN = "80_" + "Ab9-_" * 30


@pytest.mark.parametrize(
    "body",
    [
        f"<html>GET /x?access_token={TOKEN}</html>",
        f"<html>token {TOKEN} refused</html>" + TOKEN * 20,
        "x" * 1990 + TOKEN,
        json.dumps({"waitcaselist": {TOKEN: TOKEN}}),
        json.dumps({"errcode": TOKEN}),
    ],
)
def test_body_hides_secrets(body: str) -> None:
    """
    What is kept of a bad answer hides the token, also where the cut falls into it.
    """
    with pytest.raises(ReplyError) as caught:
        read_reply(GET_WAIT_CASE, 200, body.encode(), secrets=(TOKEN, "", "other"))

    shown = f"{caught.value} {caught.value!r} {caught.value.body!r} {vars(caught.value)}"
    assert not [cut for cut in range(0, len(TOKEN) - 12, 5) if TOKEN[cut : cut + 12] in shown]


def test_refusal_hides_secrets() -> None:
    """
    A refusal that repeats the token does not show it.
    """
    errmsg = f"invalid token {TOKEN}, url /x?access_token={TOKEN} hint: [{TOKEN}] rid: 1-2-3"
    with pytest.raises(ApiError) as caught:
        read_reply(GET_WAIT_CASE, 200, json.dumps({"errcode": 1, "errmsg": errmsg}).encode(), secrets=(TOKEN,))

    assert caught.value.errmsg == "invalid token ***, url /x?access_token=***"
    assert (caught.value.hint, caught.value.rid) == ("***", "1-2-3")
    assert TOKEN not in f"{caught.value!r} {vars(caught.value)}"


@attrs.frozen
class Tag:
    """
    An entry with all the types that JSON has.
    """

    name: str
    weight: float
    open: bool | None = None
    ids: tuple[int, ...] = ()


@attrs.define(kw_only=True)
class Pair:
    """
    A class whose instances are not made by filling slots alone.
    """

    left: int
    right: int = attrs.field(default=0, validator=attrs.validators.lt(100))
    total: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.total = self.left + self.right
        if self.total < 0:
            error = ValueError(f"no such pair for access_token={TOKEN}")
            error.add_note("a note of the class's own")
            raise error


@attrs.frozen
class Tree:
    """
    A class that holds itself.
    """

    name: str | None = attrs.field(default=None, metadata=EMPTY_IS_NONE)
    branches: tuple[Tree, ...] = ()
    pairs: tuple[Pair, ...] = ()
    tags: tuple[Tag, ...] = ()
    also: dict[str, int] = attrs.field(factory=dict[str, int])


TREES: Endpoint[Tree] = Endpoint("GET", "/trees", Tree)


def test_models_of_ones_own() -> None:
    """
    An attrs class of the user's own is read by the same rules, whatever it is made of.
    """
    answer = {
        "name": "",
        "branches": [{"name": "a", "branches": [{"name": "b"}]}, {}],
        "pairs": [{"left": 1, "right": 2}, {"left": 3, "right": 4}],
        "tags": [
            {"name": "x", "weight": 1, "open": True, "ids": [1, 2]},
            {"name": "y", "weight": 0.5, "open": None, "ids": None},
        ],
        "also": {"n": 1},
    }

    assert read(answer, TREES) == Tree(
        None,
        (Tree("a", (Tree("b"),)), Tree()),
        (Pair(left=1, right=2), Pair(left=3, right=4)),
        (Tag("x", 1.0, open=True, ids=(1, 2)), Tag("y", 0.5)),
        {"n": 1},
    )


def test_own_words_hide_secrets() -> None:
    """
    What a class of the user's own says against an answer is told, without credentials.
    """
    error = refused({"pairs": [{"left": 1}, {"left": -1}]}, TREES)

    assert error.where == "$.pairs[1]"
    assert "no such pair for access_token=***." in str(error)


@pytest.mark.parametrize(
    ("answer", "where"),
    [
        ({"branches": [{}, {"branches": [{"name": 1}]}]}, "$.branches[1].branches[0].name"),
        ({"pairs": [{"left": 1}, {"left": 1, "right": 100}]}, "$.pairs[1]"),
        ({"pairs": [{"left": 1, "right": 2}, {"left": "x", "right": 2}]}, "$.pairs[1].left"),
        ({"pairs": [{"right": 2}]}, "$.pairs[0].left"),
        ({"tags": [{"name": "x", "weight": "1"}]}, "$.tags[0].weight"),
        ({"tags": [{"name": "x", "weight": True}]}, "$.tags[0].weight"),
        ({"tags": [{"name": "x", "weight": 1, "open": 1}]}, "$.tags[0].open"),
        ({"tags": [{"name": "x", "weight": 1, "ids": [1, 2, "x"]}]}, "$.tags[0].ids[2]"),
        ({"also": {"n": "x"}}, "$.also['n']"),
    ],
    ids=str,
)
def test_mistakes_in_models_of_ones_own(answer: Any, where: str) -> None:
    """
    A mistake in an answer for such a class is told with its place.
    """
    assert refused(answer, TREES).where == where


finite = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def likely(kind: Any) -> st.SearchStrategy[Any]:
    """
    Make answers that are nearly right for a type.
    """
    if kind is str:
        return st.text() | st.none()
    kinds: dict[str, st.SearchStrategy[Any]] = {}
    for field in fields_of(kind):
        sort = sort_of(field)
        if sort is not None:
            _, value, tolerated, wrong = sort
            kinds[field.name] = st.sampled_from([value] * 8 + [given for given, _ in tolerated] * 2 + wrong)
        elif get_origin(field.type) is tuple:
            kinds[field.name] = st.lists(likely(get_args(field.type)[0]) | json_values, max_size=4)
        else:
            kinds[field.name] = likely(class_of(field.type)) | st.none()
    return st.fixed_dictionaries({}, optional=kinds)


def outcome(endpoint: Endpoint[Any], body: bytes) -> Any:
    """
    Read an answer, or find out why not; either can be written anywhere.
    """
    try:
        value = read_reply(endpoint, 200, body)
    except KfError as error:
        str(error).encode()
        repr(error).encode()
        return error
    json.dumps(value if endpoint.reply is dict else repr(value), ensure_ascii=False).encode()
    return value


@given(endpoint=st.sampled_from(list(ALL.values())), body=st.binary() | json_values.map(json.dumps).map(str.encode))
def test_any_bytes(endpoint: Endpoint[Any], body: bytes) -> None:
    """
    Any bytes and any JSON give a value of the endpoint's class or a `KfError`, whatever was called.
    """
    assert isinstance(outcome(endpoint, body), (endpoint.reply, KfError))


@given(data=st.data())
def test_likely_answers(data: st.DataObject) -> None:
    """
    Answers that are nearly right give a value or a `KfError` that names a place in them.
    """
    endpoint = data.draw(st.sampled_from(list(MODELED.values())))
    answer = data.draw(likely(endpoint.reply))
    result = outcome(endpoint, json.dumps(answer).encode())

    if isinstance(result, ReplyError):
        inner = answer
        steps = result.where.replace("[", ".").replace("]", "").split(".")[1:]
        for step in steps[:-1]:
            inner = inner[int(step) if step.isdigit() else step]
        assert not isinstance(inner, dict) or steps[-1] in inner or "missing" in str(result)
    else:
        assert isinstance(result, (endpoint.reply, ApiError))


@given(records=st.lists(likely(MsgRecord) | json_values, max_size=6))
def test_pages_read_as_their_records(records: list[Any]) -> None:
    """
    A page reads as its records do one by one.
    """
    singly = [read({"recordlist": [record]}) for record in records]
    page = read({"recordlist": records})

    assert page == MsgList(tuple(record for each in singly for record in each))
    assert [record.raw for record in page] == [record.raw for each in singly for record in each]
    assert (page.raw is None) == all(each.raw is None for each in singly)


@given(text=st.text(st.characters(codec=None)))
def test_read_json_cures_surrogates_alone(text: str) -> None:
    """
    Reading what was written with escapes gives it back, but for lone surrogates.
    """
    paired = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    read_back = read_json(json.dumps(text).encode())

    assert read_back.replace("\ufffd", "") == paired.replace("\ufffd", "")
    assert len(read_back) == len(json.loads(json.dumps(text)))


@given(json_values.filter(lambda value: isinstance(value, dict)))
def test_encode(value: dict[str, Any]) -> None:
    """
    What is written reads back the same; what UTF-8 and JSON cannot carry is refused with words.
    """
    refusal = ""
    body = b""
    try:
        body = encode(value)
    except ValueError as error:
        refusal = str(error)

    assert encode(MappingProxyType({"a": 1})) == b'{"a":1}'
    assert re.search("lone surrogate|not JSON compliant", refusal) if refusal else json.loads(body) == value


def sendable_all(value: Any) -> Any:
    """
    Make all texts in a value such as can be sent.
    """
    match value:
        case str():
            return sendable(value)
        case {**fields}:
            return {sendable(str(key)): sendable_all(each) for key, each in fields.items()}
        case [*items]:
            return [sendable_all(each) for each in items]
        case _:
            return value


@given(json_values.filter(lambda value: isinstance(value, dict)))
def test_encode_sendable(value: dict[str, Any]) -> None:
    """
    Whatever the texts, they are written without escapes that WeChat refuses, and read back as they can be sent.
    """
    body = encode_sendable(value)

    assert json.loads(body) == sendable_all(value)
    assert r"\u" not in body.decode().replace("\\\\", "")


class Mood(enum.IntEnum):
    """
    Numbers with names.
    """

    GOOD = 1


Grams = NewType("Grams", int)


@attrs.frozen
class Odd:
    """
    A class with types of the user's own.
    """

    mood: Mood = Mood.GOOD
    kind: Literal["a", "b"] = "a"
    weight: Grams = Grams(0)
    noted: Annotated[int, "of the user's own"] = 0
    moods: tuple[Mood, ...] = ()


ODD = Endpoint("GET", "/odd", Odd)


def test_types_of_ones_own() -> None:
    """
    Enumerations, literals and new types are read as such.
    """
    answer = {"mood": 1, "kind": "b", "weight": 2, "noted": 3, "moods": [1, 1]}

    assert read(answer, ODD) == Odd(Mood.GOOD, "b", Grams(2), 3, (Mood.GOOD, Mood.GOOD))
    assert type(read(answer, ODD).mood) is Mood


@pytest.mark.parametrize("field", ["mood", "kind", "weight", "noted"])
@pytest.mark.parametrize("wrong", [2.5, True, "c", None], ids=repr)
def test_wrong_types_of_ones_own(field: str, wrong: Any) -> None:
    """
    They are strict too.
    """
    assert refused({field: wrong}, ODD).where == f"$.{field}"
    assert refused({"moods": [1, 2]}, ODD).where == "$.moods[1]"


@attrs.frozen
class Shelf:
    """
    A class with every type that a list or an object is read into.
    """

    titles: list[str] = attrs.field(factory=list[str])
    rows: list[list[int]] = attrs.field(factory=list[list[int]])
    tags: Sequence[Tag] = ()
    kinds: set[str] = attrs.field(factory=set[str])
    codes: frozenset[int] = frozenset()
    anything: list[Any] = attrs.field(factory=list[Any])
    notes: dict[str, Any] = attrs.field(factory=dict[str, Any])
    untyped: list = attrs.field(factory=list)  # type: ignore[type-arg]  # pyright: ignore[reportMissingTypeArgument, reportUnknownVariableType]
    unread: dict = attrs.field(factory=dict)  # type: ignore[type-arg]  # pyright: ignore[reportMissingTypeArgument, reportUnknownVariableType]
    pair: tuple[int, str] = (0, "")


SHELF = Endpoint("GET", "/shelf", Shelf)


def test_lists_of_ones_own() -> None:
    """
    Lists are read into whatever the class keeps them in; a missing one is empty.
    """
    answer = {
        "titles": ["a", "b"],
        "rows": [[1], [], [2, 3]],
        "tags": [{"name": "x", "weight": 1}],
        "kinds": ["k", "k"],
        "codes": [1, 2],
        "anything": [1, "a", [None]],
        "notes": {"n": [1]},
        "untyped": [1, "a"],
        "unread": {"a": 1},
        "pair": [1, "a"],
    }

    assert read(answer, SHELF) == Shelf(
        ["a", "b"],
        [[1], [], [2, 3]],
        (Tag("x", 1.0),),
        {"k"},
        frozenset({1, 2}),
        [1, "a", [None]],
        {"n": [1]},
        [1, "a"],
        {"a": 1},
        (1, "a"),
    )
    assert read(dict.fromkeys(("titles", "rows", "tags", "kinds", "codes", "untyped")), SHELF) == Shelf()


@pytest.mark.parametrize(
    ("answer", "where"),
    [
        *(
            ({name: wrong}, f"$.{name}")
            for name in ("titles", "rows", "tags", "kinds", "codes", "anything", "untyped")
            for wrong in ("abc", {"a": 1}, 7)
        ),
        *(({name: wrong}, f"$.{name}") for name in ("notes", "unread") for wrong in ([], [["a", 1]], "", 7)),
        ({"rows": [[1], "23"]}, "$.rows[1]"),
        ({"rows": [[1], [2, True]]}, "$.rows[1][1]"),
        ({"tags": [{"name": "x", "weight": 1}, 7]}, "$.tags[1]"),
        ({"kinds": ["a", 1]}, "$.kinds[1]"),
        ({"pair": [1, 2]}, "$.pair[1]"),
    ],
    ids=str,
)
def test_mistakes_in_lists_of_ones_own(answer: Any, where: str) -> None:
    """
    A text is no list of its letters, an object none of its keys, and a list no object.
    """
    assert refused(answer, SHELF).where == where


def test_encode_refuses_half_an_emoji() -> None:
    """
    Where texts are not to be changed, half of a surrogate pair is refused.
    """
    with pytest.raises(ValueError, match="lone surrogate"):
        encode({"a": "\ud83d"})


@pytest.mark.parametrize("kind", [KfList, OnlineKfList, KfSessionList, WaitCaseList, MsgList])
def test_lists(kind: type[Any]) -> None:
    """
    An answer that is a list is iterated over and measured as the list in it.
    """
    value = read(right(kind), next(each for each in MODELED.values() if each.reply is kind))
    [name] = [field.name for field in fields_of(kind) if get_origin(field.type) is tuple]

    assert list(value) == list(getattr(value, name))
    assert len(value) == 2
    assert len(kind()) == 0


@pytest.mark.parametrize("encode", [encode, encode_sendable])
def test_encode_refuses_what_json_cannot_hold(encode: Callable[[Mapping[str, Any]], bytes]) -> None:
    """
    Nesting without end and numbers that are none are refused.
    """
    nested: dict[str, Any] = {}
    for _ in range(20_000):
        nested = {"a": nested}
    circle: dict[str, Any] = {}
    circle["a"] = circle

    with pytest.raises(ValueError, match="nested too deeply"):
        encode(nested)
    with pytest.raises(ValueError, match="Circular"):
        encode(circle)
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"n": math.inf})
    while nested:
        nested = nested["a"]


def test_values_are_values() -> None:
    """
    What a call is made of and what it returns can be compared, and not changed.
    """
    assert Call(GET_WAIT_CASE) == Call(GET_WAIT_CASE, {}, None)
    assert Ack(0, "ok") == read({"errcode": 0, "errmsg": "ok"}, ENDPOINTS["/customservice/kfaccount/add"])
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Ack(0).errcode = 1  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    assert isinstance(read(right(MsgList)).recordlist[0].time, datetime)
