"""
The vendor's own samples, against the stand-in.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from wechat_kf.testing import FakeWeChat, ManualClock
from wechat_kf.testing.machine.json_values import list_of, object_of

from .bare_api import AGENT, JPEG, OPENID, Wire

SAMPLES: dict[str, list[dict[str, Any]]] = json.loads(
    Path(__file__).parents[1].joinpath("samples", "vectors.json").read_text(encoding="utf-8")
)

# Not of this API, without a request, asking for a path of another product, or looked at by themselves below.
ELSEWHERE = {
    "api_signature",
    "clear_quota_v2",
    "errors",
    "quota_get",
    "rid_get",
    "stable_token",
    "token",
    "webhook_crypto",
}

REQUESTS = {
    f"{name}-{number}": sample["request"]
    for name, samples in SAMPLES.items()
    for number, sample in enumerate(samples)
    if name not in ELSEWHERE and "request" in sample
}

# One placeholder of the samples stands for several things.
PLACEHOLDERS = (
    ('"thumb_media_id": "MEDIA_ID"', '"thumb_media_id": "THUMB_MEDIA_ID"'),
    ('"KFACCOUNT"', '"test1@test"'),
    ('"BUSINESS_ID"', '""'),
)


async def make_real(fake: FakeWeChat, wire: Wire, path: str, body: dict[str, Any]) -> None:
    """
    Make what a sample request speaks of.
    """
    fake.agent_online("test1@kftest")
    fake.user_says("OPENID", "hi")
    fake.add_material(body.get("msgtype", "video"), b"", "MEDIA_ID")
    fake.add_material("thumb", b"", "THUMB_MEDIA_ID")
    fake.add_material("thumb", b"", "thumb_media_id")
    if path.endswith("inviteworker"):
        await wire.post("/customservice/kfaccount/add", kf_account=AGENT, nickname="n")
    elif not path.endswith("kfaccount/add"):
        fake.agent_online(AGENT)
    if path.endswith("kfsession/close"):
        await wire.post("/customservice/kfsession/create", **body)


def shape(value: object) -> object:
    """
    Reduce a value to what it is made of, to the first entry of a list.
    """
    fields = object_of(value)
    if fields is not None:
        return {key: shape(each) for key, each in fields.items()}
    items = list_of(value)
    if items or value == []:
        return [shape(each) for each in items[:1]]
    return type(value).__name__


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
async def test_sample_requests(request_: dict[str, Any]) -> None:
    """
    Each sample request is taken as it stands, once what it speaks of is there.
    """
    text = json.dumps(request_, ensure_ascii=False)
    for placeholder, real in PLACEHOLDERS:
        text = text.replace(placeholder, real)
    request = json.loads(text)
    body, query = request.get("json"), {**request.get("query", {})}
    fake = FakeWeChat(appid="wx448f04719cd48f69", clock=ManualClock())
    wire = Wire(fake)
    await make_real(fake, wire, request["path"], body or {})
    query.pop("access_token")
    content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
    files = {"media": ("test.jpg", JPEG, "image/jpeg")} if "multipart" in request else None
    answer = (await wire.send(request["method"], request["path"], query=query, content=content, files=files)).json()

    assert answer.get("errcode", 0) == 0, answer


@pytest.mark.parametrize(
    ("name", "path", "query"),
    [
        ("getKfSession", "/customservice/kfsession/getsession", {"openid": OPENID}),
        ("getKfSessionList", "/customservice/kfsession/getsessionlist", {"kf_account": AGENT}),
        ("getcallbackip", "/cgi-bin/getcallbackip", {}),
        ("get_api_domain_ip", "/cgi-bin/get_api_domain_ip", {}),
    ],
)
async def test_answers_have_the_samples_shape(
    fake: FakeWeChat, wire: Wire, name: str, path: str, query: dict[str, str]
) -> None:
    """
    What is answered is made of what the sample answer is made of.
    """
    fake.agent_online(AGENT)
    fake.user_says(OPENID, "hi")
    await wire.post("/customservice/kfsession/create", kf_account=AGENT, openid=OPENID)

    assert shape(await wire.get(path, **query)) == shape(SAMPLES[name][0]["response"])


async def test_the_history_has_the_samples_shape(wire: Wire) -> None:
    """
    A record is made of what the sample record is made of.
    """
    fake = wire.fake
    fake.agent_online(AGENT, auto_accept=1)
    fake.user_waits(OPENID)
    fake.agent_says(OPENID, "您好，客服test1为您服务。")
    now = int(fake.clock.now().timestamp())
    body = {**SAMPLES["getMsgList"][0]["request"]["json"], "starttime": now - 86400, "endtime": now}
    answer = await wire.post("/customservice/msgrecord/getmsglist", **body)
    sample = SAMPLES["getMsgList"][0]["response"]

    assert shape(answer) == shape(sample)
    assert answer["recordlist"][0]["text"] == sample["recordlist"][0]["text"]
    assert answer["recordlist"][0]["opercode"] == sample["recordlist"][0]["opercode"]


async def test_token_samples(fake: FakeWeChat, wire: Wire) -> None:
    """
    The sample token requests and answers are ours.
    """
    for name in ("token", "stable_token"):
        for sample in SAMPLES[name]:
            if "request" not in sample:
                continue
            fields = {**sample["request"].get("query", {}), **sample["request"].get("json", {})}
            fields |= {"appid": fake.appid, "secret": fake.secret}
            ask = wire.classic_token if name == "token" else wire.stable_token

            assert shape(await ask(**fields)) == shape(sample["response"])


async def test_sample_errors(fake: FakeWeChat, wire: Wire) -> None:
    """
    The sample error texts are ours, but for their numbers.
    """
    await wire.stable_token()
    fake.limits.calls_a_day["/cgi-bin/getcallbackip"] = 0
    quota = await wire.get("/cgi-bin/getcallbackip")
    fake.expire_tokens()
    expired = await wire.get("/cgi-bin/getcallbackip")
    ours = {answer["errcode"]: re.sub(r"[0-9a-f]+-.*", "", answer["errmsg"]) for answer in (quota, expired)}
    theirs = {
        sample["response"]["errcode"]: re.sub(r"[0-9a-fx]+-.*", "", sample["response"]["errmsg"])
        for sample in SAMPLES["errors"]
    }

    assert ours == theirs


async def test_the_rid_sample(wire: Wire) -> None:
    """
    What is found of a failure is made of what the sample is made of.
    """
    failed = await wire.post("/cgi-bin/message/custom/send", touser="nobody")
    answer = await wire.post("/cgi-bin/openapi/rid/get", rid=failed["errmsg"].rpartition(" ")[2])

    assert shape(answer) == shape(SAMPLES["rid_get"][0]["response"])
