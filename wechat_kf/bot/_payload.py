"""
A push as the bytes that an inbox keeps, and back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import attrs

from ..webhook import Push, read_push

__all__ = ["pack_push", "unpack_push"]


def pack_push(push: Push, carried: Mapping[str, str]) -> bytes:
    """
    Write a push as bytes, with what the hooks want to travel with it.
    """
    parts = [push.is_json, push.raw, *([carried] if carried else ())]
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def unpack_push(payload: bytes, attempt: int) -> tuple[Push, Mapping[str, str]]:
    """
    Read a push that `pack_push` wrote, and what travelled with it.

    Raises:
        Exception: It was written by something else; what is raised depends on what is wrong with it.
    """
    is_json, fields, *carried = json.loads(payload)
    return attrs.evolve(read_push(fields, is_json=is_json), attempt=attempt), carried[0] if carried else {}
