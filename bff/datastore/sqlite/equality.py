"""The query that most references are, one equality with a text, answered without planning: its plan is always the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import islice
from typing import TypeAlias

from bff.datastore.sqlite.index import WHOLE
from bff.datastore.sqlite.keys import is_cut, whole_key
from bff.datastore.sqlite.names import Names
from bff.datastore.sqlite.pace import Pace
from bff.datastore.sqlite.reading import path_of
from bff.document import Document
from bff.query import PATH, Compare, Op, Query
from bff.unqueried import UNQUERIED
from bff.values import load_document

__all__ = ["documents_equal", "equality"]

Equality: TypeAlias = tuple[str, bytes]
"""A field, and the key of what it equals."""


def equality(query: Query) -> Equality | None:
    """What the query asks, where that is one equality in the order of paths that entries of the index tell; None of any other."""
    where = query.where
    if type(where) is not Compare or where.op is not Op.EQ or type(where.operand) is not str or where.field == PATH:
        return None
    if query.group or query.order_by or query.start is not None or query.end is not None or query.collection in UNQUERIED:
        return None
    key = whole_key(where.operand)
    return None if is_cut(key) else (where.field, key)


def documents_equal(
    connection: sqlite3.Connection, names: Names, collection: str, equal: Equality, limit: int | None, pace: Pace
) -> list[Document]:
    """The documents of a collection of which that holds, by path."""
    name, key = equal
    scope, field = names.find_scope(connection, collection), names.find_field(connection, name)
    if scope is None or field is None:
        return []
    # CROSS JOIN: SQLite keeps the order of the tables, and so the entries decide the order of the rows.
    rows: Iterator[tuple[bytes, int, bytes]] = connection.execute(
        "SELECT d.path, d.update_time, d.data FROM entries AS e CROSS JOIN documents AS d ON d.id = e.document"
        " WHERE e.scope = ? AND e.field = ? AND e.kind = ? AND e.key = ? ORDER BY e.path",
        (scope, field, WHOLE, key),
    )
    found: list[Document] = []
    for path, update_time, data in islice(rows, limit):
        pace.tick()
        found.append(Document(path_of(path), load_document(data), update_time))
    return found
