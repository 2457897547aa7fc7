"""How a query is answered from the index: which entries are read, in which order, and what is left to Python.

A filter becomes a disjunction of conjunctions, as in Firestore. A conjunction is answered from one range of entries, its
*source*; the other equalities are looked up in the index for each entry; what remains is checked on the documents. The
source is the one that stands in the order asked for, so that a limit ends the reading early, or else the smallest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import cast

from bff.datastore.sqlite.index import ELEMENT, WHOLE
from bff.datastore.sqlite.keys import element_key, is_cut, is_shared, whole_key
from bff.errors import InvalidQuery
from bff.matching import operand_key
from bff.order_key import order_key
from bff.query import PATH, RANGES, Compare, Cursor, Direction, Filter, Op, Or, Order, Query
from bff.types import Value

__all__ = ["MAX_DISJUNCTS", "Conjunction", "Source", "alternatives", "conjunctions", "plan", "plans"]

MAX_DISJUNCTS = 30
NULL = order_key(None)
NAN = order_key(float("nan"))
BOOLEANS = (order_key(False)[:1], order_key(True)[:1])


@dataclass(frozen=True, slots=True)
class Source:
    """A range of the entries of one field. For ``PATH`` the bounds are of paths, otherwise of ``bff.datastore.sqlite.keys``."""

    field: str
    kind: int = WHOLE
    low: bytes | None = None
    high: bytes | None = None
    include_low: bool = True
    include_high: bool = True
    without: tuple[bytes, ...] = ()

    @property
    def is_point(self) -> bool:
        return self.field != PATH and self.low is not None and self.low == self.high and self.include_low and self.include_high

    def above(self, low: bytes, include: bool) -> Source:
        """Narrowed from below. A bound that is cut is included: what was cut off decides, and the document has it."""
        include = include or (self.field != PATH and is_cut(low))
        if self.low is not None and (self.low, not self.include_low) >= (low, not include):
            return self
        return replace(self, low=low, include_low=include)

    def below(self, high: bytes, include: bool) -> Source:
        include = include or (self.field != PATH and is_cut(high))
        if self.high is not None and (self.high, self.include_high) <= (high, include):
            return self
        return replace(self, high=high, include_high=include)

    def between(self, low: bytes, high: bytes) -> Source:
        return self.above(low, True).below(high, True)


@dataclass(frozen=True, slots=True)
class Conjunction:
    """One conjunction of a query, planned.

    ``points`` are ranges of one key, which stand in the order of paths; ``ranges`` are the others. ``by`` is the first order
    that the points leave open, and ``ordered`` the range that stands in that order (None: any point does). ``exact`` says
    that the source's own order (its direction, then paths in the same) is the whole order, as long as no key was cut.
    ``told_by_entries`` says that whatever has an entry in the one range there is (if any) and one in every point is a result.
    """

    points: tuple[Source, ...]
    ranges: tuple[Source, ...]
    paths: Source
    by: Order
    ordered: Source | None
    exact: bool
    told_by_entries: bool


def conjunctions(where: Filter | None) -> list[tuple[Compare, ...]]:
    """The disjunctive normal form, ``in`` and ``array-contains-any`` spelled out. Raises InvalidQuery over 30 of them."""
    if where is None:
        return [()]
    if isinstance(where, Compare):
        return [(compare,) for compare in _alternatives(where)]
    parts = [conjunctions(part) for part in where.parts]
    if isinstance(where, Or):
        found = [conjunction for part in parts for conjunction in part]
    else:
        size = 1
        for part in parts:
            size *= max(len(part), 1)
        if size > MAX_DISJUNCTS:
            raise InvalidQuery(f"the filter comes to {size} alternatives, the limit is {MAX_DISJUNCTS}: ask for fewer values")
        found = [tuple(compare for part in combination for compare in part) for combination in product(*parts)]
    if len(found) > MAX_DISJUNCTS:
        raise InvalidQuery(f"the filter comes to {len(found)} alternatives, the limit is {MAX_DISJUNCTS}: ask for fewer values")
    return found


def _alternatives(compare: Compare) -> list[Compare]:
    if compare.op is Op.IN:
        op = Op.EQ
    elif compare.op is Op.ARRAY_CONTAINS_ANY:
        op = Op.ARRAY_CONTAINS
    else:
        return [compare]
    distinct = {operand_key(compare.field, value): value for value in cast("list[Value]", compare.operand)}
    return [Compare(compare.field, op, value) for key, value in distinct.items() if key not in {NULL, NAN}]


def plans(query: Query, orders: tuple[Order, ...]) -> list[Conjunction]:
    """How a query is answered; no conjunction where it has no results, whatever the documents. Raises InvalidQuery."""
    found = conjunctions(query.where)
    planned = [plan(query, conjunction, orders) for conjunction in found[: 1 if is_alike(query, orders) else None]]
    first = planned[0] if planned else None
    if len(planned) < len(found) and first is not None:
        planned += [with_point(first, compare) for [compare] in found[1:]]
    return [one for one in planned if one is not None]


def is_alike(query: Query, orders: tuple[Order, ...]) -> bool:
    """Whether the conjunctions are equalities of one field, in the order of paths: what is planned for one is for all."""
    where = query.where
    if not isinstance(where, Compare) or where.field == PATH or len(orders) != 1:
        return False
    if where.op is Op.IN:
        return not any(isinstance(value, Mapping | list | tuple) for value in cast("list[Value]", where.operand))
    return where.op is Op.ARRAY_CONTAINS_ANY


def with_point(planned: Conjunction, compare: Compare) -> Conjunction:
    """The same with another key for its only point."""
    point = _point(compare)
    told_by_entries = not _is_cut(compare, point.low or b"")
    return Conjunction((point,), (), planned.paths, planned.by, None, planned.exact, told_by_entries)


def plan(query: Query, conjunction: tuple[Compare, ...], orders: tuple[Order, ...]) -> Conjunction | None:
    """How one conjunction is answered; None where it has no results, whatever the documents."""
    points: list[Source] = []
    fixed: dict[str, bytes] = {}
    ranges: dict[str, Source] = {order.field: Source(order.field) for order in orders if order.field != PATH}
    paths = Source(PATH)
    for compare in conjunction:
        if compare.field == PATH:
            paths = _narrow_paths(paths, compare)
        elif compare.op is Op.EQ or compare.op is Op.ARRAY_CONTAINS:
            points.append(_point(compare))
            if compare.op is Op.EQ:
                fixed[compare.field] = order_key(compare.operand)
        else:
            narrowed = _narrow(ranges.get(compare.field, Source(compare.field)), compare)
            if narrowed is None:
                return None
            ranges[compare.field] = narrowed
    open_orders = [(index, order) for index, order in enumerate(orders) if order.field not in fixed]
    index, by = open_orders[0]
    if all(order.field in fixed for order in orders[:index]):
        source = _within_cursors(paths if by.field == PATH else ranges[by.field], query, index, by, orders, fixed)
        if by.field == PATH:
            paths = source
        else:
            ranges[by.field] = source
    rest = [order for _, order in open_orders[1:]]
    exact = by.field == PATH or (len(rest) == 1 and rest[0].field == PATH and rest[0].direction is by.direction)
    # A range of a field that an equality fixes adds nothing that the documents do not tell.
    free = tuple(source for field, source in ranges.items() if field not in fixed)
    ordered = ranges[by.field] if by.field != PATH else None if points else paths
    told_by_entries = len(free) < 2 and all(_told_by_entries(compare, fixed) for compare in conjunction)
    return Conjunction(tuple(points), free, paths, by, ordered, exact, told_by_entries)


def _point(compare: Compare) -> Source:
    """The entries of what an equality holds for, or ``array-contains``."""
    is_whole = compare.op is Op.EQ
    key = whole_key(compare.operand) if is_whole else element_key(compare.operand)
    return Source(compare.field, WHOLE if is_whole else ELEMENT, key, key)


def _is_cut(compare: Compare, key: bytes) -> bool:
    """Whether a key of this comparison may be that of values for which it does not hold."""
    return is_shared(key) if compare.op in {Op.ARRAY_CONTAINS, Op.ARRAY_CONTAINS_ANY} else is_cut(key)


def _told_by_entries(compare: Compare, fixed: Collection[str]) -> bool:
    """Whether the entries of a comparison's source are exactly those of the documents that it holds for."""
    if compare.field == PATH:
        return compare.op not in {Op.NE, Op.NOT_IN}
    if compare.op not in {Op.EQ, Op.ARRAY_CONTAINS} and compare.field in fixed:
        return False  # its range is left out
    operands = cast("list[Value]", compare.operand) if compare.op is Op.NOT_IN else [compare.operand]
    key_of = element_key if compare.op is Op.ARRAY_CONTAINS else whole_key
    keys = [key_of(operand) for operand in operands]
    if compare.op is Op.ARRAY_CONTAINS and keys[0] in {NULL, NAN}:
        return False  # nothing is said to contain them
    return not any(_is_cut(compare, key) for key in keys)


def _narrow_paths(paths: Source, compare: Compare) -> Source:
    if compare.op is Op.NOT_IN or compare.op is Op.NE:
        return paths
    key = operand_key(PATH, compare.operand)
    if compare.op is Op.EQ:
        return paths.between(key, key)
    return _bounded(paths, compare.op, key)


def _bounded(source: Source, op: Op, key: bytes) -> Source:
    if op in {Op.GT, Op.GE}:
        return source.above(key, op is Op.GE)
    return source.below(key, op is Op.LE)


def _narrow(source: Source, compare: Compare) -> Source | None:
    if compare.op in RANGES:
        key = whole_key(compare.operand)
        if key == NAN:
            return None
        low, high = BOOLEANS if key[:1] in BOOLEANS else (key[:1], key[:1])
        return _bounded(source.above(low, True).below(bytes([high[0] + 1]), False), compare.op, key)
    values = cast("list[Value]", compare.operand) if compare.op is Op.NOT_IN else [compare.operand]
    keys = [whole_key(value) for value in values]
    if compare.op is Op.NOT_IN and NULL in keys:
        return None
    refused = tuple(key for key in keys if not is_cut(key) and not (compare.op is Op.NOT_IN and key == NAN))
    return replace(source.above(NULL, False), without=source.without + refused)


def _within_cursors(
    source: Source, query: Query, index: int, by: Order, orders: tuple[Order, ...], fixed: dict[str, bytes]
) -> Source:
    """Narrowed to what the cursors leave of the order at ``index``, if all orders before it are at the cursor's values."""

    def bound(cursor: Cursor | None) -> tuple[bytes, bool] | None:
        if cursor is None or len(cursor.values) <= index:
            return None
        if any(operand_key(orders[at].field, cursor.values[at]) != fixed.get(orders[at].field) for at in range(index)):
            return None
        is_last = len(cursor.values) == index + 1
        value = cursor.values[index]
        key = operand_key(PATH, value) if by.field == PATH else whole_key(value)
        return key, cursor.inclusive or not is_last

    ascending = by.direction is Direction.ASCENDING
    for found, from_below in ((bound(query.start), ascending), (bound(query.end), not ascending)):
        if found is not None:
            source = source.above(*found) if from_below else source.below(*found)
    return source


def others(points: Iterable[Source], source: Source) -> list[Source]:
    """The points that are still to be looked up for each entry of the source."""
    return [point for point in points if point is not source]


def alternatives(planned: Sequence[Conjunction]) -> list[bytes] | None:
    """The keys of conjunctions by path that are of one point each and differ in its key alone; None where they are others."""
    if len(planned) < 2:
        return None
    first = planned[0]
    keys: list[bytes] = []
    for one in planned:
        if len(one.points) != 1 or one.ranges or one.by.field != PATH or one.paths != first.paths:
            return None
        [point] = one.points
        if (point.field, point.kind) != (first.points[0].field, first.points[0].kind) or point.low is None:
            return None
        keys.append(point.low)
    return keys
