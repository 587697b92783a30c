"""
The two token endpoints of the manual, as rows.
"""

from __future__ import annotations

from typing import Final

import attrs

from .._wire.endpoint import Endpoint

__all__ = ["CLASSIC_TOKEN", "STABLE_TOKEN", "TokenAnswer"]


@attrs.frozen
class TokenAnswer:
    """
    What both token endpoints answer.
    """

    access_token: str = attrs.field(repr=False)
    expires_in: int


_MANUAL: Final = "https://developers.weixin.qq.com/doc/service/api/base/"

STABLE_TOKEN: Final = Endpoint(
    "POST",
    "/cgi-bin/stable_token",
    TokenAnswer,
    manual=f"{_MANUAL}api_getstableaccesstoken.html",
    repeatable=True,
    token=None,
)
CLASSIC_TOKEN: Final = Endpoint(
    "GET", "/cgi-bin/token", TokenAnswer, manual=f"{_MANUAL}api_getaccesstoken.html", repeatable=True, token=None
)
