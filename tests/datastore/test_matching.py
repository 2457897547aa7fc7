"""What queries mean, where no datastore is needed to say it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from bff.document import Document
from bff.errors import InvalidQuery
from bff.matching import matches, run
from bff.query import PATH, And, Compare, Cursor, Direction, Op, Or, Order, Query
from bff.testing.datastore_samples import documents, queries
from bff.types import Value

NAN = math.nan
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    ("op", "operand", "value", "expected"),
    [
        (Op.EQ, 1, 1.0, True),
        (Op.EQ, 1, True, False),
        (Op.EQ, 0, -0.0, True),
        (Op.EQ, None, None, True),
        (Op.EQ, NAN, NAN, True),
        (Op.EQ, [NAN, None], [NAN, None], True),
        (Op.NE, 1, None, False),
        (Op.NE, 1, NAN, True),
        (Op.NE, NAN, NAN, False),
        (Op.NE, NAN, None, False),
        (Op.NE, None, 0, True),
        (Op.LT, 5, 4.5, True),
        (Op.LT, 5, NAN, False),
        (Op.GE, NAN, 5, False),
        (Op.LT, 5, "4", False),
        (Op.LT, "5", None, False),
        (Op.GT, False, True, True),
        (Op.LE, 2**53, 2.0**53, True),
        (Op.GT, 2.0**53, 2**53 + 1, True),
        (Op.GT, [None], [1], True),
        (Op.LE, {"a": 1}, {"a": None}, True),
        (Op.IN, [1, "a"], "a", True),
        (Op.IN, [None, NAN], None, False),
        (Op.IN, [None, NAN], NAN, False),
        (Op.IN, [[1]], [1], True),
        (Op.NOT_IN, [1], 2, True),
        (Op.NOT_IN, [1], None, False),
        (Op.NOT_IN, [1, None], 2, False),
        (Op.NOT_IN, [NAN], NAN, True),
        (Op.ARRAY_CONTAINS, 1, [0, 1.0], True),
        (Op.ARRAY_CONTAINS, None, [None], False),
        (Op.ARRAY_CONTAINS, 1, 1, False),
        (Op.ARRAY_CONTAINS, {"a": 1}, [{"a": 1}], True),
        (Op.ARRAY_CONTAINS_ANY, [NAN, 2], [NAN], False),
        (Op.ARRAY_CONTAINS_ANY, [NAN, 2], [2], True),
    ],
)
def test_operators(op: Op, operand: Any, value: Any, expected: bool) -> None:
    assert matches(Compare("v", op, operand), Document("a/b", {"v": value})) is expected


@pytest.mark.parametrize("op", Op)
def test_no_operator_matches_a_document_without_the_field_or_no_document(op: Op) -> None:
    operand: Any = [1, 2] if op in {Op.IN, Op.NOT_IN, Op.ARRAY_CONTAINS_ANY} else 1
    assert not matches(Compare("v", op, operand), Document("a/b", {"w": 1}))
    assert not matches(Compare("v", op, operand), Document("a/b", None))
    assert not matches(None, Document("a/b", None))


def test_and_or() -> None:
    one, two = Compare("v", Op.EQ, 1), Compare("w", Op.EQ, 2)
    both, only_one = Document("a/b", {"v": 1, "w": 2}), Document("a/b", {"v": 1, "w": 3})
    assert matches(And((one, two)), both)
    assert not matches(And((one, two)), only_one)
    assert matches(Or((one, two)), only_one)
    assert not matches(Or((one, two)), Document("a/b", {"v": 2}))


def test_a_path_comes_before_those_that_continue_it_and_after_them_downwards() -> None:
    paths = ["forms/a", "forms/a/forms/x", "forms/a-", "forms/b"]
    found = [Document(path, {"v": 1}) for path in paths]
    asked = [Query("forms", None, (Order("v", direction),), group=True) for direction in Direction]
    assert [document.path for document in run(asked[0], found)] == paths
    assert [document.path for document in run(asked[1], found)] == paths[::-1]


@patient
@given(documents(), queries("c"))
def test_the_results_are_some_of_the_documents_each_once(sample: dict[str, dict[str, Value]], query: Query) -> None:
    stored = [Document(f"c/{id}", data) for id, data in sample.items()]
    found = run(query, [*stored, Document("other/x", {"a": 1}), Document("c/gone", None)])
    paths = [document.path for document in found]
    assert len(paths) == len(set(paths)) <= (query.limit or len(stored))
    assert set(paths) <= {document.path for document in stored}
    assert found == run(query, reversed(stored))


@patient
@given(documents(), queries("c"))
def test_a_cursor_after_each_result_gives_the_rest(sample: dict[str, dict[str, Value]], query: Query) -> None:
    stored = [Document(f"c/{id}", data) for id, data in sample.items()]
    whole = Query("c", query.where, query.order_by)
    found = run(whole, stored)
    for index, document in enumerate(found):
        values: list[Any] = []
        for order in whole.full_order():
            value: Any = document.data
            for name in order.field.split("."):
                value = document.path if order.field == PATH else value[name]
            values.append(value)
        after = Query("c", query.where, query.order_by, start=Cursor(tuple(values)))
        upto = Query("c", query.where, query.order_by, end=Cursor(tuple(values), inclusive=True))
        assert run(after, stored) == found[index + 1 :]
        assert run(upto, stored) == found[: index + 1]


@pytest.mark.parametrize(
    "ask",
    [
        lambda: matches(Compare(PATH, Op.EQ, 1), Document("a/b", {})),
        lambda: matches(Compare(PATH, Op.IN, ["x"]), Document("a/b", {})),
        lambda: matches(Compare(PATH, Op.ARRAY_CONTAINS, "a/b"), Document("a/b", {})),
        lambda: run(Query("a", start=Cursor((1,))), []),
        lambda: Query("a", order_by=(Order(PATH), Order("v"))),
        lambda: Query("a", Compare("v", Op.GT, 1), order_by=(Order(PATH),)),
    ],
)
def test_what_has_no_meaning_is_refused(ask: Any) -> None:
    with pytest.raises(InvalidQuery):
        ask()
