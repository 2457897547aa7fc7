"""How single values are stored: numbers, text, times, identifiers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from math import isfinite
from typing import Any
from uuid import UUID

from bff.model.shape import CodecError, Shape, expected
from bff.types import GeoPoint, Value

__all__ = ["FINITE", "SCALARS", "EnumShape", "IntShape", "LiteralShape", "ScalarShape"]

_MICROSECOND = timedelta(microseconds=1)
_UTC = UTC


class ScalarShape(Shape):
    """A value that is stored by one function and read back by another."""

    filterable = True

    def __init__(
        self,
        name: str,
        encode: Callable[[Any], Value],
        decode: Callable[[Any], Any],
        *,
        ordered: bool = True,
        as_is: type | None = None,
    ) -> None:
        self.stored_as = name
        self.as_is = frozenset() if as_is is None else frozenset({as_is})
        self._encode = encode
        self._decode = decode
        self.ordered = ordered

    def encode(self, value: Any) -> Value:
        return self._encode(value)

    def decode(self, stored: Any) -> Any:
        return self._decode(stored)

    @property
    def decoder(self) -> Callable[[Any], Any]:
        return self._decode


class IntShape(Shape):
    """An integer of so many bits."""

    ordered = True
    filterable = True

    def __init__(self, bits: int) -> None:
        self._bound = 1 << (bits - 1)
        self._remedy = "annotate BigInt (bff.BigInt)" if bits == 32 else "store it as a str or a Decimal"
        self._bits = bits
        self.stored_as = str(bits)

    def encode(self, value: Any) -> Value:
        if not isinstance(value, int) or isinstance(value, bool):
            raise expected("int", value)
        if not -self._bound <= value < self._bound:
            raise CodecError(f"{value} does not fit into {self._bits} bits; {self._remedy}")
        return int(value)

    def decode(self, stored: Any) -> int:
        if type(stored) is not int:
            raise expected("int", stored)
        return stored


class EnumShape(Shape):
    """A member of an Enum, stored as its value."""

    ordered = True
    filterable = True

    def __init__(self, enum: type[Enum]) -> None:
        self._enum = enum
        self._members: dict[Any, Enum] = {member.value: member for member in enum}
        self.stored_as = f"{enum.__name__} {[member.value for member in enum]!r}"

    def encode(self, value: Any) -> Value:
        if not isinstance(value, self._enum):
            raise expected(self._enum.__name__, value)
        stored: Value = value._value_
        return stored

    def decode(self, stored: Any) -> Enum:
        try:
            return self._members[stored]
        except (KeyError, TypeError):  # one that the class itself may know what to do about
            pass
        try:
            return self._enum(stored)
        except ValueError:
            raise expected(f"a value of {self._enum.__name__}", stored) from None


class LiteralShape(Shape):
    """One of some values, stored as it is (members of an Enum as their value)."""

    ordered = True
    filterable = True

    def __init__(self, values: tuple[Any, ...]) -> None:
        self._values = values
        self._stored: list[Value] = [value.value if isinstance(value, Enum) else value for value in values]
        self._expected = "one of " + ", ".join(repr(value) for value in values)
        self.stored_as = self._expected

    def encode(self, value: Any) -> Value:
        return self._stored[self._position(self._values, value)]

    def decode(self, stored: Any) -> Any:
        return self._values[self._position(self._stored, stored)]

    def _position(self, values: Any, value: Any) -> int:
        for position, known in enumerate(values):
            # 1, 1.0 and True are equal, and not the same literal.
            if type(known) is type(value) and known == value:
                return position
        raise expected(self._expected, value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise expected("str", value)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise CodecError("text is valid Unicode: it has half of a surrogate pair") from None
    return str.__str__(value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise expected("bool", value)
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise expected("float", value)
    try:
        return float(value)
    except OverflowError:
        raise CodecError(f"{value} is too large for a float") from None


def _finite(value: Any) -> float:
    """A float that GraphQL has (https://spec.graphql.org/October2021/#sec-Float.Result-Coercion). Raises CodecError."""
    number = _number(value)
    if not isfinite(number):
        raise CodecError(f"{number} is no number that clients can be shown; give None, or a number")
    return number


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise expected("bytes", value)
    return value


def _moment(value: Any) -> datetime:
    if not isinstance(value, datetime):
        raise expected("datetime", value)
    if value.utcoffset() is None:
        raise CodecError(f"{value!r} has no time zone; use an aware one, e.g. datetime.now(UTC)")
    try:
        return value.astimezone(_UTC)
    except OverflowError:
        raise CodecError(f"{value!r} is out of range in UTC") from None


def _geo_point(value: Any) -> GeoPoint:
    if not isinstance(value, GeoPoint):
        raise expected("GeoPoint", value)
    return value


def _nothing(value: Any) -> None:
    if value is not None:
        raise expected("None", value)


def _encode_date(value: Any) -> str:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise expected("date", value)
    return value.isoformat()


def _encode_time(value: Any) -> str:
    if not isinstance(value, time):
        raise expected("time", value)
    if value.tzinfo is not None and value.utcoffset() is None:
        raise CodecError(f"{value!r} has a time zone without a fixed offset; use a naive time or a fixed offset")
    return value.isoformat()


def _encode_timedelta(value: Any) -> int:
    if not isinstance(value, timedelta):
        raise expected("timedelta", value)
    microseconds = value // _MICROSECOND
    if not -(1 << 63) <= microseconds < 1 << 63:
        raise CodecError(f"{value!r} does not fit into 64 bits of microseconds")
    return microseconds


def _decode_timedelta(stored: Any) -> timedelta:
    if type(stored) is not int:
        raise expected("timedelta in microseconds", stored)
    return timedelta(microseconds=stored)


def _encode_decimal(value: Any) -> str:
    if not isinstance(value, Decimal):
        raise expected("Decimal", value)
    return str(value)


def _encode_uuid(value: Any) -> str:
    if not isinstance(value, UUID):
        raise expected("UUID", value)
    return str(value)


def _from_text(what: str, read: Callable[[str], Any]) -> Callable[[Any], Any]:
    def decode(stored: Any) -> Any:
        if not isinstance(stored, str):
            raise expected(f"{what} as text", stored)
        try:
            return read(stored)
        except (ValueError, InvalidOperation):
            raise expected(f"{what} as text", stored) from None

    return decode


SCALARS: dict[Any, Shape] = {
    str: ScalarShape("str", _text, _text, as_is=str),
    bool: ScalarShape("bool", _boolean, _boolean, as_is=bool),
    float: ScalarShape("float", _number, _number, as_is=float),
    bytes: ScalarShape("bytes", _bytes, _bytes, as_is=bytes),
    datetime: ScalarShape("datetime", _moment, _moment),
    GeoPoint: ScalarShape("GeoPoint", _geo_point, _geo_point, as_is=GeoPoint),
    type(None): ScalarShape("None", _nothing, _nothing, as_is=type(None)),
    date: ScalarShape("date", _encode_date, _from_text("a date", date.fromisoformat)),
    time: ScalarShape("time", _encode_time, _from_text("a time", time.fromisoformat)),
    timedelta: ScalarShape("timedelta", _encode_timedelta, _decode_timedelta),
    # As text a Decimal keeps every digit and its scale, and loses its order: "10" < "9".
    Decimal: ScalarShape("Decimal", _encode_decimal, _from_text("a Decimal", Decimal), ordered=False),
    UUID: ScalarShape("UUID", _encode_uuid, _from_text("a UUID", UUID)),
}

FINITE = ScalarShape("float", _finite, _finite)
"""A view's float."""
