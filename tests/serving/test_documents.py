"""Parsed documents are kept, within bounds; limits are checked."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from graphql import GraphQLSchema, build_schema

from bff.serving.documents import Documents
from bff.serving.errors import RequestRefused
from bff.serving.limits import Limits

SCHEMA = build_schema("type Query { a: Int b: Int }")


def test_a_document_is_parsed_once() -> None:
    documents = Documents(SCHEMA, Limits())
    assert documents.get("{ a }") is documents.get("{ a }")


def test_the_least_recently_used_document_goes() -> None:
    documents = Documents(SCHEMA, Limits(cached_documents=2))
    a, b = documents.get("{ a }"), documents.get("{ b }")
    assert documents.get("{ a }") is a
    documents.get("{ a b }")
    assert documents.get("{ a }") is a
    assert documents.get("{ b }") is not b


def test_what_nobody_asks_again_drives_out_nothing_that_somebody_does() -> None:
    documents = Documents(SCHEMA, Limits(cached_documents=100, cached_characters=1_000))
    asked = [documents.get(f"{{ a{number}: a }}") for number in range(20)]
    for document in asked:
        assert documents.get(document.text) is document
    for number in range(200):
        documents.get(f"{{ b{number}: b }}")
        assert documents._characters == sum(one.characters for one in documents._kept.values())
        assert documents._characters_asked_once == sum(one.characters for one in documents._asked_once.values())
        assert documents._characters + documents._characters_asked_once <= 1_000
    for document in asked:
        assert documents.known(document.text) is document


def test_a_document_keeps_no_tokens() -> None:
    documents = Documents(SCHEMA, Limits(cached_documents=1))
    first = weakref.ref(documents.get("{ a b }").node)
    gc.collect()  # of what validating it has left
    gc.disable()
    try:
        documents.get("{ b }")
        assert first() is None, "it is let go of without a garbage collection"
    finally:
        gc.enable()


def test_the_kept_texts_are_bounded_together() -> None:
    documents = Documents(SCHEMA, Limits(cached_characters=100))
    long = "{ a }" + " " * 200
    assert documents.get(long) is not documents.get(long)
    short = documents.get("{ a }")
    documents.get("{ b }" + " " * 80)
    assert documents.get("{ a }") is short
    documents.get("{ b }" + " " * 95)
    assert documents.get("{ a }") is not short


class Heavy:
    """A plan that tells its weight."""

    weight = 60

    def variables(self, given: Any) -> None:
        return None

    def answer(self, variables: Any, principal: Any = None) -> None:
        return None


class OfOne:
    def __init__(self, plan: Any) -> None:
        self._plan = plan

    def plan(self, document: Any, operation: Any) -> Any:
        return self._plan


def test_plans_count_too() -> None:
    documents = Documents(SCHEMA, Limits(cached_characters=100), plans=OfOne(Heavy()))
    a, b = documents.get("{ a }" + " " * 20), documents.get("{ b }")
    assert a.choose(None).plan is a.choose(None).plan is not None
    assert documents.get(a.text) is a
    assert documents.get("{ b }") is b
    assert documents._characters == 90
    assert b.choose(None).plan is not None
    assert documents.known(a.text) is None, "both with their plans are too much"
    assert documents.known("{ b }") is b
    assert documents._characters == b.characters == 65


def test_a_plan_that_does_not_tell_its_weight_counts_as_its_document() -> None:
    class Untold:
        variables = Heavy.variables
        answer = Heavy.answer

    documents = Documents(SCHEMA, Limits(), plans=OfOne(Untold()))
    assert documents.get("{ a }").choose(None).plan is not None
    assert documents._characters + documents._characters_asked_once == 10


def test_an_operation_whose_plan_cannot_be_made_has_none(caplog: pytest.LogCaptureFixture) -> None:
    class Failing:
        def plan(self, document: Any, operation: Any) -> Any:
            raise KeyError("secret")

    operation = Documents(SCHEMA, Limits(), plans=Failing()).get("{ a }").choose(None)
    assert operation.plan is operation.plan is None
    assert caplog.text.count("no plan could be made") == 1


def test_refused_documents_are_not_kept() -> None:
    documents = Documents(SCHEMA, Limits(query_tokens=10))
    for text in ("{", "{ nope }", "{ a a a a a a a a a a }"):
        for _ in range(2):
            with pytest.raises(RequestRefused):
                documents.get(text)
    assert documents._kept == documents._asked_once == {}


def test_a_schema_that_is_not_valid_is_refused_at_start() -> None:
    with pytest.raises(TypeError, match="Query root type"):
        Documents(GraphQLSchema(), Limits())


@pytest.mark.parametrize("value", [0, -1, None, True, float("nan"), "1"])
def test_a_limit_is_a_positive_number(value: object) -> None:
    with pytest.raises(ValueError, match=r"Limits.body_bytes: .* is not a positive number"):
        Limits(body_bytes=value)  # type: ignore[arg-type]
