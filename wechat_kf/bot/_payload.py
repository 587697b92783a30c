"""
A push as the bytes that an inbox keeps, and back.
"""

from __future__ import annotations

import json

import attrs

from ..webhook import Push, read_push

__all__ = ["pack_push", "unpack_push"]


def pack_push(push: Push) -> bytes:
    """
    Write a push as bytes.
    """
    return json.dumps([push.is_json, push.raw], ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def unpack_push(payload: bytes, attempt: int) -> Push:
    """
    Read a push that `pack_push` wrote.

    Raises:
        Exception: It was written by something else; what is raised depends on what is wrong with it.
    """
    is_json, fields = json.loads(payload)
    return attrs.evolve(read_push(fields, is_json=is_json), attempt=attempt)
