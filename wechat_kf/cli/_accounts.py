"""
``wechat-kf accounts``: agents' accounts.
"""

from __future__ import annotations

import select
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from ._exits import CommandError, Exit
from ._options import COMMON, Common, Session
from ._output import pick

__all__ = ["add", "add_to", "avatar", "confirm", "invite", "list_accounts", "remove", "rename"]


def add_to(app: App) -> None:
    """
    Add the commands.
    """
    accounts = App(name="accounts", help="List, make, rename and remove agents' accounts; invite; set pictures.")
    accounts.command(list_accounts, name="list")
    accounts.command(add)
    accounts.command(rename)
    accounts.command(remove)
    accounts.command(invite)
    accounts.command(avatar)
    app.command(accounts)


def list_accounts(*, online: bool = False, common: Common = COMMON) -> int:
    """
    List the accounts.

    Args:
        online: Only those of agents who are online now, with the number of their sessions.
    """

    async def work(session: Session) -> int:
        if online:
            names = ["kf_account", "kf_id", "status", "accepted_case", "kf_openid"]
            found = [pick(each, names) for each in await session.kf.get_online_kf_list()]
        else:
            names = ["kf_account", "kf_nick", "kf_id", "kf_wx", "invite_wx", "invite_status", "invite_expire_time"]
            found = [pick(each, names) for each in await session.kf.get_kf_list()]
        session.out.rows(names, found)
        return Exit.DONE

    return common.run(work)


def add(kf_account: str, nickname: str, /, *, common: Common = COMMON) -> int:
    """
    Make an account; then invite the person who is to work with it.

    Args:
        kf_account: PREFIX@SUFFIX: at most 10 letters, digits and underscores, and the account's WeChat id.

        nickname: The name that customers see, at most 16 characters.
    """

    async def work(session: Session) -> int:
        await session.kf.add_kf_account(kf_account, nickname)
        about = {"kf_account": kf_account, "nickname": nickname}
        session.out.value(about, f"Made {kf_account}. Next: wechat-kf accounts invite {kf_account} WECHAT_ID")
        return Exit.DONE

    return common.run(work, changes=True)


def rename(kf_account: str, nickname: str, /, *, common: Common = COMMON) -> int:
    """
    Change the name that customers see.

    Args:
        kf_account: The account, PREFIX@SUFFIX.

        nickname: The name, at most 16 characters.
    """

    async def work(session: Session) -> int:
        await session.kf.update_kf_account(kf_account, nickname)
        session.out.value({"kf_account": kf_account, "nickname": nickname}, f"{kf_account} is now called {nickname}.")
        return Exit.DONE

    return common.run(work, changes=True)


def remove(kf_account: str, /, *, yes: bool = False, common: Common = COMMON) -> int:
    """
    Delete an account.

    Args:
        kf_account: The account, PREFIX@SUFFIX.

        yes: Do not ask.
    """

    async def work(session: Session) -> int:
        await session.kf.del_kf_account(kf_account)
        session.out.value({"kf_account": kf_account}, f"Deleted {kf_account}.")
        return Exit.DONE

    if not yes:
        confirm(f"Delete {kf_account}?")
    return common.run(work, changes=True)


def invite(kf_account: str, wechat_id: str, /, *, common: Common = COMMON) -> int:
    """
    Invite a person to work with an account; they accept it in WeChat.

    Args:
        kf_account: The account, PREFIX@SUFFIX.

        wechat_id: The person's WeChat id.
    """

    async def work(session: Session) -> int:
        await session.kf.invite_kf_worker(kf_account, wechat_id)
        about = {"kf_account": kf_account, "invite_wx": wechat_id}
        session.out.value(about, f"Invited {wechat_id} to {kf_account}; see wechat-kf accounts list.")
        return Exit.DONE

    return common.run(work, changes=True)


def avatar(kf_account: str, picture: Annotated[Path, Parameter(name="FILE")], /, *, common: Common = COMMON) -> int:
    """
    Set an account's picture.

    Args:
        kf_account: The account, PREFIX@SUFFIX.

        picture: A JPEG of at most 5 MiB, best 640 × 640.
    """

    async def work(session: Session) -> int:
        await session.kf.upload_kf_head_img(kf_account, picture)
        session.out.value({"kf_account": kf_account}, f"{kf_account} has its new picture.")
        return Exit.DONE

    return common.run(work, changes=True)


def confirm(question: str) -> None:
    """
    Ask on the terminal.

    Raises:
        CommandError: The answer is not yes, or there is nobody to ask.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CommandError(Exit.USAGE, "There is no terminal to ask on: say --yes.")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    # A signal that comes just before a read that blocks is not heard until that has ended (python/cpython#112585).
    while sys.platform != "win32" and not select.select([sys.stdin], [], [], 0.1)[0]:
        pass
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError(Exit.USAGE, "Nothing was done.")
