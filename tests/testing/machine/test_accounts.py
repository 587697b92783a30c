"""
Agents' accounts: names, invitations, pictures, lists.
"""

from __future__ import annotations

from typing import Any

import pytest

from wechat_kf.testing import FakeWeChat

from ..bare_api import AGENT, JPEG, OPENID, Wire

ADD = "/customservice/kfaccount/add"
UPDATE = "/customservice/kfaccount/update"
DELETE = "/customservice/kfaccount/del"
INVITE = "/customservice/kfaccount/inviteworker"
PICTURE = "/customservice/kfaccount/uploadheadimg"
LIST = "/cgi-bin/customservice/getkflist"
ONLINE = "/cgi-bin/customservice/getonlinekflist"


async def listed(wire: Wire, kf_account: str = AGENT) -> dict[str, Any]:
    """
    Find an account in the list.
    """
    (found,) = [each for each in (await wire.get(LIST))["kf_list"] if each["kf_account"] == kf_account]
    return dict(found)


async def test_add_and_list(wire: Wire) -> None:
    """
    An account that was added is listed, with its name and a number, and nobody bound.
    """
    answer = await wire.post(ADD, kf_account=AGENT, nickname="客服1")
    account = await listed(wire)

    assert answer == {"errcode": 0, "errmsg": "ok"}
    assert account["kf_nick"] == "客服1"
    assert account["kf_id"] == 1001
    assert account["kf_headimgurl"].startswith("http")
    assert "kf_wx" not in account
    assert "invite_wx" not in account


@pytest.mark.parametrize(
    ("kf_account", "nickname", "errcode"),
    [
        ("test1", "n", 65404),
        ("@test", "n", 65404),
        ("test1@", "n", 65404),
        ("a@b@c", "n", 65404),
        ("test-1@test", "n", 65404),
        ("客服@test", "n", 65404),
        ("a" * 11 + "@test", "n", 65404),
        ("a" * 10 + "@" + "b" * 30, "n", 0),
        ("a@" + "b" * 31, "n", 65404),
        (None, "n", 65404),
        (AGENT, "", 65403),
        (AGENT, " ", 65403),
        (AGENT, None, 65403),
        (AGENT, "客" * 16, 0),
        (AGENT, "客" * 17, 65403),
    ],
)
async def test_names(wire: Wire, kf_account: str | None, nickname: str | None, errcode: int) -> None:
    """
    An account is prefix@suffix, a nickname has 1 to 16 characters.
    """
    assert await wire.code(ADD, kf_account=kf_account, nickname=nickname) == errcode


async def test_duplicates_and_the_limit(wire: Wire, fake: FakeWeChat) -> None:
    """
    No account exists twice, and there are 100 at most.
    """
    codes = [await wire.code(ADD, kf_account=f"a{n}@test", nickname="n") for n in range(100)]

    assert set(codes) == {0}
    assert await wire.code(ADD, kf_account="a100@test", nickname="n") == 65405
    assert await wire.code(ADD, kf_account="a99@test", nickname="n") == 65406

    fake.limits.accounts = 101

    assert await wire.code(ADD, kf_account="a100@test", nickname="n") == 0


async def test_update(wire: Wire) -> None:
    """
    A nickname can be changed, within its bounds, of an account that exists.
    """
    await wire.post(ADD, kf_account=AGENT, nickname="a")
    codes = [
        await wire.code(UPDATE, kf_account=AGENT, nickname="b"),
        await wire.code(UPDATE, kf_account=AGENT, nickname=""),
        await wire.code(UPDATE, kf_account="no@test", nickname="b"),
    ]

    assert codes == [0, 65403, 65401]
    assert (await listed(wire))["kf_nick"] == "b"


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_delete(wire: Wire, fake: FakeWeChat, method: str) -> None:
    """
    The present and the older form of the call delete an account, and end its sessions.
    """
    fake.agent_online("test2@test", auto_accept=1)
    fake.user_waits("another")
    fake.agent_online(AGENT, auto_accept=1)
    for openid in (OPENID, "waiting"):
        fake.user_waits(openid)
    if method == "POST":
        answers = [await wire.post(DELETE, kf_account=AGENT), await wire.post(DELETE, kf_account=AGENT)]
    else:
        answers = [await wire.get(DELETE, kf_account=AGENT), await wire.get(DELETE, kf_account=AGENT)]

    assert [answer["errcode"] for answer in answers] == [0, 65401]
    assert [each["kf_account"] for each in (await wire.get(LIST))["kf_list"]] == ["test2@test"]
    assert (await wire.get("/customservice/kfsession/getsession", openid=OPENID))["kf_account"] == ""
    assert (await wire.get("/customservice/kfsession/getsession", openid="waiting"))["kf_account"] == ""
    assert (await wire.get("/customservice/kfsession/getsession", openid="another"))["kf_account"] == "test2@test"


async def test_an_invitation_is_accepted(wire: Wire, fake: FakeWeChat) -> None:
    """
    An invitation waits, and is gone once the person is bound.
    """
    await wire.post(ADD, kf_account=AGENT, nickname="n")
    answer = await wire.post(INVITE, kf_account=AGENT, invite_wx="test_kfwx")
    waiting = await listed(wire)
    fake.accept_invitation(AGENT)
    bound = await listed(wire)

    assert answer["errcode"] == 0
    assert (waiting["invite_wx"], waiting["invite_status"]) == ("test_kfwx", "waiting")
    assert waiting["invite_expire_time"] == int(fake.clock.now().timestamp()) + fake.limits.invitation
    assert bound["kf_wx"] == "test_kfwx"
    assert "invite_wx" not in bound


async def test_an_invitation_is_rejected_or_expires(wire: Wire, fake: FakeWeChat) -> None:
    """
    A rejected or expired invitation shows, and makes room for another.
    """
    await wire.post(ADD, kf_account=AGENT, nickname="n")
    await wire.post(INVITE, kf_account=AGENT, invite_wx="first_wx")
    fake.reject_invitation(AGENT)
    rejected = await listed(wire)
    again = await wire.code(INVITE, kf_account=AGENT, invite_wx="first_wx")
    fake.advance(fake.limits.invitation)
    wire.token = ""
    expired = await listed(wire)
    other = await wire.code(INVITE, kf_account=AGENT, invite_wx="other_wx")

    assert (rejected["invite_status"], again) == ("rejected", 0)
    assert (expired["invite_status"], other) == ("expired", 0)
    assert (await listed(wire))["invite_wx"] == "other_wx"


async def test_only_a_waiting_invitation_can_be_answered(wire: Wire, fake: FakeWeChat) -> None:
    """
    Without an account, without an invitation and after it was answered there is nothing to accept.
    """
    with pytest.raises(ValueError, match="no invitation"):
        fake.accept_invitation(AGENT)
    await wire.post(ADD, kf_account=AGENT, nickname="n")
    with pytest.raises(ValueError, match="no invitation"):
        fake.accept_invitation(AGENT)
    await wire.post(INVITE, kf_account=AGENT, invite_wx="test_kfwx")
    fake.reject_invitation(AGENT)
    with pytest.raises(ValueError, match="no invitation"):
        fake.accept_invitation(AGENT)


async def test_whom_one_may_not_invite(wire: Wire, fake: FakeWeChat) -> None:
    """
    Each of the reasons against an invitation has its own code.
    """
    for n in range(1, 5):
        await wire.post(ADD, kf_account=f"a{n}@test", nickname="n")
    await wire.post(INVITE, kf_account="a1@test", invite_wx="bound_wx")
    fake.accept_invitation("a1@test")
    await wire.post(INVITE, kf_account="a2@test", invite_wx="invited_wx")
    fake.works_elsewhere("busy_wx", 5)

    async def invite(kf_account: str, invite_wx: object) -> int:
        return await wire.code(INVITE, kf_account=kf_account, invite_wx=invite_wx)

    assert await invite("no@test", "free_wx") == 65401
    assert await invite("a3@test", "bound_wx") == 65407
    assert await invite("a1@test", "bound_wx") == 65407
    assert await invite("a2@test", "invited_wx") == 65408
    assert await invite("a3@test", "invited_wx") == 65408
    assert await invite("a3@test", "no wechat id") == 65409
    assert await invite("a3@test", None) == 65409
    assert await invite("a3@test", "busy_wx") == 65410
    assert await invite("a2@test", "free_wx") == 65411
    assert await invite("a1@test", "free_wx") == 65412
    assert await invite("a3@test", "free_wx") == 0


@pytest.mark.parametrize(
    ("name", "content", "content_type", "errcode"),
    [
        ("a.jpg", JPEG, "image/jpeg", 0),
        ("a.JPEG", JPEG, None, 0),
        ("头像.jpg", JPEG, "image/jpeg", 0),
        ("a.jpg", b"\x89PNG\r\n\x1a\n", "image/png", 40005),
        ("a.png", JPEG, "image/jpeg", 40005),
        ("noextension", JPEG, "image/jpeg", 40005),
        ("a.jpg", JPEG, "application/octet-stream", 40005),
        ("a.jpg", b"GIF89a", "image/jpeg", 40005),
        ("a.jpg", b"", "image/jpeg", 41005),
        ("", JPEG, "image/jpeg", 41005),
        ("a.jpg", JPEG + bytes(5 * 1024 * 1024), "image/jpeg", 40009),
    ],
    ids=[
        "jpg",
        "jpeg",
        "chinese",
        "png",
        "named png",
        "no extension",
        "octet-stream",
        "gif",
        "empty",
        "nameless",
        "large",
    ],
)
async def test_pictures(wire: Wire, name: str, content: bytes, content_type: str | None, errcode: int) -> None:
    """
    A picture is a JPEG of 5 MiB at most, under a name and a type that say so.
    """
    await wire.post(ADD, kf_account=AGENT, nickname="n")
    before = (await listed(wire))["kf_headimgurl"]
    answer = await wire.upload(PICTURE, name, content, content_type, kf_account=AGENT)

    assert answer["errcode"] == errcode
    assert ((await listed(wire))["kf_headimgurl"] != before) == (errcode == 0)


async def test_a_picture_for_nobody(wire: Wire) -> None:
    """
    A picture needs an account that exists.
    """
    assert (await wire.upload(PICTURE, kf_account="no@test"))["errcode"] == 65401
    assert (await wire.upload(PICTURE))["errcode"] == 65401


async def test_who_is_online(wire: Wire, fake: FakeWeChat) -> None:
    """
    Agents who are logged in are listed, with the number of their sessions.
    """
    fake.agent_online(AGENT)
    fake.agent_online("test2@test")
    fake.agent_offline("test2@test")
    fake.user_says(OPENID, "hi")
    await wire.post("/customservice/kfsession/create", kf_account=AGENT, openid=OPENID)
    (online,) = (await wire.get(ONLINE))["kf_online_list"]

    assert (online["kf_account"], online["status"], online["accepted_case"]) == (AGENT, 1, 1)
    assert online["kf_id"] == (await listed(wire))["kf_id"]


async def test_going_online_keeps_who_is_bound(wire: Wire, fake: FakeWeChat) -> None:
    """
    To log in an agent who is bound changes neither name nor person.
    """
    await wire.post(ADD, kf_account=AGENT, nickname="n")
    await wire.post(INVITE, kf_account=AGENT, invite_wx="test_kfwx")
    fake.accept_invitation(AGENT)
    fake.agent_online(AGENT)
    account = await listed(wire)

    assert (account["kf_wx"], account["kf_nick"]) == ("test_kfwx", "n")
