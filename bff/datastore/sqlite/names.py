"""The small integers that stand for collections and field paths in the index."""

from __future__ import annotations

import sqlite3

__all__ = ["PATH_FIELD", "Names", "group_scope"]

PATH_FIELD = 0
"""Stands for the path itself, which is no field."""

MAX_CACHED = 50_000


def group_scope(collection_id: str) -> str:
    """The scope of all nested collections of this id; no collection's path has an even number of parts."""
    return f"*/{collection_id}"


class Names:
    """Looks ids up, and remembers them: an id, once committed, never changes.

    Shared by all connections of a datastore. The writer forgets everything when it rolls back, since it may have
    remembered an id that now is not; a reader that used it in the meantime finds nothing under it, which is right.
    """

    def __init__(self) -> None:
        self._scopes: dict[str, int] = {}
        self._fields: dict[str, int] = {}

    def forget(self) -> None:
        self._scopes.clear()
        self._fields.clear()

    def find_scope(self, connection: sqlite3.Connection, name: str) -> int | None:
        return self._find(self._scopes, connection, "SELECT id FROM scopes WHERE name = ?", name)

    def find_field(self, connection: sqlite3.Connection, name: str) -> int | None:
        return self._find(self._fields, connection, "SELECT id FROM fields WHERE name = ?", name)

    def scope(self, connection: sqlite3.Connection, name: str) -> int:
        """The id of a collection, given one now if it has none. Within a write."""
        found = self.find_scope(connection, name)
        if found is None:
            collection_id = name.rpartition("/")[2] if not name.startswith("*/") else ""
            cursor = connection.execute("INSERT INTO scopes (name, collection_id) VALUES (?, ?)", (name, collection_id))
            found = self._scopes[name] = int(cursor.lastrowid or 0)
        return found

    def field(self, connection: sqlite3.Connection, name: str) -> int:
        """The id of a field path, given one now if it has none. Within a write."""
        found = self.find_field(connection, name)
        if found is None:
            cursor = connection.execute("INSERT INTO fields (name) VALUES (?)", (name,))
            found = self._fields[name] = int(cursor.lastrowid or 0)
        return found

    def _find(self, cache: dict[str, int], connection: sqlite3.Connection, sql: str, name: str) -> int | None:
        found = cache.get(name)
        if found is None:
            row = connection.execute(sql, (name,)).fetchone()
            if row is None:
                return None
            if len(cache) >= MAX_CACHED:
                cache.clear()
            found = cache[name] = int(row[0])
        return found
