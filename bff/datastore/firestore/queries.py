"""A ``bff.query.Query`` as Firestore's StructuredQuery."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from bff.datastore.firestore.protos import Message, RunAggregationQueryRequest, RunQueryRequest
from bff.datastore.firestore.wire import Names, encode_value, quote
from bff.document import collection_of, document_id
from bff.errors import BadUserInput, InvalidQuery
from bff.query import PATH, And, Compare, Cursor, Direction, Filter, Op, Order, Query
from bff.storable import check_path
from bff.types import Value

__all__ = ["COUNT", "count_request", "encode_query", "flipped", "last_of", "query_request", "scans_keys_down"]

T = TypeVar("T")

# Numbers of StructuredQuery.FieldFilter.Operator, UnaryFilter.Operator, CompositeFilter.Operator and Direction:
# https://firebase.google.com/docs/firestore/reference/rpc/google.firestore.v1#structuredquery
OPERATORS = {
    Op.LT: 1,
    Op.LE: 2,
    Op.GT: 3,
    Op.GE: 4,
    Op.EQ: 5,
    Op.NE: 6,
    Op.ARRAY_CONTAINS: 7,
    Op.IN: 8,
    Op.ARRAY_CONTAINS_ANY: 9,
    Op.NOT_IN: 10,
}
IS_NAN, IS_NULL, IS_NOT_NAN, IS_NOT_NULL = 2, 3, 4, 5
AND, OR = 1, 2
COUNT = "count"
DIRECTIONS = {Direction.ASCENDING: 1, Direction.DESCENDING: 2}


def query_request(query: Query, names: Names) -> Message:
    """A RunQueryRequest, without its consistency. Raises InvalidQuery."""
    parent = "" if query.group else collection_of(query.collection)
    request = RunQueryRequest(parent=names.full(parent))
    encode_query(query, names, request.structured_query)
    return request


def count_request(query: Query, names: Names) -> Message:
    """A RunAggregationQueryRequest that counts the results under the name ``count``. Raises InvalidQuery."""
    inner = query_request(flipped(query) if scans_keys_down(query) else query, names)
    request = RunAggregationQueryRequest(parent=inner.parent)
    request.structured_aggregation_query.structured_query.CopyFrom(inner.structured_query)
    count = request.structured_aggregation_query.aggregations.add()
    count.alias = COUNT
    count.count.SetInParent()
    if query.limit is not None:
        count.count.up_to.value = query.limit
    return request


def scans_keys_down(query: Query) -> bool:
    """Whether the results are ordered by path alone, downwards: "Firestore does not support descending key scans"."""
    return query.full_order()[0] == Order(PATH, Direction.DESCENDING)


def flipped(query: Query) -> Query:
    """The same results from the other end, all of them: for a query that scans keys down."""
    return replace(query, order_by=(Order(PATH),), start=query.end, end=query.start, limit=None)


def last_of(results: Sequence[T], query: Query) -> list[T]:
    """The results of a query from those of its ``flipped`` one."""
    return list(reversed(results))[: query.limit]


def encode_query(query: Query, names: Names, message: Message) -> None:
    """Put the query into an empty StructuredQuery.

    The order is always spelled out whole: what Firestore adds by itself is the same, but only orders that are spelled out can be
    given to cursors.
    """
    source = message.from_.add()
    source.collection_id = document_id(query.collection)
    source.all_descendants = query.group
    if query.where is not None and query.where != And(()):
        _encode_filter(query.where, names, message.where)
    orders = _orders(query)
    for order in orders:
        encoded = message.order_by.add()
        encoded.field.field_path = _field_path(order.field)
        encoded.direction = DIRECTIONS[order.direction]
    # "before" a start position includes it, "before" an end position does not.
    if query.start is not None:
        _encode_cursor(query.start, orders, names, message.start_at, before=query.start.inclusive)
    if query.end is not None:
        _encode_cursor(query.end, orders, names, message.end_at, before=not query.end.inclusive)
    if query.limit is not None:
        message.limit.value = min(query.limit, 2**31 - 1)


def _orders(query: Query) -> tuple[Order, ...]:
    """Without what is implied after the path, which decides already: Firestore takes no order after it."""
    orders = query.full_order()
    end = next(index for index, order in enumerate(orders) if order.field == PATH) + 1
    return orders[: max(end, len(query.order_by))]


def _encode_filter(where: Filter, names: Names, message: Message) -> None:
    if isinstance(where, Compare):
        _encode_compare(where, names, message)
        return
    if len(where.parts) == 1:
        _encode_filter(where.parts[0], names, message)
        return
    composite = message.composite_filter
    composite.op = AND if isinstance(where, And) else OR
    for part in where.parts:
        _encode_filter(part, names, composite.filters.add())


def _encode_compare(compare: Compare, names: Names, message: Message) -> None:
    unary = _unary_operator(compare.op, compare.operand)
    if unary is not None and compare.field != PATH:
        message.unary_filter.op = unary
        message.unary_filter.field.field_path = _field_path(compare.field)
        return
    comparison = message.field_filter
    comparison.field.field_path = _field_path(compare.field)
    comparison.op = OPERATORS[compare.op]
    if compare.field == PATH and isinstance(compare.operand, list):
        comparison.value.array_value.SetInParent()
        for operand in compare.operand:
            _encode_path(operand, names, comparison.value.array_value.values.add())
    elif compare.field == PATH:
        _encode_path(compare.operand, names, comparison.value)
    else:
        _encode_operand(compare.operand, comparison.value, compare.field)


def _unary_operator(op: Op, operand: Value) -> int | None:
    """Firestore has operators of their own for equality with null and NaN."""
    if op not in {Op.EQ, Op.NE}:
        return None
    if operand is None:
        return IS_NULL if op is Op.EQ else IS_NOT_NULL
    if isinstance(operand, float) and math.isnan(operand):
        return IS_NAN if op is Op.EQ else IS_NOT_NAN
    return None


def _encode_cursor(cursor: Cursor, orders: tuple[Order, ...], names: Names, message: Message, *, before: bool) -> None:
    message.before = before
    for value, order in zip(cursor.values, orders, strict=False):
        if order.field == PATH:
            _encode_path(value, names, message.values.add())
        else:
            _encode_operand(value, message.values.add(), order.field)


def _encode_operand(value: Value, message: Message, field: str) -> None:
    try:
        encode_value(value, message)
    except (ValueError, TypeError, OverflowError) as error:  # beyond 64 bits, no time zone, lone surrogates …
        raise InvalidQuery(f"{field}: {value!r} is not an operand: {error}") from None


def _encode_path(value: Value, names: Names, message: Message) -> None:
    if not isinstance(value, str):
        raise InvalidQuery(f"{PATH} is compared with document paths such as 'cities/SF', not with {value!r}")
    try:
        check_path(value)
    except BadUserInput as error:
        raise InvalidQuery(f"{PATH}: {error}") from None
    message.reference_value = names.full(value)


def _field_path(field: str) -> str:
    if field == PATH:
        return PATH
    segments = field.split(".")
    if not all(segments):
        raise InvalidQuery(f"{field!r} is not a field path: it, or a part of it between dots, is empty")
    return ".".join(map(quote, segments))
