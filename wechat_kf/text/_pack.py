"""
A stream of text as a few messages, each of which leaves as soon as it is whole.

Nobody knows how long the stream will be. If every paragraph were a message, a few short ones would use up all messages
but one, which cannot hold what is left. So the first leaves with the first paragraph, and the further ones must be the
fuller the fewer are left.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Iterator
from typing import Final

from .._wire.text import hold_back, sendable
from ._split import cut, size
from ._streams import TextStream

__all__ = ["ELLIPSIS", "Packed", "pack"]

ELLIPSIS: Final = "…"

_PARAGRAPH_END: Final = re.compile(r"\n[^\S\n]*+\n")
_BLANK_LINES: Final = re.compile(r"(?:[^\S\n]*+\n)++")
# White space in a row beyond this is dropped, so that no stream of it fills the memory.
_MAX_BLANKS: Final = 100


class _Packing:
    """
    The pure part: pieces in, messages out.

    Attributes:
        messages: How many messages there may be.
    """

    def __init__(self, messages: int, limit: int) -> None:
        self.messages = messages
        self._limit = limit
        self._made = 0
        self._taken = 0
        self._text = self._held = ""
        self._rest: list[str] = []

    @property
    def rest(self) -> str:
        return "".join(self._rest)

    def add(self, piece: str) -> Iterator[str]:
        piece, self._held = hold_back(self._held + piece)
        return self._add(sendable(piece))

    def end(self) -> Iterator[str]:
        yield from self._add(sendable(self._held))
        if self._text.strip():
            yield self._text.rstrip()

    def _add(self, piece: str) -> Iterator[str]:
        if self._rest:
            self._rest.append(piece)
            return
        self._text += piece
        while not self._rest and (end := self._find_end()) is not None:
            message, self._text = self._text[:end], self._text[end:]
            self._made += 1
            self._taken += size(message)
            is_last = self._made == self.messages
            if is_last:
                self._rest, self._text = [self._text], ""
            yield message.rstrip() + (ELLIPSIS if is_last else "")
        said = self._text.rstrip()
        self._text = said + self._text[len(said) :][:_MAX_BLANKS]

    def _find_end(self) -> int | None:
        """
        Find where the next message ends; None if that is not known yet.
        """
        if blank := _BLANK_LINES.match(self._text):
            self._text = self._text[blank.end() :]
        if len(self._text) > _MAX_BLANKS and self._text[:_MAX_BLANKS].isspace():
            self._text = self._text.lstrip()
        is_last = self._made + 1 == self.messages
        least = 0 if is_last else max(0, self._due() - self._taken)
        if not is_last:
            begin = len(self._text.encode()[:least].decode(errors="ignore"))
            paragraph = _PARAGRAPH_END.search(self._text, begin)
            if paragraph and size(self._text[: paragraph.start()]) <= self._limit:
                return paragraph.end()
        if size(self._text.rstrip()) > self._limit:
            # No message may be blank.
            self._text = self._text.lstrip()
        if size(self._text.rstrip()) <= self._limit:
            return None
        # The end of a link may be yet to come.
        return cut(self._text + "</a>", self._limit - (size(ELLIPSIS) if is_last else 0), least)

    def _due(self) -> int:
        """
        Count the bytes that are to have left with the next message: 0, 1/4, 3/4, 6/4 of a message, if there are five.
        """
        return self._limit * self._made * (self._made + 1) // 2 // (self.messages - 1)


class Packed(TextStream):
    """
    The messages that `pack` makes: an async iterator.
    """

    def __init__(self, pieces: AsyncIterable[str | None], messages: int, limit: int) -> None:
        self._packing = _Packing(messages, limit)
        super().__init__(pieces, self._packing)

    @property
    def rest(self) -> str:
        """
        What did not fit, once the iteration has ended; empty if all did.
        """
        return self._packing.rest

    def at_most(self, messages: int) -> None:
        """
        Allow fewer messages than were given to `pack`, before the first is asked for.
        """
        self._packing.messages = max(1, min(messages, self._packing.messages))


def pack(pieces: AsyncIterable[str | None], *, messages: int = 5, limit: int = 2048) -> Packed:
    """
    Make a stream of text, such as a language model's, a few messages, each of which leaves as soon as it is whole.

    ::

        @bot.on(TextMessage)
        def answer(push: TextMessage) -> AsyncIterator[str]:
            return pack(think(push.content))

    A message ends after a paragraph if it can, else as the parts of `split_text` do. The first is the first paragraph;
    the next ones take several while these are short, so that a long answer does not run out of messages; the last takes
    all the rest. However the text is divided, one of half of what the messages can carry fits, 5,120 bytes by default;
    most longer ones do. A text that does not fit ends in "…", and `Packed.rest` has what is missing. A `Bot` to which a
    handler returns the iterator allows as many messages as may answer the push, and tells `on_error` what is missing.

    Half an emoji and half a line end wait for the next piece; what WeChat cannot be sent is dropped.

    Args:
        pieces: The text; a piece may be empty or None. It is read to its end, and closed with the iterator
            (``aclose()``), if it can be.

        messages: How many messages there may be: WeChat allows five after a customer's message, three after an event.

        limit: The most bytes of UTF-8 a message may have.

    Raises:
        ValueError: `messages` is less than 1, or the limit less than 7, which one character and "…" may need.
    """
    if messages < 1:
        raise ValueError("messages must be at least 1")
    if limit < 7:
        raise ValueError('limit must be at least 7 bytes, which one character and "…" may need')
    return Packed(pieces, messages, limit)
