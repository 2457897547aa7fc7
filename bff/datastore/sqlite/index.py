"""The index entries of a document, and how a write changes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from bff.datastore.sqlite.keys import array_key, element_keys, map_key, whole_key
from bff.datastore.sqlite.names import PATH_FIELD, Names, group_scope
from bff.document import collection_of, document_id
from bff.errors import DocumentTooLarge
from bff.order_key import order_key
from bff.query import PATH
from bff.types import Value
from bff.unqueried import UNQUERIED

__all__ = ["ELEMENT", "WHOLE", "Difference", "Indexed", "difference", "scopes_of", "update_entries"]

WHOLE = 0
ELEMENT = 1
MAX_ENTRIES = 40_000

Entry: TypeAlias = tuple[str, int, bytes]
"""A field path (``PATH`` for the entry of the path itself), a kind, and a key."""

PATH_ENTRY: Entry = (PATH, WHOLE, b"")

DELETE = "DELETE FROM entries WHERE scope = ? AND field = ? AND kind = ? AND key = ? AND path = ?"
INSERT = "INSERT INTO entries (scope, field, kind, key, path, document) VALUES (?, ?, ?, ?, ?, ?)"


def scopes_of(path: str) -> list[str]:
    """The scopes in which a document has entries."""
    collection = collection_of(path)
    return [collection, group_scope(document_id(collection))] if "/" in collection else [collection]


@dataclass(frozen=True, slots=True)
class Difference:
    """What a write does to the entries of a document: those that go, and those that come."""

    gone: set[Entry]
    come: set[Entry]


def difference(
    path: str, old: Mapping[str, Value] | None, new: Mapping[str, Value] | None, changed: Collection[str], size: int
) -> Difference:
    """The difference between the entries of two states of a document, given the fields in which they differ.

    ``size`` is how many bytes the new one is stored as: it has no more entries than that.

    Raises DocumentTooLarge where the new one has too many.
    """
    unqueried = UNQUERIED.get(collection_of(path))
    if unqueried is not None:
        changed = [name for name in changed if name not in unqueried]
    if new is not None and size > MAX_ENTRIES:
        _check_number(path, new)
    before, after = _entries_of(old or {}, changed), _entries_of(new or {}, changed)
    gone, come = before - after, after - before
    if new is None:
        gone.add(PATH_ENTRY)
    elif old is None:
        come.add(PATH_ENTRY)
    return Difference(gone, come)


def _check_number(path: str, data: Mapping[str, Value]) -> None:
    if sum(map(_most_entries, data.values())) <= MAX_ENTRIES:
        return
    number = len(_entries_of(data, data)) + sum(map(_sharing, data.values()))
    if number > MAX_ENTRIES:
        raise DocumentTooLarge(f"{path}: {number:,} index entries are over the limit of {MAX_ENTRIES:,}")


def _most_entries(value: Value) -> int:
    """As many as a value has if none of them are equal."""
    if isinstance(value, Mapping):
        return 1 + sum(map(_most_entries, value.values()))
    return 1 + len(value) if isinstance(value, list | tuple) else 1


def _sharing(value: Value) -> int:
    """How many elements have no entry of their own, because they are maps, as another one is. Firestore has one for each."""
    if isinstance(value, Mapping):
        return sum(map(_sharing, value.values()))
    maps = [order_key(one) for one in value if isinstance(one, Mapping)] if isinstance(value, list | tuple) else []
    return len({*maps}) - 1 if maps else 0


def _entries_of(data: Mapping[str, Value], fields: Iterable[str]) -> set[Entry]:
    """The entries of these fields. A name with a dot in it has no field path that reaches it, and so no entries."""
    entries: set[Entry] = set()
    for name in fields:
        if name in data and "." not in name:
            _add_entries(entries, name, data[name])
    return entries


def _add_entries(entries: set[Entry], field: str, value: Value) -> bytes:
    """Add the entries of a value and of what it holds; its key, which is made of theirs."""
    if isinstance(value, Mapping):
        inner = []
        for name in sorted(value):
            is_reached = "." not in name
            inner.append((name, _add_entries(entries, f"{field}.{name}", value[name]) if is_reached else whole_key(value[name])))
        key = map_key(inner)
    elif isinstance(value, list | tuple):
        entries.update([(field, ELEMENT, element) for element in element_keys(value)])
        key = array_key(value)
    else:
        key = whole_key(value)
    entries.add((field, WHOLE, key))
    return key


@dataclass(frozen=True, slots=True)
class Indexed:
    """A document whose entries change. ``key`` is its path as an order key, ``id`` the number that it has in the file."""

    path: str
    key: bytes
    id: int
    difference: Difference


def update_entries(connection: sqlite3.Connection, names: Names, documents: Iterable[Indexed]) -> None:
    """Make the differences to the entries of documents, all in key order, so that neighbours on a page are written together."""
    gone: list[tuple[int, int, int, bytes, bytes]] = []
    come: list[tuple[int, int, int, bytes, bytes, int]] = []
    for one in documents:
        for name in scopes_of(one.path):
            scope, path = names.scope(connection, name), one.key
            for field, kind, key in one.difference.gone:
                gone.append((scope, _field(connection, names, field), kind, key, path))
            for field, kind, key in one.difference.come:
                come.append((scope, _field(connection, names, field), kind, key, path, one.id))
    if gone:
        gone.sort()
        connection.executemany(DELETE, gone)
    if come:
        come.sort()
        connection.executemany(INSERT, come)


def _field(connection: sqlite3.Connection, names: Names, name: str) -> int:
    return PATH_FIELD if name == PATH else names.field(connection, name)
