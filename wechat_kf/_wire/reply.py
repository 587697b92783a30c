"""
A reply read from its status and bytes into the endpoint's class, or into the error that it is.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar, cast

import cattrs

from .._errors import DeliveryUncertain, ReplyError, api_error
from .._redact import HIDDEN, get_logger, redact
from .endpoint import Endpoint
from .fields import is_object, place_of, read_int, structure
from .json import read_json
from .tolerant import StrangeAnswer, Tolerant, read_tolerantly

__all__ = [
    "MAX_REPLY",
    "read_reply",
]

T = TypeVar("T")

_log = get_logger("wechat_kf.call")

MAX_REPLY: Final = 64 * 1024 * 1024
"""
The largest answer in JSON that is read, in bytes; a full page of 10,000 long records is about half of it.
"""


def read_reply(endpoint: Endpoint[T], status: int, body: bytes, *, secrets: tuple[str, ...] = ()) -> T:
    """
    Read an answer into the endpoint's class.

    Args:
        endpoint: What was called.

        status: The HTTP status.

        body: The whole answer.

        secrets: Values to hide in what is kept of a bad answer.

    Raises:
        ApiError: WeChat refused.

        DeliveryUncertain: A gateway answered 5xx.

        ReplyError: The answer is not in the documented shape.
    """

    def wrong(problem: str, where: str = "$") -> ReplyError:
        # Hidden in the whole, so that none is cut in two.
        start = redact(_hide(body, secrets)[:2000].decode("utf-8", "replace"))[:500].encode()
        return ReplyError(redact(problem, *secrets), where=where, status=status, body=start, endpoint=endpoint.path)

    if status >= 500:
        raise DeliveryUncertain(f"A gateway answered HTTP {status}.", endpoint=endpoint.path)
    if status == 412:
        raise wrong("The gateway refused the request: HTTP 412 comes of an upload without Content-Length.")
    if not 200 <= status < 300:
        raise wrong(f"The answer is HTTP {status}; WeChat itself answers 200 only.")
    try:
        answer = read_json(body)
    except ValueError:
        raise wrong("The answer is not JSON." if body.strip() else "The answer is empty.") from None
    if not is_object(answer):
        raise wrong("The answer is not a JSON object.")
    try:
        errcode = read_int(answer.get("errcode", 0))
    except TypeError as error:
        raise wrong(f"The answer does not have the documented shape: {error}.", "$.errcode") from None
    if errcode:
        errmsg = answer.get("errmsg")
        text = errmsg if isinstance(errmsg, str) else ""
        raise api_error(errcode, text, endpoint=endpoint.path, manual=endpoint.manual, secrets=secrets)
    try:
        return _value(endpoint, answer, body, secrets)
    except StrangeAnswer as error:
        raise wrong(f"The answer does not have the documented shape: {error.problem}.", error.where) from None


def _hide(body: bytes, secrets: tuple[str, ...]) -> bytes:
    for secret in filter(None, secrets):
        body = body.replace(secret.encode(), HIDDEN.encode())
    return body


def _value(endpoint: Endpoint[T], answer: dict[str, Any], body: bytes, secrets: tuple[str, ...]) -> T:
    if endpoint.reply is dict:
        return cast("T", answer)
    try:
        return cast("T", structure(answer, endpoint.reply))
    except cattrs.BaseValidationError as error:
        if not issubclass(endpoint.reply, Tolerant):
            raise StrangeAnswer(*place_of(error, "$")) from None
    # What is kept of it must not hold what is hidden.
    value, strange = read_tolerantly(read_json(_hide(body, secrets)), endpoint.reply)
    if strange:
        _log.warning("The answer of %s is not as documented: %s.", endpoint.path, redact(strange, *secrets))
    return value
