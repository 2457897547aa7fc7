"""Bombs are refused by a limit, whatever they come by, before anything of them is validated or executed.

CWE-400, CWE-407, CWE-674, CWE-770, CWE-776 (entities that expand); OWASP API4:2023, OWASP GraphQL Cheat Sheet ("DoS Prevention",
"Batching Attacks"). tests/serving/test_document_size.py has each limit by itself. What refusing costs is measured by
tests/security/bombs.py, in ``make chaos``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256

import pytest

from bff.settings import Settings
from bff.testing.graphql_sse import GraphQLSSEClient
from bff.testing.graphql_ws import GraphQLWSClient
from bff.testing.harness import AppHarness
from tests.security.bombs import BATCHES, BOMBS, DEAR
from tests.security.city import city

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def run() -> AsyncIterator[AppHarness]:
    settings = Settings(datastore_url="sqlite://", broadcast_url="memory://", batch_operations=10)
    async with AppHarness(city(), settings=settings) as running:
        yield running


def refusals(run: AppHarness, limit: str) -> int:
    """How often a limit whose name begins so has refused."""
    served = run.app._served
    assert served is not None
    tally = served.graphql.tally
    return sum(times for name, times in tally.refusals.items() if name.startswith(limit))


@pytest.mark.parametrize(("text", "limit"), BOMBS.values(), ids=BOMBS)
async def test_cwe_400_a_bomb_is_refused_by_its_limit(
    run: AppHarness, text: str, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bff.serving.documents.validate", lambda *given, **named: pytest.fail("it was validated"))
    ways, before = 0, refusals(run, limit)
    assert "errors" in await run.execute(text)
    ways += 1
    if len(text) < 60_000:  # more than httpx has room for in an address
        assert (await run.http.get("/graphql", params={"query": text})).json()["errors"]
        ways += 1
    async with GraphQLWSClient.to_app(run.app) as socket, GraphQLSSEClient.to_app(run.app) as events:
        await socket.init()
        assert await socket.expect_error(await socket.subscribe(text))
        async with events.stream(text) as stream:
            assert "errors" in await stream.next()
        ways += 2
    if limit:
        assert refusals(run, limit) - before == ways


async def test_cwe_400_what_would_cost_too_much_is_refused_before_anything_is_read(run: AppHarness) -> None:
    before = refusals(run, "query_cost")
    assert "errors" in await run.execute(DEAR)
    batch = await run.http.post("/graphql", json=[{"query": DEAR}] * 3)
    assert "data" not in batch.text
    assert refusals(run, "query_cost") > before


@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
async def test_cwe_400_a_batch_of_too_many_is_refused_as_a_whole(run: AppHarness, batch: list[object]) -> None:
    response = await run.http.post("/graphql", json=batch)
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_cwe_400_bombs_in_a_batch_are_refused_one_by_one(run: AppHarness) -> None:
    response = await run.http.post("/graphql", json=[{"query": BOMBS["aliases"][0]}] * 9 + [{"query": "{ __typename }"}])
    *refused, answered = response.json()
    assert all("errors" in each and "data" not in each for each in refused)
    assert answered == {"data": {"__typename": "Query"}}


async def test_cwe_400_batches_are_off_by_default() -> None:
    async with AppHarness(city()) as run:
        assert (await run.http.post("/graphql", json=[{"query": "{ __typename }"}])).status_code == 400


async def test_cwe_770_documents_that_are_registered_do_not_pile_up(run: AppHarness) -> None:
    """APQ: whoever sends ever new documents with their hashes drives out old ones, and takes no more memory."""
    for number in range(20):
        text = f"{{ a{number}: __typename }} #" + "x" * 60_000
        named = {"persistedQuery": {"version": 1, "sha256Hash": sha256(text.encode()).hexdigest()}}
        result = await run.execute(text, extensions=named)
        assert "errors" not in result
    assert Settings().limits.persisted_characters < 20 * 60_000
    first = "{ a0: __typename } #" + "x" * 60_000
    named = {"persistedQuery": {"version": 1, "sha256Hash": sha256(first.encode()).hexdigest()}}
    response = await run.http.post("/graphql", json={"extensions": named})
    assert "PERSISTED_QUERY_NOT_FOUND" in response.text
