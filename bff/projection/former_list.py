"""A list as the storage of former code has it, for code whose own storage is not complete yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bff.document import Document, join_path
from bff.errors import BeingBuilt
from bff.model.view_model import ViewModel
from bff.projection.standing import Storage
from bff.query import PATH, And, Compare, Cursor, Filter, Or, Order, Query, leaves
from bff.types import Value

__all__ = ["as_own", "in_former"]

OWN = frozenset({PATH, "id", "version"})


def in_former(query: Query, view: type[ViewModel], former: Storage) -> Query:
    """The same question to the former storage. Raises BeingBuilt where it asks for what that does not have."""
    asked = {compare.field for compare in leaves(query.where)} | {order.field for order in query.order_by}
    lacking = sorted({field.partition(".")[0] for field in asked} - OWN - set(former.fields))
    if lacking:
        told = ", ".join(dict.fromkeys("its readers" if name.startswith("_") else name for name in lacking))
        raise BeingBuilt(
            f"{view.__view__.name} is being built with {told}, by which it can be listed once that is complete: "
            "ask again later, or without"
        )
    orders = query.full_order()
    return replace(
        query,
        collection=former.collection,
        where=None if query.where is None else _where(query.where, former.collection),
        start=_cursor(query.start, orders, former.collection),
        end=_cursor(query.end, orders, former.collection),
    )


def as_own(document: Document, view: type[ViewModel]) -> Document:
    """A former document, which says where in the list a view stands, under the path that the view has."""
    return replace(document, path=join_path(view.__view__.collection, document.id))


def _where(where: Filter, collection: str) -> Filter:
    if isinstance(where, Compare):
        return replace(where, operand=_moved(where.operand, collection)) if where.field == PATH else where
    parts = tuple(_where(part, collection) for part in where.parts)
    return And(parts) if isinstance(where, And) else Or(parts)


def _cursor(cursor: Cursor | None, orders: Sequence[Order], collection: str) -> Cursor | None:
    if cursor is None:
        return None
    values = zip(orders, cursor.values, strict=False)
    return replace(cursor, values=tuple(_moved(value, collection) if order.field == PATH else value for order, value in values))


def _moved(path: Value, collection: str) -> Value:
    if isinstance(path, list):
        return [_moved(one, collection) for one in path]
    return f"{collection}/{path.rpartition('/')[2]}" if isinstance(path, str) else path
