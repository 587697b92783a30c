"""
What WeChat writes for each errcode, and the tail it adds.
"""

from __future__ import annotations

from random import Random
from typing import Final

__all__ = ["KNOWN_ERRCODES", "write_errmsg"]

_TEXTS: Final = {
    -1: "system error",
    40001: "invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken, "
    "more details at https://mmbizurl.cn/s/JtxxFh33r",
    40002: "invalid grant_type",
    40003: "invalid openid",
    40004: "invalid media type",
    40005: "invalid file type",
    40006: "invalid meida size",
    40007: "invalid media_id",
    40008: "invalid message type",
    40009: "invalid image size",
    40010: "invalid voice size",
    40011: "invalid video size",
    40012: "invalid thumb size",
    40013: "invalid appid",
    40014: "invalid access_token",
    40033: "invalid charset. please check your request, if include \\uxxxx will create fail!",
    40066: "invalid url",
    40097: "invalid args",
    40125: "invalid appsecret",
    40164: "invalid ip, not in whitelist",
    40200: "invalid account type",
    41001: "access_token missing",
    41002: "appid missing",
    41004: "appsecret missing",
    41005: "media data missing",
    41006: "media_id missing",
    41009: "openid missing",
    42001: "access_token expired",
    43001: "require GET method",
    43002: "require POST method",
    43003: "require https",
    43004: "require subscribe",
    43019: "require remove blacklist",
    44001: "empty media data",
    44002: "empty post data",
    44003: "empty news data",
    44004: "empty content",
    45002: "content size out of limit",
    45008: "article size out of limit",
    45009: "reach max api daily quota limit",
    45011: "api minute-quota reach limit, must slower, retry next minute",
    45015: "response out of time limit or subscription is canceled",
    45047: "out of response count limit",
    45072: "invalid command",
    45080: "need sending message to user or recving message from user in the last 30 seconds before typing",
    45081: "you are already typing",
    47001: "data format error",
    48001: "api unauthorized",
    48002: "user block receive message",
    48006: "forbid to clear quota because of reaching the limit",
    48008: "no permission for this msgtype",
    41018: "component_appid missing",
    61003: "component is not authorized by this account",
    61005: "component ticket is expired",
    61006: "component ticket is invalid",
    61010: "code is expired",
    61023: "refresh_token is invalid",
    65400: "please enable new custom service, or wait for a while if you have enabled",
    65401: "invalid custom service account",
    65402: "the custom service account need to be bound to a wechat user",
    65403: "illegal nickname",
    65404: "illegal custom service account",
    65405: "number of custom service accounts reached the limit",
    65406: "the custom service account exists",
    65407: "the wechat user have been one of your workers",
    65408: "you have already invited the wechat user",
    65409: "wechat account invalid",
    65410: "too many custom service accounts bound by the worker",
    65411: "a effective invitation to bind the custom service account exists",
    65412: "the custom service account have been bound by a wechat user",
    65413: "no effective session for the customer",
    65414: "another worker is serving the customer",
    65415: "the worker is not online",
    65416: "param invalid, please check",
    65417: "the time span is too long",
    76001: "rid not found",
    76002: "rid invalid",
    76003: "rid not belong to this appid",
    76004: "rid is expired",
    76021: "cgi_path not found, please check",
    76022: "could not use this cgi_path, no permission",
}

KNOWN_ERRCODES: Final = frozenset(_TEXTS)
"""
The errcodes that the stand-in gives by itself.
"""

# Refused at the door, where no hint is made.
_WITHOUT_HINT: Final = frozenset({-1, 41001, 42001, 43001, 43002, 43003, 45009, 45011, 40066})

_HINT_CHARACTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-."


def write_errmsg(errcode: int, text: str | None, at: float, random: Random) -> tuple[str, str]:
    """
    Write the text of a refusal with its tail.

    Args:
        errcode: WeChat's number.

        text: What to write instead of WeChat's text.

        at: The time, which the rid's first group holds, in Unix seconds.

        random: Where the rest of the tail comes from.

    Returns:
        The whole text, and the rid in it.
    """
    # The groups are not always eight digits wide.
    rid = f"{int(at):x}-{random.getrandbits(32):x}-{random.getrandbits(32):x}"
    if text is None:
        text = _TEXTS.get(errcode, "system error")
    if errcode not in _WITHOUT_HINT:
        text = f"{text} hint: [{''.join(random.choices(_HINT_CHARACTERS, k=16))}]"
    return f"{text} rid: {rid}", rid
