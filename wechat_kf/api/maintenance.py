"""
Looking after the account: quotas, failed requests, WeChat's addresses.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import attrs

from .._redact import redact
from .._wire.arguments import required
from .._wire.endpoint import Call, Endpoint
from .._wire.tolerant import Ack, Tolerant
from .chapter import Chapter

__all__ = [
    "CLEAR_QUOTA",
    "GET_API_DOMAIN_IP",
    "GET_CALLBACK_IP",
    "GET_QUOTA",
    "GET_RID_INFO",
    "DailyQuota",
    "MaintenanceCalls",
    "Quota",
    "RateLimit",
    "RidInfo",
]


@attrs.frozen
class DailyQuota:
    """
    Calls a day, counted to about 1 %.
    """

    daily_limit: int
    used: int
    remain: int


@attrs.frozen
class RateLimit:
    """
    At most `call_count` calls in each `refresh_second` seconds.
    """

    call_count: int
    refresh_second: int


@attrs.frozen
class Quota(Tolerant):
    """
    What is left of an endpoint's allowances; a limit that does not apply is None.
    """

    quota: DailyQuota
    rate_limit: RateLimit | None = None
    component_rate_limit: RateLimit | None = None


@attrs.frozen
class RidInfo:
    """
    What WeChat kept of a failed request, tokens hidden.

    Attributes:
        invoke_time: When it came.

        cost_in_ms: How long it took, in milliseconds.

        request_url: Its query.

        request_body: Its body.

        response_body: The answer.

        client_ip: The caller's address.
    """

    invoke_time: datetime | None = None
    cost_in_ms: int = 0
    request_url: str = attrs.field(default="", converter=redact)
    request_body: str = attrs.field(default="", converter=redact)
    response_body: str = attrs.field(default="", converter=redact)
    client_ip: str = ""


@attrs.frozen
class _RidAnswer(Tolerant):
    request: RidInfo


@attrs.frozen
class _IpList(Tolerant):
    ip_list: tuple[str, ...] = ()


_MANUAL: Final = "https://developers.weixin.qq.com/doc/service/api/"

CLEAR_QUOTA: Final = Endpoint("POST", "/cgi-bin/clear_quota", Ack, manual=f"{_MANUAL}apimanage/api_clearquota.html")
GET_QUOTA: Final = Endpoint(
    "POST",
    "/cgi-bin/openapi/quota/get",
    Quota,
    manual=f"{_MANUAL}apimanage/api_getapiquota.html",
    reads=True,
)
GET_RID_INFO: Final = Endpoint(
    "POST",
    "/cgi-bin/openapi/rid/get",
    _RidAnswer,
    manual=f"{_MANUAL}apimanage/api_getridinfo.html",
    reads=True,
)
GET_CALLBACK_IP: Final = Endpoint(
    "GET", "/cgi-bin/getcallbackip", _IpList, manual=f"{_MANUAL}base/api_getcallbackip.html", reads=True
)
GET_API_DOMAIN_IP: Final = Endpoint(
    "GET", "/cgi-bin/get_api_domain_ip", _IpList, manual=f"{_MANUAL}base/api_getapidomainip.html", reads=True
)


class MaintenanceCalls(Chapter):
    """
    The chapter on quotas and addresses.
    """

    # The one call whose body names the account needs it from the client.
    _appid: str | None

    async def clear_quota(self) -> Ack:
        """
        Reset all daily quotas of the account; ten times a month.

        Raises:
            ValueError: The client was made without an appid.

            QuotaExceeded: The ten are used up (48006).

        Manual: https://developers.weixin.qq.com/doc/service/api/apimanage/api_clearquota.html
        """
        if self._appid is None:
            raise ValueError("clear_quota needs the appid: give it to the client, beside the token")
        return await self.request(Call(CLEAR_QUOTA, json={"appid": self._appid}))

    async def get_quota(self, cgi_path: str) -> Quota:
        """
        See what is left of an endpoint's quota.

        Args:
            cgi_path: The endpoint's path with its leading slash, such as ``/cgi-bin/message/custom/send``.

        Raises:
            NotFound: No such path (76021).

            PermissionDenied: Malformed or not permitted (76003, 76022).

        Manual: https://developers.weixin.qq.com/doc/service/api/apimanage/api_getapiquota.html
        """
        return await self.request(Call(GET_QUOTA, json={"cgi_path": required("cgi_path", cgi_path)}))

    async def get_rid_info(self, rid: str) -> RidInfo:
        """
        Look a failed request up by the `ApiError.rid` of its error, for 7 days.

        Args:
            rid: Three groups of hexadecimal digits.

        Raises:
            NotFound: Unknown or expired (76001, 76004).

            InvalidArgument: Malformed (76002).

            PermissionDenied: It is of another account (76003).

        Manual: https://developers.weixin.qq.com/doc/service/api/apimanage/api_getridinfo.html
        """
        return (await self.request(Call(GET_RID_INFO, json={"rid": required("rid", rid)}))).request

    async def get_callback_ip(self) -> tuple[str, ...]:
        """
        List the addresses WeChat's pushes come from; some are ranges (CIDR).

        Manual: https://developers.weixin.qq.com/doc/service/api/base/api_getcallbackip.html
        """
        return (await self.request(Call(GET_CALLBACK_IP))).ip_list

    async def get_api_domain_ip(self) -> tuple[str, ...]:
        """
        List the addresses of api.weixin.qq.com, for a firewall; some are ranges (CIDR), and they change.

        Manual: https://developers.weixin.qq.com/doc/service/api/base/api_getapidomainip.html
        """
        return (await self.request(Call(GET_API_DOMAIN_IP))).ip_list
