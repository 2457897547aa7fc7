"""The index entries of a document, and how a write changes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, compress
from operator import eq
from typing import Any, TypeAlias

from bff.datastore.sqlite.keys import SELF_EVIDENT, array_key, element_text, hashed, map_key, whole_key
from bff.datastore.sqlite.names import PATH_FIELD, Names, group_scope
from bff.document import collection_of, document_id
from bff.errors import DocumentTooLarge
from bff.query import PATH
from bff.types import Value
from bff.unqueried import UNQUERIED
from bff.values import MISSING, Missing

__all__ = ["ELEMENT", "WHOLE", "Difference", "Indexed", "difference", "scopes_of", "update_entries"]

WHOLE = 0
ELEMENT = 1
MAX_ENTRIES = 40_000
FEW = 32
"""So few elements are looked for among the others: that costs less than the texts of the others."""

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
        before, after = _entries_of(old or {}, changed), _entries_of(new, changed)
        _check_number(path, new, changed, after)
    else:
        before, after = _entries_apart(old or {}, new or {}, changed)
    gone, come = _hashed(before - after), _hashed(after - before)
    if new is None:
        gone.add(PATH_ENTRY)
    elif old is None:
        come.add(PATH_ENTRY)
    return Difference(gone, come)


def _check_number(path: str, data: Mapping[str, Value], changed: Collection[str], after: set[Entry]) -> None:
    kept = [name for name in data if name not in changed]
    if len(after) + sum(_most_entries(data[name]) for name in kept) <= MAX_ENTRIES:
        return
    number = len(after) + len(_entries_of(data, kept))
    if number > MAX_ENTRIES:
        raise DocumentTooLarge(f"{path}: {number:,} index entries are over the limit of {MAX_ENTRIES:,}")


def _most_entries(value: Value) -> int:
    """As many as a value has if none of them are equal."""
    if isinstance(value, Mapping):
        return 1 + sum(map(_most_entries, value.values()))
    return 1 + len(value) if isinstance(value, list | tuple) else 1


def _entries_of(data: Mapping[str, Value], fields: Iterable[str]) -> set[Entry]:
    """The entries of these fields, those of elements with their texts (``element_text``) in place of keys.

    A name with a dot in it has no field path that reaches it, and so no entries.
    """
    entries: set[Entry] = set()
    for name in fields:
        if name in data and "." not in name:
            _add_entries(entries, name, data[name])
    return entries


def _entries_apart(old: Mapping[str, Value], new: Mapping[str, Value], fields: Iterable[str]) -> tuple[set[Entry], set[Entry]]:
    """The entries of these fields in two states of a document, without most of those that are in both."""
    before: set[Entry] = set()
    after: set[Entry] = set()
    for name in fields:
        if "." in name:
            continue
        one, other = old.get(name, MISSING), new.get(name, MISSING)
        if type(one) is list and type(other) is list:
            before.add((name, WHOLE, array_key(one)))
            after.add((name, WHOLE, array_key(other)))
            one, other = _elements_apart(one, other)
            _add_elements(before, name, one)
            _add_elements(after, name, other)
            continue
        if not isinstance(one, Missing):
            _add_entries(before, name, one)
        if not isinstance(other, Missing):
            _add_entries(after, name, other)
    return before, after


def _elements_apart(old: list[Value], new: list[Value]) -> tuple[list[Value], list[Value]]:
    """The elements of two arrays, without maps that both have and neither has once more: no text of those need be made.

    They are looked for at the same place, and from the first that differs at the same place from the end: where elements were
    taken out or put in, the ones behind have moved.
    """
    head = next((place for place, is_same in enumerate(map(eq, old, new)) if not is_same), min(len(old), len(new)))
    tail = min(len(old), len(new)) - head
    ends = old[len(old) - tail :], new[len(new) - tail :]
    same = [*map(eq, *ends)]
    kept = [*old[:head], *compress(ends[0], same)]
    if not kept or len(old) + len(new) - 2 * len(kept) > FEW or not _are_same_maps(kept, [*new[:head], *compress(ends[1], same)]):
        return old, new
    differ = [not is_same for is_same in same]
    gone = [*old[head : len(old) - tail], *compress(ends[0], differ)]
    come = [*new[head : len(new) - tail], *compress(ends[1], differ)]
    return (old, new) if any(one in kept for one in (*gone, *come)) else (gone, come)


def _are_same_maps(some: list[Any], others: list[Any]) -> bool:
    """Whether these, which are equal to Python, are maps of single values that are so to a query: to Python True is 1, too."""
    if not {dict}.issuperset(map(type, some)) or not {dict}.issuperset(map(type, others)):
        return False
    kinds = [*map(type, chain.from_iterable(map(dict.values, some)))]
    return (
        SELF_EVIDENT.issuperset(kinds)
        and kinds == [*map(type, chain.from_iterable(map(dict.values, others)))]
        and [*chain.from_iterable(some)] == [*chain.from_iterable(others)]  # the same names in the same order
    )


def _add_elements(entries: set[Entry], field: str, elements: Iterable[Value]) -> None:
    entries.update([(field, ELEMENT, element_text(element)) for element in elements])


def _add_entries(entries: set[Entry], field: str, value: Value) -> bytes:
    """Add the entries of a value and of what it holds; its key, which is made of theirs."""
    if isinstance(value, Mapping):
        inner = []
        for name in sorted(value):
            is_reached = "." not in name
            inner.append((name, _add_entries(entries, f"{field}.{name}", value[name]) if is_reached else whole_key(value[name])))
        key = map_key(inner)
    elif isinstance(value, list | tuple):
        _add_elements(entries, field, value)
        key = array_key(value)
    else:
        key = whole_key(value)
    entries.add((field, WHOLE, key))
    return key


def _hashed(entries: set[Entry]) -> set[Entry]:
    """The same with keys: what is in both states of a document need not be hashed."""
    return {(field, kind, hashed(key)) if kind == ELEMENT else (field, kind, key) for field, kind, key in entries}


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
