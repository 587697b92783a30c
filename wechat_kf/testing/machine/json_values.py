"""
Reading fields out of parsed JSON that may be anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any, NoReturn, TypeGuard

__all__ = ["list_of", "object_of", "parse_json", "text_of"]


def parse_json(body: bytes) -> Any:
    """
    Parse JSON as strictly as the manual of JSON has it: UTF-8, without NaN and infinite numbers.

    Raises:
        ValueError: It is not JSON, or nested too deeply.
    """
    try:
        return json.loads(body.decode(), parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text} is too large")
    return number


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
