"""
The controls over HTTP.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from wechat_kf.testing import FakeWeChat

from ..bare_api import AGENT, OPENID, Wire

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


async def test_every_control_is_a_method(fake: FakeWeChat, wire: Wire) -> None:
    """
    The list of controls is the list of methods that need nothing but JSON.
    """
    listed = (await control(wire, "")).text.removeprefix("the controls are ").split(", ")

    assert listed == sorted(listed)
    assert all(callable(getattr(fake, name)) for name in listed)
    assert {name for name in dir(FakeWeChat) if not name.startswith("_")} - set(listed) == {
        "add_material",
        "asgi",
        "client",
        "deliver",
        "serve",
        "set_callback",
        "verify_callback",
    }


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
        ("nothing", {}, 404, "the controls are accept_invitation, advance,"),
        ("__class__", {}, 404, "the controls are"),
        ("user_says", {"openid": "o"}, 400, "missing 1 required positional argument: 'text'"),
        ("agent_accepts", {"kf_account": AGENT}, 400, "ValueError: nobody waits"),
        ("agent_offline", {"kf_account": AGENT}, 400, "WeChat refuses: 65401"),
        ("fault", {"path": "/", "fault": "Nothing"}, 400, "the faults are ClockSkew, Delay,"),
        ("user_sends", {"openid": "o", "fields": 1}, 400, "TypeError"),
        ("fault", {"path": "/", "fault": "Drip", "bytes_per_second": 0}, 400, "must be > 0"),
        ("advance", {"seconds": 1e300}, 400, "no date"),
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
