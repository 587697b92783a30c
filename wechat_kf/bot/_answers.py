"""
What a handler may answer with, and the two forms that it leaves in: a passive reply, or messages.
"""

from __future__ import annotations

from typing import TypeAlias, cast

import attrs

from .._wire.text import sendable
from ..api.message_kinds import Image, Message, Music, News, Text, Video, Voice
from ..text import split_text
from ..text.fit import fit
from ..webhook import (
    MAX_TEXT,
    ImageReply,
    MusicReply,
    NewsReply,
    Reply,
    TextReply,
    TransferReply,
    VideoReply,
    VoiceReply,
)

__all__ = ["Answer", "Answerable", "as_answer", "as_messages", "as_reply", "as_texts"]


@attrs.frozen
class Answer:
    """
    An answer with options of its own, which go before the bot's.

    Args:
        content: A message, a passive reply, or text.

        kf_account: Speak as this agent, with their name and picture; then it is no passive reply.

        is_ai_msg: True adds the grey line that the content comes from an AI; then it is no passive reply, which has
            none.

        passive: False: send a message even where the passive reply would be in time.
    """

    content: Message | Reply | str
    kf_account: str | None = None
    is_ai_msg: bool | None = None
    passive: bool = True


Answerable: TypeAlias = Answer | Message | Reply | str | None
"""
What a handler gives back: a message, a passive reply, text, one of these as an `Answer`, or nothing.
"""


def as_answer(given: Answerable, kf_account: str | None, is_ai_msg: bool | None) -> Answer | None:
    """
    Give what a handler gave its options; None if there is nothing to say.

    Args:
        given: What the handler gave.

        kf_account: The bot's own agent.

        is_ai_msg: The bot's own label.
    """
    answer = given if isinstance(given, Answer) else Answer(cast("Message | Reply | str", given))
    if _is_blank(answer.content):
        return None
    kf_account = kf_account if answer.kf_account is None else answer.kf_account
    is_ai_msg = is_ai_msg if answer.is_ai_msg is None else answer.is_ai_msg
    # Neither a label nor an agent's name can be put on a passive reply. A transfer says nothing.
    passive = answer.passive and (isinstance(answer.content, TransferReply) or (kf_account is None and not is_ai_msg))
    return Answer(answer.content, kf_account, is_ai_msg, passive)


def _is_blank(content: Message | Reply | str | None) -> bool:
    # The streams of language models have pieces of mere white space, which WeChat refuses.
    match content:
        case str(text) | TextReply(content=text):
            return not text.strip()
        case _:
            return content is None


def as_reply(content: Message | Reply | str) -> Reply | None:
    """
    Give an answer its passive form, if it has one.
    """
    reply: Reply | None = None
    match content:
        case Reply():
            reply = content
        case str(text) | Text(content=text):
            reply = TextReply(text) if len(sendable(text).encode()) <= MAX_TEXT else None
        case Image(media_id=media_id):
            reply = ImageReply(media_id)
        case Voice(media_id=media_id):
            reply = VoiceReply(media_id)
        case Video():
            reply = VideoReply(content.media_id, content.title, content.description)
        case Music():
            title, description = content.title, content.description
            reply = MusicReply(title, description, content.musicurl, content.hqmusicurl, content.thumb_media_id)
        case News(articles=articles):
            reply = NewsReply(articles)
        case _:
            pass
    return reply


def as_messages(content: Message | Reply | str, most: int) -> tuple[list[Message], list[Message]]:
    """
    Give an answer its form as messages: those that may be sent, and what is left.

    A long text is cut so that it fits; if it still does not, it ends in "…".

    Args:
        content: The answer.

        most: How many messages may be sent.
    """
    match content:
        case str(text) | Text(content=text) | TextReply(content=text):
            parts, rest = fit(sendable(text), most)
            return [Text(part) for part in parts], as_texts(rest)
        case Message():
            message = content
        case ImageReply(media_id=media_id):
            message = Image(media_id)
        case VoiceReply(media_id=media_id):
            message = Voice(media_id)
        # A message needs the cover that a reply may go without.
        case MusicReply(thumb_media_id=str(thumb_media_id)):
            title, description = content.title or "", content.description or ""
            message = Music(title, description, content.music_url or "", content.hq_music_url, thumb_media_id)
        case NewsReply(articles=articles):
            message = News(articles)
        case Reply():
            raise ValueError(
                f"{type(content).__name__} cannot be sent as a message, and it is too late for a passive reply"
            )
        case _:
            raise TypeError(
                f"a handler answers with a message, a reply, a str, an Answer or None, not {type(content).__name__}"
            )
    return ([message], []) if most > 0 else ([], [message])


def as_texts(content: str) -> list[Message]:
    """
    Cut a text into messages.
    """
    return [Text(part) for part in split_text(content) if not _is_blank(part)]
