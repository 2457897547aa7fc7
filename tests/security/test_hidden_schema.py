"""With introspection off, nothing tells of the schema what was not asked for by its name. CWE-200, OWASP GraphQL Cheat Sheet
("Introspection + GraphiQL", and what Clairvoyance does with "Did you mean …?")."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from bff.settings import Settings
from bff.testing.graphql_multipart import GraphQLMultipartClient
from bff.testing.graphql_sse import GraphQLSSEClient, Refused
from bff.testing.graphql_ws import GraphQLWSClient, OperationFailed
from bff.testing.harness import AppHarness
from tests.security.city import city, reset

pytestmark = pytest.mark.anyio

WAYS = ("post", "get", "batch", "socket", "event stream", "single connection", "multipart")
INTROSPECTION = {
    "schema": "{ __schema { types { name fields { name } } } }",
    "type": '{ __type(name: "NoteView") { fields { name } } }',
    "in a fragment": "{ ...F } fragment F on Query { a: __schema { types { name } } }",
    "in a subscription": "subscription { __schema { types { name } } }",
    "in a mutation": "mutation { __schema { types { name } } }",
    "beside a view": '{ noteView(id: "n0") { text } __schema { types { name } } }',
}
NEAR = {
    "a field": ("{ noteVie { text } }", "noteView"),
    "a field of a view": ('{ signView(id: "s0") { titl } }', "title"),
    "an argument": ("{ noteViews(aftr: 1) { totalCount } }", "after"),
    "an enum": ("{ noteViews(orderBy: [{field: RAN}]) { totalCount } }", "RANK"),
    "an input's field": ("{ noteViews(filter: {rnk: {eq: 1}}) { totalCount } }", '"rank"'),
    "an input's field in a variable": (
        "query ($f: NoteViewFilter = {rnk: {eq: 1}}) { noteViews(filter: $f) { totalCount } }",
        '"rank"',
    ),
    "a type": ("fragment F on NoteVie { text } { node(id: 1) { ...F } }", "NoteView"),
    "a directive": ("{ __typename @skp(if: true) }", "@skip"),
    "a mutation": ("mutation { noteGve(id: 1) { text } }", "noteGive"),
    "a subscription": ("subscription { noteVie(id: 1) { text } }", "noteView"),
    "a field of another type": ('{ node(id: "n0") { text } }', "NoteView"),
}
VARIABLES = {
    "an input's field": (
        "query ($f: NoteViewFilter) { noteViews(filter: $f) { totalCount } }",
        {"f": {"rnk": {"eq": 1}}},
        '"rank"',
    ),
    "an enum": (
        "query ($o: [NoteViewOrder!]) { noteViews(orderBy: $o) { totalCount } }",
        {"o": [{"field": "RAN"}]},
        "RANK",
    ),
}

Ask = Callable[[str, dict[str, Any]], Awaitable[str]]


@pytest.fixture(params=WAYS, scope="module")
async def ask(request: pytest.FixtureRequest) -> AsyncIterator[Ask]:
    """Sends an operation, and gives everything that is sent back."""
    settings = Settings(datastore_url="sqlite://", broadcast_url="memory://", introspection=False, batch_operations=5)
    async with AppHarness(city(), settings=settings) as run, AsyncExitStack() as stack:
        await reset()
        socket = await stack.enter_async_context(GraphQLWSClient.to_app(run.app))
        events = await stack.enter_async_context(GraphQLSSEClient.to_app(run.app))
        parts = await stack.enter_async_context(GraphQLMultipartClient.to_app(run.app))
        await socket.init()

        async def sent(query: str, variables: dict[str, Any]) -> str:
            body = {"query": query, "variables": variables}
            try:
                match request.param:
                    case "post":
                        return (await run.http.post("/graphql", json=body)).text
                    case "get":
                        return (await run.http.get("/graphql", params={"query": query, "variables": json.dumps(variables)})).text
                    case "batch":
                        return (await run.http.post("/graphql", json=[body])).text
                    case "socket":
                        return str(await socket.next(await socket.subscribe(query, variables)))
                    case "event stream":
                        async with events.stream(query, variables) as stream:
                            return str(await stream.next())
                    case "single connection":
                        async with events.single_connection() as single:
                            return str(await single.next(await single.subscribe(query, variables)))
                    case _:
                        async with parts.stream(query, variables) as parted:
                            return str(await parted.part())
            except OperationFailed as failed:
                return str(failed.errors)
            except Refused as refused:
                return str(refused)

        yield sent


async def test_cwe_200_introspection_is_refused_however_it_is_asked(ask: Ask) -> None:
    for query in INTROSPECTION.values():
        said = await ask(query, {})
        assert "introspection" in said.lower() or "GRAPHQL_VALIDATION_FAILED" in said, said
        assert "SignView" not in said
        assert "staffOnly" not in said


async def test_cwe_200_no_name_is_suggested(ask: Ask) -> None:
    asked = [(query, {}, hidden) for query, hidden in NEAR.values()] + list(VARIABLES.values())
    for query, variables, hidden in asked:
        said = await ask(query, variables)
        assert "rror" in said or "code" in said, (query, said)
        assert "Did you mean" not in said, (query, said)
        told = said.replace(query, "")
        assert hidden.strip('"') not in _without_names(told, query), (query, said)


def _without_names(said: str, query: str) -> str:
    """What is said, without the names that were in the question."""
    for name in sorted(set(re.findall(r"\w+", query)), key=len, reverse=True):
        said = re.sub(rf"\b{name}\b", "", said)
    return said


async def test_without_it_off_names_are_suggested() -> None:
    """What is looked for above is there otherwise."""
    async with AppHarness(city()) as run:
        for query, hidden in NEAR.values():
            said = str(await run.execute(query))
            if hidden in ("title", "RANK", "noteGive"):
                assert "Did you mean" in said
                assert hidden in said
