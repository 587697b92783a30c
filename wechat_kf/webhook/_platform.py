"""
What WeChat pushes to a third-party platform (第三方平台) about the platform itself, a class for each kind.

They come to the platform's authorisation-event URL, always encrypted, with an ``InfoType`` in place of a ``MsgType``.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import attrs

from ._push import Push

__all__ = [
    "AuthorizedPush",
    "ComponentVerifyTicketPush",
    "PlatformPush",
    "UnauthorizedPush",
]


@attrs.frozen(kw_only=True)
class PlatformPush(Push):
    """
    A push about the platform: no customer is concerned, and nothing can be answered but ``success``.

    Attributes:
        app_id: The platform's appid.

        info_type: The wire's ``InfoType``.
    """

    _details: ClassVar[tuple[str, ...]] = ("app_id", "info_type")

    to_user_name: str = ""
    from_user_name: str = ""
    msg_type: Literal[""] = ""
    app_id: str
    info_type: str

    @property
    def account(self) -> str:
        """
        The platform's appid.
        """
        return self.app_id


@attrs.frozen(kw_only=True)
class ComponentVerifyTicketPush(PlatformPush):
    """
    The platform's ticket, every ten minutes; it lives for 12 hours, so keep the last.
    """

    info_type: Literal["component_verify_ticket"] = "component_verify_ticket"
    component_verify_ticket: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class AuthorizedPush(PlatformPush):
    """
    An account authorised the platform, or changed what it had authorised.

    Attributes:
        authorizer_appid: The account's appid.

        authorization_code: Gives the account's tokens, once.

        authorization_code_expired_time: When the code ends, in Unix seconds.

        pre_auth_code: The platform's code by which the authorisation was asked for.
    """

    _details = ("app_id", "info_type", "authorizer_appid")

    info_type: Literal["authorized", "updateauthorized"] = "authorized"
    authorizer_appid: str
    authorization_code: str = attrs.field(repr=False)
    authorization_code_expired_time: int | None = None
    pre_auth_code: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class UnauthorizedPush(PlatformPush):
    """
    An account withdrew its authorisation.
    """

    _details = ("app_id", "info_type", "authorizer_appid")

    info_type: Literal["unauthorized"] = "unauthorized"
    authorizer_appid: str
