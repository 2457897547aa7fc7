"""Parsed documents are kept, within bounds; limits are checked."""

from __future__ import annotations

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


def test_the_kept_texts_are_bounded_together() -> None:
    documents = Documents(SCHEMA, Limits(cached_characters=100))
    long = "{ a }" + " " * 200
    assert documents.get(long) is not documents.get(long)
    short = documents.get("{ a }")
    documents.get("{ b }" + " " * 80)
    assert documents.get("{ a }") is short
    documents.get("{ b }" + " " * 95)
    assert documents.get("{ a }") is not short


def test_refused_documents_are_not_kept() -> None:
    documents = Documents(SCHEMA, Limits(query_tokens=10))
    for text in ("{", "{ nope }", "{ a a a a a a a a a a }"):
        for _ in range(2):
            with pytest.raises(RequestRefused):
                documents.get(text)
    assert documents._kept == {}


def test_a_schema_that_is_not_valid_is_refused_at_start() -> None:
    with pytest.raises(TypeError, match="Query root type"):
        Documents(GraphQLSchema(), Limits())


@pytest.mark.parametrize("value", [0, -1, None, True, float("nan"), "1"])
def test_a_limit_is_a_positive_number(value: object) -> None:
    with pytest.raises(ValueError, match=r"Limits.body_bytes: .* is not a positive number"):
        Limits(body_bytes=value)  # type: ignore[arg-type]
