"""
Keep the history of agents' conversations in SQLite: run it daily; what is there already is not added twice.

::

    python examples/history_to_sqlite.py history.db 3

It reads WECHAT_APPID and WECHAT_SECRET; the number says how many days back to read.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta

from wechat_kf import AsyncKfClient

TABLE = """
CREATE TABLE IF NOT EXISTS history (
    time TEXT, openid TEXT, worker TEXT, opercode INTEGER, text TEXT, UNIQUE (time, openid, worker, opercode, text)
)
"""


async def save(kf: AsyncKfClient, database: sqlite3.Connection, days: int) -> int:
    """
    Add the records of the last days; return how many were not there yet.
    """
    database.execute(TABLE)
    before = database.total_changes
    now = datetime.now(UTC)
    async for record in kf.iter_msg_records(now - timedelta(days=days), now):
        time = record.time.isoformat() if record.time else ""
        row = (time, record.openid, record.worker or "", record.opercode, record.text or "")
        database.execute("INSERT OR IGNORE INTO history VALUES (?, ?, ?, ?, ?)", row)
    database.commit()
    return database.total_changes - before


async def main(path: str, days: int) -> None:
    """
    Save to the file, and say how many records came in.
    """
    with closing(sqlite3.connect(path)) as database:
        async with AsyncKfClient.from_env() as kf:
            print(f"{await save(kf, database, days)} records added.")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
