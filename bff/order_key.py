"""The order of values: Firestore's, over all types.

https://firebase.google.com/docs/firestore/manage-data/data-types#value_type_ordering
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import cast

from bff.types import GeoPoint, Value
from bff.values import microseconds

__all__ = ["array_key", "map_key", "order_key", "path_key"]

NULL, FALSE, TRUE, NAN, NUMBER, TIME, TEXT, BYTES, GEO, ARRAY, MAP = (
    b"\x10", b"\x20", b"\x21", b"\x30", b"\x31", b"\x40", b"\x50", b"\x60", b"\x80", b"\x90", b"\xa0",
)  # fmt: skip
END = b"\x00"
END_TEXT = b"\x00\x01"
SIGN_64 = 1 << 63
ALL_64 = (1 << 64) - 1
MAX_EXACT = 2**53
_pack_float = struct.Struct(">d").pack
_unpack_unsigned = struct.Struct(">Q").unpack
_pack_unsigned = struct.Struct(">Q").pack
_pack_number = struct.Struct(">cQH").pack
_pack_exact = struct.Struct(">cdH").pack


def order_key(value: Value) -> bytes:
    """Bytes that compare as Firestore orders the values themselves, across types too, and are equal for equal values.

    Null < bool < NaN < other numbers (exactly, int and float alike) < datetime < str (as UTF-8) < bytes < GeoPoint <
    list < map. The first byte tells the type: all numbers but NaN share one, the two booleans differ in its last bit.
    """
    kind = type(value)
    if kind is str:
        return TEXT + cast(str, value).encode().replace(b"\x00", b"\x00\xff") + END_TEXT
    if kind is int:
        return _int_key(cast(int, value))
    if kind is dict:
        return _map_key(cast("dict[str, Value]", value))
    if kind is list:
        return array_key(map(order_key, cast("list[Value]", value)))
    return _key(value)


def _key(value: Value) -> bytes:
    match value:
        case None:
            return NULL
        case bool():
            return TRUE if value else FALSE
        case float():
            return NAN if math.isnan(value) else _pack_number(NUMBER, _float_bits(value), 0)
        case int():
            return _int_key(value)
        case datetime():
            return TIME + _pack_unsigned(microseconds(value) + SIGN_64)
        case str():
            return TEXT + _terminated(value.encode())
        case bytes():
            return BYTES + _terminated(value)
        case GeoPoint():
            return GEO + _pack_unsigned(_float_bits(value.latitude)) + _pack_unsigned(_float_bits(value.longitude))
        case Mapping():
            return _map_key(value)
    return array_key(map(order_key, cast("Sequence[Value]", value)))


def array_key(keys: Iterable[bytes]) -> bytes:
    """The order key of an array, of the keys of its items."""
    return ARRAY + b"".join(keys) + END


def map_key(keys: Iterable[bytes]) -> bytes:
    """The order key of a map: of the keys of its names, sorted, each followed by the key of its value.

    Pairs are compared first, then how many there are. Names sort as their keys do: Python compares text by code points, and
    UTF-8 keeps their order.
    """
    return MAP + b"".join(keys) + END


def _map_key(data: Mapping[str, Value]) -> bytes:
    keys: list[bytes] = []
    for name in sorted(data):
        item = data[name]
        keys.append(TEXT + name.encode().replace(b"\x00", b"\x00\xff") + END_TEXT)
        keys.append(order_key(item))
    return map_key(keys)


def _terminated(text: bytes) -> bytes:
    """So that no text is a prefix of another, and what follows a text does not decide before its end does."""
    return text.replace(b"\x00", b"\x00\xff") + END_TEXT


def _float_bits(number: float) -> int:
    """An unsigned integer that compares as the float does (IEEE 754 totalOrder, with -0.0 taken for 0.0)."""
    bits: int = _unpack_unsigned(_pack_float(number + 0.0))[0]
    return bits ^ ALL_64 if bits & SIGN_64 else bits | SIGN_64


def _int_key(number: int) -> bytes:
    """The largest float that is not above the number, and how much the number is above it (only for |int| > 2**53)."""
    if 0 <= number <= MAX_EXACT:
        return _pack_exact(NUMBER, -float(number), 0)  # the bits of the positive float, with the sign bit set
    below = float(number)
    if -MAX_EXACT <= number < 0:
        return _pack_number(NUMBER, _float_bits(below), 0)
    if int(below) > number:
        below = math.nextafter(below, -math.inf)
    return _pack_number(NUMBER, _float_bits(below), number - int(below))


def path_key(path: str) -> bytes:
    """Bytes that compare as Firestore orders document paths: part by part (``a/z`` < ``a-b/c``, other than as text)."""
    return path.encode().replace(b"/", b"\x00")
