"""
Reading fields out of parsed JSON that may be anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

__all__ = ["list_of", "object_of", "text_of"]


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def object_of(value: object) -> dict[str, Any] | None:
    """
    Read an object; anything else is None.
    """
    return value if _is_object(value) else None


def list_of(value: object) -> list[Any]:
    """
    Read a list; anything else is empty.
    """
    return value if _is_list(value) else []


def text_of(body: Mapping[str, Any], name: str) -> str:
    """
    Read a string of an object; anything else is empty.
    """
    value = body.get(name)
    return value if isinstance(value, str) else ""
