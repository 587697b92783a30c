"""
The wire as values: an endpoint, a call to it, the bytes of a request, and a reply read from bytes. Pure functions.

Reading is strict by rule and loose by declaration: a field has exactly its type unless it has one of the named types
below, which say how the field varies in the wild.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from functools import partial
from operator import eq
from types import NoneType
from typing import Annotated, Any, Final, Generic, Protocol, TypeAlias, TypeGuard, TypeVar, cast, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn

from ._clock import Clock
from ._errors import DeliveryUncertain, ReplyError, api_error
from ._multipart import FilePart
from ._redact import HIDDEN, redact

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


def _check_method(_: object, __: attrs.Attribute[str], value: str) -> None:
    if value not in ("GET", "POST"):
        raise ValueError(f"method must be 'GET' or 'POST', not {value!r}")


def _check_path(_: object, __: attrs.Attribute[str], value: Any) -> None:
    # Without the slash it would go on with the host's name, and the token to another host.
    if not isinstance(value, str) or not re.fullmatch(r"/[!\"$-;=@-~]*", value):
        raise ValueError(f"path must begin with a slash and hold neither blanks nor a query, not {value!r}")


def _redacted_repr(value: object) -> str:
    return redact(repr(value))


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

    method: str = attrs.field(validator=_check_method)
    path: str = attrs.field(validator=_check_path)
    reply: type[T]
    manual: str = attrs.field(default="", kw_only=True)
    repeatable: bool = attrs.field(default=False, kw_only=True)


@attrs.frozen
class Call(Generic[T]):
    """
    One call to an endpoint: its query without the token, and its body. Its repr hides credentials.

    Attributes:
        endpoint: The row.

        query: Parameters besides ``access_token``.

        json: The JSON body, or None for none.

        file: The file part of an upload, or None.
    """

    endpoint: Endpoint[T]
    query: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=_redacted_repr)
    json: Mapping[str, Any] | None = attrs.field(default=None, repr=_redacted_repr)
    file: FilePart | None = None


@attrs.frozen
class Ack:
    """
    What the writing endpoints answer.
    """

    errcode: MaybeNumeric
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


# Made once: `json.dumps` and `json.loads` would make another for each call.
_encoder: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def encode(body: Mapping[str, Any]) -> bytes:
    r"""
    Write JSON as WeChat wants it: UTF-8 with literal characters.

    ``\uXXXX`` escapes would be shown to the customer (40033), and escaped ``<`` and ``>`` break links.

    Raises:
        ValueError: A string holds a lone surrogate, a number is not finite, or the nesting is too deep.

        TypeError: A value is not of JSON's types.
    """
    try:
        return _encoder.encode(dict(body)).encode()
    except UnicodeEncodeError:
        raise ValueError("a string in the request holds a lone surrogate, which UTF-8 cannot carry") from None
    except RecursionError:
        raise ValueError("the request is nested too deeply") from None


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
        if value.utcoffset() is None:
            raise ValueError(f"{name} must be an aware datetime: a naive one does not say which time it is")
        seconds = int(value.timestamp())
    elif type(value) is int:
        seconds = value
        if seconds >= 100_000_000_000:
            raise ValueError(f"{name} must be in seconds; {seconds} looks like milliseconds")
    else:
        raise TypeError(f"{name} must be an aware datetime or Unix seconds as int, not {type(value).__name__}")
    if seconds < 0:
        raise ValueError(f"{name} must not be before 1970")
    return seconds


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

_JSON_NAMES: Final[dict[type, str]] = {
    str: "a string",
    int: "a whole number",
    float: "a fraction",
    bool: "true or false",
    dict: "an object",
    list: "a list",
    NoneType: "null",
}


def _unlike(expected: str, value: object) -> TypeError:
    return TypeError(f"expected {expected}, got {_JSON_NAMES[type(value)]}")


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return type(value) is dict


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return type(value) is list


def _exactly(kind: type) -> Callable[[Any, Any], Any]:
    expected = _JSON_NAMES[kind]

    def structure_exactly(value: Any, wanted: Any) -> Any:
        # `type() is`, since a bool is an int to isinstance.
        if type(value) is not kind:
            raise _unlike(expected, value)
        # Hooks for a class are used for its subclasses too, such as an IntEnum.
        return value if wanted is kind else wanted(value)

    return structure_exactly


def _structure_float(value: Any, _: Any) -> float:
    if type(value) is not float and type(value) is not int:
        raise _unlike("a number", value)
    return float(value)


def _structure_maybe_empty(value: Any, _: Any) -> str | None:
    if value is not None and type(value) is not str:
        raise _unlike("a string", value)
    return value or None


def _structure_maybe_int(value: Any, _: Any) -> str | None:
    return str(value) if type(value) is int else _structure_maybe_empty(value, _)


def _structure_maybe_numeric(value: Any, _: Any) -> int:
    if type(value) is str and re.fullmatch(r"\s*-?[0-9]{1,4000}\s*", value):
        return int(value)
    if type(value) is not int:
        raise _unlike("a whole number", value)
    return value


def _structure_timestamp(value: Any, _: Any) -> datetime | None:
    if type(value) is not int:
        if value is None or value == "":
            return None
        value = _structure_maybe_numeric(value, _)
    try:
        return datetime.fromtimestamp(value, UTC) if value else None
    except (ValueError, OverflowError, OSError):
        raise ValueError("expected a time in Unix seconds, got a number out of range") from None


_HOOKS: Final[tuple[tuple[Any, Callable[[Any, Any], Any]], ...]] = (
    (str, _exactly(str)),
    (int, _exactly(int)),
    (bool, _exactly(bool)),
    (float, _structure_float),
    (MaybeInt, _structure_maybe_int),
    (MaybeEmpty, _structure_maybe_empty),
    (MaybeNumeric, _structure_maybe_numeric),
    (Timestamp, _structure_timestamp),
)

# With notes of where it is when something is wrong.
_converter: Final = cattrs.Converter(detailed_validation=True)

for _kind, _hook in _HOOKS:
    if isinstance(_kind, type):
        # As a class, or else the stock hooks, which turn anything into anything, would go before.
        _converter.register_structure_hook(_kind, _hook)
    else:
        # By equality: an `Annotated` is not the object that a class's annotation evaluates to.
        _converter.register_structure_hook_func(partial(eq, _kind), _hook)

# Alone, not with its subclasses, which are what a TypedDict is.
_converter.register_structure_hook_func(partial(eq, dict), _exactly(dict))


@_converter.register_structure_hook_factory(attrs.has)
def _object_hook(cls: Any) -> Callable[[Any, Any], Any]:
    inner = make_dict_structure_fn(cls, _converter)
    renamed = [(a.metadata[FORMERLY], a.name) for a in attrs.fields(cls) if FORMERLY in a.metadata]

    def structure_object(value: Any, kind: Any) -> Any:
        if not _is_object(value):
            raise _unlike("an object", value)
        for old, name in renamed:
            if name not in value and old in value:
                value = {**value, name: value[old]}
        return inner(value, kind)

    return structure_object


# What a list is read into, by the type of the field; the stock hooks would take a text for a list of its letters.
_LISTS: Final[dict[Any, Callable[[Iterable[Any]], Any]]] = {
    tuple: tuple,
    list: list,
    set: set,
    frozenset: frozenset,
    Sequence: tuple,
}


def _is_of_one_kind(kind: Any) -> bool:
    origin = get_origin(kind) or kind
    return origin in _LISTS and (origin is not tuple or get_args(kind)[1:] in ((), (...,)))


@_converter.register_structure_hook_factory(_is_of_one_kind)
def _list_hook(kind: Any) -> Callable[[Any, Any], Any]:
    made = _LISTS[get_origin(kind) or kind]
    item = (*get_args(kind), Any)[0]

    def structure_list(value: Any, _: Any) -> Any:
        if value is None:
            return made(())
        if not _is_list(value):
            raise _unlike("a list", value)
        try:
            return made(_structure_column(value, item))
        except Exception:  # noqa: BLE001 - whatever it was: one by one it comes again, with its place, or never mattered
            return made(_structure_one_by_one(value, item))

    return structure_list


def _structure_one_by_one(values: list[Any], kind: Any) -> Iterator[Any]:
    for index, value in enumerate(values):
        try:
            yield _converter.structure(value, kind)
        except Exception as error:  # noqa: BLE001 - it is raised again
            # The first will do: millions of wrong ones would take gigabytes.
            error.add_note(cattrs.IterableValidationNote("", index, kind))
            raise ExceptionGroup("", [error]) from None


def _structure_column(values: list[Any], kind: Any) -> list[Any]:
    """
    Structure many values of one kind, objects field by field: a page of records takes a third of the time.

    It is as strict as one by one, but refuses also objects that lack a field and classes that do more than keep values.
    """
    if kind is str or kind is int:
        if not {kind}.issuperset(map(type, values)):
            raise TypeError
        return values
    if kind == Timestamp and {int}.issuperset(map(type, values)) and 0 not in values:
        return [datetime.fromtimestamp(value, UTC) for value in values]
    if attrs.has(kind):
        attrs.resolve_types(kind)
        fields = attrs.fields(kind)
        if not {dict}.issuperset(map(type, values)) or not _only_keeps(kind, fields):
            raise TypeError
        # A frozen class's `__init__` would take longer than all the rest.
        built = [object.__new__(kind) for _ in values]
        for field in fields:
            column = _structure_column([value[field.name] for value in values], field.type)
            # Consumed at the speed of C.
            deque[None](map(getattr(kind, field.name).__set__, built, column), maxlen=0)
        return built
    hook = next((hook for known, hook in _HOOKS if known == kind), _converter.structure)
    return [hook(value, kind) for value in values]


def _only_keeps(cls: type, fields: tuple[Any, ...]) -> bool:
    """
    Whether making an instance of an attrs class is no more than filling its slots.
    """
    return (
        vars(cls).get("__slots__") == (*(field.name for field in fields), "__weakref__")
        and all(field.init and field.converter is None and field.validator is None for field in fields)
        and not any(hasattr(cls, f"__attrs_{name}__") for name in ("init", "post_init", "pre_init"))
    )


def _place(error: Exception, path: str) -> tuple[str, str]:
    """
    Follow cattrs' notes down to the first field that was wrong: its path, and what was wrong.
    """
    if isinstance(error, ExceptionGroup):
        first = cast("ExceptionGroup[Exception]", error).exceptions[0]
        for note in getattr(first, "__notes__", ()):
            if isinstance(note, cattrs.AttributeValidationNote):
                path = f"{path}.{note.name}"
            elif isinstance(note, cattrs.IterableValidationNote):
                path = f"{path}[{note.index!r}]"
        return _place(first, path)
    return path, "it is missing" if isinstance(error, KeyError) else str(error)


# An escaped backslash, so that its second half begins no other escape; a pair of surrogates; a lone one.
_SURROGATES: Final = re.compile(
    r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_decoder: Final = json.JSONDecoder(strict=False, parse_constant=_refuse_constant)


def read_json(body: bytes) -> Any:
    """
    Decode JSON by content: what occurs in nicknames and chat texts survives.

    Raw control characters are kept; broken UTF-8 and lone surrogates, which no log or database could take, become
    U+FFFD; a byte order mark goes.

    Raises:
        ValueError: It is not JSON, or beyond what Python reads.
    """
    text = body.decode("utf-8-sig", "replace")
    # A single character is found much faster than two or three.
    if "\\" in text and (r"\ud" in text or r"\uD" in text):
        text = _SURROGATES.sub(lambda found: r"\ufffd" if found[1] else found[0], text)
    try:
        return _decoder.decode(text)
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

    def wrong(problem: str, where: str = "$") -> ReplyError:
        # Hidden in the whole, so that none is cut in two.
        safe = body
        for secret in secrets:
            safe = safe.replace(secret.encode(), HIDDEN.encode())
        start = redact(safe[:2000].decode("utf-8", "replace"))[:500].encode()
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
    if not _is_object(answer):
        raise wrong("The answer is not a JSON object.")
    try:
        errcode = _structure_maybe_numeric(answer.get("errcode", 0), int)
    except TypeError as error:
        raise wrong(f"The answer does not have the documented shape: {error}.", "$.errcode") from None
    if errcode:
        errmsg = answer.get("errmsg")
        text = errmsg if isinstance(errmsg, str) else ""
        raise api_error(errcode, text, endpoint=endpoint.path, manual=endpoint.manual, secrets=secrets)
    if endpoint.reply is dict:
        return cast("T", answer)
    try:
        return _converter.structure(answer, endpoint.reply)
    except cattrs.BaseValidationError as error:
        where, problem = _place(error, "$")
        raise wrong(f"The answer does not have the documented shape: {problem}.", where) from None
