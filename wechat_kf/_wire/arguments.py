"""
The checks on what callers pass, before anything is sent.
"""

from __future__ import annotations

import math
from datetime import datetime

__all__ = ["bounded_wait", "credential", "required", "unix_seconds", "whole_number"]


def required(name: str, value: object) -> str:
    """
    Check an argument that must be a string with something in it.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if not value.strip():
        raise ValueError(f"{name} must not be empty")
    return value


def credential(name: str, value: object) -> str:
    """
    Check an appid or a secret, which has no blanks around it.
    """
    text = required(name, value)
    if text != text.strip():
        # As a file or a variable has them that was not made with care; WeChat would refuse it with another reason.
        raise ValueError(f"{name} must not begin or end with a blank or a line feed")
    return text


def unix_seconds(name: str, value: datetime | int) -> int:
    """
    Turn an aware datetime or Unix seconds into Unix seconds.
    """
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError(f"{name} must be an aware datetime: a naive one does not say which time it is")
        seconds = int(value.timestamp())
    elif type(value) is int:
        seconds = value
        if seconds >= 100_000_000_000:
            raise ValueError(f"{name} must be in seconds; {seconds} looks like milliseconds")
    else:
        raise TypeError(f"{name} must be an aware datetime or Unix seconds as int, not {type(value).__name__}")
    if seconds < 0:
        raise ValueError(f"{name} must not be before 1970")
    return seconds


def bounded_wait(timeout: object) -> float:
    """
    Check a time to wait in seconds: every wait is bounded.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError("timeout must be a number of seconds: every wait is bounded")
    if not 0 < timeout < math.inf:
        raise ValueError("timeout must be more than 0 and finite: every wait is bounded")
    return float(timeout)


def whole_number(name: str, value: object, *, least: int) -> int:
    """
    Check a whole number.
    """
    if type(value) is not int:
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}")
    return value
