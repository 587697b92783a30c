"""
Reading an answer of which a part is strange: the part is lost, not the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar, cast

import attrs

from .fields import is_list, is_object, place_of, reads_list, structure, structure_field
from .metadata import FORMERLY, NOT_SENT

__all__ = ["Ack", "StrangeAnswer", "Tolerant", "read_tolerantly"]

T = TypeVar("T")

# A whole page of strange records is read; an answer with more in it is not of the kind that was asked for.
_MAX_STRANGE: Final = 100_000


@attrs.frozen
class Tolerant:
    """
    An answer that is read although a part of it is strange.

    Attributes:
        raw: The answer as it came, if a part of it was not as documented: a field, which then has its default, or an
            entry of a list, which then is left out. None if all was well.
    """

    raw: Mapping[str, Any] | None = attrs.field(
        default=None, kw_only=True, eq=False, repr=False, metadata={NOT_SENT: True}
    )


@attrs.frozen
class Ack(Tolerant):
    """
    What the writing endpoints answer.
    """

    errcode: int
    errmsg: str = ""


class StrangeAnswer(Exception):
    """
    A value that cannot be read at all.

    Attributes:
        where: Its place in the answer.

        problem: What is wrong.
    """

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(where, problem)
        self.where = where
        self.problem = problem


def read_tolerantly(answer: dict[str, Any], kind: type[T]) -> tuple[T, str]:
    """
    Read a decoded answer that was found not to be as documented.

    Returns:
        The answer, and what was strange about it, in words; empty if there were only nulls.

    Raises:
        StrangeAnswer: It cannot be read without what is strange.
    """
    reading = _Reading()
    value = reading.value(answer, kind, "$")
    parts = "1 part was" if reading.strange == 1 else f"{reading.strange} parts were"
    return value, f"{parts} left out, first {reading.first}; `raw` has the whole" if reading.strange else ""


class _Reading:
    """
    One reading of an answer, which counts what is strange.
    """

    def __init__(self) -> None:
        self.strange = 0
        self.first = ""

    def value(self, value: Any, kind: Any, place: str) -> Any:
        try:
            return structure(value, kind)
        except Exception as error:  # noqa: BLE001 - whatever it is, the value is not as documented
            if attrs.has(kind) and is_object(value):
                return self._object(value, kind, place)
            listed = reads_list(kind)
            if listed is not None and is_list(value):
                make, item = listed
                return make(self._entries(value, item, place))
            raise StrangeAnswer(*place_of(error, place)) from None

    def _object(self, value: dict[str, Any], kind: Any, place: str) -> Any:
        strange_before = self.strange
        found: dict[str, Any] = {}
        for field in attrs.fields(attrs.resolve_types(kind)):
            if NOT_SENT in field.metadata:
                continue
            required = field.default is attrs.NOTHING
            name = field.name if field.name in value else field.metadata.get(FORMERLY, field.name)
            if required and name not in value:
                raise StrangeAnswer(f"{place}.{field.name}", "it is missing")
            # A null says that there is nothing, as a missing field does.
            if not required and value.get(name) is None:
                continue
            try:
                found[field.alias] = self._field(value[name], field, f"{place}.{field.name}")
            except StrangeAnswer as error:
                # An empty list in place of one that cannot be read would be a lie.
                if required or reads_list(field.type):
                    raise
                self._count(error)
        if issubclass(kind, Tolerant) and self.strange > strange_before:
            found["raw"] = value
        return kind(**found)

    def _field(self, value: Any, field: attrs.Attribute[Any], place: str) -> Any:
        try:
            return structure_field(value, field)
        except Exception as error:  # noqa: BLE001 - as above
            if attrs.has(cast("type", field.type)) or reads_list(field.type):
                return self.value(value, field.type, place)
            raise StrangeAnswer(*place_of(error, place)) from None

    def _entries(self, values: list[Any], kind: Any, place: str) -> list[Any]:
        kept: list[Any] = []
        for index, value in enumerate(values):
            try:
                kept.append(self.value(value, kind, f"{place}[{index}]"))
            except StrangeAnswer as error:
                self._count(error)
        return kept

    def _count(self, error: StrangeAnswer) -> None:
        if not self.strange:
            self.first = f"{error.where}: {error.problem}"
        self.strange += 1
        if self.strange > _MAX_STRANGE:
            raise error
