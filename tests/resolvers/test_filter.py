"""Filters mean what they say, ``not`` above all: compared with an evaluation that knows nothing of queries."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.document import Document
from bff.errors import BadUserInput
from bff.matching import matches
from bff.query import And, Compare, Filter, Op, Or
from bff.resolvers.filter import filter_of
from tests.resolvers.library import BookPage, Genre

COMPARISONS = {"eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge}


def holds(given: Mapping[str, Any], book: Mapping[str, Any]) -> bool | None:
    """Whether a filter holds for a book, in SQL's three values: None is neither true nor false."""
    results: list[bool | None] = []
    for name, inner in given.items():
        if name == "and":
            results += [holds(one, book) for one in inner]
        elif name == "or":
            results.append(any_of([holds(one, book) for one in inner]))
        elif name == "not":
            inside = holds(inner, book)
            results.append(None if inside is None else not inside)
        else:
            results += [compared(operator, operand, book[name]) for operator, operand in inner.items()]
    return all_of(results)


def compared(name: str, operand: Any, value: Any) -> bool | None:
    operand = plain(operand)
    if operand is None:
        return (value is None) is (name == "eq")
    if value is None:
        return None
    if name in {"in", "notIn"}:
        return (value in operand) is (name == "in")
    return bool(COMPARISONS[name](value, operand))


def plain(operand: Any) -> Any:
    if isinstance(operand, list):
        return [plain(one) for one in operand]
    return operand.value if isinstance(operand, Genre) else operand


def all_of(results: list[bool | None]) -> bool | None:
    return False if False in results else None if None in results else True


def any_of(results: list[bool | None]) -> bool | None:
    return True if True in results else None if None in results else False


NUMBERS, NOTES, GENRES = st.integers(0, 4), st.sampled_from(["a", "b", "c"]), st.sampled_from(list(Genre))


def comparison(values: st.SearchStrategy[Any], ordered: bool, nullable: bool) -> st.SearchStrategy[dict[str, Any]]:
    names = ["lt", "lte", "gt", "gte"] if ordered else []
    equal = st.none() | values if nullable else values
    several = st.lists(values, min_size=1, max_size=3)
    one = st.one_of(
        st.tuples(st.sampled_from(["eq", "ne"]), equal),
        st.tuples(st.sampled_from(["in", "notIn"]), several),
        *([st.tuples(st.sampled_from(names), values)] if names else []),
    )
    return st.lists(one, min_size=1, max_size=2).map(dict)


FIELDS = st.one_of(
    st.fixed_dictionaries({"pages": comparison(NUMBERS, True, False)}),
    st.fixed_dictionaries({"note": comparison(NOTES, True, True)}),
    st.fixed_dictionaries({"genre": comparison(GENRES, False, False)}),
    st.fixed_dictionaries({"pages": comparison(NUMBERS, True, False), "note": comparison(NOTES, True, True)}),
)
FILTERS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    FIELDS,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"and": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"or": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"not": inner}),
        st.tuples(FIELDS, st.fixed_dictionaries({"not": inner})).map(lambda both: {**both[0], **both[1]}),
    ),
    max_leaves=8,
)
BOOKS = st.fixed_dictionaries({"pages": NUMBERS, "note": st.none() | NOTES, "genre": GENRES.map(lambda genre: genre.value)})


@given(FILTERS, BOOKS)
def test_a_filter_finds_what_it_holds_for(given: dict[str, Any], book: dict[str, Any]) -> None:
    where = filter_of(BookPage, given, ["filter"])
    assert matches(where, Document("BookPage/b", book)) is (holds(given, book) is True)


def eq(name: str, value: Any) -> Filter:
    return Compare(name, Op.EQ, value)


@pytest.mark.parametrize(
    ("given", "where"),
    [
        (None, None),
        ({}, None),
        ({"pages": {}}, None),
        ({"pages": None, "and": None}, None),
        ({"and": [{}]}, None),
        ({"or": [{"pages": {"eq": 1}}, {}]}, None),
        ({"pages": {"eq": 1}}, eq("pages", 1)),
        ({"pages": {"eq": 1}, "or": [{"note": {"eq": "x"}}]}, And((eq("pages", 1), eq("note", "x")))),
        ({"not": {"and": [{"pages": {"ne": 1}}, {"pages": {"ne": 2}}]}}, Or((eq("pages", 1), eq("pages", 2)))),
    ],
)
def test_nothing_more_is_asked_than_is_needed(given: Any, where: Filter | None) -> None:
    assert filter_of(BookPage, given, ["filter"]) == where


@pytest.mark.parametrize("given", [{"not": {}}, {"not": {"pages": {}}}, {"not": {"and": [{}]}}, {"or": []}, {"and": []}])
def test_what_holds_for_nothing_is_refused(given: Any) -> None:
    with pytest.raises(BadUserInput):
        filter_of(BookPage, given, ["filter"])
