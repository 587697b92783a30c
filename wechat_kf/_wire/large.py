"""
Large answers, read by msgspec where the extra ``fast`` is installed: a page of the history in half the time.

msgspec is given classes that accept less than `read_reply` does, and nothing more. What it refuses, for whatever
reason, is read again by `read_reply`, which accepts it after all or says what is wrong and where.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache
from itertools import repeat
from operator import attrgetter
from typing import Any, Final, TypeVar, cast, get_args, get_origin

import attrs

from .endpoint import Endpoint
from .fields import FORMERLY, Timestamp
from .reply import read_reply

__all__ = ["read_large"]

T = TypeVar("T")

# attrs declares it as a function.
_FACTORY: Final = cast("type", attrs.Factory)

# How many objects are made in one go, which no other thread can interrupt; then this one sleeps for so long. Else the
# event loop would wait for the interpreter for five milliseconds, each time that it wakes.
_AT_ONCE: Final = 1000
_REST: Final = 1e-5


def read_large(endpoint: Endpoint[T], status: int, body: bytes, *, secrets: tuple[str, ...] = ()) -> T:
    """
    Read an answer as `read_reply` does, faster if it can be; it takes so long that it belongs in a worker thread.
    """
    # Of the escapes those of half an emoji are dealt with elsewhere.
    if status == 200 and rb"\u" not in body:
        read = _reader(cast("Any", endpoint.reply))
        if read is not None:
            try:
                return cast("T", read(body))
            except Exception:  # noqa: BLE001, S110 - what was wrong, if anything, is found out below
                pass
    return read_reply(endpoint, status, body, secrets=secrets)


@cache
def _reader(kind: type[Any]) -> Callable[[bytes], Any] | None:
    """
    Make what reads a class of strings, whole numbers and lists of objects; None where there is no need or no msgspec.
    """
    try:
        import msgspec  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    shape: list[Any] = [("errcode", int, 0)]
    lists: dict[str, Callable[[list[Any]], tuple[Any, ...]]] = {}
    for field in _plain_fields(kind):
        wire_kind: Any = field.type
        if get_origin(field.type) is tuple:
            items = _list_reader(get_args(field.type)[0])
            if items is None:
                return None
            lists[field.name] = items
            wire_kind = list[msgspec.Raw]
        elif field.type not in (str, int):
            return None
        shape.append(
            (field.name, wire_kind) if field.default is attrs.NOTHING else (field.name, wire_kind, field.default)
        )
    # A large answer that holds no list is a large text.
    if not lists:
        return None
    decoder = msgspec.json.Decoder(msgspec.defstruct("Envelope", shape))

    def read(body: bytes) -> Any:
        found: Any = decoder.decode(body)
        if found.errcode:
            raise ValueError("it is an error")
        values = {name: getattr(found, name) for name, *_ in shape[1:]}
        return kind(**{name: lists[name](value) if name in lists else value for name, value in values.items()})

    return read


def _list_reader(kind: type[Any]) -> Callable[[list[Any]], tuple[Any, ...]] | None:
    """
    Make what reads objects of strings, whole numbers and times, each still in JSON.
    """
    import msgspec  # noqa: PLC0415 - as above

    fields = _plain_fields(kind)
    times = [field.name for field in fields if field.type == Timestamp]
    if not fields or any(field.type not in (str, int, Timestamp) for field in fields):
        return None
    # It differs in what msgspec is told of the times. Its instances become the class's own by a change of label.
    stand_in: Any = type(
        kind.__name__,
        (kind,),
        {"__slots__": (), "__module__": kind.__module__, "__annotations__": dict.fromkeys(times, int | None)},
    )
    decode: Callable[[bytes], list[Any]] = msgspec.json.Decoder(list[stand_in]).decode

    def read(objects: list[Any]) -> tuple[Any, ...]:
        made: list[Any] = []
        for at in range(0, len(objects), _AT_ONCE):
            some = decode(b"[" + b",".join(objects[at : at + _AT_ONCE]) + b"]")
            for name in times:
                column = [
                    datetime.fromtimestamp(seconds, UTC) if seconds else None for seconds in map(attrgetter(name), some)
                ]
                _at_once(map(getattr(kind, name).__set__, some, column))
            _at_once(map(object.__setattr__, some, repeat("__class__"), repeat(kind)))
            made += some
            time.sleep(_REST)
        return tuple(made)

    return read


def _plain_fields(kind: type[Any]) -> tuple[Any, ...]:
    """
    Return the fields of an attrs class that does no more than keep what it is given; none of any other.
    """
    if not attrs.has(kind) or any(hasattr(kind, f"__attrs_{step}__") for step in ("init", "pre_init", "post_init")):
        return ()
    attrs.resolve_types(kind)
    fields = attrs.fields(kind)
    for field in fields:
        computed = field.converter or field.validator or isinstance(field.default, _FACTORY)
        if computed or not field.init or FORMERLY in field.metadata:
            return ()
    return tuple(fields)


def _at_once(steps: Iterable[object]) -> None:
    # At the speed of C.
    deque(steps, maxlen=0)
