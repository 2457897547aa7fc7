"""Documents that would keep validation busy are refused by counting.

CWE-400, CWE-407; https://cheatsheetseries.owasp.org/cheatsheets/GraphQL_Cheat_Sheet.html#query-limiting-depth-amount
What is asserted is which limit refuses: none of these texts reaches graphql-core's validation.
"""

from __future__ import annotations

import pytest
from graphql import build_schema, get_introspection_query

from bff.serving.documents import Documents
from bff.serving.errors import RequestRefused
from bff.serving.limits import Limits

SCHEMA = build_schema("type Query { a: Query b: Query x: Int l(first: Int): [Query] }")


def many(text: str, times: int) -> str:
    return " ".join(text.format(n=n, m=n + 1) for n in range(times))


BOMBS = {
    "aliases": ("{" + many("a{n}: x", 101) + "}", "query_aliases"),
    "aliases in a fragment that is spread again and again": (
        "{" + many("a{n}: a {{ ...F }}", 11) + "} fragment F on Query {" + many("b{n}: x", 9) + "}",
        "query_aliases",
    ),
    "one field again and again": ("{" + many("x", 500) + "}", "query_pairs"),
    "one field with fields again and again": ("{" + many("a {{ x }}", 200) + "}", "query_pairs"),
    "fragments side by side": ("{" + many("...F{n}", 110) + "}" + many("fragment F{n} on Query {{ x }}", 110), "query_pairs"),
    "inline fragments side by side": ("{" + many("... {{ x }}", 150) + "}", "query_pairs"),
    "two to the power of fifteen fields": (
        "{ ...F0 }" + many("fragment F{n} on Query {{ a {{ ...F{m} }} b {{ ...F{m} }} }}", 14) + "fragment F14 on Query { x }",
        "query_fields",
    ),
    "fragments in a circle": (
        "{ ...A } fragment A on Query { a { ...B } } fragment B on Query { a { ...A } }",
        "query_depth",
    ),
    "fields of introspection again and again": ("{ __schema {" + many("queryType {{ name }}", 300) + "} }", "query_pairs"),
    "introspection as a blind": ("{ __schema { x } __schema: a {" + many("x", 500) + "} }", "query_pairs"),
    "introspection doubled": (
        "{ __schema { ...F0 } }"
        + many("fragment F{n} on Q {{ a {{ ...F{m} }} b {{ ...F{m} }} }}", 14)
        + "fragment F14 on Q { x }",
        "query_fields",
    ),
    "directives": ("{ x " + "@skip(if: false) " * 101 + "}", "query_directives"),
    "a long comment": ("#" + "x" * 100_000 + "\n{ x }", "query_characters"),
    "tokens": ("{" + many("y{n}", 2_000) + "}", "query_tokens"),
}


@pytest.mark.parametrize(("text", "limit"), BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_by_its_limit(text: str, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bff.serving.documents.validate", lambda *given, **named: pytest.fail("it was validated"))
    with pytest.raises(RequestRefused) as refused:
        Documents(SCHEMA, Limits()).get(text)
    assert refused.value.limit == limit


def test_what_screens_ask_is_far_from_any_limit() -> None:
    fragments = many("fragment F{n} on Query {{ x a {{ x b {{ x }} }} }}", 20)
    Documents(SCHEMA, Limits()).get(get_introspection_query(input_value_deprecation=True, input_object_one_of=True))
    Documents(SCHEMA, Limits()).get(
        "query Screen {" + many("...F{n}", 20) + " " + many("c{n}: l(first: 20) {{ x a {{ x }} }}", 20) + "}" + fragments
    )


def test_fragments_of_introspection_in_a_circle_end() -> None:
    with pytest.raises(RequestRefused):
        Documents(SCHEMA, Limits()).get("{ __schema { ...A } } fragment A on X { a { ...B } } fragment B on X { a { ...A } }")


def test_a_fragment_that_spreads_itself_is_graphql_cores_to_refuse() -> None:
    with pytest.raises(RequestRefused) as refused:
        Documents(SCHEMA, Limits()).get("{ ...A } fragment A on Query { ...A }")
    assert "within itself" in refused.value.errors[0]["message"]


def test_the_apps_own_documents_are_not_counted() -> None:
    Documents(SCHEMA, Limits()).pin("{" + many("a{n}: x", 500) + "}")
