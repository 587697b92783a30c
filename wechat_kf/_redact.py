"""
Keep secrets out of any text: one pattern for every way WeChat's credentials are written, and a logging filter.

WeChat puts the access token in the query of every call, and HTTP libraries log the whole URL.
"""

from __future__ import annotations

import logging
import re
from typing import Final

__all__ = ["HIDDEN", "RedactingFilter", "guard_loggers", "redact"]

HIDDEN: Final = "***"

# One name, what stands between it and its value in a query, a JSON text (also one inside a JSON string), a header or
# a Python repr, and the value.
_SECRET: Final = re.compile(
    r"""
    (
        (?:access_?token | refresh_?token | app_?secret | corpsecret | \bsecret | encoding_?aes_?key | authorization
           | \bjsapi_?ticket | \bverify_?ticket)
        (?: \\* ["'] )?
        \s* (?: = | : | %3[dD] | , (?=\s*b?["']) ) \s*
        (?: b? \\* ["'] )?
        (?: Bearer \s+ )?
    )
    (?! \*\*\* )
    [^&\s"'\\<>\#,;)\]}]+
    """,
    re.VERBOSE | re.IGNORECASE,
)

# A filter on a logger does not see what its children log, so the children are named too.
_LOGGERS: Final = tuple(
    name
    for family in ("", "2")
    for name in (
        f"httpx{family}",
        f"httpcore{family}",
        *(f"httpcore{family}.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")),
    )
)


def redact(text: str, *values: str) -> str:
    """
    Replace every credential in a text by ``***``: those written with their names, and the given values wherever they
    stand.
    """
    for value in values:
        if value:
            text = text.replace(value, HIDDEN)
    return _SECRET.sub(rf"\1{HIDDEN}", text)


class RedactingFilter(logging.Filter):
    """
    Redact records instead of dropping them: message, arguments and traceback text.

    Install it on any handler or logger of yours: ``handler.addFilter(RedactingFilter())``.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """
        Redact the record in place; always let it pass.
        """
        if isinstance(record.args, tuple):
            record.args = tuple(_redact_argument(argument) for argument in record.args)
        message = record.getMessage()
        redacted = redact(message)
        if redacted != message:
            record.msg, record.args = redacted, ()
        if record.exc_info and record.exc_info[0] is not None and not record.exc_text:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
        return True


def _redact_argument(argument: object) -> object:
    if isinstance(argument, (int, float)):
        return argument
    text = str(argument)
    redacted = redact(text)
    return argument if redacted == text else redacted


_filter: Final = RedactingFilter()


def guard_loggers() -> None:
    """
    Put the redacting filter on the loggers of the HTTP libraries; again is harmless.
    """
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_filter)
