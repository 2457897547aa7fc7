"""PROTOCOL.md, Operations, and Completing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bff.testing.graphql_ws import GraphQLWSClient

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(serve: Any) -> AsyncIterator[GraphQLWSClient]:
    async with GraphQLWSClient.to_app(serve()) as client:
        await client.init()
        yield client


async def ticks(client: GraphQLWSClient, harbour: Any, topic: str, **options: Any) -> str:
    """A subscription whose source is open."""
    before = harbour.opened[topic]
    id = await client.subscribe("subscription ($topic: String!) { ticks(topic: $topic) }", {"topic": topic}, **options)
    await harbour.until(lambda: harbour.opened[topic] == before + 1)
    return id


async def test_r24_a_query_is_answered_with_one_result(client: GraphQLWSClient) -> None:
    id = await client.subscribe("query A($n: String) { greeting(name: $n) } query B { __typename }", {"n": "Ada"}, "A")
    assert await client.next(id) == {"data": {"greeting": "hello Ada"}}
    await client.expect_complete(id)


async def test_r25_a_mutation_is_answered_with_one_result(client: GraphQLWSClient, harbour: Any) -> None:
    assert await client.execute("mutation { a: dock b: dock }") == {"data": {"a": 1, "b": 2}}
    assert harbour.docked == 2


async def test_r26_a_subscription_is_answered_with_each_event_in_order(client: GraphQLWSClient) -> None:
    id = await client.subscribe("subscription { count(to: 500) }")
    assert [(await client.next(id))["data"]["count"] for _ in range(500)] == list(range(1, 501))
    await client.expect_complete(id)


async def test_r26_events_arrive_when_they_happen(client: GraphQLWSClient, harbour: Any) -> None:
    id = await ticks(client, harbour, "a")
    for number in range(3):
        harbour.topics["a"].put_nowait(number)
        assert await client.next(id) == {"data": {"ticks": number}}
    harbour.topics["a"].put_nowait(StopAsyncIteration)
    await client.expect_complete(id)
    assert harbour.open == 0


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"query": ""}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ nope }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "subscription { a: count(to: 1) b: count(to: 1) }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "query A { greeting }", "operationName": "B"}, "OPERATION_RESOLUTION_FAILURE"),
        ({"query": "query A { greeting } query B { greeting }"}, "OPERATION_RESOLUTION_FAILURE"),
        ({"query": "fragment A on Query { greeting }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "query ($c: Cargo!) { load(cargo: $c) }", "variables": {"c": {"tons": "x"}}}, "BAD_USER_INPUT"),
        ({"query": "query ($c: Cargo!) { load(cargo: $c) }"}, "BAD_USER_INPUT"),
        ({"query": "{" * 3000}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ a" * 1500}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ " + "greeting " * 5000 + "}"}, "GRAPHQL_PARSE_FAILED"),
    ],
)
async def test_r27_a_request_that_cannot_be_executed_is_answered_with_an_error(
    client: GraphQLWSClient, harbour: Any, payload: dict[str, Any], code: str
) -> None:
    other = await ticks(client, harbour, "a")
    await client.send({"type": "subscribe", "id": "bad", "payload": payload})
    errors = await client.expect_error("bad")
    assert [error["extensions"]["code"] for error in errors] == [code]
    harbour.topics["a"].put_nowait(1)
    assert await client.next(other) == {"data": {"ticks": 1}}
    assert client.waiting() == []


async def test_r28_errors_of_the_execution_are_in_the_result(client: GraphQLWSClient) -> None:
    result = await client.execute("{ greeting ship { name captain } }")
    assert result["data"] == {"greeting": "hello you", "ship": {"name": "Vega", "captain": None}}
    assert result["errors"] == [
        {
            "message": "pier 9 is taken",
            "locations": [{"line": 1, "column": 24}],
            "path": ["ship", "captain"],
            "extensions": {"code": "HARBOUR_FULL"},
        }
    ]


async def test_r28_errors_in_one_event_do_not_end_the_subscription(client: GraphQLWSClient, harbour: Any) -> None:
    id = await client.subscribe('subscription { ship(topic: "a") { name captain } }')
    for _ in range(2):
        harbour.topics["a"].put_nowait({"name": "Vega"})
        result = await client.next(id)
        assert result["data"] == {"ship": {"name": "Vega", "captain": None}}
        assert result["errors"][0]["path"] == ["ship", "captain"]


async def test_r29_a_source_that_raises_ends_its_subscription_only(
    client: GraphQLWSClient, harbour: Any, caplog: pytest.LogCaptureFixture
) -> None:
    id, other = await ticks(client, harbour, "a"), await ticks(client, harbour, "b")
    harbour.topics["a"].put_nowait(1)
    await client.next(id)
    with caplog.at_level(logging.ERROR, "bff.serving"):
        harbour.topics["a"].put_nowait(KeyError("secret"))
        errors = await client.expect_error(id)
    assert errors[0]["message"] == "internal error"
    assert errors[0]["path"] == ["ticks"]
    assert errors[0]["extensions"]["code"] == "INTERNAL"
    assert errors[0]["extensions"]["id"] in caplog.text
    assert "KeyError: 'secret'" in caplog.text
    harbour.topics["b"].put_nowait(1)
    assert await client.next(other) == {"data": {"ticks": 1}}
    assert harbour.open == 1


async def test_r29_a_source_that_cannot_be_opened_ends_its_subscription_only(client: GraphQLWSClient) -> None:
    id = await client.subscribe("subscription { refuse }")
    errors = await client.expect_error(id)
    assert (errors[0]["message"], errors[0]["path"]) == ("pier 9 is taken", ["refuse"])
    assert await client.execute("{ greeting }")


@pytest.mark.parametrize("how", ["cancelled", "odd", "unavailable", "other"])
async def test_r29_whatever_the_source_raises_is_answered(client: GraphQLWSClient, harbour: Any, how: str) -> None:
    """Also a CancelledError that is not ours, and an error whose extensions JSON cannot hold."""
    id = await client.subscribe("subscription ($how: String) { refuse(how: $how) }", {"how": how})
    [refused] = await client.expect_error(id)
    assert "secret" not in str(refused)
    id = await ticks(client, harbour, "a")
    try:
        harbour.fail(how)
    except BaseException as error:
        harbour.topics["a"].put_nowait(error)
    [raised] = await client.expect_error(id)
    assert raised["extensions"]["code"] == refused["extensions"]["code"]
    assert harbour.open == 0
    assert await client.execute("{ greeting }")


async def test_r30_a_result_that_json_cannot_hold_ends_its_operation_only(client: GraphQLWSClient, harbour: Any) -> None:
    harbour.anything = object()
    for query in ("{ anything }", '{ fail(how: "odd") }', '{ fail(how: "cancelled") }'):
        id = await client.subscribe(query)
        assert (await client.expect_error(id))[0]["extensions"]["code"] == "INTERNAL"
    id = await client.subscribe('subscription { anythings(topic: "a") }')
    harbour.topics["a"].put_nowait({1: object()})
    assert (await client.expect_error(id))[0]["message"] == "internal error"
    await harbour.until(lambda: harbour.open == 0)
    assert await client.execute("{ greeting }")


async def test_r31_nothing_follows_the_end_of_an_operation(client: GraphQLWSClient, harbour: Any) -> None:
    completed = await ticks(client, harbour, "a")
    ended = await client.subscribe("{ greeting }")
    failed = await client.subscribe("{ nope }")
    await client.next(ended)
    await client.expect_complete(ended)
    await client.expect_error(failed)
    await client.complete(completed)
    for number in range(5):
        harbour.topics["a"].put_nowait(number)
    await harbour.until(lambda: harbour.open == 0)
    await client.ping()
    assert client.waiting() == []


@pytest.mark.parametrize("query", ['subscription { ticks(topic: "a") }', '{ wait(gate: "never") }'])
async def test_r32_an_id_in_use_closes_the_socket(client: GraphQLWSClient, harbour: Any, query: str) -> None:
    for _ in range(2):
        await client.subscribe(query, id="7")
    assert (await client.expect_close(4409)).reason == "Subscriber for 7 already exists"
    await harbour.until(lambda: harbour.open == 0)


async def test_r33_an_id_is_free_after_the_end(client: GraphQLWSClient, harbour: Any) -> None:
    for round in range(20):
        await client.subscribe("{ greeting }", id="1")
        await client.next("1")
        await client.expect_complete("1")
        await client.subscribe("{ nope }", id="1")
        await client.expect_error("1")
        await ticks(client, harbour, "a", id="1")
        await client.complete("1")
        # At once, while the first still closes: the client knows nothing of that.
        await client.subscribe('subscription { ticks(topic: "b") }', id="1")
        harbour.topics["b"].put_nowait(round)
        assert await client.next("1") == {"data": {"ticks": round}}
        await client.complete("1")
    await harbour.until(lambda: harbour.open == 0)


async def test_r34_each_operation_has_its_own_context_and_each_event_renews_it(client: GraphQLWSClient, harbour: Any) -> None:
    await client.execute("{ greeting }")
    await client.execute("{ greeting }")
    id = await client.subscribe('subscription { ship(topic: "a") { visits } }')
    for visits in range(1, 4):
        harbour.topics["a"].put_nowait({"name": "Vega"})
        assert (await client.next(id))["data"] == {"ship": {"visits": visits}}
    assert len(harbour.contexts) == 3


async def test_r35_complete_closes_the_source_at_once(client: GraphQLWSClient, harbour: Any) -> None:
    id = await ticks(client, harbour, "a")
    await client.complete(id)
    await harbour.until(lambda: harbour.closed["a"] == 1)
    assert await client.ping() is None
    assert client.waiting() == []


async def test_r35_complete_stops_a_query(client: GraphQLWSClient, harbour: Any) -> None:
    id = await client.subscribe('{ wait(gate: "a") }')
    await harbour.reached["a"].wait()
    await client.complete(id)
    harbour.gates["a"].set()
    await client.ping()
    assert client.waiting() == []


async def test_r35_a_source_that_is_slow_to_close_delays_nobody(client: GraphQLWSClient, harbour: Any) -> None:
    id = await client.subscribe('subscription { stubborn(topic: "a") }')
    await client.next(id)
    await client.complete(id)
    assert await client.execute("{ greeting }")
    harbour.gates["a"].set()
    await harbour.until(lambda: harbour.open == 0)


async def test_r36_an_unknown_complete_is_ignored(client: GraphQLWSClient) -> None:
    await client.complete("never")
    id = await client.subscribe("{ greeting }")
    await client.next(id)
    await client.expect_complete(id)
    await client.complete(id)
    assert await client.execute("{ greeting }")


async def test_r37_a_mutation_that_has_begun_is_not_stopped(client: GraphQLWSClient, harbour: Any) -> None:
    id = await client.subscribe('mutation { dock(gate: "a") }')
    await harbour.reached["a"].wait()
    await client.complete(id)
    await client.ping()
    assert harbour.docked == 0
    harbour.gates["a"].set()
    async with asyncio.timeout(10):
        await harbour.reached["a done"].wait()
    assert harbour.docked == 1
    await client.ping()
    assert client.waiting() == []
