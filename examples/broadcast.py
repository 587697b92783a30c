"""
Send one text to every openid in a file; killed or stopped, the same command goes on where it was.

::

    python examples/broadcast.py openids.txt "今天有活动"

The file has an openid in each line. Beside it comes ``openids.journal``: who got the text, and who may have. It reads
WECHAT_APPID and WECHAT_SECRET, and WECHAT_BASE_URL if that is set.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

from wechat_kf import AsyncKfClient, FileJournal, JournalError, Text


def pairs(openids: Path, content: str) -> Iterator[tuple[str, Text]]:
    """
    Read the file line by line, however long it is.
    """
    with openids.open(encoding="utf-8") as lines:
        for line in lines:
            if openid := line.strip():
                yield openid, Text(content)


async def main(openids: Path, content: str) -> str | None:
    """
    Send; return what stopped it, None if nothing did.
    """
    journal = FileJournal(openids.with_suffix(".journal"))
    async with AsyncKfClient.from_env() as kf:
        outcomes = kf.send_each(pairs(openids, content), journal=journal)
        try:
            async with aclosing(outcomes):
                async for outcome in outcomes:
                    if outcome.error is not None:
                        print(f"{outcome.touser}: {outcome.error}")
        except JournalError as error:
            return str(error)
        finally:
            counts = outcomes.counts
            refused = ", ".join(f"{number} by {errcode}" for errcode, number in sorted(counts.refused.items()))
            print(
                f"Delivered: {counts.delivered}. Refused: {refused or 0}. "
                f"Uncertain: {counts.uncertain}. Not sent: {counts.not_sent}."
            )
    return None


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit('Usage: python broadcast.py openids.txt "今天有活动"')
    sys.exit(asyncio.run(main(Path(sys.argv[1]), sys.argv[2])))
