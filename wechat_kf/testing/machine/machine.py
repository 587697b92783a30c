"""
The state machine: a request in, an answer out. No IO, no waiting, no clock but the request's own time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, Final, TypeAlias

import attrs

from ..._wire.endpoint import Endpoint
from ...api.accounts import (
    ADD_KF_ACCOUNT,
    DEL_KF_ACCOUNT,
    GET_KF_LIST,
    GET_ONLINE_KF_LIST,
    INVITE_KF_WORKER,
    UPDATE_KF_ACCOUNT,
    UPLOAD_KF_HEAD_IMG,
)
from ...api.maintenance import (
    CLEAR_QUOTA,
    GET_API_DOMAIN_IP,
    GET_CALLBACK_IP,
    GET_QUOTA,
    GET_RID_INFO,
)
from ...api.media import DOWNLOAD_TEMP_MEDIA, UPLOAD_TEMP_MEDIA
from ...api.messages import SEND_CUSTOM_MESSAGE, TYPING
from ...api.records import GET_MSG_LIST
from ...api.sessions import (
    CLOSE_SESSION,
    CREATE_KF_SESSION,
    GET_KF_SESSION,
    GET_KF_SESSION_LIST,
    GET_WAIT_CASE,
)
from ...tokens import CLASSIC_TOKEN, STABLE_TOKEN
from .accounts import Accounts
from .customers import Customers
from .errmsg import write_errmsg
from .limits import Limits
from .maintenance import Maintenance
from .media import VIDEO_PATH, Media
from .messages import Messages
from .records import Records
from .request import Request
from .response import Refusal, Response, Result
from .sessions import Sessions
from .tokens import Tokens

__all__ = ["Machine"]

_LENGTH_REQUIRED: Final = Response(
    412,
    "text/html",
    b"<html>\r\n<head><title>412 Precondition Failed</title></head>\r\n<body>\r\n"
    b"<center><h1>412 Precondition Failed</h1></center>\r\n</body>\r\n</html>\r\n",
)


# Any host but WeChat's own may do without TLS here.
_API_OVER_HTTP: Final = re.compile(r"http://(?:[^/]+\.)?weixin\.qq\.com(?::\d+)?", re.IGNORECASE)

_Handler: TypeAlias = Callable[[Request], Result]


@attrs.frozen
class _Route:
    methods: tuple[str, ...]
    handler: _Handler
    needs_token: bool = True


class Machine:
    """
    WeChat's side of one account.

    Args:
        appid: The account.

        secret: Its secret.

        limits: The numbers it goes by.

        random: Where tokens and ids come from.

        push: Tells the account's server about an event: openid, fields, Unix seconds.

        show: Shows a customer a message: openid, payload, agent, Unix seconds.
    """

    def __init__(
        self,
        appid: str,
        secret: str,
        *,
        limits: Limits,
        random: Random,
        push: Callable[[str, dict[str, Any], float], None],
        show: Callable[[str, dict[str, Any], str | None, float], None],
    ) -> None:
        self._limits = limits
        self._random = random
        self._routes: dict[str, _Route] = {}
        self.tokens: Tokens = Tokens(appid, secret, limits, random)
        self.maintenance: Maintenance = Maintenance(appid, limits, self._routes.keys(), self.tokens.check_credentials)
        self.accounts: Accounts = Accounts(limits, random)
        self.customers: Customers = Customers()
        self.records: Records = Records(limits)
        self.sessions: Sessions = Sessions(limits, self.accounts, self.customers, self.records, push)
        self.media: Media = Media(limits, random)
        self.messages: Messages = Messages(limits, self.accounts, self.customers, self.media.check, show)
        self._routes.update(self._table())

    def is_meant(self, request: Request) -> bool:
        """
        Tell whether a call says by its token, its appid or its file that it is for this account.
        """
        token = request.query.get("access_token")
        if token is not None:
            return self.tokens.has_issued(token)
        if request.path == VIDEO_PATH:
            return self.media.has(request.query.get("id", ""))
        return self.tokens.appid in (request.query.get("appid"), request.body_field("appid"))

    @property
    def paths(self) -> frozenset[str]:
        """
        Every path that there is.
        """
        return frozenset(self._routes)

    def handle(self, request: Request) -> Response:
        """
        Answer a request.
        """
        multipart = request.headers.get("content-type", "").lower().startswith("multipart/")
        if multipart and ("transfer-encoding" in request.headers or "content-length" not in request.headers):
            return _LENGTH_REQUIRED
        try:
            answer = self._answer(request)
        except Refusal as refusal:
            return self.refuse(request, refusal.errcode, refusal.errmsg)
        response = answer if isinstance(answer, Response) else Response.of_json(answer)
        if self._limits.cloud_run:
            response = attrs.evolve(
                response, headers={**response.headers, "x-openapi-seqid": f"{self._random.getrandbits(64):x}"}
            )
        return response

    def refuse(self, request: Request, errcode: int, errmsg: str | None) -> Response:
        """
        Refuse a request, and remember it by its rid.
        """
        whole, rid = write_errmsg(errcode, errmsg, request.at, self._random)
        # Errors come as text where files are expected.
        content_type = "text/plain" if request.path == DOWNLOAD_TEMP_MEDIA.path else None
        value = {"errcode": errcode, "errmsg": whole}
        response = Response.of_json(value) if content_type is None else Response.of_json(value, content_type)
        self.maintenance.remember(rid, request, response.body)
        return response

    def _answer(self, request: Request) -> Result:
        route = self._routes.get(request.path)
        if route is None:
            raise Refusal(40066)
        from_cloud_run = self._limits.cloud_run and "access_token" not in request.query
        if _API_OVER_HTTP.fullmatch(request.base_url) and not from_cloud_run:
            raise Refusal(43003)
        if request.method not in route.methods:
            raise Refusal(43001 if route.methods == ("GET",) else 43002)
        if route.needs_token and not (from_cloud_run and request.base_url.startswith("http:")):
            self.tokens.check(request.query.get("access_token"), request.at)
        self.maintenance.count(request)
        self.sessions.settle(request.at)
        return route.handler(request)

    def _table(self) -> dict[str, _Route]:
        maintenance, accounts, sessions, media, messages = (
            self.maintenance,
            self.accounts,
            self.sessions,
            self.media,
            self.messages,
        )

        def delete_account(request: Request) -> Result:
            return accounts.delete(request, partial(sessions.end_all, at=request.at))

        def list_online(_: Request) -> Result:
            return accounts.list_online(sessions.count)

        handlers: dict[Endpoint[Any], _Handler] = {
            ADD_KF_ACCOUNT: accounts.add,
            UPDATE_KF_ACCOUNT: accounts.update,
            UPLOAD_KF_HEAD_IMG: accounts.set_picture,
            INVITE_KF_WORKER: accounts.invite,
            GET_KF_LIST: accounts.list_all,
            GET_ONLINE_KF_LIST: list_online,
            CREATE_KF_SESSION: sessions.create,
            CLOSE_SESSION: sessions.close,
            GET_KF_SESSION: sessions.of_customer,
            GET_KF_SESSION_LIST: sessions.of_account,
            GET_WAIT_CASE: sessions.waiting,
            GET_MSG_LIST: self.records.history,
            SEND_CUSTOM_MESSAGE: messages.send,
            TYPING: messages.typing,
            UPLOAD_TEMP_MEDIA: media.upload,
            DOWNLOAD_TEMP_MEDIA: media.download,
            CLEAR_QUOTA: maintenance.clear,
            GET_QUOTA: maintenance.get,
            GET_RID_INFO: maintenance.rid_info,
            GET_CALLBACK_IP: maintenance.callback_ips,
            GET_API_DOMAIN_IP: maintenance.domain_ips,
        }
        table = {row.path: _Route((row.method,), handler) for row, handler in handlers.items()}
        # The older form of the call is still taken.
        table[DEL_KF_ACCOUNT.path] = _Route((DEL_KF_ACCOUNT.method, "GET"), delete_account)
        for row, handler in ((STABLE_TOKEN, self.tokens.stable), (CLASSIC_TOKEN, self.tokens.classic)):
            table[row.path] = _Route((row.method,), handler, needs_token=False)
        # These the library does not call.
        table["/cgi-bin/clear_quota/v2"] = _Route(("POST",), maintenance.clear_with_secret, needs_token=False)
        table["/cgi-bin/openapi/quota/clear"] = _Route(("POST",), maintenance.clear_one)
        table[VIDEO_PATH] = _Route(("GET",), media.video, needs_token=False)
        return table
