"""
All endpoints of the manual that are called here, as rows: method, path, answer, official page.

::

    from wechat_kf.api import endpoints

    fake_wechat.fault(endpoints.SEND_CUSTOM_MESSAGE, DropAfter())
"""

from __future__ import annotations

from ..tokens import CLASSIC_TOKEN, STABLE_TOKEN
from .accounts import (
    ADD_KF_ACCOUNT,
    DEL_KF_ACCOUNT,
    GET_KF_LIST,
    GET_ONLINE_KF_LIST,
    INVITE_KF_WORKER,
    UPDATE_KF_ACCOUNT,
    UPLOAD_KF_HEAD_IMG,
)
from .maintenance import CLEAR_QUOTA, GET_API_DOMAIN_IP, GET_CALLBACK_IP, GET_QUOTA, GET_RID_INFO
from .media import DOWNLOAD_TEMP_MEDIA, UPLOAD_TEMP_MEDIA
from .messages import SEND_CUSTOM_MESSAGE, TYPING
from .records import GET_MSG_LIST
from .sessions import CLOSE_SESSION, CREATE_KF_SESSION, GET_KF_SESSION, GET_KF_SESSION_LIST, GET_WAIT_CASE

__all__ = [
    "ADD_KF_ACCOUNT",
    "CLASSIC_TOKEN",
    "CLEAR_QUOTA",
    "CLOSE_SESSION",
    "CREATE_KF_SESSION",
    "DEL_KF_ACCOUNT",
    "DOWNLOAD_TEMP_MEDIA",
    "GET_API_DOMAIN_IP",
    "GET_CALLBACK_IP",
    "GET_KF_LIST",
    "GET_KF_SESSION",
    "GET_KF_SESSION_LIST",
    "GET_MSG_LIST",
    "GET_ONLINE_KF_LIST",
    "GET_QUOTA",
    "GET_RID_INFO",
    "GET_WAIT_CASE",
    "INVITE_KF_WORKER",
    "SEND_CUSTOM_MESSAGE",
    "STABLE_TOKEN",
    "TYPING",
    "UPDATE_KF_ACCOUNT",
    "UPLOAD_KF_HEAD_IMG",
    "UPLOAD_TEMP_MEDIA",
]
