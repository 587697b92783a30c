"""
Agents' accounts: make, rename, delete, invite a person, set the picture, list.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import attrs

from .._wire.arguments import required
from .._wire.endpoint import Call, Endpoint
from .._wire.enums import OpenIntEnum
from .._wire.fields import EMPTY_IS_NONE, NUMBER_IS_TEXT
from .._wire.file_content import FileInput
from .._wire.metadata import FORMERLY
from .._wire.multipart import FilePart
from .._wire.tolerant import Ack, Tolerant
from .chapter import Chapter

__all__ = [
    "ADD_KF_ACCOUNT",
    "DEL_KF_ACCOUNT",
    "GET_KF_LIST",
    "GET_ONLINE_KF_LIST",
    "INVITE_KF_WORKER",
    "UPDATE_KF_ACCOUNT",
    "UPLOAD_KF_HEAD_IMG",
    "AccountCalls",
    "KfAccount",
    "KfList",
    "KfStatus",
    "OnlineKf",
    "OnlineKfList",
]


@attrs.frozen
class KfAccount:
    """
    An agent's account.

    Attributes:
        kf_account: ``prefix@suffix``; None for agents of mini-programs, who only have a `kf_openid`.

        kf_nick: The name customers see.

        kf_id: The number of the account.

        kf_headimgurl: The picture.

        kf_wx: The WeChat id of the person bound to it; None while nobody is.

        invite_wx: The WeChat id invited, while an invitation exists.

        invite_expire_time: When the invitation expires.

        invite_status: ``waiting``, ``rejected`` or ``expired``.

        kf_openid: The agent's openid.
    """

    kf_account: str | None = attrs.field(default=None, metadata=EMPTY_IS_NONE)
    kf_nick: str | None = None
    kf_id: str | None = attrs.field(default=None, metadata=NUMBER_IS_TEXT)
    kf_headimgurl: str | None = attrs.field(default=None, metadata={FORMERLY: "kf_headimg"})
    kf_wx: str | None = attrs.field(default=None, metadata=EMPTY_IS_NONE)
    invite_wx: str | None = attrs.field(default=None, metadata=EMPTY_IS_NONE)
    invite_expire_time: datetime | None = None
    invite_status: str | None = attrs.field(default=None, metadata=EMPTY_IS_NONE)
    kf_openid: str | None = attrs.field(default=None, metadata=EMPTY_IS_NONE)


@attrs.frozen
class KfList(Tolerant):
    """
    All agents' accounts. It can be iterated over and has a length.
    """

    kf_list: tuple[KfAccount, ...] = ()

    def __iter__(self) -> Iterator[KfAccount]:
        return iter(self.kf_list)

    def __len__(self) -> int:
        return len(self.kf_list)


class KfStatus(OpenIntEnum):
    """
    Where an agent is online. Any but `OFFLINE` is online; `MOBILE` and `BOTH` are of older accounts only.
    """

    OFFLINE = 0
    WEB = 1
    MOBILE = 2
    BOTH = 3


@attrs.frozen
class OnlineKf:
    """
    An agent who is online.

    Attributes:
        kf_account: ``prefix@suffix``; None for agents of mini-programs.

        status: Where the agent is online; false for offline.

        kf_id: The number of the account.

        accepted_case: Sessions being served.

        kf_openid: The agent's openid.

        auto_accept: How many sessions are accepted without asking; of older accounts only.
    """

    kf_account: str | None = attrs.field(default=None, metadata=EMPTY_IS_NONE)
    status: KfStatus | None = None
    kf_id: str | None = attrs.field(default=None, metadata=NUMBER_IS_TEXT)
    accepted_case: int | None = None
    kf_openid: str | None = attrs.field(default=None, metadata=EMPTY_IS_NONE)
    auto_accept: int | None = None


@attrs.frozen
class OnlineKfList(Tolerant):
    """
    The agents who are online now. It can be iterated over and has a length.
    """

    kf_online_list: tuple[OnlineKf, ...] = ()

    def __iter__(self) -> Iterator[OnlineKf]:
        return iter(self.kf_online_list)

    def __len__(self) -> int:
        return len(self.kf_online_list)


_MANUAL: Final = "https://developers.weixin.qq.com/doc/service/api/customer/servicermanage/"

ADD_KF_ACCOUNT: Final = Endpoint("POST", "/customservice/kfaccount/add", Ack, manual=f"{_MANUAL}api_addkfaccount.html")
UPDATE_KF_ACCOUNT: Final = Endpoint(
    "POST",
    "/customservice/kfaccount/update",
    Ack,
    manual=f"{_MANUAL}api_updatekfaccount.html",
    repeatable=True,
)
DEL_KF_ACCOUNT: Final = Endpoint("POST", "/customservice/kfaccount/del", Ack, manual=f"{_MANUAL}api_delkfaccount.html")
INVITE_KF_WORKER: Final = Endpoint(
    "POST", "/customservice/kfaccount/inviteworker", Ack, manual=f"{_MANUAL}api_invitekfworker.html"
)
UPLOAD_KF_HEAD_IMG: Final = Endpoint(
    "POST",
    "/customservice/kfaccount/uploadheadimg",
    Ack,
    manual=f"{_MANUAL}api_uploadkfheadimg.html",
    repeatable=True,
)
GET_KF_LIST: Final = Endpoint(
    "GET", "/cgi-bin/customservice/getkflist", KfList, manual=f"{_MANUAL}api_getkflist.html", reads=True
)
GET_ONLINE_KF_LIST: Final = Endpoint(
    "GET",
    "/cgi-bin/customservice/getonlinekflist",
    OnlineKfList,
    manual=f"{_MANUAL}api_getonlinekflist.html",
    reads=True,
)

_AVATAR_LIMIT: Final = 5 * 1024 * 1024


def _business(business_id: str | None) -> dict[str, str]:
    return {} if business_id is None else {"business_id": required("business_id", business_id)}


class AccountCalls(Chapter):
    """
    The chapter on agents' accounts.
    """

    async def add_kf_account(self, kf_account: str, nickname: str, *, business_id: str | None = None) -> Ack:
        """
        Make an agent's account.

        It can be used once a person is bound to it: follow with `invite_kf_worker`.

        Args:
            kf_account: ``prefix@suffix``: a prefix of at most 10 of ``[A-Za-z0-9_]``, and the account's WeChat id.

            nickname: The name customers see, at most 16 characters.

            business_id: A sub-merchant's id; ordinary accounts leave it out.

        Raises:
            Conflict: It exists (65406).

            InvalidArgument: The nickname or the account's form is not allowed (65403, 65404).

            QuotaExceeded: 100 accounts exist (65405).

            PermissionDenied: Customer service is not enabled (65400).

        Manual: https://developers.weixin.qq.com/doc/service/api/customer/servicermanage/api_addkfaccount.html
        """
        prefix, _, suffix = required("kf_account", kf_account).partition("@")
        if not prefix or not suffix or "@" in suffix:
            raise ValueError(f"kf_account must be prefix@suffix, not {kf_account!r}")
        body = {"kf_account": kf_account, "nickname": required("nickname", nickname), **_business(business_id)}
        return await self.request(Call(ADD_KF_ACCOUNT, json=body))

    async def update_kf_account(self, kf_account: str, nickname: str) -> Ack:
        """
        Rename an agent's account.

        Args:
            kf_account: Full account name, ``prefix@suffix``.

            nickname: The name customers see, at most 16 characters.

        Raises:
            NotFound: No such account (65401).

            InvalidArgument: The nickname is not allowed (65403).

        Manual: https://developers.weixin.qq.com/doc/service/api/customer/servicermanage/api_updatekfaccount.html
        """
        body = {"kf_account": required("kf_account", kf_account), "nickname": required("nickname", nickname)}
        return await self.request(Call(UPDATE_KF_ACCOUNT, json=body))

    async def del_kf_account(self, kf_account: str, *, business_id: str | None = None) -> Ack:
        """
        Delete an agent's account.

        Args:
            kf_account: Full account name, ``prefix@suffix``.

            business_id: A sub-merchant's id; ordinary accounts leave it out.

        Raises:
            NotFound: No such account (65401).

        Manual: https://developers.weixin.qq.com/doc/service/api/customer/servicermanage/api_delkfaccount.html
        """
        body = {"kf_account": required("kf_account", kf_account), **_business(business_id)}
        return await self.request(Call(DEL_KF_ACCOUNT, json=body))

    async def invite_kf_worker(self, kf_account: str, invite_wx: str) -> Ack:
        """
        Invite a person to work as this customer-service account.

        The person must accept in WeChat; follow it with `get_kf_list` (``invite_status``).

        Args:
            kf_account: Full account name, ``prefix@suffix``.

            invite_wx: The person's WeChat id.

        Raises:
            Conflict: Already bound (65407, 65412) or already invited (65408, 65411).

            NotFound: No such account (65401) or WeChat id (65409).

            QuotaExceeded: The person is bound to too many accounts (65410).

        Manual: https://developers.weixin.qq.com/doc/service/api/customer/servicermanage/api_invitekfworker.html
        """
        body = {"kf_account": required("kf_account", kf_account), "invite_wx": required("invite_wx", invite_wx)}
        return await self.request(Call(INVITE_KF_WORKER, json=body))

    async def upload_kf_head_img(
        self, kf_account: str, file: FileInput, *, filename: str | None = None, content_type: str | None = None
    ) -> Ack:
        """
        Set an account's picture.

        Args:
            kf_account: Full account name, ``prefix@suffix``.

            file: A JPEG of at most 5 MiB, best 640 × 640: a path, bytes, a binary file object, or an (async) iterable
                of bytes. A PNG is passed on for WeChat to judge.

            filename: The name to send; made safe ASCII with an extension.

            content_type: The type to send instead of the one the content shows.

        Raises:
            ValueError: Empty, too large, or neither JPEG nor PNG; nothing was sent.

            NotFound: No such account (65401).

            InvalidArgument: WeChat does not take the file (40005, 40009, 61457).

        Manual: https://developers.weixin.qq.com/doc/service/api/customer/servicermanage/api_uploadkfheadimg.html
        """
        query = {"kf_account": required("kf_account", kf_account)}
        part = await FilePart.prepare(
            file,
            limit=_AVATAR_LIMIT,
            allowed=("image/jpeg", "image/png"),
            filename=filename,
            content_type=content_type,
        )
        return await self.request(Call(UPLOAD_KF_HEAD_IMG, query, file=part))

    async def get_kf_list(self, *, business_id: str | None = None) -> KfList:
        """
        List all agents' accounts, at most 100.

        Args:
            business_id: A sub-merchant's id; ordinary accounts leave it out.

        Raises:
            PermissionDenied: Customer service is not enabled (65400).

        Manual: https://developers.weixin.qq.com/doc/service/api/customer/servicermanage/api_getkflist.html
        """
        return await self.request(Call(GET_KF_LIST, _business(business_id)))

    async def get_online_kf_list(self, *, business_id: str | None = None) -> OnlineKfList:
        """
        List the agents who are online; they must be logged in to the web console.

        Args:
            business_id: A sub-merchant's id; ordinary accounts leave it out.

        Raises:
            PermissionDenied: Customer service is not enabled (65400).

        Manual: https://developers.weixin.qq.com/doc/service/api/customer/servicermanage/api_getonlinekflist.html
        """
        return await self.request(Call(GET_ONLINE_KF_LIST, _business(business_id)))
