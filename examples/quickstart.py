"""
The whole tour: an account and its agent, a customer who writes, a conversation, and what is left of it.

It talks to a stand-in for WeChat that it starts itself, over a real socket, so it needs no credentials::

    python examples/quickstart.py
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from wechat_kf import AsyncKfClient, Image, MenuItem, MsgMenu, Text
from wechat_kf.testing import FakeWeChat

KF_ACCOUNT = "lin@shop"
OPENID = "o6_bmjrPTlm6_2sgVt7hMZOPfL2M"
PICTURE = Path(__file__).with_name("lin.jpg")


async def tour(kf: AsyncKfClient, fake: FakeWeChat) -> None:
    """
    Do what a shop does; what people do in WeChat, the stand-in does.
    """
    await kf.add_kf_account(KF_ACCOUNT, "小林")
    await kf.invite_kf_worker(KF_ACCOUNT, "lin_kefu")
    await kf.upload_kf_head_img(KF_ACCOUNT, PICTURE)
    [account] = (await kf.get_kf_list()).kf_list
    print(f"Account {account.kf_account} ({account.kf_nick}) has a picture; its invitation is {account.invite_status}.")

    fake.accept_invitation(KF_ACCOUNT)
    fake.agent_online(KF_ACCOUNT)
    [agent] = (await kf.get_online_kf_list()).kf_online_list
    print(f"The invited person accepted; {agent.kf_account} is online and has {agent.accepted_case} sessions.")

    fake.user_says(OPENID, "你好，我的快递到哪了？")
    await kf.create_kf_session(KF_ACCOUNT, OPENID)
    session = await kf.get_kf_session(OPENID)
    print(f"A customer wrote; {session.kf_account} serves them now.")

    async with kf.typing_indicator(OPENID):
        print(f"The customer sees that somebody is typing: {fake.is_typing_shown(OPENID)}.")
        answer = Text("您好，快递今天下午送到。")
    await kf.send_custom_message(OPENID, answer, kf_account=KF_ACCOUNT)

    uploaded = await kf.upload_temp_media("image", PICTURE)
    await kf.send_custom_message(OPENID, Image(uploaded.media_id), kf_account=KF_ACCOUNT)

    menu = MsgMenu([MenuItem("yes", "满意"), MenuItem("no", "不满意")], "您对本次服务满意吗？")
    await kf.send_custom_message(OPENID, menu, kf_account=KF_ACCOUNT)
    print("The customer was shown:")
    for shown in fake.shown_to(OPENID):
        print(f"  {shown.text}")

    fake.picks(OPENID, "yes")
    now = datetime.now(UTC)
    print("The history of their session:")
    async for record in kf.iter_msg_records(now - timedelta(hours=1), now):
        print(f"  {record.openid[:8]}… to {record.worker}: {record.text}")

    await kf.close_session(KF_ACCOUNT, OPENID)
    waiting = await kf.get_wait_case()
    print(f"The session is closed; {waiting.count} customers are waiting.")


async def main() -> None:
    """
    Start the stand-in, and a client for it. A client for WeChat itself is ``AsyncKfClient(appid, secret)``.
    """
    fake = FakeWeChat()
    async with fake.serve() as base_url, AsyncKfClient(fake.appid, fake.secret, base_url=base_url) as kf:
        print(f"A stand-in for WeChat listens on {base_url}.")
        await tour(kf, fake)


if __name__ == "__main__":
    asyncio.run(main())
