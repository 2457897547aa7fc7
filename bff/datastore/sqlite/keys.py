"""The keys of the index: what a value, or an element of an array, is found by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, cast

import orjson

from bff.order_key import ARRAY, END, MAP, order_key
from bff.types import GeoPoint, Value
from bff.values import SORTED_OPTIONS, dump_document

__all__ = ["MAX_KEY_BYTES", "array_key", "element_key", "element_text", "hashed", "is_cut", "map_key", "whole_key"]

MAX_KEY_BYTES = 256
"""Longer keys are cut off; whoever reads them compares the values themselves where the cut could decide. So short that an entry
fits on a page of the index together with others: SQLite puts what is longer than a quarter of a page on pages of their own."""

MIN_INT, MAX_INT = -(2**63), 2**63 - 1
SELF_EVIDENT = frozenset({str, int, bool, type(None)})
HASH_BYTES = 16
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
    """The key of an element of an array. Elements are looked for by equality alone, so of a map a hash will do."""
    return hashed(element_text(value))


def element_text(value: Value) -> bytes:
    """What ``element_key`` is made of, for whoever wants to know which are equal before they are hashed."""
    if type(value) is dict:
        return MAP + _text(value)
    if isinstance(value, Mapping):
        return MAP + _comparable_text(value)
    return order_key(value)[:MAX_KEY_BYTES]


def hashed(text: bytes) -> bytes:
    """The element's key, of its text."""
    return MAP + blake2b(text, digest_size=HASH_BYTES).digest() if text[:1] == MAP else text


def _text(data: dict[str, Value]) -> bytes:
    """Equal for maps that are equal to a query: to it 1 and 1.0 are, and names have no order."""
    if SELF_EVIDENT.issuperset(map(type, data.values())):
        try:
            text = orjson.dumps(data, None, SORTED_OPTIONS)
        except TypeError:  # an operand that no document could hold
            text = b'"$'
        if b'"$' not in text:
            return text
    return _comparable_text(data)


def _comparable_text(data: Mapping[str, Value]) -> bytes:
    try:
        return dump_document(cast("dict[str, Value]", _comparable(data)))[1:]
    except (TypeError, ValueError, OverflowError):  # an operand that no document could hold: it is equal to none
        return order_key(data)


def _comparable(value: Any) -> Value:
    """The one value that stands for all that are equal to it."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and MIN_INT <= value <= MAX_INT else value
    if isinstance(value, Mapping):
        return {name: _comparable(value[name]) for name in sorted(value)}
    if isinstance(value, list | tuple):
        return [_comparable(item) for item in value]
    if isinstance(value, GeoPoint):
        return GeoPoint(value.latitude + 0.0, value.longitude + 0.0)  # not -0.0
    return cast(Value, value)
