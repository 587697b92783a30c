"""
Every kind of reply: what goes on the wire, and what is refused before.
"""

from __future__ import annotations

from typing import Any

import pytest

from wechat_kf import webhook
from wechat_kf.api.message_kinds import Article
from wechat_kf.webhook import (
    ImageReply,
    MusicReply,
    NewsReply,
    Reply,
    TextReply,
    TransferReply,
    VideoReply,
    VoiceReply,
)

ARTICLE = Article("t", "d", "http://u", "http://p")
ITEM = {"Title": "t", "Description": "d", "PicUrl": "http://p", "Url": "http://u"}

CASES: dict[str, tuple[Reply, str, dict[str, Any]]] = {
    "text": (TextReply("你好"), "text", {"Content": "你好"}),
    "image": (ImageReply("m"), "image", {"Image": {"MediaId": "m"}}),
    "voice": (VoiceReply("m"), "voice", {"Voice": {"MediaId": "m"}}),
    "video": (VideoReply("m"), "video", {"Video": {"MediaId": "m"}}),
    "video with title": (
        VideoReply("m", "t", "d"),
        "video",
        {"Video": {"MediaId": "m", "Title": "t", "Description": "d"}},
    ),
    "music": (
        MusicReply("t", "d", "http://m", "http://hq", "thumb"),
        "music",
        {
            "Music": {
                "Title": "t",
                "Description": "d",
                "MusicUrl": "http://m",
                "HQMusicUrl": "http://hq",
                "ThumbMediaId": "thumb",
            }
        },
    ),
    "music, only its cover": (
        MusicReply(None, None, None, None, "thumb"),
        "music",
        {"Music": {"ThumbMediaId": "thumb"}},
    ),
    "music without a cover": (MusicReply(music_url="http://m"), "music", {"Music": {"MusicUrl": "http://m"}}),
    "news": (NewsReply(ARTICLE), "news", {"ArticleCount": 1, "Articles": [ITEM]}),
    "news, several": (NewsReply([ARTICLE, ARTICLE]), "news", {"ArticleCount": 2, "Articles": [ITEM, ITEM]}),
    "transfer": (TransferReply(), "transfer_customer_service", {}),
    "transfer to an agent": (
        TransferReply("test1@test"),
        "transfer_customer_service",
        {"TransInfo": {"KfAccount": "test1@test"}},
    ),
}


@pytest.mark.parametrize(("reply", "msgtype", "fields"), CASES.values(), ids=CASES)
def test_writes(reply: Reply, msgtype: str, fields: dict[str, Any]) -> None:
    """
    A reply writes its own wire fields, and none that are None.
    """
    assert reply.msgtype == msgtype
    assert reply.fields() == fields


def test_every_kind_has_a_case() -> None:
    """
    No class of reply is without a case above.
    """
    kinds = {value for value in vars(webhook).values() if isinstance(value, type) and issubclass(value, Reply)}

    assert {type(reply) for reply, *_ in CASES.values()} == kinds - {Reply}


def test_text_is_measured_in_bytes() -> None:
    """
    2,047 bytes of UTF-8 pass, one more is refused with the way out.
    """
    fits = "好" * 682 + "x"

    assert len(fits.encode()) == 2047
    assert TextReply(fits).content == fits
    with pytest.raises(ValueError, match=r"2048 bytes.*split_text"):
        TextReply(fits + "x")


def test_what_is_not_sent_is_not_measured() -> None:
    """
    Line ends count once, control characters and lone halves of an emoji not at all, two halves as one character.
    """
    assert TextReply("x" * 2043 + "\ud83d\ude00").content
    assert TextReply("\x07" * 3000 + "\r\n" * 2047 + "\ud83d").content
    with pytest.raises(ValueError, match="2048 bytes"):
        TextReply("\r\n" * 2048)


def test_news_has_one_to_eight_articles() -> None:
    """
    No article, nine articles, and what is no article are refused.
    """
    no_article: Any = ["http://u"]

    assert len(NewsReply([ARTICLE] * 8).articles) == 8
    with pytest.raises(ValueError, match="articles"):
        NewsReply([])
    with pytest.raises(ValueError, match="articles"):
        NewsReply([ARTICLE] * 9)
    with pytest.raises(TypeError, match="articles"):
        NewsReply(no_article)


class Markup:
    """
    What template engines and translations make in the place of texts.
    """

    def __str__(self) -> str:
        return "</Title><Url>http://evil</Url>"


@pytest.mark.parametrize("value", [None, 1, b"m"])
def test_wrong_types_are_refused(value: Any) -> None:
    """
    Texts and ids are strings.
    """
    with pytest.raises(TypeError, match="content"):
        TextReply(value)
    with pytest.raises(TypeError, match="media_id"):
        ImageReply(value)
    with pytest.raises(ValueError, match="media_id"):
        VoiceReply("")


@pytest.mark.parametrize("value", [1, b"m", Markup()])
def test_optional_texts_are_texts(value: Any) -> None:
    """
    What may be None is a string or None: what only can be written as a string could hold markup.
    """
    with pytest.raises(TypeError, match="title must be a str or None"):
        VideoReply("m", title=value)
    with pytest.raises(TypeError, match="description"):
        VideoReply("m", description=value)
    for name in ("title", "description", "music_url", "hq_music_url"):
        fields: dict[str, Any] = dict.fromkeys(("title", "description", "music_url", "hq_music_url"))
        with pytest.raises(TypeError, match=name):
            MusicReply(**fields | {name: value}, thumb_media_id="m")
    with pytest.raises(TypeError, match="kf_account"):
        TransferReply(value)


def test_nobody_is_transferred_to_an_agent_without_a_name() -> None:
    """
    An empty account is not taken for None.
    """
    with pytest.raises(ValueError, match="kf_account"):
        TransferReply("")
