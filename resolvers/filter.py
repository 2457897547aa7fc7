"""From a ``MeetingSessionFilter`` as a client sends it to the filter of a query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bff.errors import BadUserInput
from bff.model.field import FieldDefinition
from bff.model.view_model import ViewModel
from bff.query import And, Compare, Filter, Op, Or
from bff.resolvers.operands import encode_operand

__all__ = ["filter_of"]

OPERATORS: Final[Mapping[str, Op]] = {
    "eq": Op.EQ,
    "ne": Op.NE,
    "lt": Op.LT,
    "lte": Op.LE,
    "gt": Op.GT,
    "gte": Op.GE,
    "in": Op.IN,
    "notIn": Op.NOT_IN,
    "contains": Op.ARRAY_CONTAINS,
    "containsAny": Op.ARRAY_CONTAINS_ANY,
}
OPPOSITES: Final[Mapping[Op, Op]] = {
    Op.EQ: Op.NE,
    Op.NE: Op.EQ,
    Op.LT: Op.GE,
    Op.GE: Op.LT,
    Op.GT: Op.LE,
    Op.LE: Op.GT,
    Op.IN: Op.NOT_IN,
    Op.NOT_IN: Op.IN,
}
LISTS: Final = frozenset({"in", "notIn", "containsAny"})

Path = list[str | int]


def filter_of(view: type[ViewModel], given: Mapping[str, Any] | None, path: Path) -> Filter | None:
    """The conditions, or None where there are none. Raises BadUserInput, with the path into the argument.

    All keys of an object must hold. ``not`` is pushed down to the comparisons, so that a datastore can answer it by index;
    a null matches neither a comparison nor its opposite, as in SQL.
    """
    return None if given is None else _object(view, given, path, negated=False)


def _object(view: type[ViewModel], given: Mapping[str, Any], path: Path, *, negated: bool) -> Filter | None:
    parts: list[Filter] = []
    fields = {one.document_name: one for one in view.__view__.fields.values()}
    for name, inner in given.items():
        here = [*path, name]
        if inner is None:
            continue
        if name in {"and", "or"}:
            part = _several(view, name, inner, here, negated=negated)
        elif name == "not":
            part = _object(view, inner, here, negated=not negated)
            if part is None:
                raise BadUserInput("not: there is nothing in it to hold or not", here)
        else:
            comparisons: list[Filter] = [
                _compare(fields[name], operator, operand, [*here, operator], negated) for operator, operand in inner.items()
            ]
            part = _joined(comparisons, any_of=negated)
        if part is not None:
            parts.append(part)
    return _joined(parts, any_of=negated)


def _several(view: type[ViewModel], name: str, inner: list[Any], path: Path, *, negated: bool) -> Filter | None:
    if not inner:
        raise BadUserInput(f"{name}: it needs at least one filter", path)
    parts = [_object(view, one, [*path, index], negated=negated) for index, one in enumerate(inner)]
    every = [part for part in parts if part is not None]
    any_of = (name == "or") is not negated
    if any_of and len(every) < len(parts):
        if negated:
            raise BadUserInput(f"{name}: an empty filter holds for everything, its opposite for nothing", path)
        return None  # One that holds for everything.
    return _joined(every, any_of=any_of)


def _joined(parts: list[Filter], *, any_of: bool) -> Filter | None:
    if len(parts) < 2:
        return parts[0] if parts else None
    return Or(tuple(parts)) if any_of else And(tuple(parts))


def _compare(field: FieldDefinition, operator: str, operand: Any, path: Path, negated: bool) -> Compare:
    op = OPERATORS[operator]
    if negated:
        if op not in OPPOSITES:
            raise BadUserInput(f"{operator} has no opposite: it cannot stand under not", path)
        op = OPPOSITES[op]
    if operator in LISTS:
        most = 10 if op is Op.NOT_IN else 30
        if not operand or len(operand) > most:
            raise BadUserInput(f"{operator} takes 1 to {most} values", path)
        return Compare(field.document_name, op, [encode_operand(field, one, [*path, index]) for index, one in enumerate(operand)])
    if operand is None and operator not in {"eq", "ne"}:
        why = "no list holds null" if operator == "contains" else "null has no order; use eq or ne"
        raise BadUserInput(f"{operator}: {why}, or leave the key out", path)
    return Compare(field.document_name, op, None if operand is None else encode_operand(field, operand, path))
