"""The scalars that values of documents become: each serialises the stored form (and the Python one) and parses into Python.

How each looks to a client is written in its docstring, which is its GraphQL description too.
"""

# graphene declares serialize, parse_value and parse_literal as None; every scalar overrides them.
# mypy: disable-error-code="override"
from __future__ import annotations

import base64
import binascii
import decimal
import math
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from typing import Any, Final, TypeVar

import graphene
from graphql import FloatValueNode, GraphQLError, Undefined, ValueNode, value_from_ast_untyped

from bff.schema.duration import format_duration, parse_duration
from bff.types import GeoPoint

__all__ = ["JSON", "SPECIFIED_BY", "UUID", "BigInt", "Bytes", "Date", "DateTime", "Decimal", "Duration", "Time"]

T = TypeVar("T")

BIGGEST_SAFE = 2**53 - 1
"""The largest integer that JavaScript numbers, and so most JSON parsers, hold exactly."""

BIGGEST = 2**63 - 1

_MICROSECOND = timedelta(microseconds=1)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_AND_T = re.compile(rf"{_DATE.pattern}[Tt]")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
SPECIFIED_BY: Final[Mapping[str, str]] = {
    "DateTime": "https://scalars.graphql.org/andimarek/date-time.html",
    "Date": "https://scalars.graphql.org/andimarek/local-date.html",
    "UUID": "https://datatracker.ietf.org/doc/html/rfc9562",
}


class _Scalar(graphene.Scalar):
    """A literal is parsed as the variable of the same value is."""

    class Meta:
        abstract = True

    @classmethod
    def parse_value(cls, value: Any) -> Any:
        raise NotImplementedError

    @classmethod
    def parse_literal(cls, node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
        return cls.parse_value(value_from_ast_untyped(node, variables))


def _parse(value: object, make: Callable[[str], T], wanted: str) -> T:
    """What ``make`` makes of a string. Raises GraphQLError, which says what was wanted."""
    if isinstance(value, str):
        try:
            return make(value)
        except (ValueError, ArithmeticError):
            pass
    raise GraphQLError(f"{_shown(value)} is not {wanted}")


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 100 else shown[:97] + "..."


def _aware(text: str) -> datetime:
    # Python reads more of ISO 8601 than RFC 3339 has: weeks, dates without hyphens.
    value = datetime.fromisoformat(text)
    if value.tzinfo is None or not _DATE_AND_T.match(text):
        raise ValueError(text)
    return value


def _day(text: str) -> date:
    if not _DATE.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)


class DateTime(_Scalar):
    """A moment, as RFC 3339 in UTC: `2026-05-01T17:30:00Z`. As an input it needs an offset: `Z`, `+02:00`."""

    @staticmethod
    def serialize(value: object) -> str:
        moment = value if isinstance(value, datetime) else _parse(value, _aware, "a datetime with an offset")
        if moment.tzinfo is None:
            raise GraphQLError(f"the datetime {moment} has no time zone")
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")

    @classmethod
    def parse_value(cls, value: object) -> datetime:
        return _parse(value, _aware, "an RFC 3339 datetime with an offset, such as 2026-05-01T17:30:00Z")


class Date(_Scalar):
    """A day of the calendar, as ISO 8601: `2026-05-01`."""

    @staticmethod
    def serialize(value: object) -> str:
        if isinstance(value, date) and not isinstance(value, datetime):
            return value.isoformat()
        return _parse(value, date.fromisoformat, "a date").isoformat()

    @classmethod
    def parse_value(cls, value: object) -> date:
        return _parse(value, _day, "an ISO 8601 date, such as 2026-05-01")


class Time(_Scalar):
    """A time of the day, as ISO 8601: `17:30:00`."""

    @staticmethod
    def serialize(value: object) -> str:
        return (value if isinstance(value, time) else _parse(value, time.fromisoformat, "a time")).isoformat()

    @classmethod
    def parse_value(cls, value: object) -> time:
        return _parse(value, time.fromisoformat, "an ISO 8601 time, such as 17:30:00")


class Duration(_Scalar):
    """A length of time, as ISO 8601 in weeks, days, hours, minutes and seconds: `PT1H30M`, `P2DT0.5S`, `-PT15M`."""

    @staticmethod
    def serialize(value: object) -> str:
        if isinstance(value, timedelta):
            return format_duration(value // _MICROSECOND)
        if isinstance(value, int) and not isinstance(value, bool):
            return format_duration(value)
        raise GraphQLError(f"{_shown(value)} is not a duration")

    @classmethod
    def parse_value(cls, value: object) -> timedelta:
        return _parse(value, parse_duration, "an ISO 8601 duration of weeks, days, hours, minutes and seconds, such as PT1H30M")


class Decimal(_Scalar):
    """A decimal number, exact, as a string: `"19.90"`. As an input it may be a number too."""

    @staticmethod
    def serialize(value: object) -> str:
        # The stored form is the text itself, which keeps how many decimals were written.
        return str(value if isinstance(value, decimal.Decimal) else _decimal(value))

    @classmethod
    def parse_value(cls, value: object) -> decimal.Decimal:
        return _decimal(value)

    @classmethod
    def parse_literal(cls, node: ValueNode, variables: dict[str, Any] | None = None) -> decimal.Decimal:
        # The digits as they were written: going through a float would change them.
        return _decimal(node.value if isinstance(node, FloatValueNode) else value_from_ast_untyped(node, variables))


def _decimal(value: object) -> decimal.Decimal:
    # Python reads more: spaces around it, underscores in it, digits of other scripts, NaN.
    if isinstance(value, str | int | float) and not isinstance(value, bool) and _NUMBER.fullmatch(str(value)):
        try:
            number = decimal.Decimal(str(value))
        except decimal.InvalidOperation:
            pass
        else:
            if number.is_finite():
                return number
    raise GraphQLError(f'{_shown(value)} is not a decimal number, such as "19.90"')


class UUID(_Scalar):
    """A universally unique identifier: `123e4567-e89b-12d3-a456-426614174000`."""

    @staticmethod
    def serialize(value: object) -> str:
        return str(value if isinstance(value, uuid.UUID) else _parse(value, uuid.UUID, "a UUID"))

    @classmethod
    def parse_value(cls, value: object) -> uuid.UUID:
        return _parse(value, uuid.UUID, "a UUID, such as 123e4567-e89b-12d3-a456-426614174000")


class BigInt(_Scalar):
    """An integer of up to 64 bits. A number where JavaScript holds it exactly (up to 2^53 - 1 either way), a string beyond."""

    @staticmethod
    def serialize(value: object) -> int | str:
        number = _integer(value)
        return number if abs(number) <= BIGGEST_SAFE else str(number)

    @classmethod
    def parse_value(cls, value: object) -> int:
        return _integer(value)


def _integer(value: object) -> int:
    number: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, float) and value.is_integer():
        if abs(value) > BIGGEST_SAFE:
            raise GraphQLError(f"{value!r} came as a floating point number, which does not hold it exactly: send a string")
        number = int(value)
    elif isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,20}", value):
        number = int(value)
    if number is None or not -BIGGEST - 1 <= number <= BIGGEST:
        raise GraphQLError(f"{_shown(value)} is not an integer of up to 64 bits")
    return number


class Bytes(_Scalar):
    """Bytes, as base64 (RFC 4648): `aGVsbG8=`."""

    @staticmethod
    def serialize(value: object) -> str:
        if not isinstance(value, bytes):
            raise GraphQLError(f"{_shown(value)} is not bytes")
        return base64.b64encode(value).decode()

    @classmethod
    def parse_value(cls, value: object) -> bytes:
        if isinstance(value, str):
            try:
                return base64.b64decode(value, validate=True)
            except (binascii.Error, ValueError):
                pass
        raise GraphQLError(f"{_shown(value)} is not base64, such as aGVsbG8=")


class JSON(_Scalar):
    """Any JSON value. Moments in it are RFC 3339 strings, bytes are base64, points are `{latitude, longitude}`."""

    @staticmethod
    def serialize(value: object) -> Any:
        return _json(value)

    @classmethod
    def parse_value(cls, value: object) -> Any:
        return value

    @classmethod
    def parse_literal(cls, node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
        value = value_from_ast_untyped(node, variables)
        if value is Undefined:
            return None
        _json(value)  # raises where it could not be shown again: `1e999` is a literal, and no number
        return value


def _json(value: object) -> Any:
    match value:
        case None | bool() | str():
            return value.value if isinstance(value, Enum) else value
        case int():
            return BigInt.serialize(value)
        case float():
            if not math.isfinite(value):
                raise GraphQLError(f"JSON cannot represent {value}")
            return value
        case datetime():
            return DateTime.serialize(value)
        case bytes():
            return Bytes.serialize(value)
        case GeoPoint():
            return {"latitude": value.latitude, "longitude": value.longitude}
        case Mapping():
            return {str(name): _json(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_json(inner) for inner in value]
    raise GraphQLError(f"JSON cannot represent {_shown(value)}")
