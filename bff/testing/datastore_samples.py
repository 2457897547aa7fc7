"""Random documents and queries for tests of datastores, with Hypothesis (``pip install hypothesis``).

The values are few and mean, so that equal ones, neighbours and every type meet often.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck
from hypothesis import strategies as st

from bff.query import PATH, And, Compare, Cursor, Direction, Filter, Op, Or, Order, Query
from bff.types import GeoPoint, Value

__all__ = ["FIELDS", "IDS", "UNHURRIED", "documents", "operands", "queries", "scalars", "values"]

FIELDS = ("a", "b", "m.x")
IDS = ("a", "a-b", "b", "Z", "é", "z", "0", "10", "9", "\uffff", "\U00010000", "a b")
UNHURRIED = (HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow)
"""What Hypothesis need not watch: the database is kept between examples, tests are inherited, and machines are busy."""

MOMENT = datetime(2024, 2, 29, 12, tzinfo=UTC)

SCALARS: tuple[Value, ...] = (
    None,
    False,
    True,
    math.nan,
    -math.inf,
    -(2**63),
    -1,
    -0.5,
    0,
    -0.0,
    1,
    1.0,
    1.5,
    2**53,
    2.0**53,
    2**53 + 1,
    2**63 - 1,
    2.0**63,
    math.inf,
    MOMENT - timedelta(microseconds=1),
    MOMENT,
    "",
    "a",
    "a\x00",
    "ab",
    "b",
    "é",
    "\uffff",
    "\U00010000",
    b"",
    b"\x00",
    b"a",
    GeoPoint(0, 0),
    GeoPoint(0, 1),
    GeoPoint(-1, 5),
)


def scalars() -> st.SearchStrategy[Value]:
    return st.sampled_from(SCALARS)


def values() -> st.SearchStrategy[Any]:
    """Any stored value: small maps and arrays too."""
    maps = st.dictionaries(st.sampled_from(["x", "y"]), scalars(), max_size=2)
    arrays = st.lists(st.one_of(scalars(), maps), max_size=3)
    return st.one_of(scalars(), scalars(), arrays, maps)


def document_data() -> st.SearchStrategy[dict[str, Value]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "a": values(),
            "b": values(),
            "m": st.one_of(scalars(), st.fixed_dictionaries({}, optional={"x": values(), "y": scalars()})),
        },
    )


def documents() -> st.SearchStrategy[dict[str, dict[str, Value]]]:
    """Data by document id."""
    return st.dictionaries(st.sampled_from(IDS), document_data(), max_size=8)


def operands(field: str, collection: str) -> st.SearchStrategy[Any]:
    if field == PATH:
        return st.sampled_from([f"{collection}/{id}" for id in IDS])
    return values()


@st.composite
def _compares(draw: st.DrawFn, collection: str, ops: list[Op], *, alone: bool = False) -> Compare:
    op = draw(st.sampled_from(ops))
    by_path = alone and op not in {Op.ARRAY_CONTAINS, Op.ARRAY_CONTAINS_ANY}
    field = draw(st.sampled_from([*FIELDS, PATH] if by_path else FIELDS))
    operand = operands(field, collection)
    if op in {Op.ARRAY_CONTAINS, Op.ARRAY_CONTAINS_ANY}:
        operand = operand.filter(lambda value: not isinstance(value, list))
    if op in {Op.LT, Op.LE, Op.GT, Op.GE}:
        operand = operand.filter(lambda value: value is not None)
    if op in {Op.IN, Op.NOT_IN, Op.ARRAY_CONTAINS_ANY}:
        return Compare(field, op, draw(st.lists(operand, min_size=1, max_size=3)))
    return Compare(field, op, draw(operand))


@st.composite
def _filters(draw: st.DrawFn, collection: str) -> Filter | None:
    """What Firestore takes: one ``not-in`` or ``!=`` at most and not beside ``in`` or an ``Or``, one array operator at most,
    and no path beside fields."""
    plain = [Op.EQ, Op.LT, Op.LE, Op.GT, Op.GE]
    shape = draw(st.sampled_from(["none", "one", "and", "or", "nested", "not"]))
    if shape == "none":
        return None
    if shape == "one":
        return draw(_compares(collection, list(Op), alone=True))
    if shape == "not":
        parts = draw(st.lists(_compares(collection, plain), min_size=1, max_size=2))
        return And((draw(_compares(collection, [Op.NE, Op.NOT_IN])), *parts))
    first = draw(_compares(collection, [*plain, Op.IN, Op.ARRAY_CONTAINS, Op.ARRAY_CONTAINS_ANY]))
    second = draw(_compares(collection, [*plain, Op.IN]))
    if shape == "and":
        return And((first, second))
    if shape == "or":
        return Or((first, second))
    return And((draw(_compares(collection, plain)), Or((first, And((second, draw(_compares(collection, plain))))))))


@st.composite
def queries(draw: st.DrawFn, collection: str) -> Query:
    where = draw(_filters(collection))
    orders = draw(st.lists(st.sampled_from([*FIELDS, PATH]), unique=True, max_size=2))
    order_by = tuple(Order(field, draw(st.sampled_from(Direction))) for field in orders if field != PATH)
    if PATH in orders and Query(collection, where, order_by).full_order()[:-1] == order_by:
        order_by = (*order_by, Order(PATH, draw(st.sampled_from(Direction))))
    limit = draw(st.one_of(st.none(), st.integers(1, 5)))
    full = Query(collection, where, order_by).full_order()

    def cursor() -> Cursor | None:
        if draw(st.integers(0, 3)):
            return None
        length = draw(st.integers(1, len(full)))
        return Cursor(tuple(draw(operands(order.field, collection)) for order in full[:length]), draw(st.booleans()))

    return Query(collection, where, order_by, limit, cursor(), cursor())
