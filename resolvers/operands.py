"""From the operand of a comparison to the stored form that it is compared with."""

from __future__ import annotations

from typing import Any, get_args

from bff.errors import BadUserInput
from bff.model.compounds import ListShape, OptionalShape
from bff.model.field import FieldDefinition
from bff.model.shape import CodecError
from bff.resolvers.arguments import Path, python_value, strip
from bff.types import Value

__all__ = ["encode_operand"]


def encode_operand(field: FieldDefinition, value: Any, path: Path) -> Value:
    """The stored form of a value that a field, or an element of it, is compared with. Raises BadUserInput."""
    annotation, shape = strip(field.annotation), field.codec.shape
    if isinstance(shape, OptionalShape):
        shape = shape.inner
    if isinstance(shape, ListShape):
        annotation, shape = get_args(annotation)[0], shape.element
    try:
        return shape.encode(python_value(annotation, value, path))
    except CodecError as error:
        raise BadUserInput(f"{'.'.join(map(str, path))}: {error}", path) from None
