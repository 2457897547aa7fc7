"""A document that nests too deeply is refused before anything is executed, however it hides that."""

from __future__ import annotations

import time

import pytest
from graphql import build_schema, get_introspection_query

from bff.serving.documents import Documents
from bff.serving.errors import RequestRefused
from bff.serving.limits import Limits

SCHEMA = build_schema("interface Named { name: String } type Query implements Named { me: Query name: String }")


def nested(levels: int, innermost: str = "name") -> str:
    """``levels`` fields within one another."""
    return "{ me " * (levels - 1) + "{ " + innermost + " }" * levels


def refusal(text: str, limit: int = 5) -> dict[str, object]:
    with pytest.raises(RequestRefused) as refused:
        Documents(SCHEMA, Limits(query_depth=limit)).get(text)
    [error] = refused.value.errors
    return error


def test_levels_of_fields_are_counted() -> None:
    documents = Documents(SCHEMA, Limits(query_depth=5))
    documents.get(nested(5))
    error = refusal(nested(6))
    assert error["message"] == "The document nests its fields deeper than 5 levels."
    assert error["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED"}
    assert error["locations"] == [{"line": 1, "column": 1 + nested(6).index("name")}]


def test_fragments_count_where_they_are_spread() -> None:
    fragment = "fragment Two on Query { me { name } }"
    Documents(SCHEMA, Limits(query_depth=5)).get(nested(4, "...Two") + fragment)
    refusal(nested(5, "...Two") + fragment)
    # Deep in one place, and not in the other.
    refusal("{ ...Two " + nested(5, "...Two")[1:] + fragment)
    refusal("{ ... on Named { ... on Query { me { ... { me { me { me { me { name } } } } } } } } }")


def test_fragments_in_fragments_cost_no_more_than_their_text() -> None:
    fragments = "".join(f"fragment F{n} on Query {{ me {{ ...F{n + 1} }} name ...F{n + 1} }}" for n in range(40))
    began = time.monotonic()
    refusal("{ ...F0 } " + fragments + "fragment F40 on Query { name }", limit=30)
    assert time.monotonic() - began < 5, "two to the power of forty paths"


def test_introspection_is_not_counted() -> None:
    Documents(SCHEMA, Limits(query_depth=1)).get(get_introspection_query(input_value_deprecation=True, specified_by_url=True))
    refusal("{ me { __typename } }", limit=1)


def test_however_deep_it_is_the_answer_is_a_refusal() -> None:
    refusal("{ ...on Query " * 600 + "{ name }" + "}" * 600)
    refusal(nested(600))
