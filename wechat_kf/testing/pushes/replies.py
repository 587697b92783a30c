"""
Reading what the account's server replies to a push. No IO.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..machine.json_values import list_of, object_of, text_of

__all__ = ["ReplyMistake", "read_reply"]

_TEXT_LIMIT: Final = 2048

# The fields of each kind's object, by their names in a message sent with the API.
_KINDS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "image": ("Image", {"media_id": "MediaId"}),
    "voice": ("Voice", {"media_id": "MediaId"}),
    "video": ("Video", {"media_id": "MediaId", "title": "Title", "description": "Description"}),
    "music": (
        "Music",
        {
            "title": "Title",
            "description": "Description",
            "musicurl": "MusicUrl",
            "hqmusicurl": "HQMusicUrl",
            "thumb_media_id": "ThumbMediaId",
        },
    ),
}
_ARTICLE: Final = {"title": "Title", "description": "Description", "url": "Url", "picurl": "PicUrl"}


class ReplyMistake(Exception):
    """
    The account's server replied something that WeChat does not take; the text goes on from "the reply is refused: ".
    """


def read_reply(fields: Mapping[str, Any], *, to_message: bool) -> dict[str, Any]:
    """
    Read a reply as a message like those sent with the API.

    A transfer to an agent has the msgtype ``transfer_customer_service``.

    Args:
        fields: The reply's fields by their wire names.

        to_message: Whether it replies to what a customer wrote, not to an event.

    Raises:
        ReplyMistake: WeChat does not take it.
    """
    msgtype = text_of(fields, "MsgType")
    if msgtype == "text":
        content = text_of(fields, "Content")
        if not content:
            raise ReplyMistake("its text is empty")
        if (size := len(content.encode())) > _TEXT_LIMIT:
            raise ReplyMistake(f"its text has {size} bytes; at most {_TEXT_LIMIT} are shown")
        return {"msgtype": msgtype, "text": {"content": content}}
    if msgtype == "news":
        return {"msgtype": msgtype, "news": {"articles": _read_articles(fields, to_message=to_message)}}
    if msgtype == "transfer_customer_service":
        if not to_message:
            raise ReplyMistake("it transfers an event; only messages can be transferred")
        agent = text_of(object_of(fields.get("TransInfo")) or {}, "KfAccount")
        return {"msgtype": msgtype, msgtype: {"kf_account": agent} if agent else {}}
    if msgtype not in _KINDS:
        raise ReplyMistake(f"its MsgType {msgtype!r} is none that a reply can have" if msgtype else "it has no MsgType")
    wire, names = _KINDS[msgtype]
    return {"msgtype": msgtype, msgtype: _rename(object_of(fields.get(wire)) or {}, names)}


def _read_articles(fields: Mapping[str, Any], *, to_message: bool) -> list[dict[str, str]]:
    articles = fields.get("Articles")
    # XML has the articles in <item> elements, of which one alone is no list.
    held = object_of(articles)
    if held is not None:
        articles = held.get("item")
    single = object_of(articles)
    items = list_of(articles) if single is None else [single]
    # The manual: one in answer to a message, up to 8 otherwise.
    most, number = (1, "1") if to_message else (8, "1 to 8")
    if not 1 <= len(items) <= most:
        raise ReplyMistake(f"it has {len(items)} articles, not {number}")
    if str(fields.get("ArticleCount")) != str(len(items)):
        raise ReplyMistake(f"its ArticleCount is {fields.get('ArticleCount')!r}, but it has {len(items)} articles")
    return [_rename(object_of(item) or {}, _ARTICLE) for item in items]


def _rename(fields: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    return {ours: text_of(fields, theirs) for ours, theirs in names.items() if theirs in fields}
