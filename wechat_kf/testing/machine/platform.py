"""
WeChat's side of one third-party platform (第三方平台): tickets, the platform's token, and the accounts' authorisations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

import attrs

from ...tokens.endpoints import AUTHORIZER_TOKEN, COMPONENT_TOKEN, PRE_AUTH_CODE, QUERY_AUTH, START_PUSH_TICKET
from .errmsg import write_errmsg
from .limits import Limits
from .request import Request
from .response import OK, Refusal, Response
from .tokens import Tokens

__all__ = ["COMPONENT", "Platform"]

COMPONENT: Final = "/cgi-bin/component/"
"""
Where a platform's endpoints lie.
"""


@attrs.define
class _Authorization:
    refresh_token: str
    # The one before works until this one is used: the answer that brought this one may be lost.
    previous: str | None = None


class Platform:
    """
    What a platform was given, and what of it still works.

    Args:
        appid: The platform.

        secret: Its secret.

        limits: The numbers it goes by.

        random: Where tickets, codes and tokens come from.

        tokens_of: Finds the tokens of an account.

        push_ticket: Pushes a ticket.
    """

    def __init__(
        self,
        appid: str,
        secret: str,
        *,
        limits: Limits,
        random: Random,
        tokens_of: Callable[[str], Tokens],
        push_ticket: Callable[[], object],
    ) -> None:
        self._appid = appid
        self._secret = secret
        self._limits = limits
        self._random = random
        self._tokens_of = tokens_of
        self._push_ticket = push_ticket
        # Each until when it works.
        self._tickets: dict[str, float] = {}
        self._tokens: dict[str, float] = {}
        self._codes: dict[str, tuple[str, float]] = {}
        self._authorizations: dict[str, _Authorization] = {}
        self._routes: dict[str, Callable[[Request], Mapping[str, Any]]] = {
            START_PUSH_TICKET.path: self._start,
            COMPONENT_TOKEN.path: self._component_token,
            PRE_AUTH_CODE.path: self._pre_auth_code,
            QUERY_AUTH.path: self._query_auth,
            AUTHORIZER_TOKEN.path: self._authorizer_token,
        }

    def handle(self, request: Request) -> Response:
        """
        Answer a request.
        """
        try:
            return Response.of_json(self._answer(request))
        except Refusal as refusal:
            return self.refuse(request, refusal.errcode, refusal.errmsg)

    def refuse(self, request: Request, errcode: int, errmsg: str | None) -> Response:
        """
        Refuse a request.
        """
        whole, _ = write_errmsg(errcode, errmsg, request.at, self._random)
        return Response.of_json({"errcode": errcode, "errmsg": whole})

    def new_ticket(self, at: float) -> str:
        """
        Make a ticket; those before work on until their own end.
        """
        ticket = self._secret_value("ticket@@@")
        self._tickets[ticket] = at + self._limits.ticket
        return ticket

    def new_code(self, appid: str, at: float) -> tuple[str, float]:
        """
        Make the code of an authorisation. Returns it and its end.
        """
        code, end = self._secret_value("queryauthcode@@@"), at + self._limits.authorization_code
        self._codes[code] = (appid, end)
        return code, end

    def new_pre_auth_code(self) -> str:
        """
        Make the code by which an authorisation is asked for.
        """
        return self._secret_value("preauthcode@@@")

    def is_authorized(self, appid: str) -> bool:
        """
        Whether a platform has exchanged a code of this account, which has not withdrawn its authorisation.
        """
        return appid in self._authorizations

    def end_authorization(self, appid: str, at: float) -> None:
        """
        Let nothing work any more that an account authorised.
        """
        self._authorizations.pop(appid, None)
        self._codes = {code: each for code, each in self._codes.items() if each[0] != appid}
        self._tokens_of(appid).end_platform(at)

    def expire_tokens(self, at: float) -> None:
        """
        Let every token of the platform's own be out of time.
        """
        self._tokens = {token: min(end, at) for token, end in self._tokens.items()}

    def _answer(self, request: Request) -> Mapping[str, Any]:
        route = self._routes.get(request.path)
        if route is None:
            raise Refusal(40066)
        if request.method != "POST":
            raise Refusal(43002)
        return route(request)

    def _start(self, request: Request) -> Mapping[str, Any]:
        self._check_secret(request, "component_secret")
        self._push_ticket()
        return OK

    def _component_token(self, request: Request) -> Mapping[str, Any]:
        self._check_secret(request, "component_appsecret")
        end = self._tickets.get(request.text("component_verify_ticket"))
        if end is None:
            raise Refusal(61006)
        if request.at >= end:
            raise Refusal(61005)
        token = self._secret_value("60_")
        self._tokens[token] = request.at + self._limits.token
        return {"component_access_token": token, "expires_in": int(self._limits.token)}

    def _pre_auth_code(self, request: Request) -> Mapping[str, Any]:
        self._check_token(request)
        return {"pre_auth_code": self.new_pre_auth_code(), "expires_in": int(self._limits.pre_auth_code)}

    def _query_auth(self, request: Request) -> Mapping[str, Any]:
        self._check_token(request)
        appid, end = self._codes.pop(request.text("authorization_code"), ("", 0.0))
        if request.at >= end:
            raise Refusal(61010)  # open: which errcode
        tokens = self._tokens_of(appid)
        # A new authorisation ends the one before.
        tokens.end_platform(request.at)
        self._authorizations[appid] = authorization = _Authorization(self._secret_value("refreshtoken@@@"))
        info = {
            "authorizer_appid": appid,
            **self._access_token(tokens, request.at),
            "authorizer_refresh_token": authorization.refresh_token,
            "func_info": [{"funcscope_category": {"id": 1}}],
        }
        return {"authorization_info": info}

    def _authorizer_token(self, request: Request) -> Mapping[str, Any]:
        self._check_token(request)
        appid, given = request.text("authorizer_appid"), request.text("authorizer_refresh_token")
        authorization = self._authorizations.get(appid)
        if authorization is None:
            raise Refusal(61003)
        if given not in (authorization.refresh_token, authorization.previous):
            raise Refusal(61023)
        if self._limits.refresh_token_changes:
            authorization.previous, authorization.refresh_token = given, self._secret_value("refreshtoken@@@")
        return {
            **self._access_token(self._tokens_of(appid), request.at),
            "authorizer_refresh_token": authorization.refresh_token,
        }

    def _access_token(self, tokens: Tokens, at: float) -> dict[str, str | int]:
        return {"authorizer_access_token": tokens.issue_to_platform(at), "expires_in": int(self._limits.token)}

    def _check_secret(self, request: Request, name: str) -> None:
        self._check_appid(request)
        given = request.text(name)
        if not given:
            raise Refusal(41004)
        if given != self._secret:
            raise Refusal(40125)

    def _check_token(self, request: Request) -> None:
        # Both names are seen working.
        given = request.query.get("component_access_token") or request.query.get("access_token")
        if not given:
            raise Refusal(41001)
        end = self._tokens.get(given)
        if end is None:
            raise Refusal(40001)
        if request.at >= end:
            raise Refusal(42001)
        self._check_appid(request)

    def _check_appid(self, request: Request) -> None:
        given = request.text("component_appid")
        if not given:
            raise Refusal(41018)
        if given != self._appid:
            raise Refusal(40013)

    def _secret_value(self, beginning: str) -> str:
        return f"{beginning}{self._random.getrandbits(256):064x}"
