"""
How the fields of an answer are read: strict by rule, loose by declaration.

A value has exactly its field's type, but for what holds everywhere: a whole number may be written as a string or as
40003.0, and a time is written in Unix seconds. A field's metadata declares what else may come.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from operator import eq
from types import NoneType
from typing import Any, Final, TypeGuard, cast, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, override

from .columns import read_columns
from .metadata import FORMERLY, NOT_SENT, READ_BY

__all__ = [
    "EMPTY_IS_NONE",
    "NUMBER_IS_TEXT",
    "is_list",
    "is_object",
    "place_of",
    "read_int",
    "reads_list",
    "structure",
    "structure_field",
]

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


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return type(value) is dict


def is_list(value: object) -> TypeGuard[list[Any]]:
    return type(value) is list


def _exactly(kind: type) -> Callable[[Any, Any], Any]:
    expected = _JSON_NAMES[kind]

    def read_exactly(value: Any, wanted: Any) -> Any:
        # `type() is`, since a bool is an int to isinstance.
        if type(value) is not kind:
            raise _unlike(expected, value)
        # Hooks for a class are used for its subclasses too, such as a StrEnum.
        return value if wanted is kind else wanted(value)

    return read_exactly


def read_int(value: Any, wanted: Any = int) -> Any:
    if type(value) is str and re.fullmatch(r"\s*-?[0-9]{1,4000}(\.0+)?\s*", value):
        value = int(value.partition(".")[0])
    elif type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise _unlike("a whole number", value)
    return value if wanted is int else wanted(value)


def _read_float(value: Any, _: Any) -> float:
    if type(value) is not float and type(value) is not int:
        raise _unlike("a number", value)
    return float(value)


def _read_time(value: Any, _: Any) -> datetime:
    seconds = read_int(value)
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError("expected a time in Unix seconds, got a number out of range") from None


def _read_time_or_none(value: Any, _: Any) -> datetime | None:
    # Where there is no time, WeChat writes 0, an empty string, or nothing.
    return None if value is None or value == "" or read_int(value) == 0 else _read_time(value, _)


def _empty_is_none(value: Any, _: Any) -> str | None:
    if value is not None and type(value) is not str:
        raise _unlike("a string", value)
    return value or None


def _number_is_text(value: Any, _: Any) -> str | None:
    return str(value) if type(value) is int else _empty_is_none(value, _)


EMPTY_IS_NONE: Final[Mapping[str, Any]] = {READ_BY: _empty_is_none}
"""
Metadata of a ``str | None`` that may come empty, which is None.
"""

NUMBER_IS_TEXT: Final[Mapping[str, Any]] = {READ_BY: _number_is_text}
"""
Metadata of an id, a ``str | None`` that may come as a number; empty is None.
"""

# With notes of where it is when something is wrong.
_converter: Final = cattrs.Converter(detailed_validation=True)
for _kind in (str, bool):
    _converter.register_structure_hook(_kind, _exactly(_kind))
_converter.register_structure_hook(int, read_int)
_converter.register_structure_hook(float, _read_float)
_converter.register_structure_hook(datetime, _read_time)
_converter.register_structure_hook_func(partial(eq, datetime | None), _read_time_or_none)
# Alone, not with its subclasses, which are what a TypedDict is.
_converter.register_structure_hook_func(partial(eq, dict), _exactly(dict))


@_converter.register_structure_hook_factory(attrs.has)
def _object_hook(cls: Any) -> Callable[[Any, Any], Any]:
    attrs.resolve_types(cls)
    overrides: dict[str, Any] = {
        field.name: override(omit=NOT_SENT in field.metadata, struct_hook=field.metadata.get(READ_BY))
        for field in attrs.fields(cls)
        if NOT_SENT in field.metadata or READ_BY in field.metadata
    }
    inner = make_dict_structure_fn(cls, _converter, **overrides)
    renamed = [(field.metadata[FORMERLY], field.name) for field in attrs.fields(cls) if FORMERLY in field.metadata]

    def read_object(value: Any, kind: Any) -> Any:
        if not is_object(value):
            raise _unlike("an object", value)
        for old, name in renamed:
            if name not in value and old in value:
                value = {**value, name: value[old]}
        return inner(value, kind)

    return read_object


# What a list is read into, by the type of the field; the stock hooks would take a text for a list of its letters.
_LISTS: Final[dict[Any, Callable[[Iterable[Any]], Any]]] = {
    tuple: tuple,
    list: list,
    set: set,
    frozenset: frozenset,
    Sequence: tuple,
}


def reads_list(kind: Any) -> tuple[Callable[[Iterable[Any]], Any], Any] | None:
    """
    Tell what a type makes of a list whose entries are of one kind, and that kind; None for any other type.
    """
    origin = get_origin(kind) or kind
    if origin not in _LISTS or (origin is tuple and get_args(kind)[1:] not in ((), (...,))):
        return None
    return _LISTS[origin], (*get_args(kind), Any)[0]


@_converter.register_structure_hook_factory(lambda kind: reads_list(kind) is not None)
def _list_hook(kind: Any) -> Callable[[Any, Any], Any]:
    made, item = cast("tuple[Any, Any]", reads_list(kind))

    def read_list(value: Any, _: Any) -> Any:
        if value is None:
            return made(())
        if not is_list(value):
            raise _unlike("a list", value)
        if attrs.has(item) and (objects := read_columns(value, item)) is not None:
            return made(objects)
        return made(_one_by_one(value, item))

    return read_list


def _one_by_one(values: list[Any], kind: Any) -> Iterator[Any]:
    for index, value in enumerate(values):
        try:
            yield _converter.structure(value, kind)
        except Exception as error:  # noqa: BLE001 - it is raised again
            # The first will do: millions of wrong ones would take gigabytes.
            error.add_note(cattrs.IterableValidationNote("", index, kind))
            raise ExceptionGroup("", [error]) from None


def place_of(error: Exception, path: str) -> tuple[str, str]:
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
        return place_of(first, path)
    return path, "it is missing" if isinstance(error, KeyError) else str(error)


def structure(value: Any, kind: Any) -> Any:
    """
    Read a decoded value into a type.

    Raises:
        Exception: It does not fit; `place_of` tells where.
    """
    return _converter.structure(value, kind)


def structure_field(value: Any, field: attrs.Attribute[Any]) -> Any:
    """
    Read a decoded value as a field's type and metadata say.

    Raises:
        Exception: Likewise.
    """
    read = field.metadata.get(READ_BY, _converter.structure)
    return read(value, field.type)
