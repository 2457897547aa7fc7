"""What a query means, in Python: the reference that every datastore is tested against.

Where SQL's or Firestore's habits surprise, they are Firestore's (each was seen on its emulator):

- a range matches values of its operand's own type only, and NaN is in no range;
- ``== null`` and ``== NaN`` match null and NaN; ``in``, ``array-contains`` and ``array-contains-any`` never match either;
- ``!=`` and ``not-in`` match no null and no absent field; ``!= NaN`` leaves NaN out, ``not-in [NaN]`` does not;
  ``not-in`` with null among its values matches nothing;
- ``1`` and ``1.0`` are equal, ``0.0`` and ``-0.0`` too; within lists and maps null equals null and NaN equals NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeAlias, cast

from bff.document import Document
from bff.errors import BadUserInput, InvalidQuery
from bff.order_key import order_key, path_key
from bff.query import PATH, RANGES, And, Compare, Cursor, Direction, Filter, Op, Order, Query
from bff.storable import check_path
from bff.types import Value
from bff.values import Missing, field_value

__all__ = ["Condition", "condition", "in_cursors", "matches", "operand_key", "order_position", "run", "same_type", "sort_key"]

Condition: TypeAlias = Callable[[str, Mapping[str, Value]], bool]
"""Whether a document of this path and this data is a result."""

NULL_KEY = order_key(None)
NAN_KEY = order_key(float("nan"))
BOOLEAN_TAGS = frozenset({order_key(False)[0], order_key(True)[0]})
_COMPLEMENT = bytes(255 - byte for byte in range(256))


def matches(where: Filter | None, document: Document) -> bool:
    """Whether a document is present and satisfies a filter. Raises InvalidQuery."""
    return document.data is not None and condition(where)(document.path, document.data)


def condition(where: Filter | None) -> Condition:
    """A filter made ready to be asked of many documents. Raises InvalidQuery."""
    if where is None:
        return lambda path, data: True
    if isinstance(where, Compare):
        return _comparison(where)
    parts = [condition(part) for part in where.parts]
    if isinstance(where, And):
        return lambda path, data: all(part(path, data) for part in parts)
    return lambda path, data: any(part(path, data) for part in parts)


def operand_key(field: str, operand: Value) -> bytes:
    """The order key of an operand or of a cursor's value; for ``PATH``, of the document path that it is."""
    if field != PATH:
        return order_key(operand)
    if not isinstance(operand, str):
        raise InvalidQuery(f"{PATH} is compared with a document path such as 'cities/SF', not with {operand!r}")
    try:
        return path_key(check_path(operand))
    except BadUserInput as error:
        raise InvalidQuery(f"{PATH}: {error}") from None


def same_type(key: bytes, other: bytes) -> bool:
    """Whether two order keys are of values that a range compares: of one type, and neither is NaN."""
    return key[0] == other[0] or (key[0] in BOOLEAN_TAGS and other[0] in BOOLEAN_TAGS)


def _comparison(compare: Compare) -> Condition:
    field, op = compare.field, compare.op
    if field == PATH:
        return _path_comparison(compare)
    if op is Op.ARRAY_CONTAINS:
        return partial(_contains, field, _ordinary([order_key(compare.operand)]))
    if op is Op.ARRAY_CONTAINS_ANY:
        return partial(_contains, field, _ordinary(map(order_key, cast("list[Value]", compare.operand))))
    test = _key_test(op, _operand_keys(compare))

    def holds(path: str, data: Mapping[str, Value]) -> bool:
        value = field_value(data, field)
        return not isinstance(value, Missing) and test(order_key(value))

    return holds


def _path_comparison(compare: Compare) -> Condition:
    if compare.op in {Op.ARRAY_CONTAINS, Op.ARRAY_CONTAINS_ANY}:
        raise InvalidQuery(f"{PATH} {compare.op.value}: a path is not an array")
    keys, op = _operand_keys(compare), compare.op
    if op in RANGES:
        return lambda path, data: _in_range(op, path_key(path), keys[0])
    within = op in {Op.EQ, Op.IN}
    return lambda path, data: (path_key(path) in keys) is within


def _operand_keys(compare: Compare) -> list[bytes]:
    operands = cast("list[Value]", compare.operand) if compare.op in {Op.IN, Op.NOT_IN} else [compare.operand]
    return [operand_key(compare.field, operand) for operand in operands]


def _ordinary(keys: Iterable[bytes]) -> frozenset[bytes]:
    """The keys without null and NaN, which equal nothing in these operators."""
    return frozenset(key for key in keys if key not in {NULL_KEY, NAN_KEY})


def _key_test(op: Op, keys: list[bytes]) -> Callable[[bytes], bool]:
    operand = keys[0]
    if op is Op.EQ:
        return lambda key: key == operand
    if op is Op.IN:
        return _ordinary(keys).__contains__
    if op is Op.NE:
        return lambda key: key not in {operand, NULL_KEY}
    if op is Op.NOT_IN:
        refused = _ordinary(keys) | {NULL_KEY}
        return (lambda key: False) if NULL_KEY in keys else (lambda key: key not in refused)
    if operand == NAN_KEY:
        return lambda key: False
    return lambda key: same_type(key, operand) and _in_range(op, key, operand)


def _in_range(op: Op, key: bytes, operand: bytes) -> bool:
    if op is Op.LT:
        return key < operand
    if op is Op.LE:
        return key <= operand
    if op is Op.GT:
        return key > operand
    return key >= operand


def _contains(field: str, keys: frozenset[bytes], path: str, data: Mapping[str, Value]) -> bool:
    value = field_value(data, field)
    return isinstance(value, list | tuple) and any(order_key(item) in keys for item in value)


# --- Order, cursors, limit


def order_position(orders: Sequence[Order], path: str, data: Mapping[str, Value]) -> tuple[bytes, ...] | None:
    """The order keys of a document's values in these orders; None where it lacks one and so is in no such order."""
    keys: list[bytes] = []
    for order in orders:
        if order.field == PATH:
            keys.append(path_key(path))
            continue
        value = field_value(data, order.field)
        if isinstance(value, Missing):
            return None
        keys.append(order_key(value))
    return tuple(keys)


def sort_key(orders: Sequence[Order], position: Sequence[bytes]) -> tuple[bytes, ...]:
    """What to sort positions by. A descending key is the complement of an ascending one."""
    return tuple(
        key if order.direction is Direction.ASCENDING else _descending(key) for order, key in zip(orders, position, strict=False)
    )


def _descending(key: bytes) -> bytes:
    """Sorts the other way round; the end puts a path before the shorter one that it continues, the only keys of that kind."""
    return key.translate(_COMPLEMENT) + b"\xff\xff"


def in_cursors(query: Query, orders: Sequence[Order]) -> Callable[[tuple[bytes, ...]], bool]:
    """Whether a sort key is between the cursors of a query. Raises InvalidQuery."""
    start, end = _cursor_key(query.start, orders), _cursor_key(query.end, orders)

    def within(key: tuple[bytes, ...]) -> bool:
        if query.start is not None and start is not None:
            head = key[: len(start)]
            if head < start or (head == start and not query.start.inclusive):
                return False
        if query.end is not None and end is not None:
            head = key[: len(end)]
            return head < end or (head == end and query.end.inclusive)
        return True

    return within


def _cursor_key(cursor: Cursor | None, orders: Sequence[Order]) -> tuple[bytes, ...] | None:
    if cursor is None:
        return None
    return sort_key(orders, [operand_key(order.field, value) for order, value in zip(orders, cursor.values, strict=False)])


def run(query: Query, documents: Iterable[Document]) -> list[Document]:
    """The results that a query has among these documents, in its order. Raises InvalidQuery."""
    orders = query.full_order()
    holds, within = condition(query.where), in_cursors(query, orders)
    found: list[tuple[tuple[bytes, ...], Document]] = []
    for document in documents:
        if document.data is None or not query.selects(document) or not holds(document.path, document.data):
            continue
        position = order_position(orders, document.path, document.data)
        if position is not None and within(key := sort_key(orders, position)):
            found.append((key, document))
    found.sort(key=lambda entry: entry[0])
    return [document for _, document in found[: query.limit]]
