"""
A whole text as a limited number of messages.
"""

from __future__ import annotations

from ._pack import ELLIPSIS
from ._split import cut, size, split_text

__all__ = ["fit"]


def fit(content: str, messages: int, limit: int = 2048) -> tuple[list[str], str]:
    """
    Cut a text into at most so many parts, as `split_text` does; closer to the limit if it does not fit otherwise.

    Args:
        content: The text, without lone surrogates.

        messages: How many parts there may be.

        limit: The most bytes of UTF-8 a part may have, at least 7.

    Returns:
        The parts, none of them blank, and what did not fit. Then the last part ends in "…".
    """
    if messages < 1:
        return [], content
    parts = _written(split_text(content, limit))
    if len(parts) > messages and size(content) <= messages * limit:
        parts = _written(_fill(content, messages, limit))
    if len(parts) <= messages:
        return parts, ""
    rest = "".join(parts[messages - 1 :])
    end = cut(rest, limit - size(ELLIPSIS))
    return [*parts[: messages - 1], rest[:end].rstrip() + ELLIPSIS], rest[end:]


def _fill(content: str, messages: int, limit: int) -> list[str]:
    parts: list[str] = []
    while content:
        # What the parts after this one can hold.
        room = max(0, messages - len(parts) - 1) * limit
        end = cut(content, limit, size(content) - room)
        parts.append(content[:end])
        content = content[end:]
    return parts


def _written(parts: list[str]) -> list[str]:
    return [part for part in parts if part.strip()]
