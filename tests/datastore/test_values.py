"""Stored values: nothing is lost on the way, and the order is total and exact."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from enum import IntEnum, StrEnum
from fractions import Fraction
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import bff.values
from bff.errors import BadUserInput, DocumentTooLarge, InvalidDocument
from bff.order_key import order_key, path_key
from bff.storable import MAX_DOCUMENT_BYTES, check_document, check_path, document_size
from bff.testing.datastore_case import same_value
from bff.testing.datastore_samples import values
from bff.types import GeoPoint
from bff.values import MISSING, changed_fields, dump_document, field_value, load_document, same_data

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

ints = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**53) - 4, -(2**53) + 4), st.integers(2**53 - 4, 2**53 + 4))
floats = st.one_of(st.floats(), ints.map(float), st.floats(-1e20, 1e20))
numbers = st.one_of(ints, floats)
texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    numbers,
    texts,
    st.binary(),
    st.datetimes(timezones=st.just(UTC)),
    st.builds(GeoPoint, st.floats(-90, 90), st.floats(-180, 180)),
)
anything: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)), max_leaves=12
)


@patient
@given(st.dictionaries(texts, anything))
@example({"$map": {"$time": 1}, "$": None, "x": {"$float": "nan"}, "y": [{"$map": {}}]})
@example({"n": 2**63 - 1, "f": 9007199254740993.0, "t": datetime(1, 1, 1, tzinfo=UTC), "u": datetime.max.replace(tzinfo=UTC)})
def test_what_is_dumped_is_loaded_again(data: dict[str, Any]) -> None:
    loaded = load_document(dump_document(data))
    assert same_value(loaded, data)
    assert same_data(loaded, data)
    assert list(loaded) == list(data)


@patient
@given(st.dictionaries(texts, anything))
@example({"a": None, "b": math.nan})
@example({"a": "$b", "b": [{"$": None}], "c": b"$"})
@example({"a": 'x"$y', "t": datetime(2020, 1, 1, tzinfo=UTC), "n": None})
def test_the_short_way_of_dumping_comes_to_the_same_bytes_as_the_long_one(data: dict[str, Any]) -> None:
    tagged: list[bool] = []
    text = orjson.dumps(bff.values._dump_map(data, tagged), option=bff.values.DUMP_OPTIONS)
    assert dump_document(data) == (b"1" if tagged else b"0") + text


@patient
@given(st.dictionaries(st.sampled_from("abc"), anything), st.dictionaries(st.sampled_from("abc"), anything))
def test_data_is_the_same_where_no_field_has_changed(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert same_data(one, other) == bff.values._same(one, other) == (not changed_fields(one, other))
    for name in "abc":
        same = (name in one) == (name in other) and (name not in one or bff.values._same(one[name], other[name]))
        assert (name not in changed_fields(one, other)) == same


confusable = st.sampled_from([0, 1, True, False, 1.0, 0.0, -0.0, math.nan, None, "1", "a", b"a"])
alike: st.SearchStrategy[Any] = st.recursive(
    confusable, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner), max_leaves=4
)


@patient
@given(st.dictionaries(st.sampled_from("ab"), alike), st.dictionaries(st.sampled_from("ab"), alike))
@example({"a": math.nan, "b": [1]}, {"a": float("nan"), "b": [2]})
@example({"a": [math.nan]}, {"a": [float("nan")]})
@example({"a": [1, "x"]}, {"a": [True, "x"]})
@example({"a": (1, 2)}, {"a": [1, 2]})
def test_values_that_are_equal_to_python_alone_are_told_apart(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert same_data(one, other) == bff.values._same(one, other) == (not changed_fields(one, other))


WRONG: list[dict[str, Any]] = [
    {"__x__": 1},
    {"": 1},
    {"a": {"": 1}},
    {"a": [[1]]},
    {"a": [{"b": ((1,),)}]},
    {"a": 2**63},
    {"a": [-(2**63) - 1]},
    {"a": datetime(2020, 1, 1)},
    {"a": "\ud800"},
    {"\ud800": 1},
    {"a": {1: 1}},
    {"a": {1, 2}},
    {"a": UUID(int=1)},
    {"a": date(2020, 1, 1)},
    {"é" * 751: 1},
]


@pytest.mark.parametrize("data", WRONG, ids=ascii)
def test_what_cannot_be_stored_is_refused(data: dict[str, Any]) -> None:
    for wrong in (data, {"t": datetime(2020, 1, 1, tzinfo=UTC), "m": {"l": [data]}}):
        with pytest.raises(InvalidDocument, match=r"^a/b: "):
            check_document("a/b", wrong)


def test_what_is_nested_too_deep_is_refused() -> None:
    data: dict[str, Any] = {}
    for _ in range(20):
        data = {"a": data}
    check_document("a/b", data)
    with pytest.raises(InvalidDocument, match="20 levels"):
        check_document("a/b", {"a": data})


def test_subclasses_are_stored_as_what_they_are_of() -> None:
    class Colour(StrEnum):
        RED = "red"

    class Size(IntEnum):
        BIG = 3

    data: dict[str, Any] = {"c": Colour.RED, "s": Size.BIG, "m": {Colour.RED: 1}, "l": (1, 2)}
    check_document("a/b", data)
    loaded = load_document(dump_document(data))
    assert loaded == {"c": "red", "s": 3, "m": {"red": 1}, "l": [1, 2]}
    assert type(loaded["c"]) is str
    assert type(loaded["s"]) is int


def exact(number: float) -> tuple[int, Fraction]:
    if isinstance(number, float) and not math.isfinite(number):
        return (0, Fraction(0)) if math.isnan(number) else (1, Fraction(0)) if number < 0 else (3, Fraction(0))
    return (2, Fraction(number))


@patient
@given(numbers, numbers)
@example(2**53, 2.0**53)
@example(2**53 + 1, 2.0**53)
@example(-(2**53) - 1, -(2.0**53))
@example(2**63 - 1, 2.0**63)
@example(-(2**63), -(2.0**63))
@example(0, -0.0)
@example(5e-324, 0)
def test_numbers_are_compared_exactly_whether_int_or_float(one: float, other: float) -> None:
    assert (order_key(one) < order_key(other)) == (exact(one) < exact(other))
    assert (order_key(one) == order_key(other)) == (exact(one) == exact(other))


@patient
@given(texts, texts)
def test_texts_are_in_the_order_of_their_utf8(one: str, other: str) -> None:
    assert (order_key(one) < order_key(other)) == (one.encode() < other.encode())


@patient
@given(st.binary(), st.binary())
def test_bytes_are_in_their_own_order(one: bytes, other: bytes) -> None:
    assert (order_key(one) < order_key(other)) == (one < other)


@patient
@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_moments_are_in_the_order_of_time(one: datetime, other: datetime) -> None:
    assert (order_key(one) < order_key(other)) == (one < other)


def test_a_moment_is_one_value_in_every_zone() -> None:
    moment = datetime(2024, 5, 1, 12, tzinfo=UTC)
    assert order_key(moment) == order_key(moment.astimezone(timezone(timedelta(hours=-7))))


@patient
@given(st.lists(numbers, max_size=4), st.lists(numbers, max_size=4))
def test_arrays_are_compared_element_by_element_and_then_by_length(one: list[float], other: list[float]) -> None:
    assert (order_key(one) < order_key(other)) == ([exact(n) for n in one] < [exact(n) for n in other])


@patient
@given(st.dictionaries(texts, ints, max_size=3), st.dictionaries(texts, ints, max_size=3))
def test_maps_are_compared_pair_by_pair_in_the_order_of_their_names(one: dict[str, int], other: dict[str, int]) -> None:
    def pairs(data: dict[str, int]) -> list[tuple[bytes, int]]:
        return sorted((name.encode(), value) for name, value in data.items())

    assert (order_key(one) < order_key(other)) == (pairs(one) < pairs(other))


def test_types_are_in_the_order_of_firestore() -> None:
    small: list[Any] = [None, False, True, math.nan, -math.inf, -1, 0, 0.5, 1, math.inf, datetime(1, 1, 1, tzinfo=UTC)]
    middle: list[Any] = ["", "a", b"", b"a", GeoPoint(-90, 0), GeoPoint(0, -1), GeoPoint(0, 0)]
    large: list[Any] = [[], [None], [1], [1, None], {}, {"a": 1}, {"a": 1, "b": 0}, {"b": 0}]
    ordered = [*small, *middle, *large]
    keys = [order_key(value) for value in ordered]
    assert keys == sorted(set(keys))


@patient
@given(anything, anything)
def test_no_key_is_the_beginning_of_another(one: Any, other: Any) -> None:
    left, right = order_key(one), order_key(other)
    assert left == right or not right.startswith(left)


@patient
@given(values(), values())
def test_equal_values_are_those_whose_keys_are_equal(one: Any, other: Any) -> None:
    if same_value(one, other):
        assert order_key(one) == order_key(other)


def test_one_is_one_and_true_is_not() -> None:
    assert order_key(1) == order_key(1.0) != order_key(True)
    assert order_key([1, {"a": -0.0}]) == order_key([1.0, {"a": 0}])
    assert not same_data({"a": 1}, {"a": 1.0})
    assert not same_data({"a": 1}, {"a": True})
    assert same_data({"a": math.nan, "b": 1}, {"b": 1, "a": math.nan})


def test_paths_are_compared_part_by_part() -> None:
    paths = ["a/b", "a/b/c/d", "a/b/c-/d", "a/b-", "a-/b"]
    paths.reverse()
    assert sorted(paths, key=path_key) == paths[::-1]


def test_dots_reach_into_maps() -> None:
    data: dict[str, Any] = {"a": {"b": {"c": None}}, "x": 1, "a.b": 2}
    assert field_value(data, "a.b.c") is None
    assert field_value(data, "a.b") == {"c": None}
    assert field_value(data, "x.y") is MISSING
    assert field_value(data, "a.z") is MISSING
    assert field_value(data, "nothing") is MISSING


@pytest.mark.parametrize("path", ["", "a", "a/", "a/b/c", "/a", "a//b/c", "a/.", "a/..", "a/__x__", "a/b\x00", "a/" + "x" * 1501])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(BadUserInput):
        check_path(path)


def test_a_path_has_at_most_six_kibibytes() -> None:
    assert check_path("/".join(["x" * 1000] * 6))
    with pytest.raises(BadUserInput, match="6144"):
        check_path("/".join(["x" * 1200] * 6))


def test_a_document_is_as_large_as_firestore_says() -> None:
    """The example of https://firebase.google.com/docs/firestore/storage-size: 147 bytes."""
    data: dict[str, Any] = {"type": "Personal", "done": False, "priority": 1, "description": "Learn Cloud Firestore"}
    assert document_size("users/jeff/tasks/my_task_id", data) == 147


def test_a_document_of_one_mebibyte_is_not_too_large() -> None:
    room = MAX_DOCUMENT_BYTES - document_size("a/b", {"x": ""})
    check_document("a/b", {"x": "x" * room})
    with pytest.raises(DocumentTooLarge, match="1,048,577 bytes is over the limit of 1,048,576"):
        check_document("a/b", {"x": "x" * (room + 1)})


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(InvalidDocument, match=r"^a/b: tags\[1\]\.size: 9223372036854775808 is beyond 64 bits$"):
        check_document("a/b", {"tags": [1, {"size": 2**63}]})
