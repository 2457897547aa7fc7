"""The index entries of a document, and how a write changes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from bff.datastore.sqlite.names import Names, group_scope
from bff.datastore.sqlite.schema import PATH_FIELD
from bff.document import collection_of, document_id
from bff.errors import DocumentTooLarge
from bff.order_key import array_key, map_key, order_key
from bff.query import PATH
from bff.types import Value
from bff.values import dump_document

__all__ = ["ELEMENT", "MAX_KEY_BYTES", "WHOLE", "Difference", "clip", "difference", "scopes_of", "update_entries"]

WHOLE = 0
ELEMENT = 1
MAX_KEY_BYTES = 1500
"""Longer keys are cut off; whoever reads them compares the values themselves where the cut could decide."""

MAX_ENTRIES = 40_000

Entry: TypeAlias = tuple[str, int, bytes]
"""A field path (``PATH`` for the entry of the path itself), a kind, and a key."""

PATH_ENTRY: Entry = (PATH, WHOLE, b"")

DELETE = "DELETE FROM entries WHERE scope = ? AND field = ? AND kind = ? AND key = ? AND path = ?"
INSERT = "INSERT INTO entries (scope, field, kind, key, path, document) VALUES (?, ?, ?, ?, ?, ?)"


def clip(key: bytes) -> bytes:
    return key[:MAX_KEY_BYTES]


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
    path: str, old: Mapping[str, Value] | None, new: Mapping[str, Value] | None, changed: Collection[str]
) -> Difference:
    """The difference between the entries of two states of a document, given the fields in which they differ.

    Raises DocumentTooLarge where the new one has too many.
    """
    keys: dict[bytes, bytes] = {}
    before, after = _entries_of(old or {}, changed, keys), _entries_of(new or {}, changed, keys)
    if new is not None:
        _check_number(path, new, changed, after)
    gone, come = before - after, after - before
    if new is None:
        gone.add(PATH_ENTRY)
    elif old is None:
        come.add(PATH_ENTRY)
    return Difference(gone, come)


def _check_number(path: str, data: Mapping[str, Value], changed: Collection[str], after: set[Entry]) -> None:
    kept = [name for name in data if name not in changed]
    if len(after) + sum(_most_entries(data[name]) for name in kept) <= MAX_ENTRIES:
        return
    number = len(after) + len(_entries_of(data, kept, {}))
    if number > MAX_ENTRIES:
        raise DocumentTooLarge(f"{path}: {number:,} index entries are over the limit of {MAX_ENTRIES:,}")


def _most_entries(value: Value) -> int:
    """As many as a value has if none of them are equal."""
    if isinstance(value, Mapping):
        return 1 + sum(map(_most_entries, value.values()))
    return 1 + len(value) if isinstance(value, list | tuple) else 1


def _entries_of(data: Mapping[str, Value], fields: Iterable[str], keys: dict[bytes, bytes]) -> set[Entry]:
    """The entries of these fields. A name with a dot in it has no field path that reaches it, and so no entries.

    ``keys`` are those of items of arrays, by their texts: what is in both states of a document is looked at once.
    """
    entries: set[Entry] = set()
    for name in fields:
        if name in data and "." not in name:
            _add_entries(entries, name, data[name], keys)
    return entries


def _add_entries(entries: set[Entry], field: str, value: Value, keys: dict[bytes, bytes]) -> bytes:
    """Add the entries of a value and of what it holds; its order key, which is made of theirs."""
    if isinstance(value, Mapping):
        parts: list[bytes] = []
        for name in sorted(value):
            inner = value[name]
            parts.append(order_key(name))
            parts.append(order_key(inner) if "." in name else _add_entries(entries, f"{field}.{name}", inner, keys))
        key = map_key(parts)
    elif isinstance(value, list | tuple):
        items = [_item_key(item, keys) for item in value]
        entries.update([(field, ELEMENT, item[:MAX_KEY_BYTES]) for item in items])
        key = array_key(items)
    else:
        key = order_key(value)
    entries.add((field, WHOLE, key[:MAX_KEY_BYTES]))
    return key


def _item_key(item: Value, keys: dict[bytes, bytes]) -> bytes:
    if type(item) is not dict:
        return order_key(item)
    text = dump_document(item)
    key = keys.get(text)
    if key is None:
        key = keys[text] = order_key(item)
    return key


def update_entries(
    connection: sqlite3.Connection, names: Names, path: str, key: bytes, document: int, difference: Difference
) -> None:
    """Make the difference to the entries of a document. ``key`` is its path as an order key."""
    for name in scopes_of(path):
        scope = names.scope(connection, name)
        if difference.gone:
            connection.executemany(DELETE, [(scope, *entry, key) for entry in _in_key_order(connection, names, difference.gone)])
        if difference.come:
            connection.executemany(
                INSERT, [(scope, *entry, key, document) for entry in _in_key_order(connection, names, difference.come)]
            )


def _in_key_order(connection: sqlite3.Connection, names: Names, entries: set[Entry]) -> list[tuple[int, int, bytes]]:
    """With the ids of the fields; in key order, so that neighbours on a page are written together."""
    return sorted(
        (PATH_FIELD if field == PATH else names.field(connection, field), kind, value) for field, kind, value in entries
    )
