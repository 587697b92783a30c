"""
The controls over HTTP, for programs in other processes and other languages.

``POST /stand-in/user_says`` with ``{"openid": "o1", "text": "你好"}`` is ``fake.user_says("o1", "你好")``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import attrs

from .._faults import (
    ClockSkew,
    Delay,
    Drip,
    DropAfter,
    DropBefore,
    Errcode,
    Fault,
    Garble,
    Status,
    Truncate,
)
from ..machine.request import Request
from ..machine.response import Refusal, Response
from ..machine.shown import Shown

__all__ = ["CONTROLS", "PREFIX", "ControlsFront"]

PREFIX: Final = "/stand-in/"
"""
Where they lie.
"""

CONTROLS: Final = (
    "accept_invitation",
    "advance",
    "agent_accepts",
    "agent_closes",
    "agent_offline",
    "agent_online",
    "agent_says",
    "agent_switches",
    "blacklist",
    "clicks",
    "expire_tokens",
    "follows",
    "is_typing_shown",
    "mutes",
    "picks",
    "reject_invitation",
    "revoke_tokens",
    "scans",
    "shown_to",
    "unfollows",
    "user_says",
    "user_sends",
    "user_sends_image",
    "user_sends_video",
    "user_sends_voice",
    "user_waits",
    "works_elsewhere",
)
"""
The controls that are called over HTTP too, by their names.
"""

_FAULTS: Final[Mapping[str, Callable[..., Fault]]] = {
    kind.__name__: kind for kind in (ClockSkew, Delay, Drip, DropAfter, DropBefore, Errcode, Garble, Status, Truncate)
}


class ControlsFront:
    """
    Calls controls by their names.

    Args:
        controls: What can be called.

        fault: Queues a fault: path, fault, times, after.
    """

    def __init__(
        self, controls: Mapping[str, Callable[..., object]], fault: Callable[[str, Fault, int, int], None]
    ) -> None:
        self._controls = {**controls, "fault": self._queue}
        self._fault = fault

    def handle(self, request: Request) -> Response:
        """
        Call a control; the answer is what it returns, or says in HTTP 400 or 404 what is wrong.
        """
        control = self._controls.get(request.path.removeprefix(PREFIX))
        if control is None:
            return _text(404, f"the controls are {', '.join(sorted(self._controls))}")
        try:
            arguments: dict[str, Any] = json.loads(request.body) if request.body else dict(request.query)
            # JSON can hold what no wire does: half of a surrogate pair, NaN.
            json.dumps(arguments, ensure_ascii=False, allow_nan=False).encode()
            result = json.dumps(_plain(control(**arguments)), ensure_ascii=False)
        except Refusal as refusal:
            return _text(400, f"WeChat refuses: {refusal.errcode}")
        except Exception as error:  # noqa: BLE001 - whatever a stranger sends must not end the server
            return _text(400, f"{type(error).__name__}: {error}")
        return Response(200, "application/json", result.encode())

    def _queue(self, path: str, fault: str, times: int = 1, after: int = 0, **arguments: Any) -> None:
        if fault not in _FAULTS:
            raise ValueError(f"the faults are {', '.join(sorted(_FAULTS))}")
        if "body" in arguments:
            arguments["body"] = str(arguments["body"]).encode()
        self._fault(path, _FAULTS[fault](**arguments), times, after)


def _text(status: int, text: str) -> Response:
    return Response(status, "text/plain; charset=utf-8", text.encode())


def _plain(value: object) -> object:
    # Of all that controls return, only what was shown to a customer is not JSON yet.
    if isinstance(value, tuple):
        shown = cast("tuple[Shown, ...]", value)
        return [{**attrs.asdict(each), "at": each.at.isoformat()} for each in shown]
    return value
