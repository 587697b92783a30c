"""
What is refused whatever the endpoint: paths, methods, hosts, bodies.
"""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wechat_kf.testing import FakeWeChat, ManualClock
from wechat_kf.testing.machine.request import Request

from ..bare_api import API, OPENID, Wire

SEND = "/cgi-bin/message/custom/send"
ADD = "/customservice/kfaccount/add"


@pytest.mark.parametrize(
    "path",
    [
        "/customservice/getkflist",
        "/cgi-bin/customservice/kfaccount/add",
        "/cgi-bin/customservice/getkflist/",
        "/cgi-bin/CustomService/getkflist",
        "/cgi-bin/message/custom/business/send",
        "//cgi-bin/customservice/getkflist",
        "/",
    ],
)
async def test_paths_are_exact(wire: Wire, path: str) -> None:
    """
    A wrong prefix, case or slash is a wrong path.
    """
    assert (await wire.get(path))["errcode"] == 40066


@pytest.mark.parametrize(
    ("method", "path", "errcode"),
    [
        ("GET", SEND, 43002),
        ("PUT", SEND, 43002),
        ("GET", ADD, 43002),
        ("POST", "/cgi-bin/customservice/getkflist", 43001),
        ("DELETE", "/customservice/kfaccount/del", 43002),
    ],
)
async def test_methods(wire: Wire, method: str, path: str, errcode: int) -> None:
    """
    Every path has its method.
    """
    response = await wire.send(method, path)

    assert response.json()["errcode"] == errcode


async def test_plain_http_to_wechat(fake: FakeWeChat) -> None:
    """
    WeChat's own hosts want HTTPS; any other name may be a stand-in's.
    """
    async with fake.client() as http:
        refused = await http.get("http://api.weixin.qq.com/cgi-bin/getcallbackip")
        taken = await http.get("http://localhost:8088/cgi-bin/getcallbackip")

    assert refused.json()["errcode"] == 43003
    assert taken.json()["errcode"] == 41001


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        (b"", 44002),
        (b" \n", 44002),
        (b"{", 47001),
        (b"[]", 47001),
        (b'"text"', 47001),
        (b"{'a': 1}", 47001),
        (b'{"kf_account":"a@b","nickname":"\xff"}', 47001),
        ('{"kf_account":"a@b","nickname":"你好"}'.encode("gbk"), 47001),
        ('{"kf_account":"a@b","nickname":"你好"}'.encode("utf-16"), 47001),
        (b"[" * 100_000, 47001),
        (rb'{"kf_account":"a@b","nickname":"\u4f60\u597d"}', 40033),
        (rb'{"kf_account":"a@b","nickname":"\\\u003c"}', 40033),
        (rb'{"kf_account":"a@b","nickname":"\\u003c"}', 0),
        (rb'{"kf_account":"a@b","nickname":"\n\t\"\/\\"}', 0),
        ('{"kf_account":"a@b","nickname":"你好"}'.encode(), 0),
    ],
    ids=[
        "empty",
        "blank",
        "cut off",
        "list",
        "string",
        "quotes",
        "broken",
        "gbk",
        "utf-16",
        "deep",
        "escape",
        "escape after backslash",
        "no escape",
        "short escapes",
        "utf-8",
    ],
)
async def test_bodies(wire: Wire, body: bytes, errcode: int) -> None:
    r"""
    A body is one object, in UTF-8, without ``\uXXXX``.
    """
    response = await wire.send("POST", ADD, content=body)

    assert response.json()["errcode"] == errcode


async def test_every_arrival_is_remembered(fake: FakeWeChat, wire: Wire) -> None:
    """
    Calls are kept in order, refused ones and those for tokens too, with what they carried.
    """
    fake.user_says(OPENID, "hi")
    await wire.say(content="你好")
    await wire.send("POST", "/no", query={"a": "你"}, content=b"no json", headers={"X-One": "1"})
    token, sent, lost = fake.calls

    assert (token.method, token.path, token.json["appid"]) == ("POST", "/cgi-bin/stable_token", fake.appid)
    assert (sent.path, sent.query) == (SEND, {"access_token": wire.token})
    assert sent.json["text"] == {"content": "你好"}
    assert (lost.path, lost.query["a"], lost.json, lost.size, lost.file) == ("/no", "你", None, 7, None)
    assert lost.headers["x-one"] == "1"
    assert lost.at == fake.clock.now()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["a@b", OPENID, "Typing"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(
    """
    kf_account nickname openid touser msgtype text image news msgmenu customservice aimsgcontext command invite_wx
    starttime endtime msgid number appid secret appsecret grant_type force_refresh cgi_path rid
    """.split()  # noqa: SIM905 - a list of them would fill the page
)


@pytest.fixture(scope="module")
def machine() -> tuple[FakeWeChat, str]:
    """
    Give a stand-in with a customer and an agent, and a token of it.
    """
    fake = FakeWeChat(clock=ManualClock())
    fake.agent_online("a@b")
    fake.user_says(OPENID, "hi")
    body = json.dumps({"grant_type": "client_credential", "appid": fake.appid, "secret": fake.secret}).encode()
    response = fake._state.handle(Request("POST", "/cgi-bin/stable_token", {}, body, API)).response

    assert response is not None

    return fake, json.loads(response.body)["access_token"]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_nothing_a_stranger_sends_breaks_it(machine: tuple[FakeWeChat, str], data: st.DataObject) -> None:
    """
    Whatever comes is answered: with HTTP 200 and an object, or with a file.
    """
    fake, token = machine
    path = data.draw(st.sampled_from(sorted(fake._state.machine.paths)))
    body = data.draw(
        st.binary()
        | st.dictionaries(FIELDS, JSON, max_size=5).map(
            lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
        )
    )
    query = httpx.QueryParams(
        {"access_token": token, data.draw(FIELDS): data.draw(st.text(st.characters(codec="utf-8")))}
    )
    method = data.draw(st.sampled_from(["GET", "POST"]))
    headers = {"content-type": data.draw(st.sampled_from(["", "multipart/form-data; boundary=b", "multipart/x"]))}
    headers["content-length"] = str(len(body))
    planned = fake._state.handle(Request(method, f"{path}?{query}", headers, body, API))

    assert planned.response is not None
    assert planned.response.status == 200
    assert isinstance(json.loads(planned.response.body), dict)
