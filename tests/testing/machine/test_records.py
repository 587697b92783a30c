"""
The history of what passed in sessions.
"""

from __future__ import annotations

from typing import Any

import pytest

from wechat_kf.testing import FakeWeChat

from ..bare_api import AGENT, OPENID, Wire

CREATE = "/customservice/kfsession/create"
CLOSE = "/customservice/kfsession/close"
OF_CUSTOMER = "/customservice/kfsession/getsession"
OF_AGENT = "/customservice/kfsession/getsessionlist"
WAITING = "/customservice/kfsession/getwaitcase"
HISTORY = "/customservice/msgrecord/getmsglist"
OTHER = "test2@test"


@pytest.fixture
def busy(fake: FakeWeChat) -> FakeWeChat:
    """
    Give two agents who are online, and a customer who has written.
    """
    fake.agent_online(AGENT)
    fake.agent_online(OTHER)
    fake.user_says(OPENID, "hi")
    return fake


def now(fake: FakeWeChat) -> int:
    """
    Give the present Unix second.
    """
    return int(fake.clock.now().timestamp())


async def history(wire: Wire, **changes: Any) -> dict[str, Any]:
    """
    Read the history of the last day.
    """
    end = now(wire.fake)
    body = {"starttime": end - 86400, "endtime": end, "msgid": 1, "number": 10000, **changes}
    return await wire.post(HISTORY, **body)


async def test_history_has_what_passed_in_sessions(busy: FakeWeChat, wire: Wire) -> None:
    """
    Both directions, pictures as a word; nothing from before the session or of the send call.
    """
    await wire.say()
    await wire.post(CREATE, kf_account=AGENT, openid=OPENID)
    busy.user_says(OPENID, "问题")
    busy.user_sends_image(OPENID)
    busy.user_sends_voice(OPENID)
    busy.user_sends_video(OPENID)
    busy.agent_says(OPENID, "答案")
    await wire.say()
    answer = await history(wire)

    assert [(each["opercode"], each["text"]) for each in answer["recordlist"]] == [
        (2003, "问题"),
        (2003, "[image]"),
        (2003, "[voice]"),
        (2003, "[video]"),
        (2002, "答案"),
    ]
    assert {(each["openid"], each["worker"], each["time"]) for each in answer["recordlist"]} == {
        (OPENID, AGENT, now(busy))
    }
    assert answer["number"] == 5


async def test_empty_history(wire: Wire) -> None:
    """
    Nothing is an empty list and a cursor of 0.
    """
    assert await history(wire) == {"recordlist": [], "number": 0, "msgid": 0}


@pytest.mark.parametrize("repeats", [False, True])
async def test_pages(busy: FakeWeChat, wire: Wire, repeats: bool) -> None:
    """
    The msgid of a full page leads to the next, whichever way the manual is read.
    """
    busy.limits.records_cursor_repeats = repeats
    await wire.post(CREATE, kf_account=AGENT, openid=OPENID)
    for n in range(5):
        busy.user_says(OPENID, str(n))
    first = await history(wire, number=3)
    second = await history(wire, number=3, msgid=first["msgid"])

    assert [each["text"] for each in first["recordlist"]] == ["0", "1", "2"]
    assert [each["text"] for each in second["recordlist"]] == (["2", "3", "4"] if repeats else ["3", "4"])


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        ({"starttime": "1767139200"}, 65416),
        ({"starttime": True}, 65416),
        ({"endtime": None}, 65416),
        ({"msgid": 0}, 65416),
        ({"msgid": 1.0}, 65416),
        ({"number": 0}, 65416),
        ({"number": 10001}, 65416),
        ({"starttime": 0}, 65416),
        ({"starttime": 0, "endtime": 0}, 65416),
        ({"starttime": -3600, "endtime": 0}, 65416),
        ({"starttime": 1767225601}, 65416),
        ({"starttime": 1767139200000, "endtime": 1767225600000}, 65416),
        ({"starttime": 1767139199}, 65417),
    ],
    ids=str,
)
async def test_bad_spans(wire: Wire, changes: dict[str, object], errcode: int) -> None:
    """
    Stamps are whole seconds in order, no more than a day apart.
    """
    assert (await history(wire, **changes))["errcode"] == errcode


@pytest.mark.parametrize("repeats", [False, True])
async def test_small_pages(busy: FakeWeChat, wire: Wire, repeats: bool) -> None:
    """
    Pages smaller than asked for are told as full ones, but for the last, so that whoever follows the manual reads on.
    """
    busy.limits.records_page = 2
    busy.limits.records_cursor_repeats = repeats
    await wire.post(CREATE, kf_account=AGENT, openid=OPENID)
    for n in range(5):
        busy.user_says(OPENID, str(n))
    page = await history(wire, number=10)
    texts = [each["text"] for each in page["recordlist"]]
    while page["number"] == 10:
        page = await history(wire, number=10, msgid=page["msgid"])
        texts += [each["text"] for each in page["recordlist"]]
    exact = await history(wire, number=2)

    assert list(dict.fromkeys(texts)) == ["0", "1", "2", "3", "4"]
    assert len(page["recordlist"]) <= 2
    assert exact["number"] == 2
