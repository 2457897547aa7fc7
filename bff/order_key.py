"""The order of values: Firestore's, over all types.

https://firebase.google.com/docs/firestore/manage-data/data-types#value_type_ordering
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

from bff.types import GeoPoint, Value
from bff.values import microseconds

__all__ = ["order_key", "path_key"]

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


def order_key(value: Value) -> bytes:
    """Bytes that compare as Firestore orders the values themselves, across types too, and are equal for equal values.

    Null < bool < NaN < other numbers (exactly, int and float alike) < datetime < str (as UTF-8) < bytes < GeoPoint <
    list < map. The first byte tells the type: all numbers but NaN share one, the two booleans differ in its last bit.
    """
    kind = type(value)
    if kind is str:
        return TEXT + _terminated(cast(str, value).encode())
    if value is None:
        return NULL
    if value is True:
        return TRUE
    if value is False:
        return FALSE
    match value:
        case int() | float():
            return _number_key(value)
        case datetime():
            return TIME + _pack_unsigned(microseconds(value) + SIGN_64)
        case str():
            return TEXT + _terminated(value.encode())
        case bytes():
            return BYTES + _terminated(value)
        case GeoPoint():
            return GEO + _pack_unsigned(_float_bits(value.latitude)) + _pack_unsigned(_float_bits(value.longitude))
        case Mapping():
            # The keys in order, each followed by its value: pairs are compared first, then how many there are.
            pairs = sorted((order_key(name), order_key(item)) for name, item in value.items())
            return MAP + b"".join(name + item for name, item in pairs) + END
    return ARRAY + b"".join(map(order_key, cast("Sequence[Value]", value))) + END


def _terminated(text: bytes) -> bytes:
    """So that no text is a prefix of another, and what follows a text does not decide before its end does."""
    return text.replace(b"\x00", b"\x00\xff") + END_TEXT


def _float_bits(number: float) -> int:
    """An unsigned integer that compares as the float does (IEEE 754 totalOrder, with -0.0 taken for 0.0)."""
    bits: int = _unpack_unsigned(_pack_float(number + 0.0))[0]
    return bits ^ ALL_64 if bits & SIGN_64 else bits | SIGN_64


def _number_key(number: int | float) -> bytes:
    """The largest float that is not above the number, and how much the number is above it (only for |int| > 2**53)."""
    if isinstance(number, float):
        return NAN if math.isnan(number) else _pack_number(NUMBER, _float_bits(number), 0)
    below = float(number)
    if -MAX_EXACT <= number <= MAX_EXACT:
        return _pack_number(NUMBER, _float_bits(below), 0)
    if int(below) > number:
        below = math.nextafter(below, -math.inf)
    return _pack_number(NUMBER, _float_bits(below), number - int(below))


def path_key(path: str) -> bytes:
    """Bytes that compare as Firestore orders document paths: part by part (``a/z`` < ``a-b/c``, other than as text)."""
    return path.encode().replace(b"/", b"\x00")
