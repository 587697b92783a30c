"""
Large answers with the extra ``fast``: read by another library, and never otherwise than without it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, cast

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wechat_kf import (
    Ack,
    Endpoint,
    KfError,
    KfList,
    MsgList,
    MsgRecord,
    QuotaExceeded,
)
from wechat_kf._wire.large import _AT_ONCE, _reader, read_large
from wechat_kf._wire.reply import read_reply
from wechat_kf.api.records import GET_MSG_LIST

RECORD = {"openid": "o1", "opercode": 2002, "text": "你好 😀", "time": 1_767_225_600, "worker": "test1@test"}


RAW: Endpoint[dict[str, Any]] = Endpoint("GET", "/x", cast("type[dict[str, Any]]", dict))


def encoded(value: object) -> bytes:
    """
    Write JSON, half emoji included.
    """
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def outcome(read: Any, body: bytes) -> object:
    """
    Read a page, and return it or all that is known of its refusal.
    """
    try:
        return read(GET_MSG_LIST, 200, body)
    except KfError as error:
        return type(error), str(error), vars(error)


def test_page_is_read_by_msgspec() -> None:
    """
    A page becomes the very classes that it becomes otherwise, in more than one go.
    """
    body = encoded({"recordlist": [{**RECORD, "time": number} for number in range(2 * _AT_ONCE + 1)], "msgid": 7})
    read = _reader(MsgList)
    assert read is not None
    page = read(body)

    assert page == read_reply(GET_MSG_LIST, 200, body)
    assert type(page) is MsgList
    assert {type(record) for record in page.recordlist} == {MsgRecord}
    assert page.recordlist[0].time is None
    assert page.recordlist[1].time == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert len(page.recordlist) == 2 * _AT_ONCE + 1
    assert hash(page.recordlist[0]) == hash(MsgRecord("o1", 2002, "你好 😀", None, "test1@test"))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        page.recordlist[0].__setattr__("text", "")


@attrs.frozen
class _Optional:
    items: tuple[MsgRecord | None, ...]


@attrs.frozen
class _Plain:
    items: tuple[dict[str, int], ...]


@attrs.frozen
class _Fraction:
    half: float


@attrs.frozen
class _Checked:
    name: str = attrs.field(validator=attrs.validators.instance_of(str))


@attrs.frozen
class _Computed:
    items: tuple[_Checked, ...]
    name: str = attrs.field(factory=str)


@attrs.frozen
class _Thoughtful:
    items: tuple[MsgRecord, ...]

    def __attrs_post_init__(self) -> None: ...


@attrs.frozen
class _OfChecked:
    items: tuple[_Checked, ...]


@pytest.mark.parametrize("kind", [dict, Ack, KfList, _Optional, _Plain, _Fraction, _OfChecked, _Computed, _Thoughtful])
def test_other_answers_are_left_alone(kind: Any) -> None:
    """
    What msgspec could not read exactly so, or not faster, is read as without it.
    """
    assert _reader(kind) is None
    assert read_large(RAW, 200, b'{"a": [1, "2"]}') == {"a": [1, "2"]}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(0, 2**40)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=()))
    | st.sampled_from(["", "0", "1767225600", " 7 ", "-1", "a", 0, 1.0]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={name: st.just(value) | JSON for name, value in RECORD.items()} | {"unknown": JSON, "": JSON},
    )
    | st.just(RECORD)
    | JSON,
    max_size=4,
)
PAGES = st.fixed_dictionaries(
    {},
    optional={
        "recordlist": RECORDS | st.lists(st.just(RECORD), max_size=3) | JSON,
        "number": st.integers(0, 9) | JSON,
        "msgid": st.integers(0, 9) | JSON,
        "errcode": st.sampled_from([0, "0", 45009, "45009", None, True]),
        "errmsg": st.just("ok") | JSON,
        "unknown": JSON,
    },
)


@given(PAGES | JSON, st.booleans())
def test_any_json(page: object, escaped: bool) -> None:
    """
    Any JSON is read alike on both ways, or refused with the same words.
    """
    body = json.dumps(page).encode() if escaped else encoded(page)

    assert outcome(read_large, body) == outcome(read_reply, body)


@given(PAGES, st.data())
def test_any_damage(page: object, data: st.DataObject) -> None:
    """
    A page with bytes changed, lost or added is read alike on both ways, or refused with the same words.
    """
    body = bytearray(encoded(page))
    at = data.draw(st.integers(0, len(body)))
    body[at : at + data.draw(st.integers(0, 3))] = data.draw(
        st.binary(max_size=3) | st.sampled_from([b"\\", b'"', b"\xff", b"\x00", b"NaN", b"1e999", b"-0", b"\\u0041"])
    )

    assert outcome(read_large, bytes(body)) == outcome(read_reply, bytes(body))


def test_error_beside_a_list() -> None:
    """
    An error is an error, also where a list comes with it.
    """
    body = encoded({"errcode": 45009, "errmsg": "reach max api daily quota limit", "recordlist": [RECORD]})
    with pytest.raises(QuotaExceeded, match="45009"):
        read_large(GET_MSG_LIST, 200, body)

    assert outcome(read_large, body) == outcome(read_reply, body)


@pytest.mark.parametrize("status", [201, 404, 502])
def test_other_status(status: int) -> None:
    """
    What did not come with HTTP 200 is left to the reader that knows what it means.
    """
    body = encoded({"recordlist": [RECORD]})
    results: list[object] = []
    for read in (read_large, read_reply):
        try:
            results.append(read(GET_MSG_LIST, status, body))
        except KfError as error:
            results.append((type(error), str(error)))

    assert results[0] == results[1]
