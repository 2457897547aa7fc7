"""What changed: the blocking reads behind a listener."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from bff.datastore.port import Target
from bff.datastore.sqlite.names import PATH_FIELD, Names, group_scope
from bff.datastore.sqlite.pace import UNHURRIED, Pace
from bff.datastore.sqlite.reading import path_of, read_clock
from bff.document import Document
from bff.errors import InvalidQuery
from bff.types import Timepoint
from bff.values import load_document

__all__ = ["Feed", "News", "Page"]

PAGE_DOCUMENTS = 500
PAGE_BYTES = 8 * 1024 * 1024
MAX_CHANGES = 50_000
"""More changed documents than this are not delivered at once, but as a resend, which comes in pages."""


@dataclass(frozen=True, slots=True)
class News:
    """Everything that changed after a timepoint and up to another."""

    documents: tuple[Document, ...]
    until: Timepoint


@dataclass(frozen=True, slots=True)
class Page:
    """A part of everything there is. ``after`` is where it ends (a scope's number and a path), None if it is the last."""

    documents: tuple[Document, ...]
    seen: Timepoint
    after: tuple[int, bytes] | None


class Feed:
    """The changes of some collections."""

    def __init__(self, names: Names, targets: Sequence[Target]) -> None:
        self._names = names
        groups = {target.collection for target in targets if target.group}
        paths = {target.collection for target in targets if not target.group}
        for collection in groups:
            if "/" in collection:
                raise InvalidQuery(f"a collection group is named by an id, not by a path: {collection!r}")
        # Each document once: a collection that is within a group is not followed twice.
        self._collections = sorted(path for path in paths if path.rpartition("/")[2] not in groups)
        self._groups = sorted(groups)
        self._scopes = [*self._collections, *(name for group in self._groups for name in (group, group_scope(group)))]
        marks = (",".join("?" * len(self._collections)), ",".join("?" * len(self._groups)))
        self._wanted = f"(s.name IN ({marks[0]}) OR s.collection_id IN ({marks[1]}))"

    def database(self, connection: sqlite3.Connection) -> str:
        """The identity of the file: resume points of another one mean nothing here."""
        return str(connection.execute("SELECT database FROM clock").fetchone()[0])

    def news(self, connection: sqlite3.Connection, since: Timepoint, pace: Pace = UNHURRIED) -> News | None:
        """What changed after ``since``; None where that cannot be told, or is too much for one delivery."""
        last, horizon = connection.execute("SELECT last, horizon FROM clock").fetchone()
        if since < horizon or since > last:
            return None
        if since == last:
            return News((), last)
        present = connection.execute(
            "SELECT d.path, d.data, d.update_time FROM documents AS d CROSS JOIN scopes AS s ON s.id = d.scope"
            f" WHERE d.update_time > ? AND {self._wanted} ORDER BY d.update_time LIMIT ?",
            (since, *self._collections, *self._groups, MAX_CHANGES + 1),
        )
        documents: list[Document] = []
        for key, data, update_time in present:
            pace.tick()
            documents.append(Document(path_of(key), load_document(data), update_time))
        absent = connection.execute(
            "SELECT t.path, t.time FROM tombstones AS t CROSS JOIN scopes AS s ON s.id = t.scope"
            f" WHERE t.time > ? AND {self._wanted} ORDER BY t.time LIMIT ?",
            (since, *self._collections, *self._groups, MAX_CHANGES + 1),
        )
        documents += [Document(path_of(key), None, time) for key, time in absent]
        if len(documents) > MAX_CHANGES:
            return None
        documents.sort(key=lambda document: (document.update_time, document.path))
        return News(tuple(documents), last)

    def page(self, connection: sqlite3.Connection, after: tuple[int, bytes] | None) -> Page:
        """The next documents of everything there is."""
        documents: list[Document] = []
        size = 0
        first, path = after or (0, b"")
        for number in range(first, len(self._scopes)):
            scope = self._names.find_scope(connection, self._scopes[number])
            rows = connection.execute(
                "SELECT d.path, d.data, d.update_time FROM entries AS e CROSS JOIN documents AS d ON d.id = e.document"
                " WHERE e.scope = ? AND e.field = ? AND e.kind = 0 AND e.key = ? AND e.path > ? ORDER BY e.path",
                (scope, PATH_FIELD, b"", path if number == first else b""),
            )
            for key, data, update_time in rows:
                documents.append(Document(path_of(key), load_document(data), update_time))
                size += len(data)
                if len(documents) >= PAGE_DOCUMENTS or size >= PAGE_BYTES:
                    return Page(tuple(documents), read_clock(connection), (number, key))
        return Page(tuple(documents), read_clock(connection), None)
