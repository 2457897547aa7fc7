"""Several operations in one HTTP request: off unless a setting says how many."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bff.testing.graphql_http import GraphQLHTTPClient
from tests.serving.planned import ExecutedPlans

pytestmark = pytest.mark.anyio

GRAPHQL = "application/graphql-response+json"


async def test_off_by_default(either: Any) -> None:
    async with GraphQLHTTPClient(either()) as client:
        response = await client.http.post("/graphql", json=[{"query": "{ greeting }"}])
        assert response.status_code == 400
        assert "Batches are not served" in response.text


async def test_each_has_its_own_result_in_its_place(either: Any) -> None:
    async with GraphQLHTTPClient(either(batch_operations=10)) as client:
        batch = [
            {"query": '{ greeting(name: "A") }'},
            {"query": "{"},
            {"query": '{ fail(how: "domain") }'},
            "nonsense",
            {"query": "subscription { count(to: 1) }"},
            {"query": "query ($n: String) { greeting(name: $n) }", "variables": {"n": "B"}},
            {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "a"}}},
        ]
        for accept in ("application/json", GRAPHQL):
            response = await client.http.post("/graphql", json=batch, headers={"accept": accept})
            assert response.status_code == 200
            assert response.headers["cache-control"] == "no-store"
            results = response.json()
            assert results[0] == {"data": {"greeting": "hello A"}}
            assert results[2]["data"] == {"fail": None}
            assert results[5] == {"data": {"greeting": "hello B"}}
            codes = [result["errors"][0]["extensions"]["code"] for result in results if "errors" in result]
            assert codes == ["GRAPHQL_PARSE_FAILED", "HARBOUR_FULL", "BAD_REQUEST", "BAD_REQUEST", "PERSISTED_QUERY_NOT_FOUND"]
        assert (await client.execute("{ greeting }")) == {"data": {"greeting": "hello you"}}


@pytest.mark.parametrize("size", [0, 4])
async def test_a_batch_has_bounds(either: Any, size: int) -> None:
    async with GraphQLHTTPClient(either(batch_operations=3)) as client:
        response = await client.http.post("/graphql", json=[{"query": "{ greeting }"}] * size)
        assert response.status_code == 400
        assert "1 to 3 operations" in response.json()["errors"][0]["message"]


async def test_a_batch_is_one_body(either: Any) -> None:
    async with GraphQLHTTPClient(either(batch_operations=3, body_bytes=60)) as client:
        response = await client.http.post("/graphql", json=[{"query": "{ greeting }"}] * 3)
        assert response.status_code == 413


async def test_mutations_run_one_after_the_other_and_queries_at_once(either: Any, harbour: Any) -> None:
    batch = [
        {"query": '{ wait(gate: "a") }'},
        {"query": '{ wait(gate: "b") }'},
        {"query": 'mutation { dock(gate: "c") }'},
        {"query": 'mutation { dock(gate: "d") }'},
        {"query": '{ wait(gate: "e") }'},
    ]
    async with GraphQLHTTPClient(either(batch_operations=5)) as client, asyncio.timeout(10):
        answer = asyncio.create_task(client.http.post("/graphql", json=batch))
        await harbour.reached["a"].wait()
        await harbour.reached["b"].wait()
        for before, gates in (("c", ("b", "a")), ("d", ("c",)), ("e", ("d",))):
            assert not harbour.reached[before].is_set()
            for gate in gates:
                harbour.gates[gate].set()
            await harbour.reached[before].wait()
        harbour.gates["e"].set()
        assert (await answer).json() == [
            {"data": {"wait": "a"}},
            {"data": {"wait": "b"}},
            {"data": {"dock": 1}},
            {"data": {"dock": 2}},
            {"data": {"wait": "e"}},
        ]


@pytest.mark.parametrize(("header", "status"), [({"accept": "text/event-stream"}, 406), ({"idempotency-key": "a"}, 400)])
async def test_a_header_that_only_fits_one_operation_refuses_the_batch(
    either: Any, harbour: Any, header: dict[str, str], status: int
) -> None:
    async with GraphQLHTTPClient(either(batch_operations=2)) as client:
        response = await client.http.post("/graphql", json=[{"query": "mutation { dock }"}] * 2, headers=header)
        assert response.status_code == status
    assert harbour.docked == 0


async def test_the_queries_of_a_batch_are_answered_by_their_plans(serve: Any, harbour: Any) -> None:
    plans = ExecutedPlans(harbour.schema)
    async with GraphQLHTTPClient(serve(batch_operations=5, plans=plans)) as client:
        batch = [
            {"query": "{ greeting }"},
            {"query": "mutation { dock }"},
            {"query": '{ fail(how: "domain") }'},
            {"query": "{ ship { name } }"},
        ]
        response = await client.http.post("/graphql", json=batch)
        greeted, docked, failed, ship = response.json()
        assert (greeted, docked, ship) == (
            {"data": {"greeting": "hello you"}},
            {"data": {"dock": 1}},
            {"data": {"ship": {"name": "Vega"}}},
        )
        assert failed["errors"][0]["extensions"] == {"code": "HARBOUR_FULL"}
    assert plans.answered == 2
    assert len(harbour.contexts) == 2
