"""
An agent desk: give waiting customers to the least busy agent, move a session, and close those where nobody speaks.

Run it beside a bot with ``python examples/agent_desk.py``. It reads WECHAT_APPID and WECHAT_SECRET.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from wechat_kf import AsyncKfClient, Conflict

IDLE = timedelta(minutes=10)


async def least_busy(kf: AsyncKfClient) -> str | None:
    """
    Find the agent online with the fewest sessions; None if nobody is online.
    """
    online = [agent for agent in (await kf.get_online_kf_list()).kf_online_list if agent.status]
    return min(online, key=lambda agent: agent.accepted_case or 0).kf_account if online else None


async def serve_waiting(kf: AsyncKfClient) -> None:
    """
    Give each waiting customer, the first first, to the agent who is least busy then.
    """
    for case in (await kf.get_wait_case()).waitcaselist:
        agent = await least_busy(kf)
        if agent is None:
            return
        try:
            await kf.create_kf_session(agent, case.openid)
        except Conflict as error:
            # The agent has just left, or another took the customer.
            print(f"Not given: {error}")


async def transfer(kf: AsyncKfClient, openid: str, to: str) -> None:
    """
    Move a customer's session to another agent: WeChat has no call for it, so one is closed and one opened.
    """
    session = await kf.get_kf_session(openid)
    if session.kf_account is not None:
        await kf.close_session(session.kf_account, openid)
    await kf.create_kf_session(to, openid)


async def close_idle(kf: AsyncKfClient, now: datetime) -> None:
    """
    Close the sessions that began a while ago and in which nothing was said since.
    """
    since = now - IDLE
    spoke = {record.openid async for record in kf.iter_msg_records(since, now)}
    agents = [agent.kf_account for agent in (await kf.get_online_kf_list()).kf_online_list if agent.kf_account]
    for agent in agents:
        for session in (await kf.get_kf_session_list(agent)).sessionlist:
            if session.openid not in spoke and session.createtime is not None and session.createtime < since:
                await kf.close_session(agent, session.openid)


async def main() -> None:
    """
    Look after the desk until stopped.
    """
    async with AsyncKfClient.from_env() as kf:
        while True:
            await serve_waiting(kf)
            await close_idle(kf, datetime.now(UTC))
            await asyncio.sleep(10)


if __name__ == "__main__":
    asyncio.run(main())
