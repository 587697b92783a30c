"""
Sending messages and showing that somebody types: content, windows, allowances.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from wechat_kf.testing import FakeWeChat

from ..bare_api import AGENT, OPENID, Wire

SEND = "/cgi-bin/message/custom/send"
TYPING = "/cgi-bin/message/custom/typing"


ARTICLE = {"title": "t", "description": "d", "url": "u", "picurl": "p"}


async def send(wire: Wire, msgtype: str, content: object, **more: Any) -> int:
    """
    Send a message of a kind; give the errcode.
    """
    return await wire.code(SEND, touser=OPENID, msgtype=msgtype, **{msgtype: content}, **more)


async def test_what_arrives(fake: FakeWeChat, wire: Wire) -> None:
    """
    A message arrives as it was sent, with the agent it speaks for and the time.
    """
    fake.agent_online(AGENT)
    fake.user_says(OPENID, "hi")
    errcode = await wire.say(content="你好\n<a>", customservice={"kf_account": AGENT}, aimsgcontext={"is_ai_msg": 1})
    (sent,) = fake.sent

    assert errcode == 0
    assert (sent.openid, sent.kf_account, sent.at, sent.via) == (OPENID, AGENT, fake.clock.now(), "custom")
    assert sent.text == "你好\n<a>"
    assert sent.payload["aimsgcontext"] == {"is_ai_msg": 1}
    assert fake.shown_to(OPENID) == (sent,)
    assert fake.shown_to("nobody") == ()


@pytest.mark.parametrize(
    ("msgtype", "content", "errcode"),
    [
        ("text", {"content": "hi"}, 0),
        ("text", {"content": ""}, 44004),
        ("text", {"content": 1}, 44004),
        ("text", {}, 44004),
        ("text", "hi", 40008),
        ("text", {"content": "x" * 2048}, 0),
        ("text", {"content": "客" * 683}, 45002),
        ("image", {"media_id": "IMAGE"}, 0),
        ("image", {"media_id": "VOICE"}, 40007),
        ("image", {}, 40007),
        ("voice", {"media_id": "VOICE"}, 0),
        ("video", {"media_id": "VIDEO", "thumb_media_id": "THUMB"}, 0),
        ("video", {"title": "t", "media_id": "VIDEO", "thumb_media_id": "IMAGE"}, 0),
        ("video", {"media_id": "VIDEO"}, 40007),
        ("music", {"title": "t", "description": "d", "musicurl": "u", "thumb_media_id": "THUMB"}, 0),
        ("music", {"thumb_media_id": "THUMB", "title": "t", "description": "d"}, 40097),
        ("news", {"articles": [ARTICLE]}, 0),
        ("news", {"articles": [ARTICLE, ARTICLE]}, 45008),
        ("news", {"articles": []}, 44003),
        ("news", {"articles": {}}, 44003),
        ("news", {"articles": [{"title": "t"}]}, 40097),
        ("news", {"articles": ["t"]}, 40097),
        ("mpnews", {"media_id": "MPNEWS"}, 0),
        ("mpnewsarticle", {"article_id": "a"}, 0),
        ("mpnewsarticle", {}, 40097),
        ("msgmenu", {"list": [{"id": "101", "content": "满意"}]}, 0),
        ("msgmenu", {"list": [{"id": 101, "content": "满意"}]}, 40097),
        ("msgmenu", {"list": []}, 40097),
        ("wxcard", {"card_id": "c"}, 0),
        ("wxcard", {"card_id": ""}, 40097),
        ("miniprogrampage", {"title": "t", "appid": "a", "pagepath": "p", "thumb_media_id": "THUMB"}, 0),
        ("miniprogrampage", {"thumb_media_id": "THUMB", "title": "t", "appid": "a"}, 40097),
        ("link", {"title": "t", "description": "d", "url": "u", "thumb_url": "p"}, 48008),
        ("fax", {"number": "1"}, 40008),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_kinds(fake: FakeWeChat, wire: Wire, msgtype: str, content: object, errcode: int) -> None:
    """
    Each kind has its fields, its media of the right type, and its limits.
    """
    for media in ("image", "voice", "video", "thumb", "mpnews"):
        fake.add_material(media, b"", media.upper())
    fake.user_says(OPENID, "hi")

    assert await send(wire, msgtype, content) == errcode
    assert [sent.payload[msgtype] for sent in fake.sent] == ([content] if errcode == 0 else [])


@pytest.mark.parametrize(
    ("more", "errcode"),
    [
        ({"customservice": {"kf_account": "no@test"}}, 65401),
        ({"customservice": {}}, 65401),
        ({"customservice": "a@b"}, 47001),
        ({"customservice": None}, 0),
        ({"aimsgcontext": {"is_ai_msg": 2}}, 40097),
        ({"aimsgcontext": []}, 40097),
        ({"aimsgcontext": {"is_ai_msg": 0}}, 0),
        ({"touser": "nobody"}, 40003),
        ({"touser": None}, 40003),
        ({"msgtype": None}, 40008),
    ],
    ids=str,
)
async def test_the_envelope(fake: FakeWeChat, wire: Wire, more: dict[str, object], errcode: int) -> None:
    """
    The fields around the content are checked too.
    """
    fake.user_says(OPENID, "hi")
    body = {"touser": OPENID, "msgtype": "text", "text": {"content": "hi"}, **more}

    assert await wire.code(SEND, **body) == errcode


def scan(fake: FakeWeChat) -> None:
    """
    Let somebody scan who has followed for long.
    """
    fake.follows(OPENID)
    fake.advance(61)
    fake.scans(OPENID, "7")


ACTIONS: dict[str, tuple[Callable[[FakeWeChat], object], int, float]] = {
    "message": (lambda fake: fake.user_says(OPENID, "hi"), 5, 48 * 3600.0),
    "picture": (lambda fake: fake.user_sends_image(OPENID), 5, 48 * 3600.0),
    "menu": (lambda fake: fake.clicks(OPENID, "key"), 3, 60.0),
    "menu scan": (lambda fake: fake.clicks(OPENID, "key", scan_result="x"), 3, 60.0),
    "follow": (lambda fake: fake.follows(OPENID), 3, 60.0),
    "follow by code": (lambda fake: fake.scans(OPENID, "7"), 3, 60.0),
    "scan": (scan, 3, 60.0),
}


@pytest.mark.parametrize(("act", "messages", "seconds"), ACTIONS.values(), ids=ACTIONS)
async def test_allowances(
    fake: FakeWeChat, wire: Wire, act: Callable[[FakeWeChat], object], messages: int, seconds: float
) -> None:
    """
    Each kind of action allows so many messages, in so long a time.
    """
    act(fake)
    codes = [await wire.say() for _ in range(messages + 1)]
    act(fake)
    fake.advance(seconds)
    wire.token = ""
    last = await wire.say()
    fake.advance(1)

    assert codes == [0] * messages + [45047]
    assert last == 0
    assert await wire.say() == 45015


async def test_allowances_do_not_add_up(fake: FakeWeChat, wire: Wire) -> None:
    """
    Number and deadline become the larger of the old and the new, whatever comes after what.
    """
    fake.user_says(OPENID, "one")
    fake.user_says(OPENID, "two")
    fake.clicks(OPENID, "key")
    many = [await wire.say() for _ in range(6)]
    fake.clicks(OPENID, "key")
    fake.advance(3600)
    few = [await wire.say() for _ in range(4)]
    fake.advance(48 * 3600)
    fake.clicks(OPENID, "key")
    wire.token = ""
    fresh = [await wire.say() for _ in range(4)]

    assert many == [0] * 5 + [45047]
    assert few == [0] * 3 + [45047]
    assert fresh == [0] * 3 + [45047]


async def test_a_refused_message_uses_nothing(fake: FakeWeChat, wire: Wire) -> None:
    """
    Only what arrives is counted.
    """
    fake.user_says(OPENID, "hi")
    for _ in range(10):
        await wire.say(content="")

    assert [await wire.say() for _ in range(6)] == [0] * 5 + [45047]


async def test_whom_one_cannot_write_to(fake: FakeWeChat, wire: Wire) -> None:
    """
    Those who left, muted the account or stand on its blacklist get nothing, until that is over.
    """
    fake.user_says(OPENID, "hi")
    fake.mutes(OPENID)
    muted = await wire.say()
    fake.mutes(OPENID, muted=False)
    fake.blacklist(OPENID)
    blacklisted = await wire.say()
    fake.blacklist(OPENID, listed=False)
    before = await wire.say()
    fake.unfollows(OPENID)
    gone = await wire.say()
    with pytest.raises(ValueError, match="does not follow"):
        fake.user_says(OPENID, "hi")
    fake.follows(OPENID)
    codes = [await wire.say() for _ in range(4)]

    assert (muted, blacklisted, before, gone) == (48002, 43019, 0, 45015)
    assert codes == [0, 0, 0, 45047]


async def test_typing(fake: FakeWeChat, wire: Wire) -> None:
    """
    It needs a message in the last 30 seconds and lasts 15; in between it cannot be shown again.
    """
    fake.user_says(OPENID, "hi")

    async def type_(command: str = "Typing") -> int:
        return await wire.code(TYPING, touser=OPENID, command=command)

    fake.advance(30)

    assert await type_() == 0
    assert fake.is_typing_shown(OPENID)
    assert await type_() == 45081

    fake.advance(15)

    assert not fake.is_typing_shown(OPENID)
    assert await type_() == 45080


async def test_a_message_counts_either_way(fake: FakeWeChat, wire: Wire) -> None:
    """
    A message sent to the customer allows typing again, and ends it.
    """
    fake.user_says(OPENID, "hi")
    fake.advance(100)
    too_late = await wire.code(TYPING, touser=OPENID, command="Typing")
    await wire.say()
    shown = await wire.code(TYPING, touser=OPENID, command="Typing")
    await wire.say()

    assert (too_late, shown) == (45080, 0)
    assert not fake.is_typing_shown(OPENID)
    assert await wire.code(TYPING, touser=OPENID, command="Typing") == 0


async def test_cancel_typing(fake: FakeWeChat, wire: Wire) -> None:
    """
    Typing can be cancelled, and needs nothing to be cancelled.
    """
    fake.user_says(OPENID, "hi")
    codes = [
        await wire.code(TYPING, touser=OPENID, command=command)
        for command in ("CancelTyping", "Typing", "CancelTyping", "Typing")
    ]

    assert codes == [0, 0, 0, 0]


async def test_typing_refused(fake: FakeWeChat, wire: Wire) -> None:
    """
    A wrong command, a stranger and a closed window are refused.
    """
    fake.user_says(OPENID, "hi")
    fake.mutes(OPENID)

    assert await wire.code(TYPING, touser="nobody", command="Typing") == 40003
    assert await wire.code(TYPING, touser=OPENID, command="typing") == 45072
    assert await wire.code(TYPING, touser=OPENID) == 45072
    assert await wire.code(TYPING, touser=OPENID, command="Typing") == 48002


async def test_what_an_agent_writes_is_shown(fake: FakeWeChat, wire: Wire) -> None:
    """
    An agent's words reach the customer, use nothing up, and are not among those sent with the API.
    """
    fake.agent_online(AGENT, auto_accept=1)
    fake.user_says(OPENID, "hi")
    fake.user_waits(OPENID)
    typing = {"touser": OPENID, "command": "Typing"}
    await wire.code(TYPING, **typing)
    fake.advance(10)
    fake.agent_says(OPENID, "您好")
    ended = fake.is_typing_shown(OPENID)
    fake.advance(30)
    again = await wire.code(TYPING, **typing)
    (shown,) = fake.shown_to(OPENID)

    assert (shown.text, shown.kf_account, shown.via) == ("您好", AGENT, "agent")
    assert (ended, again) == (False, 0)
    assert fake.sent == []
    assert [await wire.say() for _ in range(6)] == [0] * 5 + [45047]


async def test_what_is_not_text_is_shown_by_its_kind(fake: FakeWeChat, wire: Wire) -> None:
    """
    The text of a picture is its kind.
    """
    fake.add_material("image", b"", "IMAGE")
    fake.user_says(OPENID, "hi")
    await send(wire, "image", {"media_id": "IMAGE"})

    assert fake.sent[0].text == "[image]"
