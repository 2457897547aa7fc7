"""Filters and orders of a view's filterable fields."""

# mypy: untyped-calls-exclude=graphene
from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, cast

import graphene

from bff.errors import DeclarationError
from bff.model.field import FieldDefinition
from bff.model.view_model import ViewModel
from bff.naming import upper_snake
from bff.schema.inputs import input_type
from bff.schema.names import check_name, describe_class
from bff.schema.scalars import JSON, UUID, Bytes, Decimal
from bff.schema.shape import EnumShape, LinkShape, ListShape, RefShape, ScalarShape, Shape, shape_of
from bff.schema.types import Types

__all__ = ["Direction", "Filters"]


class Direction(Enum):
    """Which end of an order comes first."""

    ASC = "ASC"
    DESC = "DESC"


OrderDirection = graphene.Enum.from_enum(
    Direction,
    name="OrderDirection",
    description=lambda value: {
        None: Direction.__doc__,
        Direction.ASC: "The smallest first.",
        Direction.DESC: "The largest first.",
    }[value],
)


EQUALITY: Final = ("eq", "ne", "in", "notIn")
ORDERED: Final = ("eq", "ne", "lt", "lte", "gt", "gte", "in", "notIn")
DESCRIPTIONS: Final = {
    "eq": "Equal to this; null finds where there is none.",
    "ne": "There is a value, and it is not this one; null finds where there is one.",
    "lt": "Less than this.",
    "lte": "Less than this, or equal.",
    "gt": "Greater than this.",
    "gte": "Greater than this, or equal.",
    "in": "One of these, at most 30.",
    "notIn": "There is a value, and it is none of these, at most 10.",
    "contains": "The list holds this.",
    "containsAny": "The list holds at least one of these, at most 30.",
}

UNORDERED: Final = frozenset({"Boolean", "ID", "Decimal", "UUID", "Bytes"})
"""Stored as text whose order is not the values' (Decimal, UUID), or without an order that means anything."""


@dataclass(slots=True)
class Filters:
    """The filter and order types of views, made with the types of their operands."""

    types: Types
    _operands: dict[str, Any] = field(default_factory=dict)

    def filter(self, view: type[ViewModel]) -> Any | None:
        """``MeetingSessionFilter``, or None where no field is filterable."""
        definition = view.__view__
        name = f"{definition.name}Filter"
        fields = {}
        for one in _filterable(view):
            if one.document_name in {"and", "or", "not"}:
                raise DeclarationError(
                    f"{definition.name}.{one.name}",
                    f"a filterable field cannot be named {one.document_name}, which combines filters",
                )
            operand = self._operand(shape_of(one.annotation, f"{definition.name}.{one.name}"), f"{definition.name}.{one.name}")
            fields[one.document_name] = graphene.InputField(operand, name=one.document_name, description=one.description)
        if not fields:
            return None
        self.types.names.claim(name, ("filter", view), f"the filter of {describe_class(view)}")
        made: list[Any] = []
        several = graphene.List(graphene.NonNull(lambda: made[0]))
        fields["and"] = graphene.InputField(several, name="and", description="All of these hold.")
        fields["or"] = graphene.InputField(several, name="or", description="At least one of these holds.")
        fields["not"] = graphene.InputField(
            lambda: made[0], name="not", description="This does not hold. A null matches neither a comparison nor its opposite."
        )
        made.append(input_type(name, fields, f"Which {definition.name}s: all of its keys must hold.", definition.name))
        return made[0]

    def order(self, view: type[ViewModel]) -> Any | None:
        """``MeetingSessionOrder``, or None where no field has an order."""
        definition = view.__view__
        fields = {
            check_name(upper_snake(one.document_name), f"{definition.name}.{one.name}"): one.document_name
            for one in _filterable(view)
            if _has_order(shape_of(one.annotation, f"{definition.name}.{one.name}"))
        }
        if not fields:
            return None
        name = f"{definition.name}Order"
        for claimed in (name, f"{name}Field"):
            self.types.names.claim(claimed, (claimed, view), f"the order of {describe_class(view)}")
        make: Any = Enum
        by = make(f"{name}Field", fields)
        field_type = graphene.Enum.from_enum(
            by, description=lambda value: None if value else f"What {definition.name}s are ordered by."
        )
        self.types.enums[by] = field_type
        self.types.enums[Direction] = OrderDirection
        inputs = {
            "field": graphene.InputField(graphene.NonNull(field_type), name="field"),
            "direction": graphene.InputField(
                graphene.NonNull(OrderDirection), name="direction", default_value=cast(Any, Direction.ASC)
            ),
        }
        return input_type(name, inputs, f"An order of {definition.name}s.", definition.name)

    def _operand(self, shape: Shape, where: str) -> Any:
        """``IntFilter``, ``MeetingStatusFilter``, ``StringListFilter``: the comparisons that a field allows."""
        item = shape.item if isinstance(shape, ListShape) else shape
        match item:
            case ScalarShape(scalar) if scalar is not JSON:
                value, kind = self.types.scalar(scalar), str(cast(Any, scalar)._meta.name)
            case EnumShape(enum):
                value, kind = self.types.enum(enum, where), enum.__name__
            case RefShape() | LinkShape():
                value, kind = graphene.ID, "ID"
            case _:
                raise DeclarationError(
                    where, "filterable is for plain values and lists of them: filter on a field computed from it"
                )
        if isinstance(shape, ListShape):
            return self._comparisons(f"{kind}ListFilter", value, ("contains", "containsAny"), f"of lists of {kind}")
        operators: tuple[str, ...] = EQUALITY if kind in UNORDERED or not isinstance(item, ScalarShape) else ORDERED
        if kind == "Boolean":
            operators = ("eq", "ne")
        return self._comparisons(f"{kind}Filter", value, operators, f"of {kind}")

    def _comparisons(self, name: str, value: Any, operators: tuple[str, ...], of_what: str) -> Any:
        if name not in self._operands:
            self.types.names.claim(name, ("comparisons", name), f"the comparisons {of_what}")
            fields = {
                operator: graphene.InputField(
                    graphene.List(graphene.NonNull(value)) if operator in {"in", "notIn", "containsAny"} else value,
                    name=operator,
                    description=DESCRIPTIONS[operator],
                )
                for operator in operators
            }
            self._operands[name] = input_type(name, fields, f"Comparisons {of_what}: all of its keys must hold.", name)
        return self._operands[name]


def _filterable(view: type[ViewModel]) -> list[FieldDefinition]:
    return [one for one in view.__view__.fields.values() if one.filterable]


def _has_order(shape: Shape) -> bool:
    """Whether sorting by the stored form sorts the values."""
    match shape:
        case ScalarShape(scalar):
            return scalar not in {JSON, Decimal, UUID, Bytes}
        case EnumShape() | RefShape() | LinkShape():
            return isinstance(shape, EnumShape)
        case _:
            return False
