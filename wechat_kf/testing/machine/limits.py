"""
Every number of WeChat's that the stand-in goes by, in one table: the vendor changes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs
from attrs.validators import ge, instance_of

from ..._wire.endpoint import Endpoint
from ...api.media import DOWNLOAD_TEMP_MEDIA, UPLOAD_TEMP_MEDIA
from ...api.messages import SEND_CUSTOM_MESSAGE
from ...tokens import CLASSIC_TOKEN, STABLE_TOKEN

__all__ = ["Allowance", "Limits"]

_MIB = 1024 * 1024
_HOUR = 3600.0
_DAY = 24 * _HOUR


def _by_path(numbers: Mapping[Endpoint[Any], int]) -> dict[str, int]:
    return {endpoint.path: number for endpoint, number in numbers.items()}


_NUMBER: Final[Any] = instance_of((int, float))


@attrs.frozen
class Allowance:
    """
    How many messages may follow a customer's action, and for how many seconds.
    """

    messages: int = attrs.field(validator=[instance_of(int), ge(0)])
    seconds: float = attrs.field(validator=[_NUMBER, ge(0)])


@attrs.define(kw_only=True)
class Limits:
    """
    The numbers, in seconds and bytes; set one to change it: ``fake.limits.accounts = 2``.

    Those that the manual leaves open are marked.
    """

    accounts: int = 100
    nickname: int = 16
    prefix: int = 10
    suffix: int = 30
    invitation: float = _DAY  # open
    accounts_of_a_worker: int = 5  # open

    session: float = 30 * 60.0
    waiting_shown: int = 100

    message: Allowance = Allowance(5, 48 * _HOUR)
    menu: Allowance = Allowance(3, 60.0)
    follow: Allowance = Allowance(3, 60.0)
    scan: Allowance = Allowance(3, 60.0)
    payment: Allowance = Allowance(1_000_000, 48 * _HOUR)  # "unlimited"
    text: int = 2048  # open
    articles: int = 1
    typing_after: float = 30.0
    typing: float = 15.0

    records_span: float = _DAY
    records_asked: int = 10_000
    records_page: int = 10_000
    """
    How many records a page holds at most. Below `records_asked` it is not WeChat's: a way to see many pages of a short
    history.
    """

    records_cursor_repeats: bool = False  # open: whether a page begins with the record its msgid names

    avatar: int = 5 * _MIB
    image: int = 10 * _MIB
    voice: int = 2 * _MIB
    video: int = 10 * _MIB
    thumb: int = 64 * 1024
    media: float = 3 * _DAY

    token: float = 2 * _HOUR
    token_overlap: float = 5 * 60.0
    forced_tokens: int = 20
    forced_apart: float = 30.0

    ticket: float = 12 * _HOUR
    ticket_apart: float = 10 * 60.0
    pre_auth_code: float = 30 * 60.0  # open
    authorization_code: float = _HOUR  # open
    refresh_token_changes: bool = True  # open: whether each token comes with another refresh token

    calls_a_day: dict[str, int] = attrs.field(
        factory=lambda: _by_path(
            {
                CLASSIC_TOKEN: 2_000,
                STABLE_TOKEN: 500_000,
                SEND_CUSTOM_MESSAGE: 500_000,
                UPLOAD_TEMP_MEDIA: 100_000,
                DOWNLOAD_TEMP_MEDIA: 200_000,
            }
        )
    )
    calls_a_day_else: int = 500_000  # open
    calls_a_minute: dict[str, int] = attrs.field(factory=lambda: _by_path({STABLE_TOKEN: 10_000}))
    clear_quota: int = 10
    clear_one_quota: int = 50
    rid: float = 7 * _DAY

    cloud_run: bool = False
    """
    Whether the account's server is in cloud-run (微信云托管): then calls over plain HTTP need no token.
    """

    push: float = 5.0
    push_retries: int = 3

    remembered: int = 100_000
    """
    Not WeChat's: how many calls and failures the stand-in itself remembers.
    """

    def of_event(self, name: object) -> Allowance | None:
        """
        Tell what an event allows; None: nothing, as most.
        """
        if name == "subscribe":
            return self.follow
        if name == "SCAN":
            return self.scan
        # Menu entries that lead out of the chat allow nothing.
        return self.menu if name in ("CLICK", "scancode_push", "scancode_waitmsg") else None
