"""
What happened, as JSON for the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, cast

import attrs

from ..._errcodes import errcode_of
from .._feed import AnsweredCall, Changed, Entry, Happened, PushAttempt
from ..machine.json_values import object_of, parse_json

__all__ = ["render_entry", "render_value"]

# Nobody reads more of a body.
_TEXT_LIMIT: Final = 20_000
# JavaScript rounds greater integers.
_EXACT: Final = 2**53
_SECRETS: Final = frozenset({"access_token", "secret", "appsecret"})


def render_entry(number: int, entry: Entry) -> dict[str, Any] | None:
    """
    Write an entry; None: it has nothing to show.
    """
    match entry:
        case Changed():
            return None
        case AnsweredCall():
            return {"n": number, "kind": "call", **_exact(_render_call(entry))}
        case Happened():
            return {"n": number, "kind": "happened", **_exact(render_value(entry))}
        case PushAttempt():
            texts = {"body": entry.body[:_TEXT_LIMIT], "answer": entry.answer[:_TEXT_LIMIT]}
            # The push's own kind has the name of the entry's.
            return {"n": number, **_exact(render_value(entry)), "kind": "push", "what": entry.kind, **texts}
        case _:
            return {"n": number, "kind": "shown", **render_value(entry)}


def render_value(value: attrs.AttrsInstance) -> dict[str, Any]:
    """
    Write a value of attrs by its fields.
    """
    names = [field.name for field in attrs.fields(type(value))]
    fields = {name: getattr(value, name) for name in names}
    return {name: each.isoformat() if isinstance(each, datetime) else each for name, each in fields.items()}


def _render_call(entry: AnsweredCall) -> dict[str, Any]:
    call, response = entry.call, entry.response
    file = call.file and {
        "filename": call.file.filename,
        "content_type": call.file.content_type,
        "size": len(call.file.content),
    }
    body = object_of(call.json)
    rendered: dict[str, Any] = {
        "at": call.at.isoformat(),
        "method": call.method,
        "path": call.path,
        "query": _hide(call.query),
        "json": call.json if body is None else _hide(body),
        "file": file,
        "openid": entry.openid,
    }
    if response is None:
        return {**rendered, "status": None}
    try:
        answer = object_of(parse_json(response.body))
    except ValueError:
        answer = None
    rendered |= {"status": response.status, "type": response.content_type, "size": len(response.body)}
    if answer is None:
        is_text = response.content_type.startswith("text/")
        text = response.body[:_TEXT_LIMIT].decode("utf-8", "replace")
        return {**rendered, "text": text if is_text else None}
    errcode: object = answer.get("errcode", 0)
    known = errcode_of(errcode) if isinstance(errcode, int) and errcode else None
    explained = {} if known is None else {"meaning": known.meaning, "remedy": known.remedy}
    return {**rendered, "answer": _hide(answer), "errcode": errcode, **explained}


def _exact(value: Any) -> Any:
    """
    Write as text each integer that the page's language cannot hold, as an id of a message.
    """
    match value:
        case dict():
            return {name: _exact(each) for name, each in cast("dict[str, object]", value).items()}
        case list():
            return [_exact(each) for each in cast("list[object]", value)]
        case int() if abs(value) > _EXACT:
            return str(value)
        case _:
            return value


def _hide(fields: Mapping[str, Any]) -> dict[str, Any]:
    """
    Leave of a token or a secret what tells it from others.
    """
    return {
        name: f"{value[:6]}…" if name in _SECRETS and isinstance(value, str) else value
        for name, value in fields.items()
    }
