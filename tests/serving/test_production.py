"""In production, no transport tells of the schema: no introspection, no suggestion, no explorer.

CWE-200, CWE-209; https://cheatsheetseries.owasp.org/cheatsheets/GraphQL_Cheat_Sheet.html#introspection-graphiql
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bff.app import App
from bff.settings import Settings
from bff.testing.harness import AppHarness
from tests.everywhere import EVERYWHERE, FOR_SUBSCRIPTIONS, said
from tests.resolvers.library import MEDIATORS, VIEWS

pytestmark = pytest.mark.anyio

LEAKS: dict[str, tuple[str, dict[str, Any]]] = {
    "a field": ("{ bookPage(id: 1) { titel } }", {}),
    "a field of the root": ("{ bookPagee(id: 1) { title } }", {}),
    "an argument": ("{ bookPages(frist: 1) { totalCount } }", {}),
    "a type": ("{ node(id: 1) { ... on BookPag { title } } }", {}),
    "a type of a variable": ("query ($g: Genr) { bookPages(filter: {genre: {eq: $g}}) { totalCount } }", {}),
    "an enum value": ("{ bookPages(filter: {genre: {eq: NOVEEL}}) { totalCount } }", {}),
    "an input field": ("{ bookPages(filter: {titel: {eq: 1}}) { totalCount } }", {}),
    "a fragment": ("{ ...Bok } fragment Book on Query { bookPages { totalCount } }", {}),
    "a directive": ("{ bookPages @skipp(if: true) { totalCount } }", {}),
    "an enum value in a variable": (
        "query ($g: Genre) { bookPages(filter: {genre: {eq: $g}}) { totalCount } }",
        {"g": "NOVEEL"},
    ),
    "an input field in a variable": (
        "query ($f: BookPageFilter) { bookPages(filter: $f) { totalCount } }",
        {"f": {"titel": {"eq": "x"}}},
    ),
    "an operation that is not there": ("query Books { bookPages { totalCount } } query Boks { authorPages { totalCount } }", {}),
}
SUBSCRIBED: dict[str, tuple[str, dict[str, Any]]] = {
    "a field": ("subscription { bookPage(id: 1) { titel } }", {}),
    "an argument": ("subscription { bookPages(frist: 1) { kind } }", {}),
    "an enum value in a variable": (
        "subscription ($g: Genre) { bookPages(filter: {genre: {eq: $g}}) { kind } }",
        {"g": "NOVEEL"},
    ),
}
MUTATED: dict[str, tuple[str, dict[str, Any]]] = {
    "a mutation": ('mutation { bookRetitel(id: 1, title: "x") { title } }', {}),
    "an argument": ('mutation { bookRetitle(id: 1, titel: "x") { title } }', {}),
    "an input field": ('mutation { updateBookPage(id: 1, input: {titel: "x"}) { title } }', {}),
    "an input field in a variable": (
        "mutation ($i: BookPageInput!) { updateBookPage(id: 1, input: $i) { title } }",
        {"i": {"titel": "x"}},
    ),
}
ASKING = [
    "{ __schema { types { name } } }",
    '{ __type(name: "BookPage") { fields { name } } }',
    "{ bookPages { totalCount } ...F } fragment F on Query { __schema { queryType { name } } }",
]


@asynccontextmanager
async def library(**settings: Any) -> AsyncIterator[App]:
    made = Settings(datastore_url="sqlite://", broadcast_url="memory://", batch_operations=2, **settings)
    app = App(views=VIEWS, mediators=MEDIATORS)
    async with AppHarness(app, settings=made):
        yield app


async def test_no_name_is_suggested_on_any_transport() -> None:
    queries = [(one, asked) for one in EVERYWHERE for asked in LEAKS.items()]
    subscriptions = [(one, asked) for one in FOR_SUBSCRIPTIONS for asked in SUBSCRIBED.items()]
    mutations = [(one, asked) for one in EVERYWHERE if "GET" not in one for asked in MUTATED.items()]
    told = []
    async with library(production=True) as app:
        for transport, (what, (query, variables)) in [*queries, *subscriptions, *mutations]:
            answer = await said(transport, app, query, variables)
            assert '"message' in answer, (transport, query)
            if "id you mean" in answer or "Suggest" in answer:
                told.append((transport, what, query))
    assert told == []


async def test_nobody_is_shown_the_schema_on_any_transport() -> None:
    async with library(production=True) as app:
        for transport in EVERYWHERE:
            for query in ASKING:
                answer = await said(transport, app, query)
                assert "introspection has been disabled" in answer, transport
                assert "BookPage" not in answer.replace("bookPages", ""), transport


async def test_names_are_suggested_where_it_is_not_production() -> None:
    """Or the tests above would show nothing."""
    async with library() as app:
        suggested = [
            what for what, (query, variables) in LEAKS.items() if "id you mean" in await said("POST", app, query, variables)
        ]
    assert set(LEAKS) - set(suggested) <= {"a fragment", "a directive", "an operation that is not there"}


@pytest.mark.parametrize(
    ("settings", "told", "explored"),
    [
        ({}, True, True),
        ({"production": True}, False, False),
        ({"production": True, "introspection": True}, True, False),
        ({"production": True, "introspection": True, "explorer": True}, True, True),
        ({"production": True, "explorer": True}, False, False),
        ({"introspection": False}, False, False),
        ({"explorer": False}, True, False),
    ],
)
async def test_what_is_said_of_it_holds(settings: dict[str, Any], told: bool, explored: bool) -> None:
    async with library(**settings) as app:
        assert ("disabled" not in await said("POST", app, ASKING[0])) is told
        made = Settings(**settings)
        assert made.serves_explorer() is explored


def test_it_is_said_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BFF_PRODUCTION", "1")
    assert not Settings().tells_schema()
    monkeypatch.setenv("BFF_INTROSPECTION", "1")
    assert Settings().tells_schema()
