"""Scalars serialise what is stored and what Python has, and parse what clients send, literals as variables."""

from __future__ import annotations

import decimal
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import graphene
import pytest
from graphql import GraphQLError, parse_value
from hypothesis import given
from hypothesis import strategies as st

from bff.schema.scalars import JSON, UUID, BigInt, Bytes, Date, DateTime, Decimal, Duration, Time
from bff.types import GeoPoint

ID = "123e4567-e89b-12d3-a456-426614174000"


@pytest.mark.parametrize(
    ("scalar", "value", "shown"),
    [
        (DateTime, datetime(2026, 5, 1, 17, 30, tzinfo=UTC), "2026-05-01T17:30:00Z"),
        (DateTime, datetime(2026, 5, 1, 17, 30, 0, 1, tzinfo=timezone(timedelta(hours=2))), "2026-05-01T15:30:00.000001Z"),
        (Date, "2026-05-01", "2026-05-01"),
        (Date, date(2026, 5, 1), "2026-05-01"),
        (Time, "17:30:00", "17:30:00"),
        (Time, time(17, 30, 0, 5), "17:30:00.000005"),
        (Duration, 5_400_000_000, "PT1H30M"),
        (Duration, timedelta(days=2, microseconds=500_000), "P2DT0.5S"),
        (Duration, 0, "PT0S"),
        (Duration, -1, "-PT0.000001S"),
        (Decimal, "19.90", "19.90"),
        (Decimal, decimal.Decimal("1E+3"), "1E+3"),
        (UUID, ID, ID),
        (UUID, uuid.UUID(ID), ID),
        (BigInt, 2**53 - 1, 2**53 - 1),
        (BigInt, 2**53, "9007199254740992"),
        (BigInt, -(2**63), "-9223372036854775808"),
        (Bytes, b"hello", "aGVsbG8="),
        (
            JSON,
            {"at": datetime(2026, 5, 1, tzinfo=UTC), "raw": b"\x00", "where": GeoPoint(1, 2), "n": [1, 2.5, None, True, 2**60]},
            {
                "at": "2026-05-01T00:00:00Z",
                "raw": "AA==",
                "where": {"latitude": 1, "longitude": 2},
                "n": [1, 2.5, None, True, str(2**60)],
            },
        ),
    ],
)
def test_serialises(scalar: Any, value: object, shown: object) -> None:
    assert scalar.serialize(value) == shown


@pytest.mark.parametrize(
    ("scalar", "literal", "value"),
    [
        (DateTime, '"2026-05-01T17:30:00Z"', datetime(2026, 5, 1, 17, 30, tzinfo=UTC)),
        (DateTime, '"2026-05-01T17:30:00.25+02:00"', datetime(2026, 5, 1, 15, 30, 0, 250_000, tzinfo=UTC)),
        (Date, '"2026-05-01"', date(2026, 5, 1)),
        (Time, '"17:30"', time(17, 30)),
        (Duration, '"P1W"', timedelta(weeks=1)),
        (Duration, '"-P1DT1,5S"', -timedelta(days=1, seconds=1.5)),
        (Decimal, '"19.90"', decimal.Decimal("19.90")),
        (Decimal, "0.1000000000000000000000001", decimal.Decimal("0.1000000000000000000000001")),
        (Decimal, "3", decimal.Decimal(3)),
        (UUID, f'"{ID}"', uuid.UUID(ID)),
        (BigInt, "9007199254740993", 9007199254740993),
        (BigInt, '"-9223372036854775808"', -(2**63)),
        (Bytes, '"aGVsbG8="', b"hello"),
        (JSON, '{a: [1, "b", null, {c: 2.5}], d: ENUM}', {"a": [1, "b", None, {"c": 2.5}], "d": "ENUM"}),
    ],
)
def test_parses_a_literal(scalar: Any, literal: str, value: object) -> None:
    assert scalar.parse_literal(parse_value(literal)) == value


@pytest.mark.parametrize(
    ("scalar", "given", "problem"),
    [
        (DateTime, "2026-05-01T17:30:00", "with an offset"),
        (DateTime, "2026-05-01", "with an offset"),
        (DateTime, 12, "with an offset"),
        (Date, "1.5.2026", "ISO 8601 date"),
        (Time, "25:00", "ISO 8601 time"),
        (Duration, "P1Y", "ISO 8601 duration"),
        (Duration, "P", "ISO 8601 duration"),
        (Duration, "P99999999999D", "ISO 8601 duration"),
        (Decimal, "NaN", "not a decimal number"),
        (Decimal, True, "not a decimal number"),
        (Decimal, "12,5", "not a decimal number"),
        (Decimal, "1_000", "not a decimal number"),
        (Decimal, " 1 ", "not a decimal number"),
        (Decimal, "\u0661\u0662", "not a decimal number"),
        (DateTime, "2020-W01-1T00:00:00Z", "not an RFC 3339 datetime"),
        (DateTime, "20200101T00:00:00Z", "not an RFC 3339 datetime"),
        (Date, "2020-W01-1", "not an ISO 8601 date"),
        (Date, "20200101", "not an ISO 8601 date"),
        (UUID, "12", "not a UUID"),
        (BigInt, 2**63, "up to 64 bits"),
        (BigInt, "9" * 5000, "up to 64 bits"),
        (BigInt, 1e17, "does not hold it exactly"),
        (BigInt, True, "up to 64 bits"),
        (BigInt, 1.5, "up to 64 bits"),
        (Bytes, "a", "not base64"),
        (Bytes, "ä", "not base64"),
    ],
)
def test_refuses(scalar: Any, given: object, problem: str) -> None:
    with pytest.raises(GraphQLError, match=problem):
        scalar.parse_value(given)


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        (DateTime, datetime(2026, 5, 1)),
        (JSON, float("nan")),
        (JSON, object()),
        (Bytes, "text"),
        (Duration, "soon"),
        (BigInt, "x"),
    ],
)
def test_does_not_serialise_what_it_cannot_hold(scalar: Any, value: object) -> None:
    with pytest.raises(GraphQLError):
        scalar.serialize(value)


@given(st.timedeltas())
def test_every_duration_comes_back(length: timedelta) -> None:
    assert Duration.parse_value(Duration.serialize(length)) == length
    assert Duration.serialize(length // timedelta(microseconds=1)) == Duration.serialize(length)


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_big_integer_comes_back(number: int) -> None:
    assert BigInt.parse_value(BigInt.serialize(number)) == number


@given(st.datetimes(timezones=st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)))))
def test_every_moment_comes_back(moment: datetime) -> None:
    try:
        shown = DateTime.serialize(moment)
    except OverflowError:
        return  # The first or the last day of the calendar, in another zone.
    assert DateTime.parse_value(shown) == moment


def test_a_scalar_is_described_by_its_docstring() -> None:
    assert issubclass(Duration, graphene.Scalar)
    assert "ISO 8601" in Duration._meta.description
