"""
Send one customer a text.

::

    python examples/send_text.py OPENID "你好"

It reads WECHAT_APPID and WECHAT_SECRET, and WECHAT_BASE_URL if that is set.
"""

from __future__ import annotations

import asyncio
import sys

from wechat_kf import AsyncKfClient, KfError, Text


async def send(openid: str, content: str) -> None:
    """
    Send it; the customer must have written within the last 48 hours.
    """
    async with AsyncKfClient.from_env() as kf:
        await kf.send_custom_message(openid, Text(content))


def main() -> str | None:
    """
    Return what went wrong; None if nothing did.
    """
    if len(sys.argv) != 3:
        return 'Usage: python send_text.py OPENID "你好"'
    try:
        asyncio.run(send(sys.argv[1], sys.argv[2]))
    except ValueError as error:
        return f"Nothing was sent: {error}."
    except KfError as error:
        # Whether the message may have arrived all the same is for the caller to know.
        outcome = "Not sent" if error.effect == "none" else "Perhaps sent, so look before you send it again"
        return f"{outcome}: {error}"
    print("Sent.")
    return None


if __name__ == "__main__":
    sys.exit(main())
