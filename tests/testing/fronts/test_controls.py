"""
The controls over HTTP.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import anyio
import httpx
import pytest

from wechat_kf.testing import Allowance, FakePlatform, FakeWeChat
from wechat_kf.testing.fronts.socket import listen
from wechat_kf.testing.machine.request import Request
from wechat_kf.testing.machine.response import PlannedResponse, Response

from ..bare_api import AGENT, JPEG, OPENID, Wire

SEND = "/cgi-bin/message/custom/send"


async def control(wire: Wire, name: str, /, **arguments: Any) -> httpx.Response:
    """
    Call a control with arguments in JSON.
    """
    return await wire.http.post(f"{wire.base_url}/stand-in/{name}", content=json.dumps(arguments))


async def test_controls(fake: FakeWeChat, wire: Wire) -> None:
    """
    A control does what the method of its name does; it is not one of the calls.
    """
    answers = [
        (await control(wire, "user_says", openid=OPENID, text="\u4f60好")).json(),
        (await control(wire, "agent_online", kf_account=AGENT, auto_accept=1)).json(),
        (await control(wire, "is_typing_shown", openid=OPENID)).json(),
    ]
    await wire.say(content="hello")
    shown = (await wire.http.get("https://any/stand-in/shown_to", params={"openid": OPENID})).json()

    assert answers == [None, None, False]
    assert [(each["payload"]["text"]["content"], each["via"]) for each in shown] == [("hello", "custom")]
    assert shown[0]["at"] == fake.clock.now().isoformat()
    assert [call.path for call in fake.calls] == ["/cgi-bin/stable_token", SEND]


async def test_every_control_is_there(fake: FakeWeChat, wire: Wire) -> None:
    """
    All that can be done with the stand-in in its own process can be done over HTTP, but for the ways into it.
    """
    listed = (await control(wire, "")).text.removeprefix("the controls are ").split(", ")
    public = {name for name in dir(fake) if not name.startswith("_")}

    assert listed == sorted(listed)
    assert public - set(listed) == {"appid", "asgi", "client", "clock", "feed", "original_id", "secret", "serve"}
    assert set(listed) - public == {"authorize", "go_live_test", "push_ticket", "unauthorize"}
    assert set(listed) - public <= set(dir(FakePlatform))


async def test_looking(fake: FakeWeChat, wire: Wire) -> None:
    """
    What was sent, what arrived and what may still be sent can be read with GET and with POST.
    """
    fake.user_says(OPENID, "hi")
    await wire.say(content="你好")
    await wire.upload("/cgi-bin/media/upload", type="image")
    looks = {
        name: (
            await wire.http.get(f"https://any/stand-in/{name}", params={"openid": OPENID} if name in ASKS else {})
        ).json()
        for name in ("accounts", "allowance", "calls", "limits", "sent")
    }
    again = (await control(wire, "allowance", openid=OPENID)).json()
    upload = looks["calls"][-1]

    assert looks["accounts"] == [{"appid": fake.appid, "secret": fake.secret, "original_id": fake.original_id}]
    assert looks["allowance"] == again == {"messages": 4, "seconds": 48 * 3600.0}
    assert [call["path"] for call in looks["calls"]] == ["/cgi-bin/stable_token", SEND, "/cgi-bin/media/upload"]
    assert looks["calls"][1]["json"]["text"]["content"] == "你好"
    assert upload["file"] == {"filename": "a.jpg", "content_type": "image/jpeg", "size": len(JPEG)}
    assert [sent["payload"]["text"]["content"] for sent in looks["sent"]] == ["你好"]
    assert looks["limits"]["accounts"] == fake.limits.accounts


ASKS = {"allowance"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
async def test_changing_needs_a_post(fake: FakeWeChat, wire: Wire, method: str) -> None:
    """
    Nothing is changed by what a picture on a web page could ask for.
    """
    url = "https://any/stand-in/user_says"
    response = await wire.http.request(method, url, params={"openid": OPENID, "text": "hi"})

    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert fake.allowance(OPENID).messages == 0


async def test_limits_are_set(fake: FakeWeChat, wire: Wire) -> None:
    """
    Numbers, allowances and numbers by path can be changed; what cannot be is refused, and then nothing is changed.
    """
    changed = await control(
        wire,
        "limits",
        accounts=2,
        session=60,
        message={"messages": 20, "seconds": 60},
        calls_a_day={SEND: 1},
        records_cursor_repeats=True,
    )
    wrong = [
        await control(wire, "limits", accounts=3, **{name: value})
        for name, value in (
            ("nothing", 1),
            ("session", "x"),
            ("session", True),
            ("session", -1),
            ("media", None),
            ("articles", 1.5),
            ("message", {"x": 1}),
            ("message", {"messages": "1", "seconds": 1}),
            ("message", {"messages": 1, "seconds": -1}),
            ("calls_a_day", {SEND: "1"}),
            ("records_cursor_repeats", 1),
            ("of_event", 1),
        )
    ]

    assert changed.json()["accounts"] == fake.limits.accounts == 2
    assert (fake.limits.session, fake.limits.message) == (60.0, Allowance(20, 60))
    assert fake.limits.calls_a_day[SEND] == 1
    assert len(fake.limits.calls_a_day) > 1
    assert fake.limits.records_cursor_repeats
    assert [response.status_code for response in wrong] == [400] * 12
    assert fake.limits.accounts == 2


async def test_files_are_base64(fake: FakeWeChat, wire: Wire) -> None:
    """
    A file's content is given in Base64; anything else is refused.
    """
    content = base64.b64encode(JPEG).decode()
    sent = (await control(wire, "user_sends_image", openid=OPENID, content=content)).json()
    kept = (await control(wire, "add_material", type="image", content=content, media_id="M1")).json()
    wrong = await control(wire, "add_material", type="image", content="!")
    files = [await wire.send("GET", "/cgi-bin/media/get", query={"media_id": each}) for each in (sent, kept)]

    assert kept == "M1"
    assert wrong.status_code == 400
    assert [file.content for file in files] == [JPEG, JPEG]


async def test_files_are_given(fake: FakeWeChat, wire: Wire) -> None:
    """
    A file is given as it is, in a way that makes no browser run it.
    """
    media_id = fake.user_sends_image(OPENID, JPEG)
    page = fake.add_material("image", b"<script>1</script>")
    picture, other = [
        await wire.http.get("https://any/stand-in/media", params={"media_id": each}) for each in (media_id, page)
    ]
    unknown = await wire.http.get("https://any/stand-in/media", params={"media_id": "M9"})

    assert (picture.content, picture.headers["content-type"]) == (JPEG, "image/jpeg")
    assert other.headers["content-type"] == "application/octet-stream"
    assert other.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in other.headers["content-security-policy"]
    assert (unknown.status_code, unknown.text) == (400, "WeChat refuses: 40007")


async def test_pushes_over_http(fake: FakeWeChat) -> None:
    """
    A callback can be set, checked and waited for; it must be a URL.
    """
    heard: list[Request] = []

    async def hear(request: Request) -> PlannedResponse:
        heard.append(request)
        return PlannedResponse(Response(200, "text/plain", request.query.get("echostr", "success").encode()))

    async with (
        listen(hear, fake.clock, "127.0.0.1", 0, anyio.sleep_forever) as url,
        fake.serve() as base_url,
        httpx.AsyncClient(trust_env=False, timeout=60) as http,
    ):
        wire = Wire(fake, http, base_url)
        no_url = await control(wire, "set_callback", target=["/"], token="T")
        await control(wire, "set_callback", target=url, token="T")
        verified = (await control(wire, "verify_callback")).json()
        await control(wire, "user_says", openid=OPENID, text="hi")
        settled = (await control(wire, "settle")).json()
        count = len(heard)
        await control(wire, "deliver")

    assert "target cannot be ['/']" in no_url.text
    assert (verified, settled) == (True, None)
    assert count == 2


async def test_several_accounts_over_http(fake: FakeWeChat, wire: Wire) -> None:
    """
    An account can be added, and is then named in the arguments.
    """
    added = (await control(wire, "add_account", appid="wx2")).json()
    await control(wire, "user_says", appid="wx2", openid=OPENID, text="hi")
    twice = await control(wire, "add_account", appid="wx2")
    unknown = await control(wire, "user_says", appid="wx3", openid=OPENID, text="hi")
    allowances = [(await control(wire, "allowance", openid=OPENID, **more)).json() for more in ({}, {"appid": "wx2"})]

    assert added == {"appid": "wx2", "secret": fake.accounts[1].secret, "original_id": fake.accounts[1].original_id}
    assert [each["messages"] for each in allowances] == [0, 5]
    assert [twice.status_code, unknown.status_code] == [400, 400]
    assert "there is no account wx3" in unknown.text


async def test_what_cannot_be_written(fake: FakeWeChat, wire: Wire) -> None:
    """
    What a stranger sent does not keep the list of calls from being read.
    """
    for body in (b'{"a": NaN}', b'{"a": 1e999}', b'{"a": "\\ud800"}', b"[" * 100_000, b"\xff"):
        await wire.http.post("https://any/a", content=body)
    calls = (await wire.http.get("https://any/stand-in/calls")).json()

    assert [call["json"] for call in calls] == [None, None, {"a": "?"}, None, None]


@pytest.mark.parametrize(
    ("fault", "begins"),
    [
        ({"fault": "Errcode", "errcode": 45009}, b'{"errcode":45009,'),
        ({"fault": "Status", "status": 502, "body": "gone"}, b"gone"),
        ({"fault": "Garble", "body": "{"}, b"{"),
    ],
    ids=["errcode", "status", "garble"],
)
async def test_faults(wire: Wire, fault: dict[str, Any], begins: bytes) -> None:
    """
    Faults are queued by their names.
    """
    queued = await control(wire, "fault", path="/cgi-bin/getcallbackip", **fault)
    response = await wire.send("GET", "/cgi-bin/getcallbackip")

    assert queued.json() is None
    assert response.content.startswith(begins)


@pytest.mark.parametrize(
    ("name", "arguments", "status", "text"),
    [
        ("nothing", {}, 404, "the controls are accept_invitation, accounts, add_account,"),
        ("__class__", {}, 404, "the controls are"),
        ("user_says", {"openid": "o"}, 400, "missing 1 required positional argument: 'text'"),
        ("agent_accepts", {"kf_account": AGENT}, 400, "ValueError: nobody waits"),
        ("agent_offline", {"kf_account": AGENT}, 400, "WeChat refuses: 65401"),
        ("fault", {"path": "/", "fault": "Nothing"}, 400, "the faults are ClockSkew, Delay,"),
        ("user_sends", {"openid": "o", "fields": 1}, 400, "fields cannot be 1"),
        ("fault", {"path": "/", "fault": "Drip", "bytes_per_second": 0}, 400, "must be > 0"),
        ("advance", {"seconds": 1e300}, 400, "no date"),
        ("advance", {"seconds": "1"}, 400, "seconds cannot be '1'"),
        ("advance", {"seconds": True}, 400, "seconds cannot be True"),
        ("agent_online", {"kf_account": AGENT, "auto_accept": "9"}, 400, "auto_accept cannot be '9'"),
        ("agent_online", {"kf_account": AGENT, "auto_accept": 1.0}, 400, "auto_accept cannot be 1.0"),
        ("user_says", {"openid": None, "text": "hi"}, 400, "openid cannot be None"),
        ("user_says", {"openid": "o", "text": ["hi"]}, 400, "text cannot be ['hi']"),
        ("mutes", {"openid": "o", "muted": 1}, 400, "muted cannot be 1"),
        ("follows", {"openid": "o", "scene": 7}, 400, "scene cannot be 7"),
        ("user_data_changes", {"openid": "o", "event": "other"}, 400, "event cannot be 'other'"),
        ("set_callback", {"target": "http://a", "token": "t", "mode": "none"}, 400, "mode cannot be 'none'"),
        ("platform_pushes", {"info_type": "authorized", "fields": []}, 400, "fields cannot be []"),
        ("advance", {"seconds": float("nan")}, 400, "ValueError"),
        ("user_says", {"openid": "o", "text": "\ud800"}, 400, "UnicodeEncodeError"),
    ],
    ids=[
        "unknown",
        "private",
        "missing",
        "impossible",
        "refused",
        "unknown fault",
        "wrong type",
        "impossible fault",
        "no date",
        "a text for a number",
        "true for a number",
        "a text for a count",
        "a fraction for a count",
        "nobody",
        "a list for a text",
        "a number for true",
        "a number for a text",
        "another event",
        "another mode",
        "a list for fields",
        "no number",
        "half a character",
    ],
)
async def test_mistakes(wire: Wire, name: str, arguments: dict[str, Any], status: int, text: str) -> None:
    """
    What cannot be done is said.
    """
    response = await control(wire, name, **arguments)

    assert response.status_code == status
    assert text in response.text


async def test_arguments_that_are_not_json(wire: Wire) -> None:
    """
    A body that is no object of arguments is a mistake too.
    """
    responses = [
        await wire.http.post("https://any/stand-in/advance", content=content) for content in (b"{", b"[]", b"1")
    ]

    assert [response.status_code for response in responses] == [400, 400, 400]


async def test_looking_makes_no_customer(fake: FakeWeChat, wire: Wire) -> None:
    """
    Whether "typing" is shown can be asked of strangers, who stay strangers, and of those who left.
    """
    fake.follows("o1")
    fake.unfollows("o1")

    assert not fake.is_typing_shown("o1")
    assert not fake.is_typing_shown(OPENID)
    assert await wire.say() == 40003
