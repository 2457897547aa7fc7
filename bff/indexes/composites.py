"""Which composite indexes Firestore needs for which queries.

The rules (https://firebase.google.com/docs/firestore/query-data/index-overview):

- An index answers a query whose equalities are its first fields and whose order is the rest of it, directions included, down to
  the ``__name__`` that every index ends with. Ranges, ``!=`` and ``not-in`` are on fields of the order. A field that an equality
  fixes is no part of the order.
- Indexes with the same order are merged: ``(a, o)`` and ``(b, o)`` answer ``a == 1 and b == 2 order by o``. So a list needs one
  index for each of its fields and order, and not one for each set of them.
- Every alternative of an ``or``, and every value of an ``in``, is a query of its own in the common order.
- Each field has an index in either direction, and each array one of its elements, by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations, permutations, product

from bff.query import PATH, And, Compare, Direction, Filter, Op, Order, Query

__all__ = ["ELEMENTS", "Composite", "Listed", "composites_of_list", "composites_of_query"]

ELEMENTS = "CONTAINS"
ASCENDING, DESCENDING = Direction.ASCENDING.value, Direction.DESCENDING.value
MODES = {ELEMENTS: 0, ASCENDING: 1, DESCENDING: 2}

Part = tuple[str, str]
"""A field and how it is indexed: ``ASCENDING``, ``DESCENDING`` or ``CONTAINS``."""


@dataclass(frozen=True, slots=True)
class Composite:
    """An index over the documents of a collection id. ``by_name`` is the direction of the ``__name__`` at its end."""

    collection: str
    parts: tuple[Part, ...]
    by_name: str
    group: bool = False

    @property
    def is_automatic(self) -> bool:
        """Whether Firestore has it by itself. One value of a field, in whichever order of names, is in one of the field's two."""
        if self.group or len(self.parts) != 1:
            return not self.parts
        return self.parts[0][1] != ELEMENTS or self.by_name == self.usual_name

    @property
    def usual_name(self) -> str:
        """The direction of ``__name__`` where none is given."""
        mode = self.parts[-1][1]
        return ASCENDING if mode == ELEMENTS else mode

    @property
    def sort_key(self) -> tuple[object, ...]:
        return self.collection, self.group, [(name, MODES[mode]) for name, mode in self.parts], self.by_name


@dataclass(frozen=True, slots=True)
class Listed:
    """What clients may ask of a list: its fields by what they can be compared with, and ordered by.

    ``readers`` is the field by whose elements every query is restricted to who asks; there is none where everybody may see all.
    """

    collection: str
    equal: frozenset[str] = frozenset()
    unequal: frozenset[str] = frozenset()
    elements: frozenset[str] = frozenset()
    ordered: frozenset[str] = frozenset()
    readers: str | None = None


def composites_of_list(listed: Listed, depth: int) -> set[Composite]:
    """For every page of a list, either way, that is ordered by, or compares by more than equality, ``depth`` fields at most."""
    found: set[Composite] = set()
    for sort, by_name in _sorts(listed, depth):
        free = sorted(listed.equal - {name for name, _ in sort})
        if listed.readers is not None:
            # A query compares the elements of one field: with this one, of no other.
            whose: Part = (listed.readers, ELEMENTS)
            found.update(
                Composite(listed.collection, (whose, *prefix, *sort), by_name)
                for prefix in ((), *(((name, ASCENDING),) for name in free))
            )
            continue
        prefixes: list[tuple[Part, ...]] = [((name, ASCENDING),) for name in free]
        if sort and sort[-1][1] == by_name:
            prefixes.append(())  # names in another direction than the last field: a field between them is fixed by an equality
        for name in sorted(listed.elements):
            prefixes.append(((name, ELEMENTS),))
            if not sort:
                # Whether the elements' own index is merged with others is not said anywhere: with these, it need not be.
                prefixes += [((name, ELEMENTS), (other, ASCENDING)) for other in free]
        found.update(Composite(listed.collection, (*prefix, *sort), by_name) for prefix in prefixes)
    return {one for one in found if not one.is_automatic}


def _sorts(listed: Listed, depth: int) -> set[tuple[tuple[Part, ...], str]]:
    """The orders that are left to an index, with the direction of ``__name__``: equalities may fix any field of them."""
    found: set[tuple[tuple[Part, ...], str]] = set()
    for given in range(depth + 1):
        for names in permutations(sorted(listed.ordered), given):
            for modes in product((ASCENDING, DESCENDING), repeat=given):
                asked = tuple(zip(names, modes, strict=True))
                for sort, by_name in _with_inequalities(asked, listed.unequal, depth):
                    found.update((some, by_name) for count in range(len(sort) + 1) for some in combinations(sort, count))
    return found


def _with_inequalities(asked: tuple[Part, ...], unequal: Collection[str], depth: int) -> Iterator[tuple[tuple[Part, ...], str]]:
    """An order is followed by the fields of inequalities, by name, and by ``__name__``, all in its last direction."""
    names = {name for name, _ in asked}
    for last in [asked[-1][1]] if asked else [ASCENDING, DESCENDING]:
        for count in range(depth - len(asked) + 1):
            for more in combinations(sorted(set(unequal) - names), count):
                yield (*asked, *((name, last) for name in more)), last


def composites_of_query(query: Query) -> set[Composite]:
    """The indexes of one query: one for each of its alternatives."""
    found: set[Composite] = set()
    orders = _until_path(query.full_order())
    for alternative in _alternatives(query.where):
        equal = {one.field for one in alternative if one.op in {Op.EQ, Op.IN} and one.field != PATH}
        elements = {one.field for one in alternative if one.op in {Op.ARRAY_CONTAINS, Op.ARRAY_CONTAINS_ANY}}
        sort = [(order.field, order.direction.value) for order in orders if order.field not in {*equal, PATH}]
        if not elements and not sort and not query.group:
            continue  # equalities alone: their own indexes are merged
        prefix = [*((name, ELEMENTS) for name in sorted(elements)), *((name, ASCENDING) for name in sorted(equal))]
        collection = query.collection.rpartition("/")[2]
        found.add(Composite(collection, (*prefix, *sort), orders[-1].direction.value, query.group))
    return {one for one in found if not one.is_automatic}


def _until_path(orders: Iterable[Order]) -> list[Order]:
    found: list[Order] = []
    for order in orders:
        found.append(order)
        if order.field == PATH:
            break
    return found


def _alternatives(where: Filter | None) -> list[tuple[Compare, ...]]:
    """The disjunctive normal form; ``in`` stays one comparison."""
    if where is None:
        return [()]
    if isinstance(where, Compare):
        return [(where,)]
    parts = [_alternatives(part) for part in where.parts]
    if isinstance(where, And):
        return [tuple(one for part in chosen for one in part) for chosen in product(*parts)]
    return [alternative for part in parts for alternative in part]
