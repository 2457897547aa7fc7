"""Queries as data, so that what a view has asked can be stored beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from bff.query import And, Compare, Cursor, Direction, Filter, Op, Or, Order, Query
from bff.types import Value

__all__ = ["dump_query", "load_query"]


def dump_query(query: Query) -> dict[str, Value]:
    """The query as data from which ``load_query`` makes an equal one. What is at its default is left out."""
    data: dict[str, Any] = {"collection": query.collection}
    if query.where is not None:
        data["where"] = _dump_filter(query.where)
    if query.order_by:
        data["orderBy"] = [[order.field, str(order.direction)] for order in query.order_by]
    if query.limit is not None:
        data["limit"] = query.limit
    for name, cursor in (("start", query.start), ("end", query.end)):
        if cursor is not None:
            data[name] = {"values": list(cursor.values), "inclusive": cursor.inclusive}
    if query.group:
        data["group"] = True
    return data


def load_query(data: Mapping[str, Value]) -> Query:
    where = data.get("where")
    return Query(
        cast(str, data["collection"]),
        None if where is None else _load_filter(cast("Mapping[str, Any]", where)),
        tuple(Order(field, Direction(direction)) for field, direction in cast("Sequence[Any]", data.get("orderBy", []))),
        cast("int | None", data.get("limit")),
        _load_cursor(data.get("start")),
        _load_cursor(data.get("end")),
        group=bool(data.get("group", False)),
    )


def _dump_filter(where: Filter) -> dict[str, Any]:
    if isinstance(where, Compare):
        return {"field": where.field, "op": str(where.op), "operand": where.operand}
    return {"and" if isinstance(where, And) else "or": [_dump_filter(part) for part in where.parts]}


def _load_filter(data: Mapping[str, Any]) -> Filter:
    if "and" in data:
        return And(tuple(_load_filter(part) for part in data["and"]))
    if "or" in data:
        return Or(tuple(_load_filter(part) for part in data["or"]))
    return Compare(data["field"], Op(data["op"]), data["operand"])


def _load_cursor(data: Any) -> Cursor | None:
    return None if data is None else Cursor(tuple(data["values"]), bool(data["inclusive"]))
