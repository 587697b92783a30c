"""
Messages to customers: one class for each kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeVar, cast

import attrs

from .._wire.arguments import required
from .._wire.text import sendable

__all__ = [
    "Article",
    "Image",
    "Link",
    "MenuItem",
    "Message",
    "MiniProgramPage",
    "MpNews",
    "MpNewsArticle",
    "MsgMenu",
    "Music",
    "News",
    "Raw",
    "Text",
    "Video",
    "Voice",
    "WxCard",
    "payload",
]

T = TypeVar("T")


def _filled(_: object, attribute: attrs.Attribute[str], value: object) -> None:
    required(attribute.name, value)


def _string(_: object, attribute: attrs.Attribute[str], value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be a str, not {type(value).__name__}")


def _said(_: object, attribute: attrs.Attribute[str], value: object) -> None:
    _string(_, attribute, value)
    if not sendable(cast("str", value)):
        raise ValueError(f"{attribute.name} must not be empty")


def _string_or_none(_: object, attribute: attrs.Attribute[str | None], value: object) -> None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be a str or None, not {type(value).__name__}")


@attrs.frozen
class Message:
    """
    A message to a customer; its fields are the wire's. Subclasses name their ``msgtype``.
    """

    msgtype: ClassVar[str]


@attrs.frozen
class Text(Message):
    r"""
    Text; a line break is ``\n``, a link is ``<a href="…">…</a>``.

    No length is documented; about 2,048 bytes of UTF-8 pass (45002 beyond), so cut longer ones with `split_text`.
    """

    msgtype: ClassVar[str] = "text"
    content: str = attrs.field(validator=_said)


@attrs.frozen
class Image(Message):
    """
    A picture, uploaded with `upload_temp_media` or kept as permanent material.
    """

    msgtype: ClassVar[str] = "image"
    media_id: str = attrs.field(validator=_filled)


@attrs.frozen
class Voice(Message):
    """
    A voice message of at most 60 seconds.
    """

    msgtype: ClassVar[str] = "voice"
    media_id: str = attrs.field(validator=_filled)


@attrs.frozen
class Video(Message):
    """
    A video with its cover picture.
    """

    msgtype: ClassVar[str] = "video"
    media_id: str = attrs.field(validator=_filled)
    thumb_media_id: str = attrs.field(validator=_filled)
    title: str | None = attrs.field(default=None, validator=_string_or_none)
    description: str | None = attrs.field(default=None, validator=_string_or_none)


@attrs.frozen
class Music(Message):
    """
    A link to music with a cover picture; `hqmusicurl`, used on Wi-Fi, is left out when None.
    """

    msgtype: ClassVar[str] = "music"
    title: str = attrs.field(validator=_string)
    description: str = attrs.field(validator=_string)
    musicurl: str = attrs.field(validator=_filled)
    hqmusicurl: str | None = attrs.field(default=None, validator=_string_or_none)
    # Required, yet after an optional one in the manual's order: an empty id is refused.
    thumb_media_id: str = attrs.field(default="", validator=_filled)


@attrs.frozen
class Article:
    """
    One article of a `News` message or of a webhook's `NewsReply`.
    """

    title: str = attrs.field(validator=_string)
    description: str = attrs.field(validator=_string)
    url: str = attrs.field(validator=_string)
    picurl: str = attrs.field(validator=_string)


def _gathered(name: str, kind: type[T], value: object) -> tuple[T, ...]:
    if isinstance(value, kind):
        return (value,)
    if not isinstance(value, Iterable):
        raise TypeError(f"{name} must be {kind.__name__} or an iterable of them, not {type(value).__name__}")
    items: list[T] = []
    for item in cast("Iterable[object]", value):
        if not isinstance(item, kind):
            raise TypeError(f"{name} must hold {kind.__name__}, not {type(item).__name__}")
        items.append(item)
    if not items:
        raise ValueError(f"{name} must not be empty")
    return tuple(items)


def _articles(value: Article | Iterable[Article]) -> tuple[Article, ...]:
    return _gathered("articles", Article, value)


@attrs.frozen
class News(Message):
    """
    A link with title and picture. WeChat takes one article (45008 for more).
    """

    msgtype: ClassVar[str] = "news"
    articles: tuple[Article, ...] = attrs.field(converter=_articles)


@attrs.frozen
class MpNews(Message):
    """
    An article of the old material library; WeChat has deprecated it for `MpNewsArticle`.
    """

    msgtype: ClassVar[str] = "mpnews"
    media_id: str = attrs.field(validator=_filled)


@attrs.frozen
class MpNewsArticle(Message):
    """
    A published article.
    """

    msgtype: ClassVar[str] = "mpnewsarticle"
    article_id: str = attrs.field(validator=_filled)


@attrs.frozen
class MenuItem:
    """
    One entry of a `MsgMenu`; its id comes back with the customer's choice, as ``bizmsgmenuid``.
    """

    id: str = attrs.field(validator=_filled)
    content: str = attrs.field(validator=_said)


def _items(value: MenuItem | Iterable[MenuItem]) -> tuple[MenuItem, ...]:
    return _gathered("list", MenuItem, value)


@attrs.frozen
class MsgMenu(Message):
    """
    Entries to choose from, with text above and below. A choice comes back as a text message.
    """

    msgtype: ClassVar[str] = "msgmenu"
    list: tuple[MenuItem, ...] = attrs.field(converter=_items)
    head_content: str | None = attrs.field(default=None, validator=_string_or_none)
    tail_content: str | None = attrs.field(default=None, validator=_string_or_none)


@attrs.frozen
class WxCard(Message):
    """
    A card or coupon without custom codes.
    """

    msgtype: ClassVar[str] = "wxcard"
    card_id: str = attrs.field(validator=_filled)


@attrs.frozen
class MiniProgramPage(Message):
    """
    A page of a mini-program that is linked to the account; the cover is best at 520 × 416 pixels.
    """

    msgtype: ClassVar[str] = "miniprogrampage"
    title: str = attrs.field(validator=_string)
    appid: str = attrs.field(validator=_filled)
    pagepath: str = attrs.field(validator=_filled)
    thumb_media_id: str = attrs.field(validator=_filled)


@attrs.frozen
class Link(Message):
    """
    A link with a picture, for mini-program accounts.
    """

    msgtype: ClassVar[str] = "link"
    title: str = attrs.field(validator=_string)
    description: str = attrs.field(validator=_string)
    url: str = attrs.field(validator=_filled)
    thumb_url: str = attrs.field(validator=_string)


def _mapping(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"{attribute.name} must be a mapping, not {type(value).__name__}")


@attrs.frozen
class Raw(Message):
    """
    Any kind of message, also one that this library does not know: its msgtype and its payload.
    """

    # The one class whose msgtype is each instance's own.
    msgtype: str = attrs.field(validator=_filled)  # type: ignore[misc]  # pyright: ignore[reportIncompatibleVariableOverride]
    body: Mapping[str, Any] = attrs.field(validator=_mapping)


def payload(value: object) -> object:
    """
    Write a message, or a part of one, as the wire has it.
    """
    if isinstance(value, tuple):
        return [payload(item) for item in cast("tuple[object, ...]", value)]
    kind = type(value)
    if attrs.has(kind):
        # The class's own fields are the wire's fields; what is None is left out.
        fields = ((each.name, getattr(value, each.name)) for each in attrs.fields(kind))
        return {name: payload(field) for name, field in fields if field is not None}
    return value
