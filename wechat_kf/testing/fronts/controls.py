"""
The controls over HTTP, for programs in other processes and other languages.

``POST /stand-in/user_says`` with ``{"openid": "o1", "text": "你好"}`` is ``fake.user_says("o1", "你好")``. What changes
nothing can be had with GET, too: ``GET /stand-in/shown_to?openid=o1``. An argument ``appid`` names another account, and
``component_appid`` a third-party platform.
"""

from __future__ import annotations

import base64
import inspect
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

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
from ..machine.json_values import object_of
from ..machine.limits import Allowance, Limits
from ..machine.request import Request
from ..machine.response import Refusal, Response
from ..machine.upload import Part, content_type_of
from .headers import SAFE

__all__ = ["CONTROLS", "LOOKS", "PREFIX", "ControlsFront"]

PREFIX: Final = "/stand-in/"
"""
Where they lie.
"""

LOOKS: Final = frozenset(
    {
        "accounts",
        "agents",
        "allowance",
        "callback",
        "calls",
        "customer",
        "customers",
        "is_typing_shown",
        "limits",
        "media",
        "pushes",
        "sent",
        "shown_to",
    }
)
"""
What changes nothing, so that a GET will do.
"""

CONTROLS: Final = frozenset(
    {
        "accept_invitation",
        "add_account",
        "add_material",
        "add_platform",
        "advance",
        "agent_accepts",
        "agent_closes",
        "agent_offline",
        "agent_online",
        "agent_says",
        "agent_switches",
        "authorize",
        "blacklist",
        "clicks",
        "deliver",
        "expire_tokens",
        "fault",
        "follows",
        "go_live_test",
        "mutes",
        "picks",
        "platform_pushes",
        "push_ticket",
        "reject_invitation",
        "revoke_tokens",
        "scans",
        "set_callback",
        "settle",
        "unauthorize",
        "unfollows",
        "user_data_changes",
        "user_pays",
        "user_says",
        "user_sends",
        "user_sends_file",
        "user_sends_image",
        "user_sends_video",
        "user_sends_voice",
        "user_waits",
        "verify_callback",
        "works_elsewhere",
    }
)
"""
What changes something.
"""

_FAULTS: Final[Mapping[str, Callable[..., Fault]]] = {
    kind.__name__: kind for kind in (ClockSkew, Delay, Drip, DropAfter, DropBefore, Errcode, Garble, Status, Truncate)
}


class ControlsFront:
    """
    Calls controls by their names.

    Args:
        find: Finds an account or a platform by its appid, or the first account.
    """

    def __init__(self, find: Callable[[str | None], object]) -> None:
        self._find = find

    async def handle(self, request: Request) -> Response:
        """
        Call a control; the answer is what it returns, or says what is wrong: HTTP 400, 404 or 405.
        """
        name = request.path.removeprefix(PREFIX)
        if name not in CONTROLS | LOOKS:
            return _text(404, f"the controls are {', '.join(sorted(CONTROLS | LOOKS))}")
        if request.method != "POST" and not (name in LOOKS and request.method in ("GET", "HEAD")):
            return _text(405, f"{name} must be called with POST", {"allow": "POST"})
        try:
            result = await self._call(name, _arguments_of(request))
            if isinstance(result, bytes):
                return Response(200, content_type_of(result), result, SAFE)
            body = json.dumps(result, ensure_ascii=False, allow_nan=False, default=_plain)
        except Refusal as refusal:
            return _text(400, f"WeChat refuses: {refusal.errcode}")
        except Exception as error:  # noqa: BLE001 - whatever a stranger sends must not end the server
            return _text(400, f"{type(error).__name__}: {error}")
        return Response(200, "application/json", body.encode("utf-8", "replace"))

    async def _call(self, name: str, arguments: dict[str, Any]) -> object:
        whose = arguments.pop("component_appid", None)
        if whose is None and name not in ("add_account", "add_platform"):
            whose = arguments.pop("appid", None)
        account = self._find(whose)
        control = getattr(account, name)
        if name == "fault":
            arguments["fault"] = _fault_of(arguments)
        if isinstance(control, Limits):
            _set_limits(control, arguments)
        if not callable(control):
            return control
        if "content" in arguments:
            arguments["content"] = base64.b64decode(arguments["content"], validate=True)
        _check_types(control, arguments)
        result = control(**arguments)
        return await result if inspect.isawaitable(result) else result


def _arguments_of(request: Request) -> dict[str, Any]:
    value = object_of(json.loads(request.body)) if request.body else dict(request.query)
    if value is None:
        raise ValueError("the arguments must be a JSON object")
    # JSON can hold what no wire does: half of a surrogate pair, NaN.
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return value


def _fault_of(arguments: dict[str, Any]) -> Fault:
    """
    Make a fault of the arguments that are its own, and leave those that say where and when.
    """
    kind = _FAULTS.get(arguments.pop("fault", ""))
    if kind is None:
        raise ValueError(f"the faults are {', '.join(sorted(_FAULTS))}")
    own = {name: arguments.pop(name) for name in list(arguments) if name not in ("path", "times", "after")}
    if "body" in own:
        own["body"] = str(own["body"]).encode()
    return kind(**own)


def _check_types(control: Callable[..., object], arguments: Mapping[str, Any]) -> None:
    """
    Refuse what is not of the type that the control takes: once within, it would fail others.
    """
    hints = get_type_hints(control)
    for name, value in arguments.items():
        if name in hints and not _fits(value, hints[name]):
            raise ValueError(f"{name} cannot be {value!r}")


def _fits(value: object, hint: Any) -> bool:
    if hint in (int, float):
        # True is no number here, but a whole number is a float, too.
        return type(value) in (int, hint)
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, each) for each in get_args(hint))
    if origin is Literal:
        return value in get_args(hint)
    return isinstance(value, hint if origin is None else origin)


def _set_limits(limits: Limits, numbers: Mapping[str, Any]) -> None:
    changed: dict[str, object] = {}
    for name, number in numbers.items():
        present: object = getattr(limits, name, None)
        by_path = object_of(present)
        if isinstance(present, Allowance):
            changed[name] = Allowance(**number)
        elif by_path is not None and all(_is_limit(each, int) for each in number.values()):
            changed[name] = {**by_path, **number}
        elif _is_limit(number, type(present)):
            changed[name] = number
        else:
            raise ValueError(f"the limit {name} cannot be {number!r}")
    for name, number in changed.items():
        setattr(limits, name, number)


def _is_limit(number: Any, kind: type) -> bool:
    return kind in (bool, int, float) and _fits(number, kind) and number >= 0


def _text(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, "text/plain; charset=utf-8", text.encode("utf-8", "replace"), headers or {})


def _plain(value: object) -> object:
    """
    Turn into JSON what is not yet.
    """
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Part):
        return {"filename": value.filename, "content_type": value.content_type, "size": len(value.content)}
    kind = type(value)
    # Nothing but an account has no fields.
    names = [field.name for field in attrs.fields(kind)] if attrs.has(kind) else ["appid", "secret", "original_id"]
    names = [name for name in names if hasattr(value, name)]
    return {name: getattr(value, name) for name in names}
