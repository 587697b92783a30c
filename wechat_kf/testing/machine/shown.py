"""
What customers see.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypeAlias

import attrs

__all__ = ["Shown", "Via"]

Via: TypeAlias = Literal["custom", "passive", "agent", "notice"]


@attrs.frozen
class Shown:
    """
    Something a customer sees.

    Attributes:
        openid: The customer.

        payload: The message: ``msgtype``, the object named so, and what came with it.

        kf_account: The agent in whose name it came.

        at: When.

        via: ``custom`` (sent with the API), ``passive`` (the answer to a push), ``agent`` (an agent wrote it) or
            ``notice`` (WeChat itself did).
    """

    openid: str
    payload: dict[str, Any]
    kf_account: str | None
    at: datetime
    via: Via

    @property
    def text(self) -> str:
        """
        The content of a text; of anything else its kind, as in ``[image]``.
        """
        msgtype = self.payload["msgtype"]
        return str(self.payload["text"]["content"]) if msgtype == "text" else f"[{msgtype}]"
