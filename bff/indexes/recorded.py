"""What recorded operations ask of lists: the queries that they spell out, and the lists of which their variables ask anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from graphql import (
    EnumValueNode,
    FieldNode,
    GraphQLEnumType,
    GraphQLSchema,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    TypeInfo,
    TypeInfoVisitor,
    ValueNode,
    VariableNode,
    Visitor,
    visit,
)

from bff.contract.recorded import RecordedOperation
from bff.model.catalog import Catalog
from bff.model.view_model import ViewModel
from bff.principal import ANONYMOUS
from bff.projection.audience import Audience
from bff.query import LISTS, And, Compare, Direction, Filter, Or, Order, Query
from bff.resolvers.filter import OPERATORS, OPPOSITES

__all__ = ["RecordedLists", "recorded_lists"]

STAND_IN = ""

SOMEBODY = Audience.of(ANONYMOUS)
"""Whoever asks: how many readers a query names makes no difference to its index."""


class Free(Exception):
    """A variable stands where the shape of the query is decided."""


@dataclass(frozen=True, slots=True)
class RecordedLists:
    """``queries`` have stand-ins for their operands; of ``free`` views, variables may ask anything."""

    queries: tuple[Query, ...]
    free: tuple[type[ViewModel], ...]


def recorded_lists(operations: Iterable[RecordedOperation], catalog: Catalog, schema: GraphQLSchema) -> RecordedLists:
    """What the operations ask of the lists of a catalog's views. Fields that the schema lacks are left out."""
    views = {view.__view__.list_name: view for view in catalog.views.values()}
    roots = {root.name for root in (schema.query_type, schema.subscription_type) if root is not None}
    queries: dict[Query, None] = {}
    free: dict[type[ViewModel], None] = {}
    types = TypeInfo(schema)

    class Lists(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            parent, view = types.get_parent_type(), views.get(node.name.value)
            if parent is None or parent.name not in roots or view is None:
                return
            try:
                queries.update(dict.fromkeys(_queries(view, node, schema)))
            except Free:
                free[view] = None

    for operation in operations:
        visit(operation.document, TypeInfoVisitor(types, Lists()))
    return RecordedLists(tuple(queries), tuple(free))


def _queries(view: type[ViewModel], node: FieldNode, schema: GraphQLSchema) -> Iterator[Query]:
    arguments = {one.name.value: one.value for one in node.arguments}
    where = _filter(arguments["filter"], negated=False) if "filter" in arguments else None
    by = schema.type_map.get(f"{view.__view__.name}OrderField")
    names = by.values if isinstance(by, GraphQLEnumType) else {}
    for orders in product(*(_order(one, names) for one in _items(arguments.get("orderBy")))):
        forwards = SOMEBODY.restricted(view, Query(view.__view__.collection, where, tuple(orders)))
        if not arguments.keys() & {"last", "before"} or arguments.keys() & {"first", "after"}:
            yield forwards
        if arguments.keys() & {"last", "before"}:
            yield Query(forwards.collection, forwards.where, tuple(map(_flipped, forwards.full_order())))


def _flipped(order: Order) -> Order:
    return Order(order.field, Direction.ASCENDING if order.direction is Direction.DESCENDING else Direction.DESCENDING)


def _order(node: ValueNode, names: Any) -> list[Order]:
    """One order, or both of them where a variable decides on the direction."""
    fields = _fields(node)
    named, direction = fields.get("field"), fields.get("direction")
    if not isinstance(named, EnumValueNode) or named.value not in names:
        raise Free
    value = names[named.value].value
    field = str(getattr(value, "value", value))
    if isinstance(direction, VariableNode):
        return [Order(field, one) for one in Direction]
    descending = isinstance(direction, EnumValueNode) and direction.value == "DESC"
    return [Order(field, Direction.DESCENDING if descending else Direction.ASCENDING)]


def _filter(node: ValueNode, *, negated: bool) -> Filter | None:
    parts: list[Filter] = []
    for name, inner in _fields(node).items():
        if name in {"and", "or"}:
            several = [_filter(one, negated=negated) for one in _items(inner)]
            part = _joined([one for one in several if one is not None], any_of=(name == "or") is not negated)
        elif name == "not":
            part = _filter(inner, negated=not negated)
        else:
            part = _joined([_compare(name, operator, negated) for operator in _fields(inner)], any_of=negated)
        if part is not None:
            parts.append(part)
    return _joined(parts, any_of=negated)


def _compare(name: str, operator: str, negated: bool) -> Compare:
    op = OPERATORS[operator]
    op = OPPOSITES.get(op, op) if negated else op
    return Compare(name, op, [STAND_IN] if op in LISTS else STAND_IN)


def _joined(parts: list[Filter], *, any_of: bool) -> Filter | None:
    if len(parts) < 2:
        return parts[0] if parts else None
    return Or(tuple(parts)) if any_of else And(tuple(parts))


def _fields(node: ValueNode) -> dict[str, ValueNode]:
    """The fields of an input object, without those that are null. Raises Free where a variable stands for it."""
    if isinstance(node, NullValueNode):
        return {}
    if not isinstance(node, ObjectValueNode):
        raise Free
    return {one.name.value: one.value for one in node.fields if not isinstance(one.value, NullValueNode)}


def _items(node: ValueNode | None) -> list[ValueNode]:
    """The items of a list; one that is not in a list is a list of one."""
    if node is None or isinstance(node, NullValueNode):
        return []
    if isinstance(node, VariableNode):
        raise Free
    return list(node.values) if isinstance(node, ListValueNode) else [node]
