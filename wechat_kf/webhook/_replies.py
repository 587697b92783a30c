"""
What can be answered to a push at once, as one class for each kind, each of which writes its own wire fields.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Final

import attrs

from .._wire.arguments import required
from .._wire.text import sendable
from ..api.message_kinds import Article

__all__ = [
    "MAX_TEXT",
    "ImageReply",
    "MusicReply",
    "NewsReply",
    "Reply",
    "TextReply",
    "TransferReply",
    "VideoReply",
    "VoiceReply",
]

MAX_TEXT: Final = 2047
"""
The longest text of a passive reply, in bytes of UTF-8.
"""


@attrs.frozen
class Reply(ABC):
    """
    A passive reply: the answer to the push itself, which must leave within five seconds.
    """

    msgtype: ClassVar[str]

    @abstractmethod
    def fields(self) -> dict[str, Any]:
        """
        Return the wire fields of this kind, without those that every reply has.
        """


def _filled(_: object, attribute: attrs.Attribute[str], value: object) -> None:
    required(attribute.name, value)


def _filled_or_none(_: object, attribute: attrs.Attribute[str | None], value: object) -> None:
    if value is not None:
        required(attribute.name, value)


def _string_or_none(_: object, attribute: attrs.Attribute[str | None], value: object) -> None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be a str or None, not {type(value).__name__}")


def _present(**fields: str | None) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}


def _short(_: object, attribute: attrs.Attribute[str], value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be a str, not {type(value).__name__}")
    size = len(sendable(value).encode())
    if size > MAX_TEXT:
        raise ValueError(
            f"{attribute.name} has {size} bytes, a passive reply at most {MAX_TEXT}: cut it with split_text and send "
            "the parts as messages"
        )


@attrs.frozen
class TextReply(Reply):
    """
    Text of at most 2,047 bytes of UTF-8.
    """

    msgtype: ClassVar[str] = "text"
    content: str = attrs.field(validator=_short)

    def fields(self) -> dict[str, Any]:
        """
        Return the wire fields.
        """
        return {"Content": self.content}


@attrs.frozen
class ImageReply(Reply):
    """
    A picture.
    """

    msgtype: ClassVar[str] = "image"
    media_id: str = attrs.field(validator=_filled)

    def fields(self) -> dict[str, Any]:
        """
        Return the wire fields.
        """
        return {"Image": {"MediaId": self.media_id}}


@attrs.frozen
class VoiceReply(Reply):
    """
    A voice message.
    """

    msgtype: ClassVar[str] = "voice"
    media_id: str = attrs.field(validator=_filled)

    def fields(self) -> dict[str, Any]:
        """
        Return the wire fields.
        """
        return {"Voice": {"MediaId": self.media_id}}


@attrs.frozen
class VideoReply(Reply):
    """
    A video.
    """

    msgtype: ClassVar[str] = "video"
    media_id: str = attrs.field(validator=_filled)
    title: str | None = attrs.field(default=None, validator=_string_or_none)
    description: str | None = attrs.field(default=None, validator=_string_or_none)

    def fields(self) -> dict[str, Any]:
        """
        Return the wire fields.
        """
        return {"Video": _present(MediaId=self.media_id, Title=self.title, Description=self.description)}


@attrs.frozen
class MusicReply(Reply):
    """
    A link to music; what is None is left out.

    As a message it needs a cover picture; as a reply it does not.
    """

    msgtype: ClassVar[str] = "music"
    title: str | None = attrs.field(default=None, validator=_string_or_none)
    description: str | None = attrs.field(default=None, validator=_string_or_none)
    music_url: str | None = attrs.field(default=None, validator=_string_or_none)
    hq_music_url: str | None = attrs.field(default=None, validator=_string_or_none)
    thumb_media_id: str | None = attrs.field(default=None, validator=_filled_or_none)

    def fields(self) -> dict[str, Any]:
        """
        Return the wire fields.
        """
        music = _present(
            Title=self.title,
            Description=self.description,
            MusicUrl=self.music_url,
            HQMusicUrl=self.hq_music_url,
            ThumbMediaId=self.thumb_media_id,
        )
        return {"Music": music}


def _articles(value: Article | Iterable[Article]) -> tuple[Article, ...]:
    return (value,) if isinstance(value, Article) else tuple(value)


@attrs.frozen
class NewsReply(Reply):
    """
    Links with title and picture: one in answer to a message, up to 8 in answer to an event.
    """

    msgtype: ClassVar[str] = "news"
    articles: tuple[Article, ...] = attrs.field(
        converter=_articles,
        validator=[
            attrs.validators.min_len(1),
            attrs.validators.max_len(8),
            attrs.validators.deep_iterable(attrs.validators.instance_of(Article)),
        ],
    )

    def fields(self) -> dict[str, Any]:
        """
        Return the wire fields.
        """
        items = [
            {"Title": each.title, "Description": each.description, "PicUrl": each.picurl, "Url": each.url}
            for each in self.articles
        ]
        return {"ArticleCount": len(items), "Articles": items}


@attrs.frozen
class TransferReply(Reply):
    """
    Hand the customer over to human agents, in answer to a message of theirs (not to an event).

    Once an agent has taken over, WeChat pushes none of the customer's messages until the session closes.

    Args:
        kf_account: The agent. One who is offline or busy is waited for all the same: look at `get_online_kf_list`
            first, or leave it to WeChat.
    """

    msgtype: ClassVar[str] = "transfer_customer_service"
    kf_account: str | None = attrs.field(default=None, validator=_filled_or_none)

    def fields(self) -> dict[str, Any]:
        """
        Return the wire fields.
        """
        return {} if self.kf_account is None else {"TransInfo": {"KfAccount": self.kf_account}}
