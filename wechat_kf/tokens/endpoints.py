"""
The endpoints of the manual that give tokens, as rows: an account's own two, and those of third-party platforms.
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from .._wire.endpoint import Endpoint
from .._wire.tolerant import Ack

__all__ = [
    "AUTHORIZER_TOKEN",
    "CLASSIC_TOKEN",
    "COMPONENT_TOKEN",
    "PRE_AUTH_CODE",
    "QUERY_AUTH",
    "STABLE_TOKEN",
    "START_PUSH_TICKET",
    "AuthorizationAnswer",
    "AuthorizationInfo",
    "AuthorizerTokenAnswer",
    "ComponentTokenAnswer",
    "PreAuthCode",
    "TokenAnswer",
]


@attrs.frozen
class TokenAnswer:
    """
    What both token endpoints answer.
    """

    access_token: str = attrs.field(repr=False)
    expires_in: int


@attrs.frozen
class ComponentTokenAnswer:
    """
    What ``api_component_token`` answers.
    """

    component_access_token: str = attrs.field(repr=False)
    expires_in: int


@attrs.frozen
class PreAuthCode:
    """
    What an account's owner is asked for an authorisation with.

    Attributes:
        pre_auth_code: The code.

        expires_in: How long it lives, in seconds.
    """

    pre_auth_code: str = attrs.field(repr=False)
    expires_in: int


@attrs.frozen
class AuthorizationInfo:
    """
    An account's authorisation of a platform.

    Attributes:
        authorizer_appid: The account.

        func_info: What it authorised, as WeChat writes it.

        authorizer_access_token: The account's token; None if it authorised no calls.

        expires_in: How long that lives, in seconds.

        authorizer_refresh_token: What further tokens are asked for with.
    """

    authorizer_appid: str
    func_info: tuple[Any, ...] = ()
    authorizer_access_token: str | None = attrs.field(default=None, repr=False)
    expires_in: int = 0
    authorizer_refresh_token: str | None = attrs.field(default=None, repr=False)


@attrs.frozen
class AuthorizationAnswer:
    """
    What ``api_query_auth`` answers.
    """

    authorization_info: AuthorizationInfo


@attrs.frozen
class AuthorizerTokenAnswer:
    """
    What ``api_authorizer_token`` answers.
    """

    authorizer_access_token: str = attrs.field(repr=False)
    expires_in: int
    authorizer_refresh_token: str | None = attrs.field(default=None, repr=False)


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

_PLATFORM_MANUAL: Final = "https://developers.weixin.qq.com/doc/oplatform/openApi/ticket-token/"
_COMPONENT: Final = "/cgi-bin/component/"
# Current pages say `access_token`; this is what WeChat has always taken.
_NAME: Final = "component_access_token"

START_PUSH_TICKET: Final = Endpoint(
    "POST",
    f"{_COMPONENT}api_start_push_ticket",
    Ack,
    manual=f"{_PLATFORM_MANUAL}api_startpushticket.html",
    repeatable=True,
    token=None,
)
COMPONENT_TOKEN: Final = Endpoint(
    "POST",
    f"{_COMPONENT}api_component_token",
    ComponentTokenAnswer,
    manual=f"{_PLATFORM_MANUAL}api_getcomponentaccesstoken.html",
    repeatable=True,
    token=None,
)
PRE_AUTH_CODE: Final = Endpoint(
    "POST",
    f"{_COMPONENT}api_create_preauthcode",
    PreAuthCode,
    manual=f"{_PLATFORM_MANUAL}api_getpreauthcode.html",
    repeatable=True,
    token=_NAME,
)
# If the answer to the first is lost, another with the same code may still get it; nothing else can.
QUERY_AUTH: Final = Endpoint(
    "POST",
    f"{_COMPONENT}api_query_auth",
    AuthorizationAnswer,
    manual=f"{_PLATFORM_MANUAL}api_getauthorizerrefreshtoken.html",
    repeatable=True,
    token=_NAME,
)
AUTHORIZER_TOKEN: Final = Endpoint(
    "POST",
    f"{_COMPONENT}api_authorizer_token",
    AuthorizerTokenAnswer,
    manual=f"{_PLATFORM_MANUAL}api_getauthorizeraccesstoken.html",
    repeatable=True,
    token=_NAME,
)
