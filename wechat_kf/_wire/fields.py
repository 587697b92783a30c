"""
How the fields of an answer are read: strict by rule, loose by declaration.

A field has exactly its type unless it has one of the named types below, which say how the field varies in the wild.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from operator import eq
from types import NoneType
from typing import Annotated, Any, Final, TypeAlias, TypeGuard, cast, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn

__all__ = [
    "FORMERLY",
    "MaybeEmpty",
    "MaybeInt",
    "MaybeNumeric",
    "Timestamp",
    "is_object",
    "place_of",
    "structure",
    "structure_maybe_numeric",
]

FORMERLY: Final = "formerly"
"""
The key of a field's metadata that names its older wire name.
"""


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


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
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


def structure_maybe_numeric(value: Any, _: Any) -> int:
    if type(value) is str and re.fullmatch(r"\s*-?[0-9]{1,4000}\s*", value):
        return int(value)
    if type(value) is not int:
        raise _unlike("a whole number", value)
    return value


def _structure_timestamp(value: Any, _: Any) -> datetime | None:
    if type(value) is not int:
        if value is None or value == "":
            return None
        value = structure_maybe_numeric(value, _)
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
    (MaybeNumeric, structure_maybe_numeric),
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
        if not is_object(value):
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
    Read a decoded answer into a class.

    Raises:
        cattrs.BaseValidationError: It does not fit; `place_of` tells where.
    """
    return _converter.structure(value, kind)
