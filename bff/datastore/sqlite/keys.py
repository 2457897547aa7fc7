"""The keys of the index: what a value, or an element of an array, is found by."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from bff.order_key import ARRAY, END, MAP, order_key
from bff.types import Value

__all__ = ["MAX_KEY_BYTES", "array_key", "element_key", "element_keys", "is_cut", "is_shared", "map_key", "whole_key"]

MAX_KEY_BYTES = 256
"""Longer keys are cut off; whoever reads them compares the values themselves where the cut could decide. So short that an entry
fits on a page of the index together with others: SQLite puts what is longer than a quarter of a page on pages of their own."""

SELF_EVIDENT = frozenset({str, int, bool, type(None)})
ORDERED_FIRST, CUT_LAST = ARRAY[0], MAP[0]


def whole_key(value: Value) -> bytes:
    """The key of a value: the beginning of its order key, so that keys are in the order of values, as far as they reach.

    It ends after so many bytes, and where a map begins that is an element of an array: what is in those is in no key. Where it
    ends says nothing that comes after it, so of two values the greater one never has the lesser key. See ``is_cut``.
    """
    if type(value) in SELF_EVIDENT:
        return order_key(value)[:MAX_KEY_BYTES]
    if isinstance(value, Mapping):
        return map_key((name, whole_key(value[name])) for name in sorted(value))
    if isinstance(value, list | tuple):
        return array_key(value)
    return order_key(value)[:MAX_KEY_BYTES]


def array_key(items: Sequence[Value]) -> bytes:
    """The key of an array."""
    parts, size = [ARRAY], 1
    for item in items:
        if type(item) is not str and isinstance(item, Mapping):
            parts.append(MAP)
            break
        part = order_key(item)
        parts.append(part)
        size += len(part)
        if size >= MAX_KEY_BYTES:
            break
    else:
        parts.append(END)
    return b"".join(parts)[:MAX_KEY_BYTES]


def map_key(items: Iterable[tuple[str, bytes]]) -> bytes:
    """The key of a map, of its names in order and the keys of its values."""
    parts = [MAP]
    for name, key in items:
        parts.append(order_key(name))
        parts.append(key)
        if is_cut(key):
            break
    else:
        parts.append(END)
    return b"".join(parts)[:MAX_KEY_BYTES]


def is_cut(key: bytes) -> bool:
    """Whether values that differ may have this key. (That of an array or a map that is not cut ends in ``END``.)"""
    return len(key) >= MAX_KEY_BYTES or (key[0] >= ORDERED_FIRST and key[-1] == CUT_LAST)


def element_key(value: Value) -> bytes:
    """The key of an element of an array. All that are maps share one, which says that there are some.

    What lists of views hold is maps, and hardly anybody looks for one by all that is in it: then documents are looked at.
    """
    return MAP if type(value) is not str and isinstance(value, Mapping) else order_key(value)[:MAX_KEY_BYTES]


def element_keys(values: Collection[Value]) -> set[bytes]:
    """The keys of the elements of an array."""
    if values and {dict}.issuperset(map(type, values)):
        return {MAP}
    return set(map(element_key, values))


def is_shared(key: bytes) -> bool:
    """Whether elements that differ may have this key."""
    return len(key) >= MAX_KEY_BYTES or key == MAP
