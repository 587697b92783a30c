"""
Sessions between agents and customers: open, close, look, and see who waits.
"""

from __future__ import annotations

from typing import Final

import attrs

from .._wire.arguments import required
from .._wire.endpoint import Ack, Call, Endpoint
from .._wire.fields import FORMERLY, MaybeEmpty, Timestamp
from .chapter import Chapter

__all__ = [
    "CLOSE_SESSION",
    "CREATE_KF_SESSION",
    "GET_KF_SESSION",
    "GET_KF_SESSION_LIST",
    "GET_WAIT_CASE",
    "KfSession",
    "KfSessionList",
    "OpenSession",
    "SessionCalls",
    "WaitCase",
    "WaitCaseList",
]


@attrs.frozen
class KfSession:
    """
    Who serves a customer.

    Attributes:
        kf_account: The agent's account; None if nobody serves the customer.

        createtime: When the session began.
    """

    kf_account: MaybeEmpty = None
    createtime: Timestamp = None


@attrs.frozen
class OpenSession:
    """
    A customer whom an agent serves.
    """

    openid: str
    createtime: Timestamp = None


@attrs.frozen
class KfSessionList:
    """
    The customers whom an agent serves.
    """

    sessionlist: tuple[OpenSession, ...] = ()


@attrs.frozen
class WaitCase:
    """
    A customer who waits.

    Attributes:
        openid: The customer.

        latest_time: When they last wrote.

        kf_account: The agent they wait for; in older answers only.
    """

    openid: str
    latest_time: Timestamp = attrs.field(default=None, metadata={FORMERLY: "createtime"})
    kf_account: MaybeEmpty = None


@attrs.frozen
class WaitCaseList:
    """
    The customers who wait.

    Attributes:
        count: How many wait; may exceed the list.

        waitcaselist: The first 100, in order of arrival.
    """

    count: int = 0
    waitcaselist: tuple[WaitCase, ...] = ()


_MANUAL: Final = "https://developers.weixin.qq.com/doc/service/api/customer/messctrl/"

CREATE_KF_SESSION: Final = Endpoint(
    "POST",
    "/customservice/kfsession/create",
    Ack,
    manual=f"{_MANUAL}api_createkfsession.html",
    # The manual: an open session of the same two answers 0.
    repeatable=True,
)
CLOSE_SESSION: Final = Endpoint("POST", "/customservice/kfsession/close", Ack, manual=f"{_MANUAL}api_closesession.html")
GET_KF_SESSION: Final = Endpoint(
    "GET",
    "/customservice/kfsession/getsession",
    KfSession,
    manual=f"{_MANUAL}api_getkfsession.html",
    repeatable=True,
)
GET_KF_SESSION_LIST: Final = Endpoint(
    "GET",
    "/customservice/kfsession/getsessionlist",
    KfSessionList,
    manual=f"{_MANUAL}api_getkfsessionlist.html",
    repeatable=True,
)
GET_WAIT_CASE: Final = Endpoint(
    "GET",
    "/customservice/kfsession/getwaitcase",
    WaitCaseList,
    manual=f"{_MANUAL}api_getwaitcase.html",
    repeatable=True,
)


class SessionCalls(Chapter):
    """
    The chapter on sessions.
    """

    async def create_kf_session(self, kf_account: str, openid: str) -> Ack:
        """
        Hand a customer to an agent, who must be bound and online. Again for the same two is harmless.

        Args:
            kf_account: Full account name, ``prefix@suffix``.

            openid: The customer.

        Raises:
            Conflict: The agent is not online (65415) or not bound (65402), or another serves the customer (65414).

            NotFound: No such account (65401).

            InvalidArgument: No such customer (40003).

        Manual: https://developers.weixin.qq.com/doc/service/api/customer/messctrl/api_createkfsession.html
        """
        body = {"kf_account": required("kf_account", kf_account), "openid": required("openid", openid)}
        return await self.request(Call(CREATE_KF_SESSION, json=body))

    async def close_session(self, kf_account: str, openid: str) -> Ack:
        """
        End the session of an agent and a customer.

        Args:
            kf_account: Full account name, ``prefix@suffix``.

            openid: The customer.

        Raises:
            NotFound: There is no session (65413).

            Conflict: Another agent serves the customer (65414).

        Manual: https://developers.weixin.qq.com/doc/service/api/customer/messctrl/api_closesession.html
        """
        body = {"kf_account": required("kf_account", kf_account), "openid": required("openid", openid)}
        return await self.request(Call(CLOSE_SESSION, json=body))

    async def get_kf_session(self, openid: str) -> KfSession:
        """
        See who serves a customer.

        Args:
            openid: The customer.

        Raises:
            InvalidArgument: No such customer (40003).

        Manual: https://developers.weixin.qq.com/doc/service/api/customer/messctrl/api_getkfsession.html
        """
        return await self.request(Call(GET_KF_SESSION, {"openid": required("openid", openid)}))

    async def get_kf_session_list(self, kf_account: str) -> KfSessionList:
        """
        List the customers whom an agent serves.

        Args:
            kf_account: Full account name, ``prefix@suffix``.

        Raises:
            NotFound: No such account (65401).

            Conflict: Nobody is bound to the account (65402).

        Manual: https://developers.weixin.qq.com/doc/service/api/customer/messctrl/api_getkfsessionlist.html
        """
        return await self.request(Call(GET_KF_SESSION_LIST, {"kf_account": required("kf_account", kf_account)}))

    async def get_wait_case(self) -> WaitCaseList:
        """
        List the customers who wait for an agent: the first 100 in order of arrival; there is no next page.

        Raises:
            PermissionDenied: Customer service is not enabled (65400).

        Manual: https://developers.weixin.qq.com/doc/service/api/customer/messctrl/api_getwaitcase.html
        """
        return await self.request(Call(GET_WAIT_CASE))
