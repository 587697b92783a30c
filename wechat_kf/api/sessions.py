"""
Sessions between agents and customers: open, close, look, and see who waits.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import attrs

from .._wire.arguments import required
from .._wire.endpoint import Call, Endpoint
from .._wire.fields import EMPTY_IS_NONE
from .._wire.metadata import FORMERLY
from .._wire.tolerant import Ack, Tolerant
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
class KfSession(Tolerant):
    """
    Who serves a customer.

    Attributes:
        kf_account: The agent's account; None if nobody serves the customer.

        createtime: When the session began.
    """

    kf_account: str | None = attrs.field(default=None, metadata=EMPTY_IS_NONE)
    createtime: datetime | None = None


@attrs.frozen
class OpenSession:
    """
    A customer whom an agent serves.

    Attributes:
        openid: The customer; empty if the answer does not say.

        createtime: When the session began.
    """

    openid: str = ""
    createtime: datetime | None = None


@attrs.frozen
class KfSessionList(Tolerant):
    """
    The customers whom an agent serves. It can be iterated over and has a length.
    """

    sessionlist: tuple[OpenSession, ...] = ()

    def __iter__(self) -> Iterator[OpenSession]:
        return iter(self.sessionlist)

    def __len__(self) -> int:
        return len(self.sessionlist)


@attrs.frozen
class WaitCase:
    """
    A customer who waits.

    Attributes:
        openid: The customer; empty if the answer does not say.

        latest_time: When they last wrote.

        kf_account: The agent they wait for; in older answers only.
    """

    openid: str = ""
    latest_time: datetime | None = attrs.field(default=None, metadata={FORMERLY: "createtime"})
    kf_account: str | None = attrs.field(default=None, metadata=EMPTY_IS_NONE)


@attrs.frozen
class WaitCaseList(Tolerant):
    """
    The customers who wait. It can be iterated over and has a length, that of the list.

    Attributes:
        count: How many wait; may exceed the list.

        waitcaselist: The first 100, in order of arrival.
    """

    count: int = 0
    waitcaselist: tuple[WaitCase, ...] = ()

    def __iter__(self) -> Iterator[WaitCase]:
        return iter(self.waitcaselist)

    def __len__(self) -> int:
        return len(self.waitcaselist)


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
    reads=True,
)
GET_KF_SESSION_LIST: Final = Endpoint(
    "GET",
    "/customservice/kfsession/getsessionlist",
    KfSessionList,
    manual=f"{_MANUAL}api_getkfsessionlist.html",
    reads=True,
)
GET_WAIT_CASE: Final = Endpoint(
    "GET",
    "/customservice/kfsession/getwaitcase",
    WaitCaseList,
    manual=f"{_MANUAL}api_getwaitcase.html",
    reads=True,
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
