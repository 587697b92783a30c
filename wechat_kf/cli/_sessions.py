"""
``wechat-kf sessions``: who serves whom, and who waits.
"""

from __future__ import annotations

from typing import Any

from cyclopts import App

from .._client import AsyncKfClient
from .._errors import KfError, NotFound
from ._exits import CommandError, Exit, describe, exit_of
from ._options import COMMON, Common, Session
from ._output import pick

__all__ = ["add_to", "close", "list_sessions", "open_session", "transfer", "waiting"]


def add_to(app: App) -> None:
    """
    Add the commands.
    """
    sessions = App(name="sessions", help="See who serves whom and who waits; open, close and transfer sessions.")
    sessions.command(list_sessions, name="list")
    sessions.command(waiting)
    sessions.command(open_session, name="open")
    sessions.command(close)
    sessions.command(transfer)
    app.command(sessions)


def list_sessions(kf_account: str | None = None, /, *, common: Common = COMMON) -> int:
    """
    List the sessions of one agent, or of all.

    Args:
        kf_account: The agent, PREFIX@SUFFIX.
    """

    async def work(session: Session) -> int:
        found: list[dict[str, Any]] = []
        for agent in [kf_account] if kf_account is not None else await _agents(session.kf):
            served = await session.kf.get_kf_session_list(agent)
            found += [{"kf_account": agent, "openid": each.openid, "createtime": each.createtime} for each in served]
        session.out.rows(("kf_account", "openid", "createtime"), found)
        return Exit.DONE

    return common.run(work)


def waiting(*, common: Common = COMMON) -> int:
    """
    List the customers who wait for an agent, the first 100 in order of arrival.
    """

    async def work(session: Session) -> int:
        cases = await session.kf.get_wait_case()
        names = ("openid", "latest_time", "kf_account")
        session.out.rows(names, [pick(each, names) for each in cases])
        if cases.count > len(cases):
            session.out.note(f"{cases.count} customers wait; WeChat shows the first {len(cases)}.")
        return Exit.DONE

    return common.run(work)


def open_session(openid: str, kf_account: str, /, *, common: Common = COMMON) -> int:
    """
    Hand a customer to an agent, who must be online.

    Args:
        openid: The customer.

        kf_account: The agent, PREFIX@SUFFIX.
    """

    async def work(session: Session) -> int:
        await session.kf.create_kf_session(kf_account, openid)
        session.out.value({"openid": openid, "kf_account": kf_account}, f"{kf_account} serves {openid}.")
        return Exit.DONE

    return common.run(work, changes=True)


def close(openid: str, /, *, common: Common = COMMON) -> int:
    """
    End a customer's session.

    Args:
        openid: The customer.
    """

    async def work(session: Session) -> int:
        agent = (await session.kf.get_kf_session(openid)).kf_account
        if agent is None:
            raise CommandError(Exit.REFUSED, f"Nobody serves {openid}, so there is no session to close.")
        await session.kf.close_session(agent, openid)
        session.out.value({"openid": openid, "kf_account": agent}, f"Closed the session of {openid} with {agent}.")
        return Exit.DONE

    return common.run(work, changes=True)


def transfer(openid: str, kf_account: str, /, *, common: Common = COMMON) -> int:
    """
    Hand a customer from their agent to another one, who must be online.

    WeChat has no call for it: the session is closed and a new one opened. If that is refused, the old one is opened
    again.

    Args:
        openid: The customer.

        kf_account: The agent who is to serve them, PREFIX@SUFFIX.
    """

    async def work(session: Session) -> int:
        kf = session.kf
        before = (await kf.get_kf_session(openid)).kf_account
        if before != kf_account:
            if kf_account not in [each.kf_account for each in await kf.get_online_kf_list()]:
                raise CommandError(Exit.REFUSED, f"{kf_account} is not online, so nothing was changed.")
            await _hand_over(kf, openid, before, kf_account)
        origin = f", before {before}" if before not in (None, kf_account) else ""
        about = {"openid": openid, "kf_account": kf_account, "before": before}
        session.out.value(about, f"{kf_account} serves {openid}{origin}.")
        return Exit.DONE

    return common.run(work, changes=True)


async def _agents(kf: AsyncKfClient) -> list[str]:
    # An account to which nobody is bound has no sessions, and is refused.
    return [each.kf_account for each in await kf.get_kf_list() if each.kf_account and each.kf_wx]


async def _hand_over(kf: AsyncKfClient, openid: str, before: str | None, after: str) -> None:
    if before is not None:
        try:
            await kf.close_session(before, openid)
        except NotFound:
            # It ended meanwhile.
            before = None
    try:
        await kf.create_kf_session(after, openid)
    except KfError as error:
        if before is None:
            raise
        try:
            await kf.create_kf_session(before, openid)
        except KfError:
            text = f"{openid} has no agent now: the session with {before} is closed, and {after} did not get it."
        else:
            text = f"{before} serves {openid} as before, as {after} could not."
        raise CommandError(exit_of(error), f"{text} {describe(error)}") from error
