"""
A push of every kind: its class, its wire fields, and what is read of them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from wechat_kf import webhook
from wechat_kf.webhook import Push, UnknownMessage, UnknownPush

__all__ = ["BASE", "CASES", "EVENT", "MSG", "OTHERS", "WHEN"]

BASE = {"ToUserName": "gh_1", "FromUserName": "o1", "CreateTime": 1348831860}
WHEN = datetime(2012, 9, 28, 11, 31, tzinfo=UTC)
MSG = {"MsgId": 9223372036854775807}
EVENT = {"MsgType": "event"}

# The class, what comes besides BASE, what is read besides BASE, and the end of the dedupe key.
CASES: dict[str, tuple[type[Push], dict[str, Any], dict[str, Any], str]] = {
    "text": (
        webhook.TextMessage,
        {"MsgType": "text", "Content": " 你好 \n", **MSG},
        {"content": " 你好 \n", "msg_id": 9223372036854775807, "bizmsgmenuid": None, "idx": None, "msg_data_id": None},
        ":9223372036854775807",
    ),
    "text of a menu and an article": (
        webhook.TextMessage,
        {
            "MsgType": "text",
            "Content": "",
            "bizmsgmenuid": "007",
            "MsgDataId": 2247483650,
            "Idx": 1,
            "BusinessId": 1,
            **MSG,
        },
        {"content": "", "bizmsgmenuid": "007", "msg_data_id": 2247483650, "idx": 1, "business_id": "1"},
        ":9223372036854775807",
    ),
    "unreadable ornaments": (
        webhook.TextMessage,
        {"MsgType": "text", "Content": "1", "MsgDataId": "xxxx", "Idx": "xxxx", **MSG},
        {"content": "1", "msg_data_id": None, "idx": None},
        ":9223372036854775807",
    ),
    "image": (
        webhook.ImageMessage,
        {"MsgType": "image", "PicUrl": "http://p", "MediaId": "m", **MSG},
        {"pic_url": "http://p", "media_id": "m"},
        ":9223372036854775807",
    ),
    "voice": (
        webhook.VoiceMessage,
        {"MsgType": "voice", "MediaId": "m", "Format": "amr", "MediaId16K": "m16", "Recognition": "你好", **MSG},
        {"media_id": "m", "format": "amr", "media_id_16k": "m16", "recognition": "你好"},
        ":9223372036854775807",
    ),
    "voice, not recognised": (
        webhook.VoiceMessage,
        {"MsgType": "voice", "MediaId": "m", "Format": "amr", "Recognition": "", **MSG},
        {"media_id_16k": None, "recognition": None},
        ":9223372036854775807",
    ),
    "video": (
        webhook.VideoMessage,
        {"MsgType": "video", "MediaId": "m", "ThumbMediaId": "t", **MSG},
        {"media_id": "m", "thumb_media_id": "t"},
        ":9223372036854775807",
    ),
    "shortvideo": (
        webhook.ShortVideoMessage,
        {"MsgType": "shortvideo", "MediaId": "m", "ThumbMediaId": "t", **MSG},
        {"media_id": "m", "thumb_media_id": "t"},
        ":9223372036854775807",
    ),
    "location": (
        webhook.LocationMessage,
        {"MsgType": "location", "Location_X": 23.134521, "Location_Y": 113, "Scale": 20, "Label": "广州", **MSG},
        {"location_x": 23.134521, "location_y": 113.0, "scale": 20, "label": "广州"},
        ":9223372036854775807",
    ),
    "link": (
        webhook.LinkMessage,
        {"MsgType": "link", "Title": "t", "Description": "", "Url": "http://u", **MSG},
        {"title": "t", "description": "", "url": "http://u"},
        ":9223372036854775807",
    ),
    "miniprogrampage": (
        webhook.MiniProgramPageMessage,
        {"MsgType": "miniprogrampage", "Title": "t", "AppId": "wx1", "PagePath": "p", "ThumbUrl": "u", **MSG},
        {"title": "t", "app_id": "wx1", "page_path": "p", "thumb_url": "u", "thumb_media_id": None},
        ":9223372036854775807",
    ),
    "subscribe": (
        webhook.SubscribeEvent,
        {**EVENT, "Event": "subscribe", "EventKey": ""},
        {"event_key": None, "ticket": None},
        ":1348831860:subscribe:",
    ),
    "subscribe by QR code": (
        webhook.SubscribeEvent,
        {**EVENT, "Event": "subscribe", "EventKey": "qrscene_1", "Ticket": "T"},
        {"event_key": "qrscene_1", "ticket": "T"},
        ":1348831860:subscribe:qrscene_1",
    ),
    "unsubscribe": (
        webhook.UnsubscribeEvent,
        {**EVENT, "Event": "unsubscribe"},
        {},
        ":1348831860:unsubscribe",
    ),
    "SCAN": (
        webhook.ScanEvent,
        {**EVENT, "Event": "SCAN", "EventKey": 123, "Ticket": "T"},
        {"event_key": "123", "ticket": "T"},
        ":1348831860:SCAN:123",
    ),
    "LOCATION": (
        webhook.LocationEvent,
        {**EVENT, "Event": "LOCATION", "Latitude": 23.137466, "Longitude": 113.352425, "Precision": 119.385040},
        {"latitude": 23.137466, "longitude": 113.352425, "precision": 119.385040},
        ":1348831860:LOCATION",
    ),
    "CLICK": (
        webhook.ClickEvent,
        {**EVENT, "Event": "CLICK", "EventKey": "K"},
        {"event_key": "K"},
        ":1348831860:CLICK:K",
    ),
    "VIEW": (
        webhook.ViewEvent,
        {**EVENT, "Event": "VIEW", "EventKey": "http://u", "MenuId": 433747234},
        {"event_key": "http://u", "menu_id": 433747234},
        ":1348831860:VIEW:http://u",
    ),
    "scancode_push": (
        webhook.ScanCodeEvent,
        {
            **EVENT,
            "Event": "scancode_push",
            "EventKey": "6",
            "ScanCodeInfo": {"ScanType": "qrcode", "ScanResult": "1"},
        },
        {"event_key": "6", "scan_type": "qrcode", "scan_result": "1", "event": "scancode_push"},
        ":1348831860:scancode_push:6",
    ),
    "scancode_waitmsg": (
        webhook.ScanCodeEvent,
        {**EVENT, "Event": "scancode_waitmsg", "EventKey": "6", "ScanCodeInfo": {"ScanType": "", "ScanResult": ""}},
        {"event_key": "6", "scan_type": "", "scan_result": "", "event": "scancode_waitmsg"},
        ":1348831860:scancode_waitmsg:6",
    ),
    "kf_create_session": (
        webhook.KfCreateSessionEvent,
        {**EVENT, "Event": "kf_create_session", "KfAccount": "test1@test"},
        {"kf_account": "test1@test"},
        ":1348831860:kf_create_session:test1@test",
    ),
    "kf_close_session": (
        webhook.KfCloseSessionEvent,
        {**EVENT, "Event": "kf_close_session", "KfAccount": "test1@test"},
        {"kf_account": "test1@test"},
        ":1348831860:kf_close_session:test1@test",
    ),
    "kf_switch_session": (
        webhook.KfSwitchSessionEvent,
        {**EVENT, "Event": "kf_switch_session", "FromKfAccount": "test1@test", "ToKfAccount": "test2@test"},
        {"from_kf_account": "test1@test", "to_kf_account": "test2@test"},
        ":1348831860:kf_switch_session:test1@test:test2@test",
    ),
    "user_enter_tempsession": (
        webhook.UserEnterTempsessionEvent,
        {**EVENT, "Event": "user_enter_tempsession", "SessionFrom": "page"},
        {"session_from": "page"},
        ":1348831860:user_enter_tempsession",
    ),
    "kf_close_session with its type": (
        webhook.KfCloseSessionEvent,
        {**EVENT, "Event": "kf_close_session", "KfAccount": "test1@test", "CloseType": "KF"},
        {"close_type": "KF"},
        ":1348831860:kf_close_session:test1@test",
    ),
    "view_miniprogram": (
        webhook.ViewMiniProgramEvent,
        {**EVENT, "Event": "view_miniprogram", "EventKey": "pages/index/index", "MenuId": "433747234"},
        {"event_key": "pages/index/index", "menu_id": 433747234},
        ":1348831860:view_miniprogram:pages/index/index",
    ),
    "pic_sysphoto": (
        webhook.PicEvent,
        {
            **EVENT,
            "Event": "pic_sysphoto",
            "EventKey": "6",
            "SendPicsInfo": {"Count": 2, "PicList": [{"PicMd5Sum": "1b5f"}, {"PicMd5Sum": "2c6e"}]},
        },
        {"event": "pic_sysphoto", "event_key": "6", "pic_md5_sums": ("1b5f", "2c6e")},
        ":1348831860:pic_sysphoto:6",
    ),
    "pic_photo_or_album": (
        webhook.PicEvent,
        {
            **EVENT,
            "Event": "pic_photo_or_album",
            "EventKey": "6",
            "SendPicsInfo": {"Count": 1, "PicList": {"item": {"PicMd5Sum": "1b5f"}}},
        },
        {"event": "pic_photo_or_album", "pic_md5_sums": ("1b5f",)},
        ":1348831860:pic_photo_or_album:6",
    ),
    "pic_weixin, none": (
        webhook.PicEvent,
        {**EVENT, "Event": "pic_weixin", "EventKey": "6"},
        {"event": "pic_weixin", "pic_md5_sums": ()},
        ":1348831860:pic_weixin:6",
    ),
    "location_select": (
        webhook.LocationSelectEvent,
        {
            **EVENT,
            "Event": "location_select",
            "EventKey": "6",
            "SendLocationInfo": {
                "Location_X": "23",
                "Location_Y": "113",
                "Scale": "15",
                "Label": "广州",
                "Poiname": "",
            },
        },
        {"event_key": "6", "location_x": 23.0, "location_y": 113.0, "scale": 15, "label": "广州", "poiname": None},
        ":1348831860:location_select:6",
    ),
    "file": (
        webhook.FileMessage,
        {
            "MsgType": "file",
            "Title": "账单.pdf",
            "Description": "",
            "FileKey": "KEY",
            "FileMd5": "0f",
            "FileTotalLen": 9,
            **MSG,
        },
        {"title": "账单.pdf", "description": "", "file_key": "KEY", "file_md5": "0f", "file_total_len": 9},
        ":9223372036854775807",
    ),
    "an unknown event": (
        UnknownPush,
        {**EVENT, "Event": "debug_demo", "debug_str": "hello world"},
        {"event": "debug_demo", "event_key": None},
        ":debug_demo:…",
    ),
    "an event in another case": (
        UnknownPush,
        {**EVENT, "Event": "click", "EventKey": "K"},
        {"event": "click", "event_key": "K"},
        ":click:…",
    ),
    "an event without a name": (UnknownPush, EVENT, {"event": None}, ":event:…"),
    "an event with a number": (UnknownPush, {**EVENT, **MSG}, {"event": None}, ":event:…"),
    "an unknown message": (
        UnknownMessage,
        {"MsgType": "hologram", **MSG},
        {"msg_id": 9223372036854775807, "event": None},
        ":9223372036854775807",
    ),
    "an unknown message without a number": (UnknownPush, {"MsgType": "CLICK"}, {"event": None}, ":CLICK:…"),
}


# As CASES, of pushes that are not from a customer.
OTHERS: dict[str, tuple[type[Push], dict[str, Any], dict[str, Any], str]] = {
    "user_authorization_revoke": (
        webhook.UserDataEvent,
        {
            **BASE,
            **EVENT,
            "FromUserName": "oWECHAT",
            "Event": "user_authorization_revoke",
            "OpenID": "o2",
            "UnionID": "u2",
            "AppID": "wx1",
            "RevokeInfo": 301,
        },
        {"openid": "o2", "from_user_name": "oWECHAT", "union_id": "u2", "app_id": "wx1", "revoke_info": "301"},
        "oWECHAT:1348831860:user_authorization_revoke:o2:301",
    ),
    "component_verify_ticket": (
        webhook.ComponentVerifyTicketPush,
        {"AppId": "wx1", "CreateTime": 1348831860, "InfoType": "component_verify_ticket", "ComponentVerifyTicket": "t"},
        {"app_id": "wx1", "component_verify_ticket": "t", "openid": "", "msg_type": "", "to_user_name": ""},
        ":1348831860:wx1:component_verify_ticket",
    ),
    "updateauthorized": (
        webhook.AuthorizedPush,
        {
            "AppId": "wx1",
            "CreateTime": 1348831860,
            "InfoType": "updateauthorized",
            "AuthorizerAppid": "wx2",
            "AuthorizationCode": "c",
            "AuthorizationCodeExpiredTime": 1348835460,
            "PreAuthCode": "p",
        },
        {
            "info_type": "updateauthorized",
            "authorizer_appid": "wx2",
            "authorization_code": "c",
            "authorization_code_expired_time": 1348835460,
            "pre_auth_code": "p",
        },
        ":1348831860:wx1:updateauthorized:wx2",
    ),
    "unauthorized": (
        webhook.UnauthorizedPush,
        {"AppId": "wx1", "CreateTime": 1348831860, "InfoType": "unauthorized", "AuthorizerAppid": "wx2"},
        {"info_type": "unauthorized", "authorizer_appid": "wx2"},
        ":1348831860:wx1:unauthorized:wx2",
    ),
    "another InfoType": (
        UnknownPush,
        {"AppId": "wx1", "CreateTime": 1348831860, "InfoType": "notify_third_fasteregister"},
        {"msg_type": "", "openid": "", "event": None},
        ":notify_third_fasteregister:…",
    ),
    "cloud-run's check": (UnknownPush, {"action": "CheckContainerPath"}, {"msg_type": "", "openid": ""}, "::…"),
}
