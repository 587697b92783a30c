"""
``wechat-kf quota`` and ``wechat-kf rid``: what is left, and what WeChat knows of a failure.
"""

from __future__ import annotations

from typing import Any, Final

import attrs
from cyclopts import App

from ..api.accounts import GET_KF_LIST
from ..api.media import UPLOAD_TEMP_MEDIA
from ..api.messages import SEND_CUSTOM_MESSAGE, TYPING
from ..api.records import GET_MSG_LIST
from ._exits import Exit
from ._options import COMMON, Common, Session
from ._output import pick

__all__ = ["add_to", "quota", "rid"]

_USUAL: Final = tuple(
    endpoint.path for endpoint in (SEND_CUSTOM_MESSAGE, TYPING, UPLOAD_TEMP_MEDIA, GET_MSG_LIST, GET_KF_LIST)
)


def add_to(app: App) -> None:
    """
    Add the commands.
    """
    app.command(quota)
    app.command(rid)


def quota(*path: str, common: Common = COMMON) -> int:
    """
    See how many calls are left today, until midnight in Beijing.

    Args:
        path: Paths such as /cgi-bin/message/custom/send; the usual ones if none is given.
    """

    async def work(session: Session) -> int:
        rows: list[dict[str, Any]] = []
        for each in path or _USUAL:
            found = await session.kf.get_quota(each)
            limit = found.rate_limit
            rate = None if limit is None else f"{limit.call_count} in {limit.refresh_second} s"
            rows.append({"path": each, **attrs.asdict(found.quota), "rate_limit": rate})
        session.out.rows(("path", "daily_limit", "used", "remain", "rate_limit"), rows)
        return Exit.DONE

    return common.run(work)


def rid(rid: str, /, *, common: Common = COMMON) -> int:
    """
    See what WeChat kept of a failed request, for 7 days; tokens are hidden.

    Args:
        rid: The rid that the error named.
    """

    async def work(session: Session) -> int:
        info = await session.kf.get_rid_info(rid)
        fields = pick(info, [each.name for each in attrs.fields(type(info))])
        if session.out.as_json:
            session.out.value(fields, "")
        else:
            session.out.rows(("field", "value"), [{"field": name, "value": fields[name]} for name in fields])
        return Exit.DONE

    return common.run(work)
