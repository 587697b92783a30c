"""
A picture that is uploaded once for a journal: the id that it got is kept beside it, for the runs that come after.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from anyio import to_thread

from .._client import AsyncKfClient
from ._exits import CommandError, Exit

__all__ = ["upload_once"]

# It lives three days; what is sent in its last hour may come too late.
_LIFE: Final = timedelta(days=3) - timedelta(hours=1)


async def upload_once(kf: AsyncKfClient, picture: Path, journal: Path) -> str:
    """
    Upload a picture unless an earlier run with this journal has; return its media_id.

    Raises:
        CommandError: The journal was begun with another picture, or WeChat has deleted this one by now.
    """
    # Another id would make another message of it, which the journal refuses.
    kept = journal.with_name(f"{journal.name}.media")
    digest = await to_thread.run_sync(_digest, picture)
    known = await to_thread.run_sync(_read, kept)
    if known is None:
        media_id = (await kf.upload_temp_media("image", picture)).media_id
        fields = {"sha256": digest, "media_id": media_id, "uploaded": datetime.now(UTC).isoformat(timespec="seconds")}
        await to_thread.run_sync(_write, kept, fields)
        return media_id
    uploaded, of, media_id = known
    if of != digest:
        raise CommandError(Exit.FILE, f"{kept} says that {journal} is of another picture. Nothing was sent.")
    if datetime.now(UTC) - uploaded > _LIFE:
        raise CommandError(
            Exit.FILE,
            f"The picture of {journal} was uploaded three days ago; WeChat keeps it no longer. Nothing was sent.",
        )
    return media_id


def _digest(picture: Path) -> str:
    return sha256(picture.read_bytes()).hexdigest()


def _read(kept: Path) -> tuple[datetime, str, str] | None:
    try:
        fields: dict[str, Any] = json.loads(kept.read_bytes())
        return datetime.fromisoformat(fields["uploaded"]), str(fields["sha256"]), str(fields["media_id"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        raise CommandError(Exit.FILE, f"{kept} cannot be understood. Nothing was sent.") from None


def _write(kept: Path, fields: dict[str, str]) -> None:
    part = kept.with_name(f"{kept.name}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(fields, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(kept)
