"""
What a handler may answer with, and the two forms that it leaves in: a passive reply, or messages.
"""

from __future__ import annotations

from typing import TypeAlias

from .._wire.text import sendable
from ..api.message_kinds import Image, Message, Music, News, Text, Video, Voice
from ..text import split_text
from ..webhook import MAX_TEXT, ImageReply, MusicReply, NewsReply, Reply, TextReply, VideoReply, VoiceReply

__all__ = ["Answer", "as_messages", "as_reply", "is_blank"]

Answer: TypeAlias = Message | Reply | str | None
"""
What a handler gives back: a message, a passive reply, text, or nothing.
"""


def is_blank(answer: Answer) -> bool:
    # The streams of language models have pieces of mere white space, which WeChat refuses.
    match answer:
        case str(content) | TextReply(content=content):
            return not content.strip()
        case _:
            return answer is None


def as_reply(answer: Answer) -> Reply | None:
    """
    Give an answer its passive form, if it has one.
    """
    reply: Reply | None = None
    match answer:
        case Reply():
            reply = answer
        case str(content) | Text(content=content):
            reply = TextReply(content) if len(sendable(content).encode()) <= MAX_TEXT else None
        case Image(media_id=media_id):
            reply = ImageReply(media_id)
        case Voice(media_id=media_id):
            reply = VoiceReply(media_id)
        case Video():
            reply = VideoReply(answer.media_id, answer.title, answer.description)
        case Music():
            title, description = answer.title, answer.description
            reply = MusicReply(title, description, answer.musicurl, answer.hqmusicurl, answer.thumb_media_id)
        case News(articles=articles):
            reply = NewsReply(articles)
        case _:
            pass
    return reply


def as_messages(answer: Answer) -> list[Message]:
    """
    Give an answer its form as messages; a long text is cut.
    """
    match answer:
        case str(content) | Text(content=content) | TextReply(content=content):
            return [Text(part) for part in split_text(content) if not is_blank(part)]
        case Message():
            return [answer]
        case ImageReply(media_id=media_id):
            return [Image(media_id)]
        case VoiceReply(media_id=media_id):
            return [Voice(media_id)]
        # A message needs the cover that a reply may go without.
        case MusicReply(thumb_media_id=str(thumb_media_id)):
            title, description = answer.title or "", answer.description or ""
            return [Music(title, description, answer.music_url or "", answer.hq_music_url, thumb_media_id)]
        case NewsReply(articles=articles):
            return [News(articles)]
        case Reply():
            raise ValueError(f"{type(answer).__name__} has no form as a message, and it is too late for a reply")
        case _:
            raise TypeError(f"a handler answers with a message, a reply, a str or None, not {type(answer).__name__}")
