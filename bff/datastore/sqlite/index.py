"""The index entries of a document, and how a write changes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from datetime import datetime

from bff.datastore.sqlite.names import Names, group_scope
from bff.datastore.sqlite.schema import PATH_FIELD
from bff.document import collection_of, document_id
from bff.errors import DocumentTooLarge
from bff.order_key import order_key
from bff.types import Value

__all__ = ["ELEMENT", "MAX_KEY_BYTES", "WHOLE", "clip", "scopes_of", "update_entries"]

WHOLE = 0
ELEMENT = 1
MAX_KEY_BYTES = 1500
"""Longer keys are cut off; whoever reads them compares the values themselves where the cut could decide."""

MAX_ENTRIES = 40_000

SCALARS = frozenset({str, int, bool, datetime, type(None)})

Entry = tuple[str, int, bytes]


def clip(key: bytes) -> bytes:
    return key[:MAX_KEY_BYTES]


def scopes_of(path: str) -> list[str]:
    """The scopes in which a document has entries."""
    collection = collection_of(path)
    return [collection, group_scope(document_id(collection))] if "/" in collection else [collection]


def entries_of(name: str, value: Value) -> Iterator[Entry]:
    """A name with a dot in it has no field path that reaches it, and so no entries."""
    if "." in name:
        return
    yield from _entries(name, value)


def _entries(field: str, value: Value) -> Iterator[Entry]:
    yield field, WHOLE, clip(order_key(value))
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if "." not in name:
                yield from _entries(f"{field}.{name}", inner)
    elif isinstance(value, list | tuple):
        for item in value:
            yield field, ELEMENT, clip(order_key(item))


def update_entries(
    connection: sqlite3.Connection,
    names: Names,
    path: str,
    key: bytes,
    document: int,
    old: Mapping[str, Value] | None,
    new: Mapping[str, Value] | None,
) -> None:
    """Make the entries of a document those of its new data. ``key`` is its path as an order key. Raises DocumentTooLarge."""
    before, after, kept = _differing(old or {}, new or {})
    if len(after) + kept > MAX_ENTRIES:
        raise DocumentTooLarge(f"{path}: {len(after) + kept:,} index entries are over the limit of {MAX_ENTRIES:,}")
    gone = [(names.field(connection, field), kind, value) for field, kind, value in before - after]
    come = [(names.field(connection, field), kind, value) for field, kind, value in after - before]
    if new is None:
        gone.append((PATH_FIELD, WHOLE, b""))
    elif old is None:
        come.append((PATH_FIELD, WHOLE, b""))
    # In key order, so that neighbours on a page are written together.
    for name in scopes_of(path):
        scope = names.scope(connection, name)
        connection.executemany(
            "DELETE FROM entries WHERE scope = ? AND field = ? AND kind = ? AND key = ? AND path = ?",
            [(scope, *entry, key) for entry in sorted(gone)],
        )
        connection.executemany(
            "INSERT INTO entries (scope, field, kind, key, path, document) VALUES (?, ?, ?, ?, ?, ?)",
            [(scope, *entry, key, document) for entry in sorted(come)],
        )


def _differing(old: Mapping[str, Value], new: Mapping[str, Value]) -> tuple[set[Entry], set[Entry], int]:
    """The entries before and after, without those of fields that are plainly the same, and how many these are."""
    same = {
        name
        for name, value in new.items()
        if type(value) in SCALARS and name in old and type(old[name]) is type(value) and old[name] == value
    }
    return (
        {entry for name, value in old.items() if name not in same for entry in entries_of(name, value)},
        {entry for name, value in new.items() if name not in same for entry in entries_of(name, value)},
        len(same),
    )
