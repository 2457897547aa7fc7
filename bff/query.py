"""Queries as values: what a datastore is asked, whichever it is.

The semantics are Firestore's (https://firebase.google.com/docs/firestore/query-data/queries): a range only matches
values of its operand's own type; a document that lacks a field named in a filter or in an order is not a result;
``!=`` and ``not-in`` never match null or an absent field; ties are broken by path, in the direction of the last order.
``bff.matching`` says the same in Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from bff.document import Document, collection_of
from bff.errors import InvalidQuery
from bff.types import Value

__all__ = [
    "PATH",
    "And",
    "Compare",
    "Cursor",
    "Direction",
    "Filter",
    "Op",
    "Or",
    "Order",
    "Query",
    "conjunction",
    "conjuncts",
    "leaves",
]

PATH = "__name__"
"""The field name that stands for a document's path in filters and orders (as in Firestore)."""

MAX_DISJUNCTION = 30


class Op(StrEnum):
    EQ = "=="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    IN = "in"
    NOT_IN = "not-in"
    ARRAY_CONTAINS = "array-contains"
    ARRAY_CONTAINS_ANY = "array-contains-any"


RANGES = frozenset({Op.LT, Op.LE, Op.GT, Op.GE})
ORDERING = RANGES | {Op.NE, Op.NOT_IN}
"""What Firestore calls inequalities: a query orders by their fields, whether it says so or not."""
LISTS = frozenset({Op.IN, Op.NOT_IN, Op.ARRAY_CONTAINS_ANY})


class Direction(StrEnum):
    ASCENDING = "ASCENDING"
    DESCENDING = "DESCENDING"


@dataclass(frozen=True, slots=True)
class Compare:
    """``field op operand``. The field is a document field, dots reach into maps (``address.city``), or ``PATH``.

    Operands of ``in``, ``not-in`` and ``array-contains-any`` are lists of 1 to 30 values. An operand for ``PATH`` is a
    document path (``cities/SF``). Raises InvalidQuery where the operand does not fit the operator.
    """

    field: str
    op: Op
    operand: Value

    def __post_init__(self) -> None:
        if self.op in LISTS:
            if not isinstance(self.operand, list) or not 1 <= len(self.operand) <= MAX_DISJUNCTION:
                raise InvalidQuery(f"{self.field} {self.op.value}: the operand is a list of 1 to {MAX_DISJUNCTION} values")
        elif self.op in RANGES and self.operand is None:
            raise InvalidQuery(f"{self.field} {self.op.value} null: null has no order, use == or !=")


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Filter, ...]


Filter: TypeAlias = Compare | And | Or


@dataclass(frozen=True, slots=True)
class Order:
    field: str
    direction: Direction = Direction.ASCENDING


BY_PATH = (Order(PATH),)


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in the order of a query: one value per order, at most; the path of a document may end it.

    ``values`` are in the order of ``Query.full_order()``, so the last one may be a document path. ``inclusive`` says
    whether the position itself is a result (Firestore's start_at and end_at) or not (start_after and end_before).
    """

    values: tuple[Value, ...]
    inclusive: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Documents of a collection (``users``, ``users/u1/forms``) or, with ``group``, of every collection of that id."""

    collection: str
    where: Filter | None = None
    order_by: tuple[Order, ...] = ()
    limit: int | None = None
    start: Cursor | None = None
    end: Cursor | None = None
    group: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise InvalidQuery(f"limit {self.limit}: a query asks for at least one document")
        # Without orders of its own and cursors there is nothing that could be wrong with them.
        if not self.order_by and self.start is None and self.end is None:
            return
        if self.full_order()[-1].field != PATH:
            raise InvalidQuery(f"an order by {PATH} comes last: paths are unique, and inequalities order by their fields too")
        for cursor in (self.start, self.end):
            if cursor is not None and not 0 < len(cursor.values) <= len(self.full_order()):
                raise InvalidQuery(f"a cursor of {len(cursor.values)} values for an order of {len(self.full_order())}")

    def full_order(self) -> tuple[Order, ...]:
        """The orders that decide: those asked for, then the fields of inequalities, then the path.

        Firestore orders by inequality fields implicitly, in field order, and breaks ties by path in the direction of the
        last order.
        """
        if not self.order_by and (self.where is None or (isinstance(self.where, Compare) and self.where.op not in ORDERING)):
            return BY_PATH
        orders = list(self.order_by)
        named = {order.field for order in orders}
        last = orders[-1].direction if orders else Direction.ASCENDING
        inequalities = {compare.field for compare in leaves(self.where) if compare.op in ORDERING}
        orders += [Order(name, last) for name in sorted(inequalities - named - {PATH})]
        if PATH not in named:
            orders.append(Order(PATH, last))
        return tuple(orders)

    def selects(self, document: Document) -> bool:
        """Whether the document is of the collection that the query asks."""
        collection = collection_of(document.path)
        return collection.rpartition("/")[2] == self.collection if self.group else collection == self.collection


def conjuncts(where: Filter | None) -> tuple[Filter, ...]:
    """The conditions that must all hold."""
    if where is None:
        return ()
    if isinstance(where, And):
        return tuple(inner for part in where.parts for inner in conjuncts(part))
    return (where,)


def conjunction(parts: Sequence[Filter]) -> Filter | None:
    """The filter that holds where all of these do; None where there are none."""
    if len(parts) > 1:
        return And(tuple(inner for part in parts for inner in conjuncts(part)))
    return parts[0] if parts else None


def leaves(where: Filter | None) -> tuple[Compare, ...]:
    """Every comparison in a filter."""
    if where is None:
        return ()
    if isinstance(where, Compare):
        return (where,)
    return tuple(leaf for part in where.parts for leaf in leaves(part))
