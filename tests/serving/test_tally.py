"""What serving counts: refusals by the name of the limit, errors by code, states that were skipped."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from bff.serving.asgi import GraphQLApp, graphql_app
from bff.serving.limits import Limits
from bff.testing.graphql_sse import GraphQLSSEClient
from bff.testing.graphql_ws import GraphQLWSClient
from tests.serving.board import STATE, Board

pytestmark = pytest.mark.anyio

TICKS = 'subscription { ticks(topic: "t") }'


async def post(app: GraphQLApp, query: str, **more: Any) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
        return await client.post("/graphql", json={"query": query}, **more)


@pytest.mark.parametrize(
    ("limit", "value", "query"),
    [
        ("body_bytes", 50, "{ greeting " + " " * 100 + "}"),
        ("query_characters", 20, "{ greeting    greeting }"),
        ("query_tokens", 3, "{ a: greeting b: greeting }"),
        ("query_depth", 1, "{ ship { name } }"),
    ],
)
async def test_a_request_over_a_limit(serve: Any, limit: str, value: int, query: str) -> None:
    app = serve(**{limit: value})
    await post(app, query)
    await post(app, "{ greeting }", headers={"X-Fine": "yes"})
    assert app.tally.refusals == {limit: 1}
    assert sum(app.tally.errors.values()) == 1
    assert sum(app.tally.responses.values()) == 2


async def test_a_socket_over_a_limit(serve: Any, harbour: Any) -> None:
    app = serve(sockets=1, operations=1, message_bytes=500)
    async with GraphQLWSClient.to_app(app) as client:
        await client.init()
        async with GraphQLWSClient.to_app(app) as other:
            await other.expect_close(1013)
        await client.subscribe(TICKS)
        await harbour.until(lambda: harbour.open == 1)
        await client.expect_error(await client.subscribe(TICKS))
        assert (app.websocket_handler.sockets, app.websocket_handler.operations) == (1, 1)
        await client.send_raw("x" * 600)
        await client.expect_close(1009)
    assert app.tally.refusals == {"sockets": 1, "operations": 1, "message_bytes": 1}
    assert app.tally.errors == {"TOO_MANY_OPERATIONS": 1}


@pytest.mark.parametrize(("limit", "initialised"), [("init_seconds", False), ("pong_seconds", True)])
async def test_a_client_that_is_late(serve: Any, limit: str, initialised: bool) -> None:
    app = serve(**{"ping_seconds": 0.01, limit: 0.01})
    async with GraphQLWSClient.to_app(app, answer_pings=False) as client:
        if initialised:
            await client.init()
        await client.expect_close(4408)
    assert app.tally.refusals == {limit: 1}


async def test_a_stream_over_a_limit(serve: Any, harbour: Any) -> None:
    app = serve(streams=1)
    async with GraphQLSSEClient.to_app(app) as client, client.stream(TICKS):
        await harbour.until(lambda: harbour.open == 1)
        assert app.http_handler.streams == 1
        response = await post(app, TICKS, headers={"Accept": "text/event-stream"})
        assert response.status_code == 503
    assert app.tally.refusals == {"streams": 1}
    assert app.tally.responses["subscription", 503] == 1


async def test_errors_by_code_over_every_transport(serve: Any) -> None:
    app = serve()
    failing = '{ fail(how: "bug") }'
    await post(app, failing)
    async with GraphQLWSClient.to_app(app) as client:
        await client.init()
        await client.execute(failing)
        await client.expect_error(await client.subscribe("{ nobody }"))
    response = await post(app, failing, headers={"Accept": "text/event-stream, application/json;q=0.5"})
    assert "internal error" in response.text
    assert app.tally.errors == {"INTERNAL": 3, "GRAPHQL_VALIDATION_FAILED": 1}
    assert app.tally.operations == {"query": 3}


async def test_an_operation_that_may_be_streamed_counts_once(serve: Any) -> None:
    app = serve()
    response = await post(app, "{ greeting }", headers={"Accept": "application/json, text/event-stream"})
    assert response.headers["content-type"].startswith("application/json")
    assert app.tally.operations == {"query": 1}


async def test_states_that_a_newer_one_replaced(listen: Any) -> None:
    board = Board()
    app = graphql_app(board.schema, board.context, plans=board, limits=Limits())
    async with listen(app) as (host, _), GraphQLWSClient.to_url(f"ws://{host}/graphql") as client:
        await client.init()
        watching = await client.subscribe(STATE)
        await client.next(watching)
        assert app.tally.skipped == 0
        for _ in range(5):
            board.change()
        await client.until(watching, lambda result: result["data"]["state"]["number"] == 5)
        assert app.tally.skipped == 4
