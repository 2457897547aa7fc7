"""What of a document is to be written: the fields that mean something else than what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, Self

from bff.model.shape import CodecError, Shape
from bff.types import Value
from bff.values import dump_document

__all__ = ["FieldChanges"]


class FieldChanges(NamedTuple):
    """The document fields to write, and those to remove."""

    data: dict[str, Value]
    removed: tuple[str, ...]

    @classmethod
    def between(cls, stored: Mapping[str, Value], data: Mapping[str, Value], shapes: Mapping[str, Shape]) -> Self:
        """What of ``data`` is not stored yet, or means something else there. ``shapes`` are those of the declared fields."""
        changed = {
            name: value
            for name, value in data.items()
            if name not in stored or (stored[name] is not value and _differs(shapes.get(name), stored[name], value))
        }
        return cls(changed, ())


def _differs(shape: Shape | None, stored: Value, value: Value) -> bool:
    if _same(stored, value):
        return False
    if shape is None:
        return True
    # Stored otherwise, but meaning the same: an older form, or a nested map with fields that its model does not declare.
    try:
        return not _same(shape.encode(shape.decode(stored)), value)
    except CodecError:
        return True


def _same(one: Value, other: Value) -> bool:
    """Equal for a document: 1 and 1.0 and True are not, NaN and NaN are."""
    if type(one) is not type(other):
        return False
    if isinstance(one, str | int | bytes | datetime | None):
        return one == other
    return dump_document({"": one}) == dump_document({"": other})
