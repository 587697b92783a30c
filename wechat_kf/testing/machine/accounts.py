"""
Agents' accounts: names, invitations, who is bound and who is online.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Any, Final

import attrs

from .json_values import text_of
from .limits import Limits
from .request import Request
from .response import OK, Refusal, Result
from .upload import extension_of

__all__ = ["Accounts", "AgentAccount"]

_PREFIX: Final = re.compile(r"[A-Za-z0-9_]+")
_WECHAT_ID: Final = re.compile(r"[A-Za-z][-_A-Za-z0-9]{4,19}")


@attrs.define
class _Invitation:
    invite_wx: str
    expires: float
    rejected: bool = False

    def status(self, at: float) -> str:
        if self.rejected:
            return "rejected"
        return "waiting" if at < self.expires else "expired"


@attrs.define
class AgentAccount:
    """
    An agent's account; `status` is 0 while the agent is offline.
    """

    kf_account: str
    kf_nick: str
    kf_id: int
    kf_headimgurl: str
    kf_openid: str
    kf_wx: str | None = None
    invitation: _Invitation | None = None
    status: int = 0
    auto_accept: int = 0


class Accounts:
    """
    All of them, in the order they were added.

    Attributes:
        bound_elsewhere: How many accounts of other companies a person serves, by WeChat id.
    """

    def __init__(self, limits: Limits, random: Random) -> None:
        self._limits = limits
        self.bound_elsewhere: dict[str, int] = {}
        self._random = random
        self._all: dict[str, AgentAccount] = {}
        self._next_id = 1001

    def find(self, kf_account: object) -> AgentAccount:
        """
        Find an account, or refuse.
        """
        account = self._all.get(kf_account) if isinstance(kf_account, str) else None
        if account is None:
            raise Refusal(65401)
        return account

    def find_bound(self, kf_account: object) -> AgentAccount:
        """
        Find an account to which a person is bound, or refuse.
        """
        account = self.find(kf_account)
        if account.kf_wx is None:
            raise Refusal(65402)
        return account

    def add(self, request: Request) -> Result:
        """
        Answer ``kfaccount/add``.
        """
        body = request.json()
        self.make(text_of(body, "kf_account"), text_of(body, "nickname"))
        return OK

    def make(self, kf_account: str, nickname: str) -> AgentAccount:
        """
        Make an account, or refuse.
        """
        prefix, _, suffix = kf_account.partition("@")
        if (
            _PREFIX.fullmatch(prefix) is None
            or len(prefix) > self._limits.prefix
            or not 0 < len(suffix) <= self._limits.suffix
            or "@" in suffix
        ):
            raise Refusal(65404)
        self._check_nickname(nickname)
        if kf_account in self._all:
            raise Refusal(65406)
        if len(self._all) >= self._limits.accounts:
            raise Refusal(65405)
        account = AgentAccount(
            kf_account, nickname, self._next_id, self._picture(), f"o{self._random.getrandbits(108):027x}"
        )
        self._next_id += 1
        self._all[kf_account] = account
        return account

    def update(self, request: Request) -> Result:
        """
        Answer ``kfaccount/update``.
        """
        body = request.json()
        account = self.find(body.get("kf_account"))
        nickname = text_of(body, "nickname")
        self._check_nickname(nickname)
        account.kf_nick = nickname
        return OK

    def delete(self, request: Request, end_sessions: Callable[[str], None]) -> Result:
        """
        Answer ``kfaccount/del``, in its present form (POST) and its older one (GET).
        """
        fields = request.query if request.method == "GET" else request.json()
        account = self.find(fields.get("kf_account"))
        # Before its sessions end, lest it takes the next customer.
        del self._all[account.kf_account]
        end_sessions(account.kf_account)
        return OK

    def set_picture(self, request: Request) -> Result:
        """
        Answer ``kfaccount/uploadheadimg``: a JPEG under a name that says so.
        """
        account = self.find(request.query.get("kf_account"))
        part = request.upload()
        if part is None or not part.content:
            raise Refusal(41005)
        if len(part.content) > self._limits.avatar:
            raise Refusal(40009)
        if (
            extension_of(part.content) != "jpg"
            or not str(part.filename).lower().endswith((".jpg", ".jpeg"))
            or part.content_type not in (None, "image/jpeg", "image/jpg")
        ):
            raise Refusal(40005)
        account.kf_headimgurl = self._picture()
        return OK

    def invite(self, request: Request) -> Result:
        """
        Answer ``kfaccount/inviteworker``.
        """
        body = request.json()
        account = self.find(body.get("kf_account"))
        invite_wx = text_of(body, "invite_wx")
        if _WECHAT_ID.fullmatch(invite_wx) is None:
            raise Refusal(65409)
        if any(each.kf_wx == invite_wx for each in self._all.values()):
            raise Refusal(65407)
        if account.kf_wx is not None:
            raise Refusal(65412)
        if any(self._invites(each, invite_wx, request.at) for each in self._all.values()):
            raise Refusal(65408)
        if account.invitation is not None and account.invitation.status(request.at) == "waiting":
            raise Refusal(65411)
        if self.bound_elsewhere.get(invite_wx, 0) >= self._limits.accounts_of_a_worker:
            raise Refusal(65410)
        account.invitation = _Invitation(invite_wx, request.at + self._limits.invitation)
        return OK

    def answer_invitation(self, kf_account: str, at: float, *, accept: bool) -> None:
        """
        Let the invited person accept or reject.
        """
        account = self._all.get(kf_account)
        invitation = account.invitation if account is not None else None
        if account is None or invitation is None or invitation.status(at) != "waiting":
            raise ValueError(f"no invitation waits for {kf_account!r}")
        if accept:
            account.kf_wx, account.invitation = invitation.invite_wx, None
        else:
            invitation.rejected = True

    def list_all(self, request: Request) -> Result:
        """
        Answer ``getkflist``.
        """
        return {"kf_list": [self._describe(account, request.at) for account in self._all.values()]}

    def list_online(self, count_sessions: Callable[[str], int]) -> Result:
        """
        Answer ``getonlinekflist``.
        """
        return {
            "kf_online_list": [
                {
                    "kf_account": account.kf_account,
                    "status": account.status,
                    "kf_id": account.kf_id,
                    "kf_openid": account.kf_openid,
                    "accepted_case": count_sessions(account.kf_account),
                }
                for account in self._all.values()
                if account.status
            ]
        }

    def set_online(self, kf_account: str, auto_accept: int) -> None:
        """
        Log the agent in; make and bind the account first if need be.
        """
        account = self._all.get(kf_account)
        if account is None:
            account = self.make(kf_account, kf_account.partition("@")[0])
        if account.kf_wx is None:
            account.kf_wx, account.invitation = f"wx_{account.kf_id}", None
        account.status = 1
        account.auto_accept = auto_accept

    def everybody(self) -> tuple[AgentAccount, ...]:
        """
        List all accounts.
        """
        return tuple(self._all.values())

    def online(self) -> tuple[AgentAccount, ...]:
        """
        List the agents who are online.
        """
        return tuple(account for account in self._all.values() if account.status)

    def _invites(self, account: AgentAccount, invite_wx: str, at: float) -> bool:
        invitation = account.invitation
        return invitation is not None and invitation.invite_wx == invite_wx and invitation.status(at) == "waiting"

    def _check_nickname(self, nickname: str) -> None:
        if not nickname.strip() or len(nickname) > self._limits.nickname:
            raise Refusal(65403)

    def _picture(self) -> str:
        return f"http://mmbiz.qpic.cn/mmbiz/{self._random.getrandbits(160):040x}/0"

    def _describe(self, account: AgentAccount, at: float) -> dict[str, Any]:
        described: dict[str, Any] = {
            "kf_account": account.kf_account,
            "kf_nick": account.kf_nick,
            "kf_id": account.kf_id,
            "kf_headimgurl": account.kf_headimgurl,
            "kf_openid": account.kf_openid,
        }
        if account.kf_wx is not None:
            described["kf_wx"] = account.kf_wx
        if account.invitation is not None:
            described["invite_wx"] = account.invitation.invite_wx
            described["invite_expire_time"] = int(account.invitation.expires)
            described["invite_status"] = account.invitation.status(at)
        return described
