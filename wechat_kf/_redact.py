"""
Keep secrets out of any text: one pattern for every way WeChat's credentials are written, and a logging filter.

WeChat puts the access token in the query of every call, and HTTP libraries log the whole URL. It puts the signature in
the query of every push, and servers log that.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import cache, wraps
from typing import Final, ParamSpec, TypeVar

__all__ = ["HIDDEN", "RedactingFilter", "get_logger", "guard_loggers", "hides_arguments", "redact"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

HIDDEN: Final = "***"

# What the pattern is made of. A percent sign may itself be encoded, any number of times; a quote may be escaped.
_NAME: Final = (
    "(?:(?:access|refresh)[_-]?token|secret|encoding_?aes_?key|authorization(?:_?code)?|auth_?code"
    "|(?:jsapi|verify)_?ticket|signature)"
)
_QUOTE: Final = r"""(?:\\*["']|%(?:25)*2[27]|&(?:quot|\#3[49]|\#x2[27]);)"""
_GAP: Final = r"(?:\s|\+|%(?:25)*20)*"
_BLANKS: Final = r"[^\S\r\n]*"
_EQUALS: Final = r"(?:[:=]=|=>?|%(?:25)*3D|\\+u003D|&\#(?:61|x3D);)"
_COLON: Final = "(?:[:：]|%(?:25)*3A)"
_SCHEME: Final = r"(?:(?:Basic|Bearer|Digest|Token)[ ]+)?"
_IN_QUOTES: Final = r"""(?:[^"'\\%&\r\n]|\\+(?:/|u[0-9a-f]{4})|%(?!(?:25)*2[27])|&(?!quot;|\#))"""
# Case matters here: without it, `ſ` would be an `s`.
_BARE: Final = r"""(?-i:[^\s"'\\%&<>\#,;)\]}\x7f-\U0010ffff]|%(?!(?:25)*2[267]))"""

# A name, a sign between, and the value up to its end. Each part begins with what the part before cannot hold, or
# cannot fail, so that a long text takes linear time.
_SECRET: Final = rf"""
    (?= [aejrsv] )  # What a name begins with: four times as fast.
    (?:
        # In quotes: JSON, also in a string or a query, a Python repr, HTML; after a comma in a pair ('secret', 'x').
        ( {_NAME} (?: {_QUOTE}? {_GAP} (?:{_EQUALS}|{_COLON}) | {_QUOTE} {_GAP} , ) {_GAP} [\[(]? [bu]? {_QUOTE} )
        {_IN_QUOTES}+
    |
        # Bare, in a query, an assignment, or an XML element.
        ( {_NAME} (?: {_QUOTE}? {_BLANKS} {_EQUALS} {_BLANKS} | > (?:<!\[CDATA\[)? ) )
        {_BARE}+
    |
        # Bare after a colon, in a header or YAML. Prose has colons too, but seldom a long word after such a name.
        ( {_NAME} {_QUOTE}? {_BLANKS} {_COLON} {_BLANKS} {_SCHEME} )
        {_BARE}{{8,}}
    )
"""


# Where a log file, or who reads it, may see a new line; and what a terminal obeys.
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@cache
def _secret() -> re.Pattern[str]:
    # It takes ten milliseconds, and many a program never needs it.
    return re.compile(_SECRET, re.VERBOSE | re.IGNORECASE)


# A filter on a logger does not see what its children log, so the children are named too.
_LOGGERS: Final = (
    *("httpx", "httpx2"),
    *(
        f"{core}.{part}"
        for core in ("httpcore", "httpcore2")
        for part in ("connection", "http11", "http2", "proxy", "socks")
    ),
    # Beneath HTTP/2, if an HTTP client that was given speaks it.
    *("hpack.hpack", "hpack.table"),
)


def redact(text: str, *values: str) -> str:
    """
    Hide every credential in a text: those that stand with their names, and the given values wherever they stand.
    """
    for value in values:
        if value:
            text = text.replace(value, HIDDEN)
    return _secret().sub(rf"\1\2\3{HIDDEN}", text)


def hides_arguments(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """
    Let a function that is given secrets raise without its frames, and those below: error trackers keep their variables.

    What an exception of such a function tells the caller stands in its text.
    """

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            del args, kwargs
            below: BaseException | None = error
            while below is not None:
                below.__traceback__ = None
                below = below.__cause__ or below.__context__
            raise

    return call


def _one_line(text: str) -> str:
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _indented(text: str) -> str:
    return "\n".join([f"  {line}" for line in text.splitlines()])


class RedactingFilter(logging.Filter):
    """
    Redact records instead of dropping them: message, arguments, traceback and stack.

    Install it on any handler or logger of yours: ``handler.addFilter(RedactingFilter())``. A traceback that showed a
    secret is kept as redacted text only (``exc_text``), since other handlers would format ``exc_info`` again.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """
        Redact the record in place; always let it pass.
        """
        try:
            _redact_message(record)
        except Exception:  # noqa: BLE001 - what an argument's __str__ raises; a call that logs must not fail of it
            # The handler's report of arguments that do not fit would show them.
            record.msg, record.args = f"{redact(str(record.msg))} (its arguments do not fit)", ()
        trace = record.exc_text
        if not trace and record.exc_info and record.exc_info[1] is not None:
            trace = _formatter.formatException(record.exc_info)
        if trace and (redacted := redact(trace)) != trace:
            record.exc_text, record.exc_info = redacted, None
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True


def _redact_message(record: logging.LogRecord) -> None:
    # One by one, since there are formatters that take the arguments apart.
    if isinstance(record.args, tuple):
        record.args = tuple(map(_redact_argument, record.args))
    message = record.getMessage()
    if (redacted := redact(message)) != message:
        record.msg, record.args = redacted, ()


def _redact_argument(argument: object) -> object:
    text = str(argument)
    redacted = redact(text)
    if redacted == text:
        return argument
    return redacted if isinstance(argument, str) else _Text(redacted)


class _Text(str):
    """
    What is shown of an argument that was no string, with ``%r`` too.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class _OwnFilter(RedactingFilter):
    """
    For our own loggers: redact, and let nothing from outside begin a line of its own, lest a log line be forged.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        super().filter(record)
        message = record.getMessage()
        if (one_line := _one_line(message)) != message:
            record.msg, record.args = one_line, ()
        if not record.exc_text and record.exc_info and record.exc_info[1] is not None:
            record.exc_text = _formatter.formatException(record.exc_info)
        if record.exc_text:
            # An exception's text may hold what a customer wrote.
            record.exc_text = _indented(record.exc_text)
        return True


_formatter: Final = logging.Formatter()
_filter: Final = RedactingFilter()
_own_filter: Final = _OwnFilter()


def get_logger(name: str) -> logging.Logger:
    """
    Get a logger of this package, which redacts what it logs and keeps to one line.

    Args:
        name: The whole name, ``wechat_kf.…``.
    """
    logger = logging.getLogger(name)
    logger.addFilter(_own_filter)
    return logger


def guard_loggers() -> None:
    """
    Put the redacting filter on the loggers of the HTTP libraries; again is harmless.
    """
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_filter)
