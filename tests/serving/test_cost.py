"""What an operation asks for is counted with the lengths of its lists, and refused before anything of it is read.

CWE-400, CWE-770; https://cheatsheetseries.owasp.org/cheatsheets/GraphQL_Cheat_Sheet.html#query-limiting-depth-amount
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema, parse

from bff.app import App
from bff.resolvers import page
from bff.serving import cost
from bff.serving.cost import Cost
from bff.serving.documents import Documents
from bff.serving.errors import RequestRefused
from bff.serving.limits import Limits
from bff.serving.manifest import PersistedDocument, dump_manifest
from bff.settings import Settings
from bff.testing.harness import AppHarness
from tests.everywhere import EVERYWHERE, FOR_SUBSCRIPTIONS, said
from tests.resolvers.library import MEDIATORS, VIEWS

pytestmark = pytest.mark.anyio

SCHEMA = build_schema("""
interface Named { name: String friends(first: Int): [Person!]! }
type Person implements Named {
  name: String
  tags: [String!]!
  pets: [Pet!]!
  friends(first: Int): [Person!]!
  page(first: Int, last: Int): People!
  called(first: String, last: String): Person
}
type Pet implements Named { name: String friends(first: Int): [Person!]! }
type People { edges: [Edge!]! totalCount: Int! }
type Edge { node: Person! cursor: String! }
union Any = Person | Pet
type Query { me: Person! page(first: Int, last: Int): People! named: [Named!]! any: Any ten(first: Int = 10): [Person!]! }
""")
for owner in (SCHEMA.query_type, SCHEMA.type_map["Person"]):
    owner.fields["page"].extensions["bff.stored"] = True  # type: ignore[union-attr]


def counted(text: str, **variables: Any) -> float:
    document = parse(text)
    operation = Cost(SCHEMA, document, document.definitions[0])  # type: ignore[arg-type]
    return operation.of(variables)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("{ me { name } }", 2),
        ("{ me { name tags } }", 3),
        ("{ me { a: name b: name name name } }", 4),
        ("{ me { pets { name } } }", 2 + 10 * 2),
        # Each person is an edge, a node, and what is shown of it.
        ("{ page(first: 500) { totalCount edges { node { name } } } }", 2 + 1 + 500 * 3),
        ("{ page(last: 7) { edges { node { name } } } }", 2 + 7 * 3),
        ("{ page { edges { cursor } } }", 2 + 50 * 2),
        ("{ page(first: null) { edges { cursor } } }", 2 + 50 * 2),
        ("{ page(first: 0) { edges { cursor } } }", 2),
        # Refused where it is read: no page of bff's own is longer.
        ("{ page(first: 1000000) { edges { cursor } } }", 2 + 500 * 2),
        ("{ ten { name } }", 1 + 10 * 2),
        ("{ me { friends(first: 1000000) { name } } }", 2 + 1_000_000 * 2),
        ('{ me { called(first: "A", last: "B") { pets { name } } } }', 3 + 10 * 2),
        ("{ page(first: 5) { edges { node { page(first: 3) { edges { cursor } } } } } }", 2 + 5 * (2 + 2 + 3 * 2)),
        ("{ a: page(first: 5) { edges { cursor } } b: page(first: 3) { edges { cursor } } }", 2 + 5 * 2 + 2 + 3 * 2),
        ("{ ...F ...F me { name } } fragment F on Query { me { ...G } me { ...G } } fragment G on Person { name tags }", 3),
        ("{ named { name ... on Person { tags } ... on Pet { friends(first: 2) { name } } } }", 1 + 10 * (3 + 1 + 2 * 2)),
        ("{ any { __typename ... on Person { name } ... on Pet { name } } }", 3),
        ("{ __schema { types { name fields { name } } } me { name } }", 3),
    ],
)
def test_what_is_counted(text: str, values: int) -> None:
    assert counted(text) == values


def test_variables_say_how_long_a_page_is() -> None:
    text = "query ($n: Int) { page(first: $n) { edges { cursor } } }"
    assert counted(text, n=7) == 2 + 7 * 2
    assert counted(text) == 2 + 50 * 2
    assert counted(text, n=None) == 2 + 50 * 2


def test_the_pages_are_those_that_are_read() -> None:
    assert (cost.DEFAULT_PAGE, cost.MAX_PAGE) == (page.DEFAULT_PAGE, page.MAX_PAGE)


def test_a_long_list_of_large_views_passes() -> None:
    fields = " ".join(f"f{n}: name" for n in range(20))
    text = "{ page(first: 500) { edges { node { FIELDS } } } }".replace("FIELDS", fields)
    assert counted(text) == 11_002
    Documents(SCHEMA, Limits()).get(text)


def test_what_fragments_could_multiply_is_counted_once() -> None:
    fragments = "".join(f"fragment F{n} on Person {{ ...F{n + 1} ...F{n + 1} name }}" for n in range(60))
    assert counted("{ me { ...F0 } }" + fragments + "fragment F60 on Person { tags }") == 3


@pytest.mark.parametrize(
    "text",
    [
        "{ nothing(first: 500) { at { all } } me { ...Nowhere ... on Nobody { name } } }",
        "{ me { ...F } } fragment F on Nobody { friends(first: 500) { name } }",
        "{ page { totalCount { edges } } me }",
        "{ any { name friends(first: 500) { name } } }",
        "{ page(first: -1, first: 1) { edges { cursor } } page(first: 2.5) { edges { cursor } } }",
        "{ page(first: " + "9" * 5_000 + ") { totalCount } }",
        "{ page(first: -" + "9" * 5_000 + ") { totalCount } }",
        "{ page(first: $nobody) { edges { cursor } } }",
    ],
)
def test_what_is_not_valid_is_counted_and_then_refused_for_that(text: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        Documents(SCHEMA, Limits(), introspection=False).get(text)
    assert refused.value.errors[0]["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED"}
    assert refused.value.limit is None


def test_it_is_refused_when_it_is_parsed_where_no_variable_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is validated, which takes longer than anything else."""
    documents = Documents(SCHEMA, Limits(query_cost=100))
    with monkeypatch.context() as patched:
        patched.setattr("bff.serving.documents.validate", lambda *given, **named: pytest.fail("it was validated"))
        with pytest.raises(RequestRefused) as refused:
            documents.get("{ page(first: 34) { edges { node { name } } } }")
    assert refused.value.limit == "query_cost"
    [error] = refused.value.errors
    assert error["message"] == "104 values are asked for, and may be no more than 100: ask for shorter lists."
    assert error["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED"}
    documents.get("{ page(first: 32) { edges { node { name } } } }")


BOOKS = "query ($n: Int) { bookPages(first: $n) { edges { node { id } } } }"
LIVE = "subscription { bookPages(first: 500) { page { edges { node { id } } } } }"
WRITTEN = 'mutation { bookRetitle(id: "b1", title: "A") { author { books { author { books { id } } } } } }'


@asynccontextmanager
async def library(**limits: int) -> AsyncIterator[AppHarness]:
    made = Settings(datastore_url="sqlite://", broadcast_url="memory://", batch_operations=5, limits=Limits(**limits))
    async with AppHarness(App(views=VIEWS, mediators=MEDIATORS), settings=made) as running:
        yield running


async def refusals(running: AppHarness) -> str:
    return (await running.http.get("/metrics")).text


@pytest.mark.parametrize("transport", EVERYWHERE)
async def test_variables_are_counted_on_every_transport(transport: str) -> None:
    async with library(query_cost=100) as running:
        assert "values are asked for" not in await said(transport, running.app, BOOKS, {"n": 32})
        for _ in range(2):
            refused = await said(transport, running.app, BOOKS, {"n": 33})
            assert "101 values are asked for, and may be no more than 100" in refused
            assert "GRAPHQL_VALIDATION_FAILED" in refused
        assert 'bff_limit_refusals_total{limit="query_cost"} 2' in await refusals(running)


@pytest.mark.parametrize("transport", FOR_SUBSCRIPTIONS)
async def test_subscriptions_are_counted(transport: str) -> None:
    async with library(query_cost=1_000) as running:
        assert "1503 values are asked for" in await said(transport, running.app, LIVE)


@pytest.mark.parametrize("transport", ["POST", "graphql-transport-ws", "single connection", "event stream", "multipart", "batch"])
async def test_mutations_are_counted_before_anything_is_written(transport: str) -> None:
    async with library(query_cost=100) as running:
        assert "values are asked for" in await said(transport, running.app, WRITTEN)


async def test_a_batch_costs_what_all_of_it_costs() -> None:
    async with library(query_cost=100) as running:
        batch = [{"query": BOOKS, "variables": {"n": n}} for n in (10, 20, 30)]
        answers = (await running.http.post("/graphql", json=batch)).json()
        assert ["errors" in answer for answer in answers] == [False, False, True]


async def test_plans_answer_what_cannot_cost_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cost, "of", lambda *given: pytest.fail("it was counted again"))
    async with library() as running:
        for n in (10, 500):
            assert "errors" not in await running.execute(BOOKS, {"n": n})


async def test_trusted_documents_may_cost_anything(tmp_path: Path) -> None:
    manifest = tmp_path / "trusted.json"
    manifest.write_bytes(dump_manifest([PersistedDocument("books", BOOKS)]))
    made = Settings(
        datastore_url="sqlite://", broadcast_url="memory://", trusted_documents=manifest, limits=Limits(query_cost=100)
    )
    async with AppHarness(App(views=VIEWS, mediators=MEDIATORS), settings=made) as running:
        assert "errors" not in await running.execute(BOOKS, {"n": 500})
