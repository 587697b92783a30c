"""
The wire as values: an endpoint, a call to it, the bytes of a request, and a reply read from bytes. Pure functions.

Reading is strict by rule and loose by declaration: a field has exactly its type unless it has one of the named types
below, which say how the field varies in the wild.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, Protocol, TypeAlias, TypeVar, cast, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn

from ._clock import Clock
from ._errors import DeliveryUncertain, KfError, ReplyError, api_error
from ._multipart import FilePart
from ._redact import redact

__all__ = [
    "FORMERLY",
    "MAX_REPLY",
    "Ack",
    "Call",
    "Chapter",
    "Download",
    "Endpoint",
    "MaybeEmpty",
    "MaybeInt",
    "MaybeNumeric",
    "Timestamp",
    "encode",
    "read_json",
    "read_reply",
    "required",
    "structure",
    "unix_seconds",
]

T = TypeVar("T")

MAX_REPLY: Final = 64 * 1024 * 1024
"""
The largest answer in JSON that is read, in bytes; a full page of 10,000 long records is about half of it.
"""

FORMERLY: Final = "formerly"
"""
The key of a field's metadata that names its older wire name.
"""

# ---- values ------------------------------------------------------------------------------------------------------


@attrs.frozen
class Endpoint(Generic[T]):
    """
    One row of the manual.

    Attributes:
        method: ``GET`` or ``POST``.

        path: The path, exactly; nothing is normalised.

        reply: The attrs class of the answer, or ``dict`` for the answer as it came.

        manual: The official page.

        repeatable: Whether the call is safe to send again after a broken connection.
    """

    method: str
    path: str
    reply: type[T]
    manual: str = attrs.field(default="", kw_only=True)
    repeatable: bool = attrs.field(default=False, kw_only=True)


@attrs.frozen
class Call(Generic[T]):
    """
    One call to an endpoint: its query without the token, and its body.

    Attributes:
        endpoint: The row.

        query: Parameters besides ``access_token``.

        json: The JSON body, or None for none.

        file: The file part of an upload, or None.
    """

    endpoint: Endpoint[T]
    query: Mapping[str, str] = attrs.field(factory=dict[str, str])
    json: Mapping[str, Any] | None = None
    file: FilePart | None = None


@attrs.frozen
class Ack:
    """
    What the writing endpoints answer.
    """

    errcode: int
    errmsg: str = ""


class Download(Protocol):
    """
    A body on its way in, not yet read.
    """

    @property
    def headers(self) -> Mapping[str, str]: ...
    def __aiter__(self) -> AsyncIterator[bytes]: ...


class Chapter(ABC):
    """
    What a chapter of the manual needs from the client it is mixed into.
    """

    _clock: Clock
    _appid: str | None

    @abstractmethod
    async def request(self, call: Call[T]) -> T: ...

    @abstractmethod
    def _download(self, call: Call[Any] | str) -> AbstractAsyncContextManager[Download | dict[str, Any]]:
        """
        Open the answer to a call, or an absolute URL that WeChat named, as a stream; an answer in JSON comes read.
        """


# ---- writing -----------------------------------------------------------------------------------------------------


def encode(body: Mapping[str, Any]) -> bytes:
    r"""
    Write JSON as WeChat wants it: UTF-8 with literal characters. ``\uXXXX`` escapes would be shown to the customer
    (40033), and escaped ``<`` and ``>`` break links.

    Raises:
        ValueError: A string holds a lone surrogate, or a number is not finite.

        TypeError: A value is not of JSON's types.
    """
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a string in the request holds a lone surrogate, which UTF-8 cannot carry") from None


def required(name: str, value: object) -> str:
    """
    Check an argument that must be a string with something in it.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if not value.strip():
        raise ValueError(f"{name} must not be empty")
    return value


def unix_seconds(name: str, value: datetime | int) -> int:
    """
    Turn an aware datetime or Unix seconds into Unix seconds.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None or value.utcoffset() is None:
            raise ValueError(f"{name} must be an aware datetime: a naive one does not say which time it is")
        return int(value.timestamp())
    if type(value) is not int:
        raise TypeError(f"{name} must be an aware datetime or Unix seconds as int, not {type(value).__name__}")
    if value < 0:
        raise ValueError(f"{name} must not be negative")
    if value >= 100_000_000_000:
        raise ValueError(f"{name} must be in seconds; {value} looks like milliseconds")
    return value


# ---- reading -----------------------------------------------------------------------------------------------------

# The fields whose type varies in the wild (a number here, a string there, empty or absent). A marker makes each a type
# of its own for the converter, while type checkers see what a caller gets.

MaybeInt: TypeAlias = Annotated[str | None, "int or str on the wire"]
"""
An id: a string or a number; empty or absent is None.
"""

MaybeEmpty: TypeAlias = Annotated[str | None, "empty on the wire"]
"""
A name: empty or absent is None.
"""

MaybeNumeric: TypeAlias = Annotated[int, "int or numeric str on the wire"]
"""
A number that is sometimes written as a string.
"""

Timestamp: TypeAlias = Annotated[datetime | None, "Unix seconds as int or str on the wire"]
"""
A time: Unix seconds as a number or a string; 0, empty or absent is None.
"""


def _exactly(kind: type[T]) -> Callable[[Any, Any], T]:
    def structure_exactly(value: Any, _: Any) -> T:
        # `type() is`, since a bool is an int to isinstance.
        if type(value) is not kind:
            raise TypeError(f"expected {kind.__name__}, got {type(value).__name__}")
        return cast("T", value)

    return structure_exactly


def _structure_float(value: Any, _: Any) -> float:
    if type(value) is not float and type(value) is not int:
        raise TypeError(f"expected a number, got {type(value).__name__}")
    return float(value)


def _structure_str_or_none(value: Any, _: Any) -> str | None:
    if value is not None and type(value) is not str:
        raise TypeError(f"expected str, got {type(value).__name__}")
    return value


def _structure_int_or_none(value: Any, _: Any) -> int | None:
    if value is not None and type(value) is not int:
        raise TypeError(f"expected int, got {type(value).__name__}")
    return value


def _structure_maybe_int(value: Any, _: Any) -> str | None:
    if type(value) is int:
        return str(value)
    return _structure_str_or_none(value, _) or None


def _structure_maybe_empty(value: Any, _: Any) -> str | None:
    return _structure_str_or_none(value, _) or None


def _structure_maybe_numeric(value: Any, _: Any) -> int:
    if type(value) is str and value.isascii() and value.strip().removeprefix("-").isdigit():
        return int(value)
    if type(value) is not int:
        raise TypeError(f"expected int, got {type(value).__name__}")
    return value


def _structure_timestamp(value: Any, _: Any) -> datetime | None:
    if value is None or value == "":
        return None
    if type(value) is not int:
        value = _structure_maybe_numeric(value, _)
    return datetime.fromtimestamp(value, UTC) if value else None


_HOOKS: Final[tuple[tuple[Any, Callable[[Any, Any], Any]], ...]] = (
    (str, _exactly(str)),
    (int, _exactly(int)),
    (bool, _exactly(bool)),
    (float, _structure_float),
    (str | None, _structure_str_or_none),
    (int | None, _structure_int_or_none),
    (MaybeInt, _structure_maybe_int),
    (MaybeEmpty, _structure_maybe_empty),
    (MaybeNumeric, _structure_maybe_numeric),
    (Timestamp, _structure_timestamp),
)


def _is_tuple_of_one_kind(kind: Any) -> bool:
    return get_origin(kind) is tuple and get_args(kind)[1:] == (...,)


def _converter(*, detailed: bool) -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=detailed)
    for kind, hook in _HOOKS:
        # By equality: an `Annotated` is not the object that a class's annotation evaluates to.
        converter.register_structure_hook_func(lambda candidate, kind=kind: candidate == kind, hook)

    @converter.register_structure_hook_factory(attrs.has)
    def _(cls: Any) -> Callable[[Any, Any], Any]:
        inner = make_dict_structure_fn(cls, converter)
        renamed = [(a.metadata[FORMERLY], a.name) for a in attrs.fields(cls) if FORMERLY in a.metadata]

        def structure_object(value: Any, kind: Any) -> Any:
            if type(value) is not dict:
                raise TypeError(f"expected an object, got {type(value).__name__}")
            for old, name in renamed:
                if name not in value and old in value:
                    value = {**value, name: value[old]}
            return inner(value, kind)

        return structure_object

    @converter.register_structure_hook_factory(_is_tuple_of_one_kind)
    def _(kind: Any) -> Callable[[Any, Any], Any]:
        item = get_args(kind)[0]
        inner = converter.get_structure_hook(item)
        listed = converter.get_structure_hook(list[item]) if detailed else None

        def structure_tuple(value: Any, _: Any) -> tuple[Any, ...]:
            if value is None:
                return ()
            if type(value) is not list:
                raise TypeError(f"expected a list, got {type(value).__name__}")
            if listed is not None:
                return tuple(listed(value, list[item]))
            return tuple([inner(each, item) for each in value])

        return structure_tuple

    return converter


# The first is fast. When it refuses, the second, which tracks where it is, says which field it was.
_fast: Final = _converter(detailed=False)
_detailed: Final = _converter(detailed=True)


def _place(error: BaseException, path: str) -> tuple[str, str]:
    """
    Follow cattrs' notes down to the first field that was wrong: its path, and what was wrong.
    """
    if isinstance(error, cattrs.BaseValidationError):
        first = error.exceptions[0]
        for note in getattr(first, "__notes__", ()):
            if isinstance(note, cattrs.AttributeValidationNote):
                path = f"{path}.{note.name}"
            elif isinstance(note, cattrs.IterableValidationNote):
                path = f"{path}[{note.index}]"
        return _place(first, path)
    if isinstance(error, KeyError):
        return f"{path}.{error.args[0]}" if not path.endswith(f".{error.args[0]}") else path, "missing"
    return path, str(error) if isinstance(error, TypeError) else "out of range"


class _WrongShape(Exception):
    def __init__(self, where: str, problem: str) -> None:
        super().__init__(where, problem)
        self.where = where
        self.problem = problem


def structure(value: Any, kind: type[T]) -> T:
    """
    Turn decoded JSON into a value of a class.

    Raises:
        _WrongShape: It does not fit; says where.
    """
    if kind is dict:
        return cast("T", value)
    try:
        return _fast.structure(value, kind)
    except Exception:
        try:
            return _detailed.structure(value, kind)
        except Exception as error:
            raise _WrongShape(*_place(error, "$")) from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def read_json(body: bytes) -> Any:
    """
    Decode JSON by content: raw control characters and broken UTF-8, which occur in nicknames and chat texts, survive.

    Raises:
        ValueError: It is not JSON.
    """
    try:
        # A byte order mark goes, broken bytes become U+FFFD.
        return json.loads(body.decode("utf-8-sig", "replace"), strict=False, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


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

    def wrong(problem: str, where: str = "$") -> KfError:
        start = redact(body[:2000].decode("utf-8", "replace"), *secrets)[:500].encode()
        return ReplyError(problem, where=where, status=status, body=start, endpoint=endpoint.path)

    if status >= 500:
        raise DeliveryUncertain(f"A gateway answered HTTP {status}.", endpoint=endpoint.path)
    if status == 412:
        raise wrong("The gateway refused the request: HTTP 412 comes of an upload without Content-Length.")
    if not 200 <= status < 300:
        raise wrong(f"The answer is HTTP {status}; WeChat itself answers 200 only.")
    try:
        answer = read_json(body)
    except ValueError:
        raise wrong("The answer is empty." if not body.strip() else "The answer is not JSON.") from None
    if type(answer) is not dict:
        raise wrong("The answer is not a JSON object.")
    envelope = cast("dict[str, Any]", answer)
    if "errcode" in envelope:
        try:
            envelope["errcode"] = errcode = _structure_maybe_numeric(envelope["errcode"], int)
        except (TypeError, ValueError):
            raise wrong("The errcode is not a number.", "$.errcode") from None
        errmsg = envelope.get("errmsg")
        if errcode:
            text = redact(errmsg, *secrets) if isinstance(errmsg, str) else ""
            raise api_error(errcode, text, endpoint=endpoint.path, manual=endpoint.manual)
    try:
        return structure(envelope, endpoint.reply)
    except _WrongShape as error:
        raise wrong(f"The answer does not have the documented shape: {error.problem}.", error.where) from None
