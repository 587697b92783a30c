"""
JSON as WeChat writes and wants it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, cast

from .text import sendable

__all__ = ["encode", "encode_sendable", "read_json"]

# Made once: `json.dumps` and `json.loads` would make another for each call.
_encoder: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def encode(body: Mapping[str, Any]) -> bytes:
    r"""
    Write JSON as WeChat wants it: UTF-8 with literal characters.

    ``\uXXXX`` escapes would be shown to the customer (40033), and escaped ``<`` and ``>`` break links.

    Raises:
        ValueError: A string holds a lone surrogate, a number is not finite, or the nesting is too deep.

        TypeError: A value is not of JSON's types.
    """
    try:
        return _encoder.encode(dict(body)).encode()
    except UnicodeEncodeError:
        raise ValueError("a string in the request holds a lone surrogate, which UTF-8 cannot carry") from None
    except RecursionError:
        raise ValueError("the request is nested too deeply") from None


# What a text that can be sent is not written with. (Or an escaped backslash before one of these letters.)
_UNSENDABLE: Final = re.compile(r"\\[bfru]|[\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def encode_sendable(body: Mapping[str, Any]) -> bytes:
    """
    Write JSON as `encode` does, all texts in it as `sendable` makes them.

    Raises:
        ValueError: A number is not finite, or the nesting is too deep.

        TypeError: A value is not of JSON's types.
    """
    try:
        text = _encoder.encode(dict(body))
        if _UNSENDABLE.search(text) is not None:
            text = _encoder.encode(_sendable(dict(body)))
    except RecursionError:
        raise ValueError("the request is nested too deeply") from None
    return text.encode()


def _sendable(value: object) -> object:
    if isinstance(value, str):
        return sendable(value)
    if isinstance(value, list | tuple):
        return [_sendable(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        items = cast("dict[object, object]", value).items()
        return {sendable(key) if isinstance(key, str) else key: _sendable(item) for key, item in items}
    return value


# An escaped backslash, so that its second half begins no other escape; a pair of surrogates; a lone one.
_SURROGATES: Final = re.compile(
    r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_decoder: Final = json.JSONDecoder(strict=False, parse_constant=_refuse_constant)


def read_json(body: bytes) -> Any:
    """
    Decode JSON by content: what occurs in nicknames and chat texts survives.

    Raw control characters are kept; broken UTF-8 and lone surrogates, which no log or database could take, become
    U+FFFD; a byte order mark goes.

    Raises:
        ValueError: It is not JSON, or beyond what Python reads.
    """
    text = body.decode("utf-8-sig", "replace")
    # A single character is found much faster than two or three.
    if "\\" in text and (r"\ud" in text or r"\uD" in text):
        text = _SURROGATES.sub(lambda found: r"\ufffd" if found[1] else found[0], text)
    try:
        return _decoder.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
