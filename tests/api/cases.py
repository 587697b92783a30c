"""
One table of cases for all endpoints: a call, the request it makes, an answer, and the value the answer reads as.

Requests and answers are the vendor's samples (``samples/vectors.json``, never edited) where there are any.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import attrs

from wechat_kf import (
    Ack,
    ApiError,
    Article,
    AsyncKfClient,
    AuthError,
    Conflict,
    DailyQuota,
    DeliveryWindowClosed,
    Image,
    InvalidArgument,
    KfAccount,
    KfList,
    KfSession,
    KfSessionList,
    KfStatus,
    Link,
    MenuItem,
    MiniProgramPage,
    MpNews,
    MpNewsArticle,
    MsgList,
    MsgMenu,
    MsgRecord,
    Music,
    News,
    NotFound,
    OnlineKf,
    OnlineKfList,
    OpenSession,
    OperCode,
    Quota,
    QuotaExceeded,
    RateLimit,
    Raw,
    RidInfo,
    TempMedia,
    Text,
    Video,
    Voice,
    WaitCase,
    WaitCaseList,
    WxCard,
)
from wechat_kf.tokens import TokenAnswer

__all__ = ["APPID", "CASES", "JPEG", "REFUSALS", "SAMPLES", "TOKENS", "Case", "Refusal", "TokenCase", "at"]

SAMPLES: Final[dict[str, list[dict[str, Any]]]] = json.loads(
    Path(__file__).parents[1].joinpath("samples", "vectors.json").read_text(encoding="utf-8")
)

APPID: Final = "wx448f04719cd48f69"
JPEG: Final = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00 a picture \xff\xd9"


@attrs.frozen
class Case:
    """
    One call.

    Attributes:
        name: The sample's name and number, or words.

        call: Makes it.

        request: What goes out: ``method``, ``path``, ``query``, and ``json`` or ``multipart``.

        answer: What comes back.

        value: What the call returns.
    """

    name: str
    call: Callable[[AsyncKfClient], Awaitable[object]]
    request: Mapping[str, Any]
    answer: Mapping[str, Any]
    value: object


@attrs.frozen
class Refusal:
    """
    One refusal of the samples: its answer, and the error it becomes.
    """

    name: str
    call: Callable[[AsyncKfClient], Awaitable[object]]
    answer: Mapping[str, Any]
    error: type[ApiError]
    errmsg: str
    rid: str | None = None


@attrs.frozen
class TokenCase:
    """
    One call to a token endpoint: how the client is made, what goes out, what the answer reads as.
    """

    name: str
    token_api: str
    request: Mapping[str, Any]
    answer: Mapping[str, Any]
    value: TokenAnswer


def at(seconds: int) -> datetime:
    """
    Make a time.
    """
    return datetime.fromtimestamp(seconds, UTC)


def _sample(name: str, number: int, call: Callable[[AsyncKfClient], Awaitable[object]], value: object) -> Case:
    sample = SAMPLES[name][number]
    return Case(f"{name}-{number}", call, sample["request"], sample["response"], value)


def _own(
    name: str,
    call: Callable[[AsyncKfClient], Awaitable[object]],
    request: str,
    answer: Mapping[str, Any],
    value: object,
    *,
    query: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
) -> Case:
    method, path = request.split()
    sent: dict[str, Any] = {"method": method, "path": path, "query": {"access_token": "ACCESS_TOKEN", **(query or {})}}
    if body is not None:
        sent["json"] = body
    return Case(name, call, sent, answer, value)


def _send(number: int, message: Any, **options: Any) -> Case:
    return _sample("sendCustomMessage", number, lambda kf: kf.send_custom_message("OPENID", message, **options), _OK)


def _own_send(name: str, message: Any, body: Mapping[str, Any], **options: Any) -> Case:
    return _own(
        name,
        lambda kf: kf.send_custom_message("OPENID", message, **options),
        "POST /cgi-bin/message/custom/send",
        _OK_ANSWER,
        _OK,
        body={"touser": "OPENID", **body},
    )


_OK: Final = Ack(0, "ok")
_OK_ANSWER: Final = {"errcode": 0, "errmsg": "ok"}
_HEAD_IMAGE: Final = "http://mmbiz.qpic.cn/mmbiz/4whpV1VZl2iccsvYbHvnphkyGtnvjfUS8Ym0GSaLic0FD3vN0V8PILcibEGb2fPfEOmw/0"
_LINK: Final = (
    '文本内容<a href="http://www.qq.com" data-miniprogram-appid="appid" '
    'data-miniprogram-path="pages/index/index">点击跳小程序</a>'
)

CASES: Final = [
    # Accounts.
    _sample("addKfAccount", 0, lambda kf: kf.add_kf_account("test1@test", "客服1"), _OK),
    _own(
        "addKfAccount for a sub-merchant",
        lambda kf: kf.add_kf_account("test1@test", "客服1", business_id="7"),
        "POST /customservice/kfaccount/add",
        _OK_ANSWER,
        _OK,
        body={"kf_account": "test1@test", "nickname": "客服1", "business_id": "7"},
    ),
    _sample("updateKfAccount", 0, lambda kf: kf.update_kf_account("test1@test", "客服1"), _OK),
    _sample("delKfAccount", 0, lambda kf: kf.del_kf_account("test1@test"), _OK),
    _own(
        "delKfAccount of a sub-merchant",
        lambda kf: kf.del_kf_account("test1@test", business_id="7"),
        "POST /customservice/kfaccount/del",
        {"errcode": 0, "errmsg": "in a normal state"},
        Ack(0, "in a normal state"),
        body={"kf_account": "test1@test", "business_id": "7"},
    ),
    _sample("inviteKfWorker", 0, lambda kf: kf.invite_kf_worker("test1@test", "test_kfwx"), _OK),
    _sample("uploadKfHeadImg", 0, lambda kf: kf.upload_kf_head_img("KFACCOUNT", JPEG, filename="test.jpg"), _OK),
    # The vendor's samples show the list of those online, under a key that is not this list's.
    _sample("getKfList", 0, lambda kf: kf.get_kf_list(), KfList()),
    _sample("getKfList", 1, lambda kf: kf.get_kf_list(business_id="BUSINESS_ID"), KfList()),
    _own(
        "getKfList as it answers",
        lambda kf: kf.get_kf_list(),
        "GET /cgi-bin/customservice/getkflist",
        {
            "kf_list": [
                {
                    "kf_account": "test1@test",
                    "kf_headimgurl": _HEAD_IMAGE,
                    "kf_id": "1001",
                    "kf_nick": "ntest1",
                    "kf_wx": "kfwx1",
                },
                {
                    "kf_account": "test2@test",
                    "kf_headimg": _HEAD_IMAGE,
                    "kf_id": 1002,
                    "kf_nick": "ntest2",
                    "invite_wx": "kfwx2",
                    "invite_expire_time": 123456789,
                    "invite_status": "waiting",
                },
                {"kf_account": "", "kf_id": "1003", "kf_nick": "", "kf_openid": "kfopenid3"},
            ]
        },
        KfList(
            (
                KfAccount("test1@test", "ntest1", "1001", _HEAD_IMAGE, "kfwx1"),
                KfAccount("test2@test", "ntest2", "1002", _HEAD_IMAGE, None, "kfwx2", at(123456789), "waiting"),
                KfAccount(None, "", "1003", kf_openid="kfopenid3"),
            )
        ),
    ),
    _sample(
        "getOnlineKfList",
        0,
        lambda kf: kf.get_online_kf_list(business_id="BUSINESS_ID"),
        OnlineKfList(
            (
                OnlineKf("test1@test", KfStatus(1), "1001", kf_openid="kfopenid1"),
                OnlineKf(None, KfStatus(1), "1002", kf_openid="kfopenid2"),
            )
        ),
    ),
    _sample("getOnlineKfList", 1, lambda kf: kf.get_online_kf_list(), OnlineKfList((OnlineKf(),))),
    _own(
        "getOnlineKfList of an older account",
        lambda kf: kf.get_online_kf_list(),
        "GET /cgi-bin/customservice/getonlinekflist",
        {"kf_online_list": [{"kf_account": "a@b", "status": 3, "kf_id": 1001, "auto_accept": 2, "accepted_case": 1}]},
        OnlineKfList((OnlineKf("a@b", KfStatus(3), "1001", 1, None, 2),)),
    ),
    # Sessions.
    _sample("createKfSession", 0, lambda kf: kf.create_kf_session("test1@test", "OPENID"), _OK),
    _sample("closeSession", 0, lambda kf: kf.close_session("test1@test", "OPENID"), _OK),
    _sample("getKfSession", 0, lambda kf: kf.get_kf_session("OPENID"), KfSession("test1@test", at(123456789))),
    _own(
        "getKfSession with nobody there",
        lambda kf: kf.get_kf_session("OPENID"),
        "GET /customservice/kfsession/getsession",
        {"createtime": 0, "kf_account": "", "errcode": 0, "errmsg": "ok"},
        KfSession(None, None),
        query={"openid": "OPENID"},
    ),
    _sample(
        "getKfSessionList",
        0,
        lambda kf: kf.get_kf_session_list("KFACCOUNT"),
        KfSessionList((OpenSession("OPENID", at(123456789)),)),
    ),
    _own(
        "getKfSessionList with nobody there",
        lambda kf: kf.get_kf_session_list("test1@test"),
        "GET /customservice/kfsession/getsessionlist",
        {},
        KfSessionList(()),
        query={"kf_account": "test1@test"},
    ),
    _own(
        "getWaitCase",
        lambda kf: kf.get_wait_case(),
        "GET /customservice/kfsession/getwaitcase",
        {"count": 150, "waitcaselist": [{"latest_time": 123456789, "openid": "OPENID"}]},
        WaitCaseList(150, (WaitCase("OPENID", at(123456789)),)),
    ),
    _own(
        "getWaitCase in its older shape",
        lambda kf: kf.get_wait_case(),
        "GET /customservice/kfsession/getwaitcase",
        {
            "count": 2,
            "waitcaselist": [
                {"openid": "OPENID1", "kf_account": "test1@test", "createtime": 123456789},
                {"openid": "OPENID2", "kf_account": "", "createtime": 987654321},
            ],
        },
        WaitCaseList(2, (WaitCase("OPENID1", at(123456789), "test1@test"), WaitCase("OPENID2", at(987654321)))),
    ),
    # The history.
    _sample(
        "getMsgList",
        0,
        lambda kf: kf.get_msg_list(at(1464710400), 1464796800),
        MsgList(
            (
                MsgRecord(
                    "oDF3iY9WMaswOPWjCIp_f3Bnpljk",
                    OperCode.AGENT_SENT,
                    "您好，客服test1为您服务。",
                    at(1464710500),
                    "test1@test",
                ),
            ),
            10000,
            20165258,
        ),
    ),
    _own(
        "getMsgList with nothing there",
        lambda kf: kf.get_msg_list(987654321, 987654321, msgid=20165258, number=10),
        "POST /customservice/msgrecord/getmsglist",
        {"recordlist": [], "number": 0, "msgid": 0},
        MsgList((), 0, 0),
        body={"starttime": 987654321, "endtime": 987654321, "msgid": 20165258, "number": 10},
    ),
    # Messages, each kind.
    _send(0, Text(_LINK), kf_account="test1@kftest"),
    _send(1, Image("MEDIA_ID")),
    _send(2, Voice("MEDIA_ID")),
    _send(3, Video("MEDIA_ID", "MEDIA_ID", "TITLE", "DESCRIPTION")),
    _send(4, Music("MUSIC_TITLE", "MUSIC_DESCRIPTION", "MUSIC_URL", "HQ_MUSIC_URL", "THUMB_MEDIA_ID")),
    _send(5, News(Article("Happy Day", "Is Really A Happy Day", "URL", "PIC_URL"))),
    _send(6, MpNews("MEDIA_ID")),
    _send(7, MpNewsArticle("ARTICLE_ID")),
    _send(
        8,
        MsgMenu(
            [MenuItem("101", "满意"), MenuItem("102", "不满意")],
            "您对本次服务是否满意呢? ",
            "欢迎再次光临",
        ),
    ),
    _send(9, WxCard("123dsdajkasd231jhksad")),
    _send(10, MiniProgramPage("title", "appid", "pagepath", "thumb_media_id")),
    _own_send(
        "a link",
        Link("标题", "描述", "https://example.com/?a=1&b=2", ""),
        {
            "msgtype": "link",
            "link": {"title": "标题", "description": "描述", "url": "https://example.com/?a=1&b=2", "thumb_url": ""},
        },
    ),
    _own_send(
        "a video without title and description",
        Video("MEDIA_ID", "THUMB"),
        {"msgtype": "video", "video": {"media_id": "MEDIA_ID", "thumb_media_id": "THUMB"}},
    ),
    _own_send(
        "music in one quality",
        Music("歌", "", "URL", thumb_media_id="THUMB"),
        {
            "msgtype": "music",
            "music": {"title": "歌", "description": "", "musicurl": "URL", "thumb_media_id": "THUMB"},
        },
    ),
    _own_send(
        "a menu without head and tail",
        MsgMenu(MenuItem("1", " 好 ")),
        {"msgtype": "msgmenu", "msgmenu": {"list": [{"id": "1", "content": " 好 "}]}},
    ),
    _own_send(
        "several articles, for the server to judge",
        News(Article(str(number), "", "", "") for number in range(2)),
        {
            "msgtype": "news",
            "news": {
                "articles": [
                    {"title": "0", "description": "", "url": "", "picurl": ""},
                    {"title": "1", "description": "", "url": "", "picurl": ""},
                ]
            },
        },
    ),
    _own_send(
        "a kind not known here, by an agent, from an AI",
        Raw("poll", {"question": "几点？", "answers": ["一", None, 2]}),
        {
            "msgtype": "poll",
            "poll": {"question": "几点？", "answers": ["一", None, 2]},
            "customservice": {"kf_account": "a@b"},
            "aimsgcontext": {"is_ai_msg": 1},
        },
        kf_account="a@b",
        is_ai_msg=True,
    ),
    _own_send(
        "a text not from an AI",
        Text("\n\t\\ \"quoted\" 'so' <b>&amp;</b>\u2028\U0001f600"),
        {
            "msgtype": "text",
            "text": {"content": "\n\t\\ \"quoted\" 'so' <b>&amp;</b>\u2028\U0001f600"},
            "aimsgcontext": {"is_ai_msg": 0},
        },
        is_ai_msg=False,
    ),
    _own_send(
        "sendCustomMessage for a sub-merchant, with fields of tomorrow",
        Text("hi"),
        {
            "msgtype": "text",
            "text": {"content": "hi"},
            "businessid": "7",
            "newcontext": {"is_new": 1},
            "aimsgcontext": {"is_ai_msg": 1, "model": "m"},
        },
        businessid="7",
        extra={"newcontext": {"is_new": 1}, "aimsgcontext": {"is_ai_msg": 1, "model": "m"}},
    ),
    _sample("typing", 0, lambda kf: kf.typing("OPENID"), _OK),
    _sample("typing", 1, lambda kf: kf.typing("OPENID", "CancelTyping"), _OK),
    _own(
        "typing for a sub-merchant, with a field of tomorrow",
        lambda kf: kf.typing("OPENID", businessid="7", extra={"new": True}),
        "POST /cgi-bin/message/custom/typing",
        _OK_ANSWER,
        _OK,
        body={"touser": "OPENID", "command": "Typing", "businessid": "7", "new": True},
    ),
    # Media.
    _sample(
        "media_upload",
        0,
        lambda kf: kf.upload_temp_media("image", JPEG, filename="test.jpg"),
        TempMedia("image", "MEDIA_ID", at(1672500000)),
    ),
    Case(
        "media_upload-1",
        lambda kf: kf.upload_temp_media("image", JPEG, filename="test.jpg"),
        SAMPLES["media_upload"][0]["request"],
        SAMPLES["media_upload"][1]["response"],
        TempMedia("TYPE", "MEDIA_ID", at(123456789)),
    ),
    Case(
        "media_upload of a thumb",
        lambda kf: kf.upload_temp_media("thumb", JPEG, filename="test.jpg"),
        {
            **SAMPLES["media_upload"][0]["request"],
            "query": {"access_token": "ACCESS_TOKEN", "type": "thumb"},
        },
        {"type": "thumb", "thumb_media_id": "MEDIA_ID", "created_at": "1672500000"},
        TempMedia("thumb", "MEDIA_ID", at(1672500000)),
    ),
    # The account.
    _sample("clear_quota", 0, lambda kf: kf.clear_quota(), _OK),
    _sample("quota_get", 0, lambda kf: kf.get_quota("/wxa/gettemplatedraftlist"), Quota(DailyQuota(0, 0, 0))),
    _own(
        "quota_get with limits",
        lambda kf: kf.get_quota("/cgi-bin/message/custom/send"),
        "POST /cgi-bin/openapi/quota/get",
        {
            "errcode": 0,
            "errmsg": "ok",
            "quota": {"daily_limit": 500000, "used": 1, "remain": 499999},
            "rate_limit": {"call_count": 1000, "refresh_second": 60},
            "component_rate_limit": {"call_count": 2000, "refresh_second": 120},
        },
        Quota(DailyQuota(500000, 1, 499999), RateLimit(1000, 60), RateLimit(2000, 120)),
        body={"cgi_path": "/cgi-bin/message/custom/send"},
    ),
    _sample(
        "rid_get",
        0,
        lambda kf: kf.get_rid_info("61725984-6126f6f9-040f19c4"),
        RidInfo(
            at(1635156704),
            30,
            # The sample's token is hidden.
            "access_token=***",
            "",
            SAMPLES["rid_get"][0]["response"]["request"]["response_body"],
            "113.xx.70.51",
        ),
    ),
    _sample("get_api_domain_ip", 0, lambda kf: kf.get_api_domain_ip(), ("101.89.47.18", "101.91.34.103")),
    _sample("getcallbackip", 0, lambda kf: kf.get_callback_ip(), ("106.55.206.146", "106.55.206.211")),
]


async def _download(kf: AsyncKfClient) -> None:
    async with kf.download_temp_media("MEDIA_ID"):
        pass


def _refusal(
    name: str,
    number: int,
    call: Callable[[AsyncKfClient], Awaitable[object]],
    error: type[ApiError],
    *,
    errmsg: str | None = None,
    rid: str | None = None,
) -> Refusal:
    answer = SAMPLES[name][number]["response"]
    return Refusal(f"{name}-{number}", call, answer, error, answer["errmsg"] if errmsg is None else errmsg, rid)


REFUSALS: Final = [
    _refusal("uploadKfHeadImg", 1, lambda kf: kf.upload_kf_head_img("a@b", JPEG), InvalidArgument),
    _refusal("closeSession", 1, lambda kf: kf.close_session("a@b", "OPENID"), NotFound),
    _refusal("closeSession", 2, lambda kf: kf.close_session("a@b", "OPENID"), Conflict),
    _refusal(
        "errors",
        0,
        lambda kf: kf.get_wait_case(),
        AuthError,
        errmsg="access_token expired",
        rid="68aeabxx-21ea79xx-3a4424xx",
    ),
    _refusal(
        "errors",
        1,
        lambda kf: kf.send_custom_message("OPENID", Text("hi")),
        QuotaExceeded,
        errmsg="reach max api daily quota limit",
        rid="617682e0-09059ac5-34a8e2ea",
    ),
    _refusal("typing", 2, lambda kf: kf.typing("OPENID"), Conflict, errmsg="已经在输入状态，不可重复下发"),
    _refusal("typing", 3, lambda kf: kf.typing("OPENID"), DeliveryWindowClosed),
    _refusal("media_upload", 2, lambda kf: kf.upload_temp_media("image", JPEG), InvalidArgument),
    _refusal("token", 1, lambda kf: kf.get_wait_case(), AuthError),
    _refusal("media_get", 1, _download, NotFound),
]


def _token(name: str, number: int, token_api: str, expires_in: int) -> TokenCase:
    sample = SAMPLES[name][number]
    value = TokenAnswer("ACCESS_TOKEN", expires_in)
    return TokenCase(f"{name}-{number}", token_api, sample["request"], sample["response"], value)


TOKENS: Final = [
    _token("token", 0, "classic", 7200),
    # What is left out of the first sample is said in the second; the third would force a new token, which is not done.
    _token("stable_token", 1, "stable", 345),
]
